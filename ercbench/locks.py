"""Whether somebody holds a lock, asked without waiting for it."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout


def is_held(lock: Path) -> bool:
    """Whether a process that lives holds the lock; a kill lets it go. Of one that may not be opened: taken for held."""
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except (Timeout, PermissionError):
        return True
