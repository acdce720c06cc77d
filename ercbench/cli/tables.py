"""Headings, tables and lines, shown on a terminal or written as Markdown. Names come from records and are only text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """What stands above others."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first `names` columns are names, the others numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1


Block = Heading | Table | str


def show(blocks: Sequence[Block]) -> None:
    """Print for a person. A name is never markup, and nothing that a terminal obeys."""
    from rich.console import Console
    from rich.text import Text

    from ercbench.leaderboard.markdown import visible

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    for block in blocks:
        match block:
            case Heading():
                console.print(Text(visible(block.text), "bold"))
            case Table():
                console.print(_rich(block))
            case _:
                console.print(Text(visible(block)))


def as_markdown(title: str, blocks: Sequence[Block]) -> str:
    """A page of Markdown; everything in it is escaped."""
    from tabulate import tabulate

    from ercbench.leaderboard.markdown import escape

    parts = [f"# {escape(title)}"]
    for block in blocks:
        match block:
            case Heading():
                parts.append(f"## {escape(block.text)}")
            case Table():
                align = ["left" if place < block.names else "right" for place in range(len(block.header))]
                rows = [[escape(cell) for cell in row] for row in block.rows]
                header = [escape(name) for name in block.header]
                parts.append(tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=align))
            case _:
                parts.append(escape(block))
    return "\n\n".join(part for part in parts if part) + "\n"


def _rich(block: Table) -> object:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    from ercbench.leaderboard.markdown import visible

    table = RichTable(box=box.SIMPLE)
    for place, name in enumerate(block.header):
        table.add_column(name, justify="left" if place < block.names else "right")
    for row in block.rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    return table
