"""The values of a board -> its tables as a page shows them: columns, groups of rows, and what each row opens."""

from __future__ import annotations

import heapq
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ercbench.leaderboard.board_json import Board, Comparison, PublishedRow, Row, Section, Standing, Task
from ercbench.leaderboard.site.plots import Scale, scale_of_rows

ROWS = 100
"""So many rows of a table are shown at first, and open on the page; further ones open on a page of their own."""
NEAREST = 8
"""So many comparisons of a row are shown, with the rows that stand nearest to it."""


@dataclass(frozen=True)
class Column:
    """A column; `order` says how its cells are compared, `sorted` which way they stand."""

    key: str
    title: str
    order: str = "text"
    classes: str = ""
    sorted: str = ""
    scale: Scale | None = None


@dataclass(frozen=True)
class Pair:
    """A row against another, in fractions."""

    name: str
    effect: float
    low: float
    high: float
    different: bool
    p: str


@dataclass(frozen=True)
class Entry:
    """A row, the page of the board on which it opens, and a link to it there."""

    row: Row
    id: str
    part: int
    href: str
    compared: tuple[Pair, ...]
    others: int
    signatures: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Rows of one standing. The first group of a table that ranks needs no title."""

    title: str
    rows: tuple[Entry, ...]


@dataclass(frozen=True)
class Table:
    """One track under one context protocol; `count` and `ranked` are of the board, not of the page.

    `beyond`: some rows wait for "show all".
    """

    id: str
    task: Task
    scale: Scale
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    count: int
    ranked: int
    beyond: bool


@dataclass(frozen=True)
class Part:
    """One exact content of a data set, with its tables."""

    of: Section
    utterances: str
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class PublishedTable:
    """Numbers of others that may stand beside each other."""

    id: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[PublishedRow, ...]


STANDINGS: Mapping[Standing, str] = {
    "ranked": "",
    "not-compared": "Not ranked yet: nobody who has the data compared these rows",
    "few-seeds": "Not ranked: fewer than three seeds",
    "outside-rules": "Not ranked: outside the rules",
}


def parts_count(board: Board) -> int:
    """How many pages it takes until every row of a board has opened on one."""
    most = max((len(task.rows) for section in board.sections for task in section.tasks), default=0)
    return max(1, -(-most // ROWS))


def layout(board: Board, href: str) -> tuple[Part, ...]:
    """A board -> its tables with all of their rows.

    Args:
        board: what is known about a data set.
        href: a link to where a row opens, with ``{part}`` and ``{id}``.
    """
    ids = table_ids(board)
    found = []
    for place, section in enumerate(board.sections):
        made = tuple(_table(ids[place, at], task, href) for at, task in enumerate(section.tasks))
        utterances = "an unknown number of" if section.test_utterances is None else f"{section.test_utterances:,}"
        found.append(Part(section, utterances, made))
    return tuple(found)


def on_page(parts: Sequence[Part], number: int) -> tuple[Part, ...]:
    """What page `number` of a board shows, from 1: the first every row, a further one those that open on it."""
    if number == 1:
        return tuple(parts)
    found = []
    for part in parts:
        cut = [table for table in (_of_page(table, number) for table in part.tables) if table.groups]
        if cut:
            found.append(replace(part, tables=tuple(cut)))
    return tuple(found)


def _of_page(table: Table, number: int) -> Table:
    """The rows of a table that open on a further page; nothing waits there."""
    groups = ((group, [entry for entry in group.rows if entry.part == number]) for group in table.groups)
    kept = tuple(replace(group, rows=tuple(entries)) for group, entries in groups if entries)
    return replace(table, groups=kept, beyond=False)


def table_ids(board: Board) -> dict[tuple[int, int], str]:
    """By section and task: a name for its table in addresses, the same as long as the tasks above it are."""
    ids: dict[tuple[int, int], str] = {}
    for place, section in enumerate(board.sections):
        for at, task in enumerate(section.tasks):
            plain = re.sub(r"[^a-z0-9]+", "-", f"{task.track}-{task.context}".lower()).strip("-")
            same = sum(re.fullmatch(rf"{plain}(-\d+)?", other) is not None for other in ids.values())
            ids[place, at] = f"{plain}-{same + 1}" if same else plain
    return ids


def _table(identity: str, task: Task, href: str) -> Table:
    """A task -> its table."""
    on = scale_of_rows(task.rows)
    compared = _compared(task)
    groups = []
    for standing, members in groupby(enumerate(task.rows), key=lambda one: one[1].standing):
        groups.append(Group(STANDINGS[standing], tuple(_entry(at, row, href, compared) for at, row in members)))
    return Table(
        id=identity,
        task=task,
        scale=on,
        columns=_columns(on),
        groups=tuple(groups),
        count=len(task.rows),
        ranked=sum(row.rank is not None for row in task.rows),
        beyond=len(task.rows) > ROWS,
    )


def _entry(at: int, row: Row, href: str, compared: Mapping[str, tuple[tuple[Pair, ...], int]]) -> Entry:
    """A row -> what a page needs to know of it."""
    identity, part = f"row-{row.id}", at // ROWS + 1
    pairs, others = compared.get(row.id, ((), 0))
    signatures = tuple(dict.fromkeys(record.signature for record in row.records))
    return Entry(row, identity, part, href.format(part=part, id=identity), pairs, others, signatures)


def _compared(task: Task) -> dict[str, tuple[tuple[Pair, ...], int]]:
    """By id: the comparisons with the rows that stand nearest, and how many there are."""
    place = {row.id: at for at, row in enumerate(task.rows)}
    by_row: defaultdict[str, list[tuple[int, int, Comparison]]] = defaultdict(list)
    for comparison in task.comparisons:
        for one, other in ((comparison.a, comparison.b), (comparison.b, comparison.a)):
            by_row[one].append((abs(place[one] - place[other]), place[other], comparison))
    found = {}
    for identity, all_of_it in by_row.items():
        nearest = sorted(heapq.nsmallest(NEAREST, all_of_it, key=lambda one: one[:2]), key=lambda one: one[1])
        pairs = tuple(_pair(one, identity, task.rows[at].name) for _, at, one in nearest)
        found[identity] = (pairs, len(all_of_it))
    return found


def _pair(comparison: Comparison, identity: str, name: str) -> Pair:
    """A comparison as the row `identity` sees it."""
    p = "p < 0.001" if comparison.p_adjusted < 0.001 else f"p {comparison.p_adjusted:.3f}"
    effect, low, high = comparison.effect, comparison.interval.low, comparison.interval.high
    if comparison.b == identity:
        effect, low, high = -effect, -high, -low
    return Pair(name, effect, low, high, comparison.different, p)


def _columns(on: Scale) -> tuple[Column, ...]:
    """Of a table of our own rows. What is narrow on a phone leaves out the `wide` ones, which a row opens."""
    return (
        Column("rank", "Rank", "number", "num rank", "ascending"),
        Column("method", "Method"),
        Column("f1", "Weighted F1", "number", "num"),
        Column("interval", "95\N{NO-BREAK SPACE}% interval", "number", "plot wide", scale=on),
        Column("macro", "Macro F1", "number", "num extra"),
        Column("dev", "Dev", "number", "num extra"),
        Column("seeds", "Seeds", "number", "num extra"),
        Column("status", "Status", "text", "state"),
    )


INDEX_COLUMNS = (
    Column("board", "Data set", sorted="ascending"),
    Column("track", "Track"),
    Column("context", "Context", classes="wide"),
    Column("first", "First", classes="wide"),
    Column("f1", "Weighted F1", "number", "num"),
    Column("rows", "Ranked rows", "number", "num extra"),
    Column("published", "Published", "number", "num"),
)

_PUBLISHED_COLUMNS = (
    Column("method", "Method"),
    Column("f1", "Weighted F1", "number", "num", "descending"),
    Column("seeds", "Seeds", "number", "wide"),
    Column("selection", "Chosen on", classes="wide"),
    Column("source", "Source"),
)


def published_tables(published: Sequence[PublishedRow]) -> Iterator[PublishedTable]:
    """Published rows in up to four tables: by modality, and by whether the version of the data is known."""
    unknown = (
        "The sources do not say which version of the data these were measured on. Do not compare them with others."
    )
    for modality, title in (("text", "Text only"), ("multimodal", "Text with audio or video")):
        for known, suffix, note in ((True, "", ""), (False, ", version of the data unknown", unknown)):
            rows = tuple(row for row in published if row.modality == modality and row.known_version == known)
            if rows:
                identity = f"published-{modality}{'' if known else '-unknown'}"
                yield PublishedTable(identity, title + suffix, note, _PUBLISHED_COLUMNS, rows)
