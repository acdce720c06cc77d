"""Values -> Markdown text. The only place where scores are multiplied by 100 and rounded.

Names, commands and remarks come from outside. A template's ``{{ value }}`` is escaped unless it is `Markdown`, which
this file makes, and ``build.py`` for its first line.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ercbench.leaderboard.tables import Spread


class Markdown(str):
    """Text that is already Markdown; everything from outside in it is escaped."""

    __slots__ = ()


def escape(value: object) -> Markdown:
    """Anything -> one line of Markdown that reads as the same text and does nothing else.

    Line breaks become blanks; characters that cannot be seen, such as those that turn the direction of writing round,
    are dropped.
    """
    if isinstance(value, Markdown):
        return value
    text = html.escape(visible(str(value)), quote=False)
    return Markdown(re.sub(r"([\\`*_\[\]|~$])", r"\\\1", text))


def points(fraction: float) -> str:
    """A fraction -> points with two decimals: 0.70414 -> ``70.41``."""
    return f"{100 * fraction:.2f}"


def mean_and_deviation(value: Spread) -> str:
    """Mean and standard deviation in points, the mean alone for a single seed."""
    deviation = "" if value.deviation is None else f" ± {points(value.deviation)}"
    return points(value.mean) + deviation


def link(text: object, path: Path | str) -> Markdown:
    """A link to a file beside the board."""
    target = path.as_posix() if isinstance(path, Path) else path
    return Markdown(f"[{escape(text)}]({quote(target, safe='/@')})")


def joined(parts: Iterable[object], between: str = ", ") -> Markdown:
    """Parts, each escaped, in one line."""
    return Markdown(between.join(escape(part) for part in parts))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Markdown:
    """Rows -> a Markdown table. A header that begins with ``>`` is of a column of numbers, which stand to the right."""
    names = [escape(name.removeprefix(">")) for name in header]
    rules = ["---:" if name.startswith(">") else "---" for name in header]
    lines: list[Sequence[str]] = [names, rules, *([escape(value) for value in row] for row in rows)]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def code_block(lines: Iterable[str]) -> Markdown:
    """Lines of shell -> a fenced block that none of them can close."""
    text = "\n".join(visible(line) for line in lines)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markdown(f"{fence}sh\n{text}\n{fence}")


def render(template: str, values: Mapping[str, object]) -> str:
    """A file of ``templates/`` and its values -> the text of a page, without runs of empty lines."""
    environment = Environment(  # noqa: S701 (autoescape is for HTML; `finalize` escapes every value for Markdown)
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        finalize=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def visible(text: str) -> str:
    """`text` in one line: line breaks and tabs become blanks; control, format and surrogate characters are dropped."""
    blanks = (" " if char.isspace() else char for char in text)
    return "".join(char for char in blanks if unicodedata.category(char) not in ("Cc", "Cf", "Cs"))
