"""Path -> JSON, and the lists and strings in it: what the readers share beside the public helpers for text and rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ercbench import Problem, Row, group_rows, parse_rows, read_text, shown

__all__ = ["AGAIN", "Row", "group_rows", "list_in", "parse_rows", "read_json", "read_text", "shown", "text_in"]

AGAIN = "Get the file again."


def read_json(path: Path) -> Any:
    """Path -> what the JSON file says, or a `Problem`."""
    text = read_text(path)
    if isinstance(text, Problem):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{path.name}, line {error.lineno}, column {error.colno}"
        what = "ends too early" if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg else "is not JSON"
        return Problem(where, f"{what} ({error.msg}).", f"The file is damaged or cut off. {AGAIN}")
    except (ValueError, RecursionError) as error:
        return Problem(path.name, f"is JSON of a kind no data set has ({error}).", AGAIN)


def list_in(owner: object, key: str, where: str, problems: list[Problem]) -> list[Any]:
    """The list under `key` of a JSON object. If it is not there, a problem is added and the list is empty."""
    value = owner.get(key) if isinstance(owner, dict) else None
    if isinstance(value, list):
        return value
    problems.append(_wrong_type(owner, key, "a list", where))
    return []


def text_in(owner: object, key: str, where: str, problems: list[Problem]) -> str | None:
    """The string under `key` of a JSON object. If it is not there, a problem is added and the answer is None."""
    value = owner.get(key) if isinstance(owner, dict) else None
    if isinstance(value, str):
        return value
    problems.append(_wrong_type(owner, key, "a string", where))
    return None


def _wrong_type(owner: object, key: str, kind: str, where: str) -> Problem:
    if not isinstance(owner, dict):
        return Problem(where, f"must be an object with {key!r}. Got {shown(owner)}.")
    if key not in owner:
        return Problem(where, f"lacks {key!r}, which must be {kind}. Got {shown(sorted(owner))}.")
    return Problem(where, f"{key!r} must be {kind}. Got {shown(owner[key])}.")
