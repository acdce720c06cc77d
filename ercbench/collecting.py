"""Takes in what other machines send while they run cells: events, checkpoints, finished files.

It runs beside the command and is the only one that writes what comes: checkpoints into the very folders in which a run
on this machine would keep them (``resume.py``), finished files into a folder beside, until the command has checked
them. Each file is written to the end, synced and renamed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from ercbench.errors import UsageError
from ercbench.resume import STATE
from ercbench.tensors import sha256_of_file

Place = Literal["checkpoint", "arrived"]
PART = ".part"
"""Ending of a file that is not whole yet."""
CHUNK = 32 * 2**20
"""Bytes that are sent at once: neither side need hold a whole file."""


class Collector:
    """What the machines that run cells talk to. Cells go by their identity.

    A cell may be started again elsewhere when its machine seems lost. Each start has a number, and whoever comes with
    an old one is turned away.

    Args:
        results: folder of the records.
        owner: process id of the command, on this machine; nothing is written when it is gone.
    """

    def __init__(self, results: str, owner: int) -> None:
        self._root, self._owner = Path(results) / ".unfinished", owner
        self._starts: dict[str, int] = {}
        self._nodes: dict[str, str] = {}
        self._events: list[dict[str, Any]] = []

    def start(self, identity: str, node: str, cell: Mapping[str, Any]) -> tuple[int, dict[str, int]]:
        """A machine begins a cell: the number of this start, and the files of its newest checkpoint, with sizes."""
        number = self._starts[identity] = self._starts.get(identity, 0) + 1
        if number > 1:
            message = f"{self._nodes[identity]} was lost; taken up by {node}"
            self._events.append({"event": "cell_requeued", "cell": cell, "message": message})
        self._nodes[identity] = node
        shutil.rmtree(arrived(self._root.parent, identity), ignore_errors=True)
        folder = self._root / identity
        whole = [path for path in folder.glob("*") if path.suffix not in (PART, ".tmp") and path.is_file()]
        return number, {path.name: path.stat().st_size for path in whole}

    def read(self, identity: str, name: str, offset: int) -> bytes:
        """A piece of a checkpoint's file."""
        with (self._root / identity / inside(name)).open("rb") as file:
            file.seek(offset)
            return file.read(CHUNK)

    def write(self, key: tuple[str, int], place: Place, name: str, offset: int, content: bytes) -> None:
        """A piece of a file, in order; `key` is identity and number of the start."""
        path = self._path(key, place, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + PART)
        with part.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            file.write(content)

    def close(self, key: tuple[str, int], place: Place, name: str, sha256: str) -> None:
        """All of a file was sent: it gets its name.

        Raises:
            UsageError: it is not what was sent.
        """
        path = self._path(key, place, name)
        part = path.with_name(path.name + PART)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        if (got := sha256_of_file(part)) != sha256:
            raise UsageError(f"{name} arrived damaged: sha256 should be {sha256}. Got {got}. Start the command again.")
        os.replace(part, path)

    def keep(self, key: tuple[str, int], names: Sequence[str]) -> None:
        """A checkpoint is here as a whole: the files of earlier ones go."""
        folder = self._path(key, "checkpoint", STATE).parent
        for path in folder.glob("*"):
            if path.name not in names:
                path.unlink()

    def tell(self, key: tuple[str, int], events: Sequence[dict[str, Any]]) -> None:
        """Events of a cell, in order."""
        if self._starts.get(key[0]) == key[1]:
            self._events += events

    def take(self) -> list[dict[str, Any]]:
        """The events since this was asked last."""
        taken, self._events = self._events, []
        return taken

    def _path(self, key: tuple[str, int], place: Place, name: str) -> Path:
        """Where a file belongs, for whoever may write it."""
        identity, number = key
        if self._starts.get(identity) != number:
            raise UsageError(f"The cell was taken up by another machine. Got start {number} of {identity}.")
        if os.name == "posix":
            os.kill(self._owner, 0)  # raises where the command is gone: another one may be at these files by now
        folder = self._root / identity if place == "checkpoint" else arrived(self._root.parent, identity)
        return folder / inside(name)


def arrived(results: Path, identity: str) -> Path:
    """Where finished files lie until they are checked."""
    return results / ".unfinished" / f"{identity}.arrived"


def inside(name: str) -> PurePosixPath:
    """A relative name that comes from another machine, when it leads to nowhere else.

    Raises:
        UsageError: it is absolute, or goes up.
    """
    path = PurePosixPath(name)
    elsewhere = path.is_absolute() or not path.parts or ".." in path.parts
    if elsewhere or re.search(r"^[A-Za-z]:|[\\\0]", name):  # a drive of Windows, its separator, an end of text
        raise UsageError(f"A file's name from another machine must be relative. Got {name!r}. Nothing was written.")
    return path
