"""The public names, and what may import what."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

import ercbench
import ercbench.testing

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def _sources(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return sorted(Path(spec.origin).parent.rglob("*.py"))


def test_all_is_sorted_and_importable() -> None:
    """`ercbench.__all__` is a sorted list of names that exist."""
    assert ercbench.__all__ == sorted(ercbench.__all__)
    assert all(getattr(ercbench, name) is not None for name in ercbench.__all__)


def test_unknown_public_name_is_an_attribute_error() -> None:
    """A name that is not public cannot be had from the package."""
    assert not hasattr(ercbench, "locate")


def test_every_public_name_is_in_the_reference() -> None:
    """The table of public names has all; every field of a spec and every method on the page of ports has a meaning."""
    names = (REFERENCE / "api.md").read_text(encoding="utf-8")
    assert not [name for name in (*ercbench.__all__, *ercbench.testing.__all__) if f"`{name}`" not in names]
    page = (REFERENCE / "ports.md").read_text(encoding="utf-8")
    assert not [line for line in page.splitlines() if line.startswith("|") and re.search(r"\|\s*\|$", line)]


def test_a_retired_name_works_and_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what took its place, and says so to whoever uses it; it is not among the public names."""
    monkeypatch.setitem(ercbench._RETIRED, "Vectors", ("Representation", "2.0.0"))
    message = r"ercbench\.Vectors goes with ercbench 2\.0\.0\. Use Representation"
    with pytest.warns(DeprecationWarning, match=message) as told:
        assert ercbench.Vectors is ercbench.Representation  # type: ignore[attr-defined]
    assert told[0].filename == __file__
    assert not ercbench._RETIRED.keys() & set(ercbench.__all__) - {"Vectors"}


def test_plugins_import_only_public_names() -> None:
    """First-party plugins use the same door as anybody's: names of `ercbench` itself, and no module below it."""
    for package in ("ercbench_stock", "ercbench_eacl"):
        for source in _sources(package):
            for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ercbench":
                    assert node.module == "ercbench", f"{source}:{node.lineno}"
                    assert {alias.name for alias in node.names} <= set(ercbench.__all__), f"{source}:{node.lineno}"
                if isinstance(node, ast.Import):
                    below = [alias.name for alias in node.names if alias.name.startswith("ercbench.")]
                    assert not below, f"{source}:{node.lineno}"


def test_core_names_no_plugin() -> None:
    """The core imports no plugin, accelerate in one file alone, transformers there and for the kit's tiny encoder."""
    homes: dict[str, set[str]] = {"accelerate": set(), "transformers": set()}
    for source in _sources("ercbench"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                root = name.split(".")[0]
                assert not root.startswith("ercbench_"), f"{source}:{node.lineno}"
                if root in homes:
                    homes[root].add(source.name)
    assert homes == {"accelerate": {"devices.py"}, "transformers": {"checkpoints.py", "tiny.py"}}
