"""Files from a stranger: found without following a link, read up to a size, parsed up to a depth, shown as text.

Nothing of such a file is ever imported or executed, and no name in it is used as a path before it was checked.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

RECORD_BYTES = 4 * 2**20
"""Size of a record or manifest at most; a real record has about 10 KiB."""
TABLE_BYTES = 256 * 2**20
"""Size of a file of predictions at most; one of 2,610 utterances and 7 labels has about 200 KiB."""
DEPTH = 64
"""Objects and lists in each other at most, in JSON; a real record has 5."""
FOLDERS = 8
"""Folders in each other at most, where files are looked for; a results folder has 4."""


class Unreadable(Exception):
    """A file that is not opened, not read to its end, or is not JSON; the text says why, without the file's name."""


@dataclass(frozen=True)
class Entry:
    """One thing in a folder: its path from there, and what it is."""

    path: str
    kind: Literal["file", "link", "folder too deep", "no plain file", "unreadable"]


def walk(folder: Path, start: str) -> Iterator[Entry]:
    """Everything below ``folder/start`` that is not a folder, in order; no link is followed."""
    waiting = [start]
    while waiting:
        path = waiting.pop()
        try:
            found = sorted(os.scandir(folder / path), key=lambda entry: entry.name)
        except OSError:
            yield Entry(path, "unreadable")
            continue
        below = []
        for entry in found:
            name = f"{path}/{entry.name}"
            if entry.is_symlink():
                yield Entry(name, "link")
            elif entry.is_dir(follow_symlinks=False):
                if name.count("/") >= FOLDERS:
                    yield Entry(name, "folder too deep")
                else:
                    below.append(name)
            else:
                yield Entry(name, "file" if entry.is_file(follow_symlinks=False) else "no plain file")
        waiting += reversed(below)


def read_bytes(folder: Path, name: str, limit: int) -> bytes:
    """The content of ``folder/name``, a plain file of at most `limit` bytes that no link leads to.

    Raises:
        Unreadable: it is anything else.
    """
    path = folder
    for part in name.split("/"):
        path = path / part
        if path.is_symlink():
            raise Unreadable(f"{'is' if path == folder / name else f'lies behind {part!r}, which is'} a symbolic link")
    try:
        # A pipe would wait for a writer for ever without O_NONBLOCK.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise Unreadable(f"cannot be opened: {error.strerror}") from None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("is no plain file")
        if status.st_size > limit:
            raise Unreadable(f"has {status.st_size:,} bytes, more than the {limit:,} that are read")
        try:
            return file.read(limit + 1)[:limit]
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror}") from None


def decode(content: bytes) -> str:
    """UTF-8 -> text.

    Raises:
        Unreadable: it is not UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8: byte {error.start} is {content[error.start]:#04x}") from None


def parse_json(content: bytes) -> Mapping[str, object]:
    """UTF-8 -> a JSON object, each key once, without NaN, not nested deeply.

    Raises:
        Unreadable: it is anything else.
    """
    try:
        found = json.loads(
            decode(content), parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_each_once
        )
    except RecursionError:
        raise Unreadable(_too_deep()) from None
    except ValueError as error:
        raise Unreadable(f"is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Unreadable(f"holds no JSON object but {type(found).__name__}")
    if _deeper_than(found, DEPTH):
        raise Unreadable(_too_deep())
    return found


def printable(text: str) -> str:
    r"""`text` in one line, whose characters do nothing to a terminal: those that cannot be seen become ``\x1b``."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shown(value: object, longest: int = 160) -> str:
    """A value of a file as text to print, cut where it is long."""
    text = printable(repr(value))
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name!r} stands there twice")
        found[name] = value
    return found


def _finite(text: str) -> float:
    if (value := float(text)) in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large a number")
    return value


def _too_deep() -> str:
    return f"has objects in each other, more than {DEPTH} deep"


def _deeper_than(value: object, limit: int) -> bool:
    """Whether a JSON value is nested more deeply; counted without recursion."""
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True
