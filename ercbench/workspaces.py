"""Temporary folders that nobody else may read; what a killed process left of them is removed by the next one."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

SOON = 60.0
"""Seconds in which a folder that was just made may not have its lock yet."""


@contextmanager
def workspace(prefix: str, parent: str | None = None) -> Iterator[Path]:
    """A folder, gone afterwards; those of processes that are gone are removed too.

    Args:
        prefix: how the names of all folders of this kind begin.
        parent: where they are; None for the usual place of temporary files.
    """
    for old in Path(parent or tempfile.gettempdir()).glob(f"{prefix}*"):
        _sweep(old)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    lock = FileLock(folder / "lock")
    lock.acquire()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _sweep(folder: Path) -> None:
    """Remove the folder of a process that is gone."""
    try:
        if time.time() - folder.stat().st_mtime < SOON:
            return
        with FileLock(folder / "lock", timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
    except (OSError, Timeout):  # somebody else's, or in use
        return
