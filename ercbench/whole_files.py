"""Files that are whole or not there: written to a temporary file, synced and renamed. And the digest of a text."""

from __future__ import annotations

import glob
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ercbench.errors import WriteError

TEMPORARY = ".tmp"
"""How the names of temporary files end. They begin with a dot and the name that the file will have."""


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to a temporary file beside `path`, sync it, and give it its name.

    Raises:
        WriteError: there is no room, or it may not be written there.
    """
    with writing(path), ExitStack() as undo:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(TEMPORARY, f".{path.name}.", path.parent)
        undo.callback(os.unlink, temporary)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.chmod(temporary, 0o644)  # a temporary file is private by default
        os.replace(temporary, path)
        undo.pop_all()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system says of a file that cannot be written -> an error that says which file, and what to do."""
    try:
        yield
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error


def remove_strays(path: Path) -> None:
    """Remove the temporary files that killed processes left of one file; no other process may be writing it."""
    for stray in path.parent.glob(f".{glob.escape(path.name)}.*{TEMPORARY}"):
        stray.unlink(missing_ok=True)


def sha256_of(text: str) -> str:
    """Hex digest of UTF-8 text."""
    return hashlib.sha256(text.encode()).hexdigest()
