"""Files that are whole or not there: written to a temporary file, synced and renamed. And the digest of a text."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to a temporary file beside `path`, sync it, and give it its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as undo:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="\n", dir=path.parent, delete=False) as file:
            undo.callback(os.unlink, file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(file.name, 0o644)  # a temporary file is private by default
        os.replace(file.name, path)
        undo.pop_all()


def sha256_of(text: str) -> str:
    """Hex digest of UTF-8 text."""
    return hashlib.sha256(text.encode()).hexdigest()
