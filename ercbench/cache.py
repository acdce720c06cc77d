"""Arrays that are costly to compute and never change, kept on disk under the hash of all they depend on.

The folder is the user's cache folder, or ``ERCBENCH_CACHE``. Beyond its limit (``ERCBENCH_CACHE_LIMIT``, in MiB, 2048
by default) the entries that were not used for longest are removed. Nothing in it is needed: a folder that cannot be
written to, or an entry that is damaged, costs time and no more. The first is said, once.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ercbench.errors import UsageError
from ercbench.whole_files import TEMPORARY

if TYPE_CHECKING:
    import numpy as np

LIMIT = 2048
"""MiB."""
ENDING = ".safetensors"
STRAY = 3600.0
"""Seconds after which a temporary file is one that a killed process left; no entry takes that long to write."""
log = logging.getLogger("ercbench")


@dataclass(frozen=True)
class Entry:
    """One entry: what kind of thing it is, its file, its size in bytes, when it was last used (seconds)."""

    kind: str
    path: Path
    size: int
    used: float


class Cache:
    """The folder of cached arrays."""

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        """Name the folder; nothing is made yet.

        Args:
            folder: None takes ``ERCBENCH_CACHE``, else the user's cache folder.
            limit: in MiB; None takes ``ERCBENCH_CACHE_LIMIT``, else `LIMIT`.

        Raises:
            UsageError: ``ERCBENCH_CACHE_LIMIT`` is no number.
        """
        self.folder = folder or _folder()
        self.limit = (_limit() if limit is None else limit) * 2**20  # bytes

    def arrays(
        self, kind: str, key: Mapping[str, Any], compute: Callable[[], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """The arrays that belong to a key, computed where they are not kept.

        Args:
            kind: what they are, for ``ercbench cache``.
            key: all that the arrays depend on, as JSON values.
            compute: makes them.
        """
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        found = self._read(kind, name)
        if found is None:
            found = compute()
            self._write(kind, name, found)
        return found

    def entries(self) -> list[Entry]:
        """What is kept, the longest unused first."""
        return sorted(self._entries(), key=lambda entry: entry.used)

    def clear(self, kind: str | None = None) -> int:
        """Remove everything, or everything of one kind; returns how many entries."""
        chosen = [entry for entry in self.entries() if kind in (None, entry.kind)]
        for entry in chosen:
            entry.path.unlink(missing_ok=True)
        return len(chosen)

    def _entries(self) -> Iterator[Entry]:
        for path in self.folder.glob(f"*/*{ENDING}"):
            try:
                status = path.stat()
            except OSError:  # another process removed it
                continue
            yield Entry(path.parent.name, path, status.st_size, status.st_mtime)

    def _read(self, kind: str, name: str) -> dict[str, np.ndarray] | None:
        """The arrays, or None; the file's name ends with the checksum of its content."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        for path in self.folder.glob(f"{kind}/{name}-*{ENDING}"):
            try:
                content = path.read_bytes()
                if path.name == _file_name(name, content):
                    os.utime(path)
                    return load(content)
                path.unlink(missing_ok=True)
            except (OSError, SafetensorError):
                continue
        return None

    def _write(self, kind: str, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep the arrays if that is possible, and make room for them."""
        from safetensors.numpy import save

        content = save(arrays)
        if len(content) > self.limit:
            return
        folder = self.folder / kind
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with ExitStack() as undo:
                with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=TEMPORARY, delete=False) as file:
                    undo.callback(Path(file.name).unlink, missing_ok=True)
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(file.name, folder / _file_name(name, content))
                undo.pop_all()
            self._make_room()
        except OSError as error:
            _tell(self.folder, error.strerror or str(error))

    def _make_room(self) -> None:
        """Remove what killed processes left, then the longest unused entries beyond the limit."""
        for stray in self.folder.glob(f"*/.*{TEMPORARY}"):
            with suppress(FileNotFoundError):  # another process removed it
                if abs(time.time() - stray.stat().st_mtime) > STRAY:
                    stray.unlink()
        entries = self.entries()
        size = sum(entry.size for entry in entries)
        for entry in entries:
            if size <= self.limit:
                return
            entry.path.unlink(missing_ok=True)
            size -= entry.size


@functools.cache
def _tell(folder: Path, reason: str) -> None:
    """Say that nothing can be kept; once, for it costs time and no more."""
    log.warning("The cache %s cannot be written: %s. The run goes on without it.", folder, reason)


def _file_name(name: str, content: bytes) -> str:
    return f"{name}-{hashlib.sha256(content).hexdigest()[:16]}{ENDING}"


def _folder() -> Path:
    if named := os.environ.get("ERCBENCH_CACHE"):
        return Path(named).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("ercbench")


def _limit() -> int:
    text = os.environ.get("ERCBENCH_CACHE_LIMIT", str(LIMIT))
    if not text.isdecimal():
        raise UsageError(
            f"ERCBENCH_CACHE_LIMIT is a whole number of MiB. Got {text!r}. Set it to {LIMIT}, or unset it."
        )
    return int(text)
