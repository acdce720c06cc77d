"""Path -> text, rows or JSON objects: what readers of data files share. Whatever is wrong becomes a `Problem`."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

AGAIN = "Get the file again."


@dataclass(frozen=True)
class RawTurn:
    """One turn as a reader found it, before any check: `key` is its own id in the file (or empty), `row` its place."""

    speaker: str
    text: str
    label: str | None
    key: str
    row: str


@dataclass(frozen=True)
class RawDialogue:
    """One dialogue as a reader found it: `key` is its own id in the file, for instance ``Ses01F_impro01``."""

    key: str
    turns: tuple[RawTurn, ...]


@dataclass(frozen=True)
class Problem:
    """One thing wrong with something that came from outside: where it is, what it is, what to do about it."""

    where: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" {self.fix}" if self.fix else "")


@dataclass(frozen=True)
class Reading:
    """What a reader made of one file: the dialogues it could read and every problem it met on the way."""

    dialogues: tuple[RawDialogue, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Imported:
    """What an importer made of a folder.

    Attributes:
        files: text by file name, in the names and the format under which the data set is read.
        notes: what was left out, or read in another way than usual, and why.
        problems: what makes the files unusable; where there is any, nothing is written.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()


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


def parse_rows(name: str, text: str, columns: Sequence[str], delimiter: str = ",") -> tuple[list[Row], list[Problem]]:
    """Text of a CSV file -> rows, and one problem per row that is not one.

    Args:
        name: the file's name, for the problems.
        text: what stands in the file.
        columns: those that must be there, once; others may be.
        delimiter: what stands between two cells.
    """
    lines = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    rows: list[Row] = []
    problems: list[Problem] = []
    header: list[str] | None = None
    while True:
        line = lines.line_num + 1
        try:
            cells = next(lines, None)
        except csv.Error as error:
            fix = "Look for a quote that is not closed, there or above; otherwise get the file again."
            what = str(error).replace("\t", "tab")
            problems.append(Problem(f"{name}, line {line}", f"is not CSV ({what}).", fix))
            continue
        if cells is None:
            break
        if header is None:
            header = cells
            if wrong := _header_problems(name, columns, header):
                return [], wrong
        elif len(cells) == len(header):
            rows.append(Row(line, dict(zip(header, cells, strict=True))))
        elif cells:
            what = f"has {len(cells)} cells where the header has {len(header)}. Got {shown(cells)}."
            problems.append(Problem(f"{name}, line {line}", what, "Mend the row, or get the file again."))
    if header is None and not problems:
        problems.append(Problem(name, "is empty.", AGAIN))
    return rows, problems


def _header_problems(name: str, columns: Sequence[str], header: Sequence[str]) -> list[Problem]:
    where, problems = f"{name}, line 1", []
    if missing := [column for column in columns if column not in header]:
        found = ", ".join(map(shown, header)) or "none"
        what = f"lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}. Columns found: {found}."
        problems.append(Problem(where, what, "Check that this is the file it is named after."))
    if twice := [column for column in columns if header.count(column) > 1]:
        what = f"has more than one column called {', '.join(map(shown, twice))}."
        problems.append(Problem(where, what, "Rename or remove all but one."))
    return problems


def group_rows(
    rows: Sequence[Row], key: Callable[[Row], str], turn: Callable[[Row], RawTurn | None]
) -> tuple[RawDialogue, ...]:
    """Rows -> dialogues: consecutive rows with the same key make one dialogue; `turn` returns None for a bad row."""
    dialogues = []
    for dialogue, members in itertools.groupby(rows, key):
        if turns := tuple(made for row in members if (made := turn(row)) is not None):
            dialogues.append(RawDialogue(dialogue, turns))
    return tuple(dialogues)


def json_object(text: str) -> dict[str, Any] | str:
    """One line of a JSONL file -> the object it holds, or what is wrong with it, in words."""
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}."
    return found if isinstance(found, dict) else "not a JSON object."


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The fields of a JSON object; one that stands twice is no choice to be made in silence."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field {shown(next(name for name in names if names.count(name) > 1))} stands twice")
    return fields


def shown(value: object) -> str:
    """A value as a message shows it: on one line, cut to a readable length."""
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = 80
