"""The table of docs/explanation/reliability.md and the tests belong together."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "explanation" / "reliability.md"
COLUMNS = ["Fault", "Where", "What is promised", "Outcome", "Test"]


def rows() -> list[dict[str, str]]:
    """The rows of the table by column."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| Fault |"))
    table = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[start:] if line.startswith("|")]
    head, _, *body = table[: next((n for n, line in enumerate(lines[start:]) if not line.startswith("|")), None)]
    assert head == COLUMNS
    return [dict(zip(COLUMNS, row, strict=True)) for row in body]


def names_in(file: Path) -> Iterator[str]:
    """Names of the tests of a file."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name


def test_every_row_names_a_test_that_holds_it() -> None:
    """Each row is filled, and its test exists."""
    named = [row["Test"].strip("`").split("::") for row in rows()]
    assert all(all(row.values()) for row in rows())
    assert [f"{file}::{test}" for file, test in named if test not in names_in(TESTS / file)] == []


def test_every_test_of_a_fault_has_a_row() -> None:
    """A fault that is tried is told, once."""
    files = [file for file in TESTS.glob("faults/test_*.py") if file != Path(__file__)]
    tried = {f"faults/{file.name}::{test}" for file in files for test in names_in(file)}
    told = [row["Test"].strip("`") for row in rows()]
    assert len(told) == len(set(told))
    assert tried - set(told) == set()
