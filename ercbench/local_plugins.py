"""A plugin in a Python file that is not packaged: ``--plugin path/to/file.py``."""

from __future__ import annotations

import hashlib
import importlib.util
import keyword
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import InspectLoader
from pathlib import Path
from types import CodeType, ModuleType

from ercbench.errors import UsageError


@dataclass(frozen=True)
class LocalFile:
    """A plugin's file as it was read: what is run is what the sha256 is of."""

    path: Path
    source: bytes
    sha256: str

    def load(self) -> ModuleType:
        """Run it as the module of its name, so that its specs can name ``file:Class``."""
        spec = importlib.util.spec_from_loader(self.path.stem, _Loader(self), origin=str(self.path))
        assert spec is not None
        spec.has_location = True  # gives the module its __file__
        module = importlib.util.module_from_spec(spec)
        before = sys.modules.get(self.path.stem)
        sys.modules[self.path.stem] = module
        try:
            _Loader(self).exec_module(module)
        except BaseException:  # whatever stops it, Ctrl-C included, must not leave half a module under its name
            if before is None:
                del sys.modules[self.path.stem]
            else:
                sys.modules[self.path.stem] = before
            raise
        return module


class _Loader(InspectLoader):
    """Runs the text that was read. Nothing is written, and no compiled file from an earlier time is taken."""

    def __init__(self, file: LocalFile) -> None:
        self.file = file

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self.file.source)

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.file.source, str(self.file.path))


def load_files(paths: Sequence[Path]) -> list[LocalFile]:
    """Read plugins' files, each once.

    Raises:
        UsageError: one is not there, its name cannot be that of a module, or two have the same name.
    """
    different = list(dict.fromkeys(path.resolve() for path in paths))
    names = [path.name for path in different]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"--plugin: two files have the same name. Got {', '.join(sorted(repeated))}. Rename one.")
    return [load_file(path) for path in different]


def load_file(path: Path) -> LocalFile:
    """Read a plugin's file.

    Args:
        path: absolute.

    Raises:
        UsageError: it is not there, or its name cannot be that of a module.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--plugin wants a Python file. Got {path}: {error.strerror}. Check the path.") from error
    stem = path.stem
    if path.suffix != ".py" or not stem.isidentifier() or keyword.iskeyword(stem):
        raise UsageError(
            f"--plugin wants a Python file whose name can be that of a module, such as my_loss.py. Got {path.name}. "
            "Rename it."
        )
    if (taken := _taken_by(stem)) and taken != str(path):
        raise UsageError(
            f"--plugin {path.name}: there is a module {stem} already ({taken}), which it would hide. Rename the file."
        )
    return LocalFile(path, source, hashlib.sha256(source).hexdigest())


def file_of(module: str) -> LocalFile | None:
    """The file that a module was loaded from as a local plugin, as it was read then; None for any other module."""
    loader = getattr(getattr(sys.modules.get(module), "__spec__", None), "loader", None)
    return loader.file if isinstance(loader, _Loader) else None


def _taken_by(name: str) -> str | None:
    """Where a module of this name comes from, None where there is none but perhaps an earlier local plugin."""
    if name in sys.modules:
        there = sys.modules[name]
        earlier = isinstance(getattr(there.__spec__, "loader", None), _Loader)
        return None if earlier else getattr(there, "__file__", None) or "built in"
    spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    return str(Path(spec.origin).resolve()) if spec.origin and spec.has_location else spec.origin or "a folder"
