"""Path -> text, rows or JSON: what the readers share. Whatever is wrong with a file becomes a `Problem`."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ercbench import Problem, RawDialogue, RawTurn

AGAIN = "Get the file again."


@dataclass(frozen=True)
class Row:
    """One row of a table: the line of the file it begins on, and its cells by column."""

    line: int
    cells: dict[str, str]


def read_text(path: Path, legacy: str = "") -> str | Problem:
    """Path -> text: decode UTF-8, with or without a byte order mark.

    Args:
        path: the file.
        legacy: what to do about a file that is not UTF-8 but decodes as cp1252.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        return Problem(path.name, f"cannot be opened ({error.strerror}).", "Check that the file may be read.")
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        return Problem(f"{path.name}, line {line}", "holds a NUL byte, so it is damaged or not UTF-8 text.", AGAIN)
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    try:
        return data[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        return _not_utf8(path, data, start + error.start, legacy)


def _not_utf8(path: Path, data: bytes, offset: int, legacy: str) -> Problem:
    line = data[:offset].count(b"\n") + 1
    what = f"is not UTF-8 text. Got byte 0x{data[offset]:02x} at offset {offset}."
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        legacy = ""
    return Problem(f"{path.name}, line {line}", what, legacy or AGAIN)


def parse_rows(name: str, text: str, columns: Sequence[str]) -> tuple[list[Row], list[Problem]]:
    """Text of a CSV file -> rows, and one problem per row that is not one.

    Args:
        name: the file's name, for the problems.
        text: what stands in the file.
        columns: those that must be there; others may be.
    """
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    problems: list[Problem] = []
    header: list[str] | None = None
    while True:
        line = lines.line_num + 1
        try:
            cells = next(lines, None)
        except csv.Error as error:
            fix = "Look for a quote that is not closed, there or above; otherwise get the file again."
            problems.append(Problem(f"{name}, line {line}", f"is not CSV ({error}).", fix))
            continue
        if cells is None:
            break
        if header is None:
            header = cells
            if missing := [column for column in columns if column not in header]:
                return [], [_missing_columns(name, missing, header)]
        elif len(cells) == len(header):
            rows.append(Row(line, dict(zip(header, cells, strict=True))))
        elif cells:
            what = f"has {len(cells)} cells where the header has {len(header)}. Got {shown(cells)}."
            problems.append(Problem(f"{name}, line {line}", what, "Mend the row, or get the file again."))
    if header is None and not problems:
        problems.append(Problem(name, "is empty.", AGAIN))
    return rows, problems


def _missing_columns(name: str, missing: Sequence[str], header: Sequence[str]) -> Problem:
    found = ", ".join(map(shown, header)) or "none"
    what = f"lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}. Columns found: {found}."
    return Problem(f"{name}, line 1", what, "Check that this is the file it is named after.")


def group_rows(
    rows: Sequence[Row], key: Callable[[Row], str], turn: Callable[[Row], RawTurn | None]
) -> tuple[RawDialogue, ...]:
    """Rows -> dialogues: consecutive rows with the same key make one dialogue; `turn` returns None for a bad row."""
    dialogues = []
    for dialogue, members in itertools.groupby(rows, key):
        if turns := tuple(made for row in members if (made := turn(row)) is not None):
            dialogues.append(RawDialogue(dialogue, turns))
    return tuple(dialogues)


def read_json(path: Path) -> Any:
    """Path -> what the JSON file says, or a `Problem`."""
    text = read_text(path)
    if isinstance(text, Problem):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{path.name}, line {error.lineno}, column {error.colno}"
        what = "ends too early" if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg else "is not JSON"
        return Problem(where, f"{what} ({error.msg}).", f"The file is damaged or cut off. {AGAIN}")
    except (ValueError, RecursionError) as error:
        return Problem(path.name, f"is JSON of a kind no data set has ({error}).", AGAIN)


def list_in(owner: object, key: str, where: str, problems: list[Problem]) -> list[Any]:
    """The list under `key` of a JSON object. If it is not there, a problem is added and the list is empty."""
    value = owner.get(key) if isinstance(owner, dict) else None
    if isinstance(value, list):
        return value
    problems.append(_wrong_type(owner, key, "a list", where))
    return []


def text_in(owner: object, key: str, where: str, problems: list[Problem]) -> str | None:
    """The string under `key` of a JSON object. If it is not there, a problem is added and the answer is None."""
    value = owner.get(key) if isinstance(owner, dict) else None
    if isinstance(value, str):
        return value
    problems.append(_wrong_type(owner, key, "a string", where))
    return None


def _wrong_type(owner: object, key: str, kind: str, where: str) -> Problem:
    if not isinstance(owner, dict):
        return Problem(where, f"must be an object with {key!r}. Got {shown(owner)}.")
    if key not in owner:
        return Problem(where, f"lacks {key!r}, which must be {kind}. Got {shown(sorted(owner))}.")
    return Problem(where, f"{key!r} must be {kind}. Got {shown(owner[key])}.")


def shown(value: object) -> str:
    """A value as a message shows it: on one line, cut to a readable length."""
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = 80
