"""Tables of tensors on disk: safetensors files, written whole or not at all, and known by their sha256."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ercbench.errors import WriteError
from ercbench.whole_files import TEMPORARY, writing

if TYPE_CHECKING:
    from torch import Tensor


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write to a temporary file beside `path`, sync it, and give it its name.

    Returns:
        The file's sha256.

    Raises:
        WriteError: there is no room, or it may not be written there.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    with writing(path), ExitStack() as undo:
        undo.callback(temporary.unlink, missing_ok=True)
        try:
            save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, temporary)
        except SafetensorError as error:  # the library's name for what the system says
            raise WriteError(path, str(error)) from error
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # the library makes it private
        os.replace(temporary, path)
        undo.pop_all()
    return sha256_of_file(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A file -> its tensors by name, on the CPU."""
    from safetensors.torch import load_file

    tensors: dict[str, Tensor] = load_file(path)
    return tensors


def sha256_of_file(path: Path) -> str:
    """Hex digest of a file's bytes, or ``unreadable``, which is no digest."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return "unreadable"
