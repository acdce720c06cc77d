"""A report -> Markdown: the same without pictures, each of which is a table here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ercbench import __version__
from ercbench.leaderboard.markdown import Markdown, code_block, escape, table
from ercbench.report.blocks import (
    Beside,
    Block,
    Commands,
    Facts,
    Figures,
    Mistake,
    Mistakes,
    Paragraph,
    Part,
    Report,
    Table,
    Tiles,
)

PICTURES = "The page that was written with it has the pictures; here each of them is a table."


def render(report: Report) -> str:
    """Report -> Markdown. Every string of the report is escaped."""
    lines = [f"# {escape(report.title)}", escape(report.lead), escape(PICTURES)]
    for block in report.blocks:
        lines += _block(block)
    for part in report.parts:
        lines += _part(part, 2)
    lines.append(escape(f"Made by ercbench {__version__} from records and predictions files."))
    return "\n\n".join(lines) + "\n"


def _part(part: Part, level: int) -> Iterator[str]:
    """A heading and what stands below it. A plot whose table stands there too adds nothing."""
    yield f"{'#' * level} {escape(part.title)}"
    for block in part.blocks:
        if isinstance(block, Figures):
            tables = {figure.table: None for figure in block.figures if figure.table not in part.blocks}
            yield from map(_table, tables)
        else:
            yield from _block(block)
    for below in part.parts:
        yield from _part(below, level + 1)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(text, kind):
            yield f"> **Before you pass it on.** {escape(text)}" if kind == "warning" else escape(text)
        case Tiles(tiles):
            yield _list((tile.name, f"{tile.value} ({tile.detail})" if tile.detail else tile.value) for tile in tiles)
        case Facts(facts):
            yield _list(facts)
        case Commands(caption, lines):
            yield f"{escape(caption)}:"
            yield code_block(lines)
        case Table():
            yield _table(block)
        case Figures(figures):
            yield from (_table(figure.table) for figure in figures)
        case Beside(figure, blocks):
            if figure.table not in blocks:
                yield _table(figure.table)
            for one in blocks:
                yield from _block(one)
        case Mistakes(caption, mistakes):
            yield f"{escape(caption)}:"
            yield from _mistakes(mistakes)


def _table(found: Table) -> str:
    return f"{escape(found.caption)}:\n\n{table(found.header, found.rows)}"


def _list(facts: Sequence[tuple[str, str]] | Iterator[tuple[str, str]]) -> str:
    return "\n".join(f"- {escape(name)}: {escape(value)}" for name, value in facts)


def _mistakes(mistakes: Sequence[Mistake]) -> Iterator[str]:
    """A table of them all, and below it the dialogue around each where there is any."""
    header = ("Utterance", "Predicted", ">Probability", "Gold", "Wrong in")
    yield table(header, [(m.uid, m.predicted, m.probability, m.gold, m.wrong) for m in mistakes])
    for mistake in mistakes:
        if mistake.turns:
            turns = [
                f"> {_bold(turn.speaker)}: {_bold(turn.text) if turn.target else escape(turn.text)}"
                for turn in mistake.turns
            ]
            verdict = f"{mistake.uid}: predicted {mistake.predicted} ({mistake.probability}), gold {mistake.gold}"
            yield "\n>\n".join([f"> {escape(verdict)}", *turns])


def _bold(text: str) -> Markdown:
    return Markdown(f"**{escape(text.strip())}**") if text.strip() else escape("")
