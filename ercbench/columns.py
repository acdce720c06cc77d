"""Rows with named columns -> Reading: CSV, TSV and JSONL files of any data set whose columns somebody has named.

A row is one turn. Rows of a dialogue stand together, in time order or with a column of turn numbers. An empty label,
null, or none at all makes a turn context only.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ercbench.reading import Problem, RawDialogue, RawTurn, Reading, json_object, parse_rows, read_text, shown

FIELDS = ("dialogue", "turn", "speaker", "text", "label")
"""What a row tells, in the words of this project; ``columns`` maps each to the name it has in a file."""

CP1252 = "It looks like cp1252, as Windows writes it. Convert it: iconv -f cp1252 -t utf-8 OLD > NEW"
_NUMBER = re.compile(r"\s*-?\d{1,15}(\.\d{1,15})?\s*", re.ASCII)

NamedRow = tuple[str, Mapping[str, Any]]
"""A row's place, such as ``line 3``, and its values by column. A column that it lacks counts as null."""


def read_csv(path: Path, columns: Mapping[str, str]) -> Reading:
    """Path -> Reading of a CSV file whose first line names its columns; satisfies `ports.ColumnReader`.

    Before: a file that ``data.py`` found. After: the checks of ``data.py``.
    """
    return _read_table(path, columns, ",")


def read_tsv(path: Path, columns: Mapping[str, str]) -> Reading:
    """Path -> Reading of a table with tabs, quoted as CSV is; satisfies `ports.ColumnReader`.

    Before: a file that ``data.py`` found. After: the checks of ``data.py``.
    """
    return _read_table(path, columns, "\t")


def _read_table(path: Path, columns: Mapping[str, str], delimiter: str) -> Reading:
    text = read_text(path, CP1252)
    if isinstance(text, Problem):
        return Reading((), (text,))
    rows, problems = parse_rows(path.name, text, tuple(columns.values()), delimiter)
    return read_named_rows(path.name, ((f"line {row.line}", row.cells) for row in rows), columns, problems)


def read_jsonl(path: Path, columns: Mapping[str, str]) -> Reading:
    """Path -> Reading of a file with a JSON object on every line; satisfies `ports.ColumnReader`.

    Before: a file that ``data.py`` found. After: the checks of ``data.py``.
    """
    text = read_text(path, CP1252)
    if isinstance(text, Problem):
        return Reading((), (text,))
    rows: list[NamedRow] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), 1):
        row = json_object(line) if line.strip() else None
        if isinstance(row, str):
            fix = "Write one object per line, or get the file again."
            problems.append(Problem(f"{path.name}, line {number}", f"{row} Got {shown(line.strip())}.", fix))
        elif row is not None:
            rows.append((f"line {number}", row))
    if not rows and not problems:
        return Reading((), (Problem(path.name, "is empty.", "Get the file again."),))
    if rows and (absent := _absent(path.name, rows, columns)):
        return Reading((), (*problems, *absent))
    return read_named_rows(path.name, rows, columns, problems)


def _absent(name: str, rows: Iterable[NamedRow], columns: Mapping[str, str]) -> list[Problem]:
    """Columns that no row has: more likely a wrong name than a file without any."""
    found = dict.fromkeys(itertools.chain.from_iterable(row for _, row in rows))
    missing = [column for column in columns.values() if column not in found]
    names = ", ".join(shown(column) for column in itertools.islice(found, 20)) or "none"
    fix = "Name the right one under columns."
    return [Problem(name, f"no row has the field {shown(one)}. Fields found: {names}.", fix) for one in missing]


def read_named_rows(
    name: str, rows: Iterable[NamedRow], columns: Mapping[str, str], problems: Iterable[Problem] = ()
) -> Reading:
    """Rows -> Reading: consecutive rows of one dialogue are one dialogue, put in the order of their turn numbers.

    Args:
        name: of the file, for the problems.
        rows: in order.
        columns: the column of each of `FIELDS`; ``turn`` may be left out.
        problems: what was found while the rows were read.
    """
    found = list(problems)
    turns = [turn for place, row in rows if (turn := _turn(name, place, row, columns, found))]
    dialogues = []
    for key, members in itertools.groupby(turns, lambda turn: turn.dialogue):
        # A sort is stable: turns without a number, or with the same one, keep the order of the file.
        ordered = sorted(members, key=lambda turn: turn.number or 0)
        dialogues.append(RawDialogue(key, tuple(turn.raw for turn in ordered)))
    return Reading(tuple(dialogues), tuple(found))


@dataclass(frozen=True)
class _Turn:
    dialogue: str
    number: float | None
    raw: RawTurn


def _turn(
    name: str, place: str, row: Mapping[str, Any], columns: Mapping[str, str], problems: list[Problem]
) -> _Turn | None:
    """One row, or None after noting everything that is wrong with it."""
    values: dict[str, Any] = {"turn": None}
    sound = True
    for field, column in columns.items():
        value = row.get(column)
        try:
            values[field] = _CONVERTERS[field](value)
        except _Unfit as wanted:
            what = f"{shown(column)} must be {wanted}. Got {shown(value)}."
            problems.append(Problem(f"{name}, {place}", what, "Mend the row."))
            sound = False
    if not sound:
        return None
    number = values["turn"]
    key = "" if number is None else str(number)
    return _Turn(values["dialogue"], number, RawTurn(values["speaker"], values["text"], values["label"], key, place))


class _Unfit(Exception):
    """A value is not what its field holds; the message says what it must be. It never leaves this file."""


def _dialogue(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise _Unfit("the dialogue's id: printable text that is not empty, or a whole number")
    return value


def _number(value: object) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _Unfit("the turn's number")
    return int(value) if value == int(value) else value


def _speaker(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Unfit("a speaker's name: text that is not empty")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Unfit("text")
    return value


def _label(value: object) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str):
        raise _Unfit("the key of a label as text, or empty for a turn that has none")
    return value


_CONVERTERS: Mapping[str, Callable[[object], Any]] = {
    "dialogue": _dialogue,
    "turn": _number,
    "speaker": _speaker,
    "text": _text,
    "label": _label,
}
