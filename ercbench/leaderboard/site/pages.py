"""What is on the boards -> the pages of the site.

Every name on a board is a stranger's choice, so three things hold, each without the others: everything is escaped; only
the page's own script and style run, named by their hashes; and nothing is fetched from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from ercbench.errors import RecordError
from ercbench.leaderboard.board_json import LEADERBOARD_FILE, Board, Interval, Leaderboard, PublishedRow, Row, Task
from ercbench.leaderboard.html import html_environment
from ercbench.leaderboard.markdown import points
from ercbench.leaderboard.site.plots import Scale, bar, range_plot
from ercbench.leaderboard.site.tables import (
    INDEX_COLUMNS,
    ROWS,
    Part,
    layout,
    on_page,
    parts_count,
    published_tables,
    table_ids,
)

INDEX = "index.html"
_TEMPLATES = Path(__file__).with_name("templates")
_ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' stroke='%230b6b5d' fill='%230b6b5d'>"
    "<path d='M2 6h14M8 12h14M4 18h10'/><circle cx='10' cy='6' r='2'/><circle cx='15' cy='12' r='2'/>"
    "<circle cx='8' cy='18' r='2'/></svg>"
)


@dataclass(frozen=True)
class Line:
    """A line of the index: a task of a board, or a board without runs. `first` are those that may be the best."""

    board: Board
    data: str
    task: Task | None
    anchor: str
    first: tuple[Row, ...]
    more: int
    ranked: int
    unranked: int
    highest: str


def render_site(leaderboard: Leaderboard, beside: str = "") -> Iterator[tuple[str, str]]:
    """What is on the boards -> name and text of every page, the same bytes for the same boards.

    ``index.html`` comes first, then ``NAME.html`` per data set. A board with a table of more than `ROWS` rows has
    further pages ``NAME~2.html``, ... on which the rows open that do not on its first.

    Args:
        leaderboard: the values.
        beside: where the records lie, as a link from the pages: empty, or a folder with a ``/`` at its end.

    Raises:
        RecordError: a data set has the name of the index.

    Before: board_json.py. After: folder.py.
    """
    if any(page_name(board.name) == INDEX for board in leaderboard.boards):
        raise RecordError("A data set cannot have the name of the index. Got 'index'. Give it another name.")
    environment = _environment(beside)
    common = {"boards": leaderboard.boards, "limit": ROWS, "data": LEADERBOARD_FILE}
    lines = [line for board in leaderboard.boards for line in _lines(board)]
    tasks = [line.task for line in lines if line.task]
    index = {
        "here": None,
        "lines": lines,
        "columns": INDEX_COLUMNS,
        "tracks": _distinct(task.track for task in tasks),
        "contexts": _distinct(task.context for task in tasks),
    }
    yield INDEX, environment.get_template("index.html.j2").render(common | index)
    template = environment.get_template("board.html.j2")
    for board in leaderboard.boards:
        everything = layout(board, f"{quote(board.name)}~{{part}}.html#{{id}}")
        count = parts_count(board)
        for number in range(1, count + 1):
            values = _board(board, on_page(everything, number), number, count)
            yield page_name(board.name, number), template.render(common | values)


def page_name(board: str, part: int = 1) -> str:
    """The file of a board's page. No board's name has a ``~``."""
    return f"{board}.html" if part == 1 else f"{board}~{part}.html"


def _board(board: Board, sections: Sequence[Part], number: int, count: int) -> dict[str, object]:
    """Values of ``board.html.j2``."""
    return {
        "here": board.name,
        "board": board,
        "number": number,
        "parts_count": count,
        "sections": sections,
        "published": list(published_tables(board.published)),
        "tracks": _distinct(table.task.track for part in sections for table in part.tables),
        "contexts": _distinct(table.task.context for part in sections for table in part.tables),
        "statuses": _statuses(sections, board.published if number == 1 else ()),
    }


def _statuses(sections: Sequence[Part], published: Sequence[PublishedRow]) -> list[str]:
    """What a page can be filtered by."""
    there = {e.row.status for part in sections for table in part.tables for group in table.groups for e in group.rows}
    names: set[str] = there | ({"published"} if published else set())
    return [name for name in ("verified", "reproduced", "published") if name in names]


def _lines(board: Board) -> Iterator[Line]:
    """A board -> its lines in the index."""
    highest = next((row.weighted_f1 for row in board.published if row.modality == "text" and row.known_version), "")
    if not board.sections:
        yield Line(board, board.note.partition(". ")[0].rstrip("."), None, "", (), 0, 0, 0, highest)
    ids = table_ids(board)
    for place, section in enumerate(board.sections):
        for at, task in enumerate(section.tasks):
            ranked = [row for row in task.rows if row.rank]
            first = [row for row in ranked if row.rank and row.rank.first == 1]
            counts = len(ranked), len(task.rows) - len(ranked)
            yield Line(
                board, section.version, task, ids[place, at] + "-title", tuple(first[:3]), len(first[3:]), *counts,
                highest,
            )  # fmt: skip


def _distinct(values: Iterable[str]) -> list[str]:
    return sorted(set(values))


@cache
def _file(name: str) -> Markup:
    """The page's own script or style, which must not end the element it stands in."""
    text = (_TEMPLATES / name).read_text(encoding="utf-8")
    assert not re.search("</|<!--", text), name
    return Markup(text)  # noqa: S704 (a file of this package)


@cache
def _policy() -> Markup:
    """Nothing is loaded; the script and the style of the page run, by their hashes; a data: picture is its icon."""
    hashes = {
        name: base64.b64encode(hashlib.sha256(_file(name).encode()).digest()).decode()
        for name in ("style.css", "script.js")
    }
    rules = (
        "default-src 'none'",
        f"style-src 'sha256-{hashes['style.css']}'",
        f"script-src 'sha256-{hashes['script.js']}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return Markup("; ".join(rules))  # noqa: S704 (hashes alone)


def _signed(fraction: float) -> str:
    """A difference in points, with a sign that stands in line with digits."""
    return f"{100 * fraction:+.2f}".replace("-", "\N{MINUS SIGN}")


def _ticks(fraction: float) -> str:
    return f"{100 * fraction:g}"


def _short(fingerprint: str) -> str:
    """The first 12 characters of the digest, without the name of the hash."""
    return fingerprint.rpartition(":")[2][:12]


def _environment(beside: str) -> Environment:
    """Where the templates are, and what they may call."""
    environment = html_environment(_TEMPLATES)
    environment.filters |= {
        "points": points,
        "signed": _signed,
        "ticks": _ticks,
        "short": _short,
        "page": lambda name, part=1: quote(page_name(name, part)),
        "record": lambda path: quote(beside + path, safe="/@"),
    }
    example = range_plot(Scale(0.0, 1.0), 0.5, Interval(low=0.1, high=0.9), Interval(low=0.28, high=0.72))
    environment.globals |= {
        "plot": range_plot,
        "bar": bar,
        "legend": example,
        "style": _file("style.css"),
        "script": _file("script.js"),
        "policy": _policy(),
        "icon": f"data:image/svg+xml,{_ICON}".replace("<", "%3C").replace(">", "%3E"),
    }
    return environment
