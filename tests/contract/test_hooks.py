"""A hook that is not documented and tested does not exist."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from pathlib import Path

import pytest

from ercbench import hookspecs

ROOT = Path(__file__).parents[2]
HOOKS = [name for name in vars(hookspecs) if name.startswith("ercbench_")]
PAGE = ROOT / "docs" / "reference" / "hooks.md"


def test_observer_hooks_are_the_last() -> None:
    """The file has them in the order of a run, after what a plugin offers."""
    assert tuple(HOOKS[-len(hookspecs.OBSERVER_HOOKS) :]) == hookspecs.OBSERVER_HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented(hook: str) -> None:
    """It says since when it is there, has an example, and stands in the reference."""
    about = inspect.getdoc(getattr(hookspecs, hook)) or ""
    assert "Since API level" in about
    assert "Example::" in about
    assert f"## `{hook}`" in PAGE.read_text(encoding="utf-8")


def test_every_hook_is_tested() -> None:
    """Its example is run by a test that has its name."""
    source = (ROOT / "tests" / "unit" / "test_hooks.py").read_text(encoding="utf-8")
    tests = {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    assert {f"test_hook_{hook.removeprefix('ercbench_')}" for hook in HOOKS} <= tests


def test_the_reference_is_what_the_code_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is generated, and nobody has edited it or the code since."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert PAGE.read_text(encoding="utf-8") == generate.hooks()
