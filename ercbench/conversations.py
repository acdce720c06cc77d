"""Reads conversations without labels, row by row: JSONL or CSV with the fields dialogue, speaker and text."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from ercbench.errors import DataError
from ercbench.reading import json_object

Format = Literal["jsonl", "csv"]
FIELDS = ("dialogue", "speaker", "text")


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation; `where` is its place in the file, for messages."""

    dialogue: str
    speaker: str
    text: str
    where: str = "a turn"


def read_turns(stream: BinaryIO, name: str, form: Format) -> Iterator[Turn]:
    """Bytes -> Turns, one row at a time. Fields other than the three are ignored.

    Args:
        stream: a file, or standard input.
        name: of the file, for messages.
        form: ``jsonl`` or ``csv``.

    Raises:
        DataError: a row that cannot be read, with its place, the field and what to do.
    """
    rows = _jsonl(stream, name) if form == "jsonl" else _csv(stream, name)
    for where, row in rows:
        dialogue, speaker, text = (_field(row, field, where) for field in FIELDS)
        yield Turn(dialogue, speaker, text, where)


def _jsonl(stream: BinaryIO, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, text in _lines(stream, name):
        where = f"{name}, line {number}"
        if not text.strip():
            continue
        row = json_object(text)
        if isinstance(row, str):
            raise DataError(f"{where}: {row} Got {text.strip()!r:.80}. {_WANTED}")
        yield where, row


def _csv(stream: BinaryIO, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader((text for _, text in _lines(stream, name)), strict=True)
    try:
        missing = [field for field in FIELDS if field not in (reader.fieldnames or ())]
        if missing:
            raise DataError(
                f"{name}, line 1: no column {', '.join(missing)}. Got columns {list(reader.fieldnames or ())!r:.200}. "
                "The first line of a CSV file must name the columns dialogue, speaker and text."
            )
        for row in reader:
            yield f"{name}, line {reader.line_num}", row
    except csv.Error as error:
        raise DataError(
            f"{name}, line {reader.line_num}: not CSV: {error}. Quote the fields, or write JSONL."
        ) from error


_WANTED = 'Each line must be like {"dialogue": "1", "speaker": "Ann", "text": "Hello."}.'


def _lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """Lines as text; a byte-order mark at the start is dropped."""
    for number, line in enumerate(stream, 1):
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}, line {number}: not UTF-8: {error.reason} at byte {error.start}. Got {line[:60]!r}. "
                "Convert the file, for instance with iconv -f cp1252 -t utf-8."
            ) from error


def _field(row: Mapping[str, Any], field: str, where: str) -> str:
    """A field of a row as text; a dialogue may be numbered."""
    value = row.get(field)
    if field == "dialogue" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        problem = "is missing" if field not in row or value is None else "must be text that is not empty"
        raise DataError(f"{where}, field {field}: {problem}. Got {value!r:.80}. {_WANTED}")
    return value
