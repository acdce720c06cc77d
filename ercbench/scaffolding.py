"""A name and a kind -> a complete package with a plugin that works, for its author to change.

The templates lie in ``templates/plugin``: ``common`` goes to the package's folder, the folder of the kind to its import
package. What is written passes the conformance kit as it is.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ercbench import __version__
from ercbench.catalog import KINDS, load_catalog
from ercbench.errors import UsageError, WriteError
from ercbench.hookspecs import API_LEVEL
from ercbench.whole_files import write_atomically

Kind = Literal["loss", "encoder", "classifier", "dataset", "renderer", "recipe", "tracker"]
PLUGIN_KINDS: tuple[Kind, ...] = get_args(Kind)
"""What a new package may bring."""

TEMPLATES = Path(__file__).parent / "templates" / "plugin"
_ALLOWED = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
"""A distribution's name, as PEP 508 has it."""


@dataclass(frozen=True)
class Names:
    """What a new plugin is called: the distribution and its parts, the import package, the class."""

    distribution: str
    package: str
    class_name: str


@dataclass(frozen=True)
class Written:
    """What was written, and the commands to go on with."""

    folder: Path
    files: tuple[Path, ...]
    commands: tuple[str, ...]


def new_plugin(name: str, kind: Kind, folder: Path | None = None) -> Written:
    """Write a package that builds, passes the conformance kit and runs.

    Args:
        name: of the distribution; its parts and its recipe get the same one.
        kind: what it brings.
        folder: where it goes; None takes a folder called like the distribution in the current one.

    Raises:
        UsageError: the name cannot be used or is taken, or the folder holds something.
    """
    names = _names(name, kind)
    target = Path(names.distribution) if folder is None else folder
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"There is something already. Got {target}. Name another folder with --to.")
    texts = dict(_texts(names, kind))
    try:
        for path, text in texts.items():
            write_atomically(target / path, text)
    except WriteError as error:
        raise UsageError(f"Cannot write to {target}: {error.reason}. Name another folder with --to.") from error
    return Written(target, tuple(texts), _commands(names, kind, target))


def _names(name: str, kind: Kind) -> Names:
    """The names, after every check that can be made before anything is written."""
    if not _ALLOWED.fullmatch(name):
        raise UsageError(
            "A name has letters a-z, digits, '-', '_' and '.', and begins and ends with a letter or digit. "
            f"Got {name!r}."
        )
    distribution = re.sub(r"[-_.]+", "-", name).lower()  # as PEP 503 writes it
    package = distribution.replace("-", "_")
    if not package.isidentifier() or keyword.iskeyword(package) or package in sys.stdlib_module_names:
        raise UsageError(
            f"The import package would be called {package!r}, which Python cannot import or has itself. Got {name!r}. "
            f"Choose another name, such as erc-{distribution}."
        )
    if taken := _taken(distribution, package, kind):
        raise UsageError(f"{taken} Got {name!r}. Choose another name.")
    return Names(distribution, package, "".join(word.capitalize() for word in package.split("_")))


def _taken(distribution: str, package: str, kind: Kind) -> str:
    """What has the name already, in words, or nothing."""
    catalog = load_catalog()
    for plugin in catalog.plugins:
        if distribution in (re.sub(r"[-_.]+", "-", plugin.distribution).lower(), plugin.name):
            return f"A plugin of this name is installed ({plugin.distribution} {plugin.version})."
    for plural in (_plural(kind), "recipes"):
        for entry in catalog.entries(KINDS[plural]):
            if entry.spec.name == distribution:
                return f"{entry.plugin.distribution} offers something of this name among its {plural}."
    if importlib.util.find_spec(package) is not None:
        return f"A package {package!r} can be imported here already."
    return ""


def _plural(kind: Kind) -> str:
    return "losses" if kind == "loss" else f"{kind}s"


def _texts(names: Names, kind: Kind) -> Iterator[tuple[Path, str]]:
    """Path within the package's folder and text of every file."""
    values = {
        "summary": f"{'An' if kind[0] in 'aeiou' else 'A'} {kind} for emotion recognition in conversation",
        "version": __version__,
        "api": API_LEVEL,
        "run": _rendered(Path("run.j2"), _values(names, kind)),
    }
    for root, below in (("common", Path()), (kind, Path(names.package))):
        for source in sorted(path for path in (TEMPLATES / root).rglob("*") if path.is_file()):
            made = _rendered(source.relative_to(TEMPLATES), values | _values(names, kind))
            yield below / str(source.relative_to(TEMPLATES / root)).removesuffix(".j2"), made


def _values(names: Names, kind: Kind) -> dict[str, str]:
    return {"name": names.distribution, "package": names.package, "class_name": names.class_name, "kind": kind}


def _rendered(template: Path, values: Mapping[str, object]) -> str:
    """A template with its values; one that lacks a value is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - Python, TOML and Markdown of names that were checked; no HTML
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return environment.get_template(template.as_posix()).render(values)


def _commands(names: Names, kind: Kind, folder: Path) -> tuple[str, ...]:
    """What to type next: install, test, run."""
    place = folder.as_posix() if folder.is_absolute() else f"./{folder.as_posix()}"
    run = _rendered(Path("run.j2"), _values(names, kind))
    return f"pip install -e {shlex.quote(f'{place}[test]')}", f"pytest {shlex.quote(folder.as_posix())}", run
