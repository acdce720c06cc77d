"""What a report consists of, whatever it is written as. Every string in it comes as it is; the writers escape it.

A header of a table that begins with ``>`` is of a column of numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Paragraph:
    """A line of prose. A ``note`` says what is missing, a ``warning`` what must not be done."""

    text: str
    kind: Literal["plain", "note", "warning"] = "plain"


@dataclass(frozen=True)
class Tile:
    """One number that stands out, what it is, and what to read beside it."""

    name: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Tiles:
    """Numbers that stand out."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Commands:
    """Lines of shell."""

    caption: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows under a header; a `folded` one is shown on demand."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A plot as inline SVG, made by ``svg.py``, and the same as a table for whoever cannot see it."""

    svg: str
    caption: str
    table: Table


@dataclass(frozen=True)
class Figures:
    """Plots that stand side by side where there is room."""

    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Beside:
    """A plot, and what stands beside it where there is room: its own table, as a rule."""

    figure: Figure
    blocks: tuple[Paragraph | Table, ...]


@dataclass(frozen=True)
class Turn:
    """A turn of a dialogue as it stands in the data; `target` for the one in question."""

    speaker: str
    text: str
    target: bool = False


@dataclass(frozen=True)
class Mistake:
    """An utterance that was predicted wrong.

    `wrong` says in how many seeds, nothing for a single one; `turns` are empty where no text may be shown.
    """

    uid: str
    predicted: str
    probability: str
    gold: str
    wrong: str
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True)
class Mistakes:
    """Mistakes, the most confident first."""

    caption: str
    mistakes: tuple[Mistake, ...]


Block = Paragraph | Tiles | Facts | Commands | Table | Figures | Beside | Mistakes


@dataclass(frozen=True)
class Part:
    """A heading, what stands below it, and parts below that."""

    title: str
    blocks: Sequence[Block] = ()
    parts: Sequence[Part] = ()


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        title: of the page.
        lead: what it is about, in a sentence.
        blocks: what must be known before anything else is read.
        parts: one per data set.
        has_text: whether dialogue text is in it.
    """

    title: str
    lead: str
    blocks: Sequence[Block]
    parts: Sequence[Part]
    has_text: bool
