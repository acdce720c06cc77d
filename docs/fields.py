"""What pages of docs/reference/ are made with: tables, prose of docstrings, fields of a schema. See ``generate.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def fields(schema: Mapping[str, Any], prefix: str, definitions: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Path, type and description of every field of an object, and of the objects in it."""
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        target = target_of(field) or target_of(field.get("items", {}))
        about = field.get("description") or _first_sentence(definitions.get(target, {}).get("description", ""))
        yield path, _type(field), about
        for suffix, inner in (("", field), ("[]", field.get("items")), (".*", field.get("additionalProperties"))):
            if isinstance(inner, Mapping) and "$ref" in inner:
                yield from fields(definitions[target_of(inner)], f"{path}{suffix}.", definitions)


def target_of(field: Mapping[str, Any]) -> str:
    """The name of the definition that a field refers to, or nothing."""
    return str(field.get("$ref", "")).rpartition("/")[2]


def _type(field: Mapping[str, Any]) -> str:
    """The type of a field in words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(option) for option in field["anyOf"]))
    if "$ref" in field:
        return "any JSON value" if target_of(field) == "JsonValue" else "object"
    kind = field.get("type", "any JSON value")
    if kind == "array":
        return f"list of {_type(field['items'])}"
    if kind == "object":
        values = field.get("additionalProperties")
        return f"object of {_type(values)}" if isinstance(values, Mapping) else "object"
    low, high = field.get("minimum"), field.get("maximum")
    if high is not None:
        return f"{kind}, {low:g} to {high:g}"
    return str(kind) if low is None else f"{kind}, at least {low:g}"


def table(rows: list[tuple[str, str, str]], header: tuple[str, str, str] = ("Field", "Type", "Meaning")) -> list[str]:
    """A Markdown table."""
    code = header[0] == "Field"
    lines = [f"| {' | '.join(header)} |", "| --- | --- | --- |"]
    for first, *rest in rows:
        cells = [f"`{first}`" if code else first, *(prose(cell).replace("|", "\\|") for cell in rest)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _first_sentence(text: str) -> str:
    head, stop, _ = " ".join(text.split()).partition(". ")
    return head + ("." if stop else "")


def prose(text: str) -> str:
    """A docstring's text on one line, code marked as Markdown does."""
    return " ".join(text.split()).replace("``", "`")
