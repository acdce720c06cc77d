"""YAML text -> plain values, each with the line it stands on. Nothing is constructed and no tag is followed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from ercbench.reading import Problem, shown

Place = tuple[Any, ...]
"""The keys and positions that lead to a value, from the top."""

LIMIT = 64 * 1024
"""Characters; a manifest is a page of text."""

AS_SHOWN = "Write it as docs/how-to/bring-your-own-dataset.md shows."

_TAGS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "timestamp", "value", "merge"))
_NULL, _MAP, _SEQ = (f"tag:yaml.org,2002:{kind}" for kind in ("null", "map", "seq"))


@dataclass
class Document:
    """What a file says: text as it is written, None, lists and mappings; and on which line each thing stands."""

    name: str
    values: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def where(self, place: Place) -> str:
        """``dataset.yaml, line 7``: where the value is, or else what it is missing from."""
        while place and place not in self.lines:
            place = place[:-1]
        return f"{self.name}, line {self.lines.get(place, 1)}"

    @staticmethod
    def line_of(where: str) -> int:
        """The line in what `where` gives."""
        return int(where.rpartition(" ")[2])


class _Alias(Exception):
    """A name stands where another part of the file is meant: the name and its line. It never leaves this file."""

    def __init__(self, name: str, line: int) -> None:
        self.name, self.line = name, line


class _Loader(yaml.SafeLoader):
    """Composes without aliases, which can make a small file stand for a huge one."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()  # type: ignore[no-untyped-call]
            raise _Alias(event.anchor, event.start_mark.line + 1)
        return super().compose_node(parent, index)


def compose(name: str, text: str) -> Document | Problem:
    """Text -> Document, or the first thing that makes it no YAML or no plain one.

    Args:
        name: the file's name, for problems and places.
        text: what stands in it.
    """
    if len(text) > LIMIT:
        return Problem(name, f"is too long for what it is. Got {len(text)} characters, at most {LIMIT}.")
    document = Document(name)
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            return Problem(name, "is empty.", AS_SHOWN)
        document.values = _plain(node, (), document)
    except RecursionError:
        return Problem(name, "is nested too deeply.", AS_SHOWN)
    except (_Alias, yaml.MarkedYAMLError, yaml.reader.ReaderError) as error:
        return _not_plain(name, text, error)
    except (ValueError, OverflowError) as error:  # of an escape or a number beyond what there is
        return Problem(name, f"is not YAML: {error}.", AS_SHOWN)
    return document


def _not_plain(name: str, text: str, error: _Alias | yaml.MarkedYAMLError | yaml.reader.ReaderError) -> Problem:
    """What stopped the reading, with its line."""
    if isinstance(error, _Alias):
        what = f"repeats another part of the file. Got {shown(f'*{error.name}')}."
        return Problem(f"{name}, line {error.line}", what, "Write it out.")
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        what = f"holds a character that YAML does not allow. Got {shown(chr(error.character))}."
        return Problem(f"{name}, line {line}", what, "Remove it.")
    mark = error.problem_mark or error.context_mark
    said = " ".join(part for part in (error.context, error.problem) if part)
    words = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in re.sub(r"\s+", " ", said))
    where = f"{name}, line {mark.line + 1 if mark else 1}"
    return Problem(where, f"is not YAML: {words}.", "Indent with blanks, and quote what is special.")


def _plain(node: yaml.Node, place: Place, document: Document) -> Any:
    """A node as text, None, a list or a dict; its line and problems go to the document."""
    document.lines.setdefault(place, node.start_mark.line + 1)
    if node.tag not in (*_TAGS, _NULL, _MAP, _SEQ):
        document.problems.append(Problem(document.where(place), f"a tag is not used here. Got {shown(node.tag)}."))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, place, document)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*place, position), document) for position, child in enumerate(node.value)]
    return None if node.tag == _NULL else str(node.value)


def _mapping(node: yaml.MappingNode, place: Place, document: Document) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            what = "what stands before ':' must be a word, not a list or a mapping."
            document.problems.append(Problem(f"{document.name}, line {line}", what))
            continue
        key = str(key_node.value)
        inner = (*place, key)
        if key in values:
            path, first = ".".join(map(str, inner)), document.lines[inner]
            what = f"{shown(path)} stands a second time; the first is on line {first}."
            document.problems.append(Problem(f"{document.name}, line {line}", what, "Remove one of them."))
            continue
        document.lines[inner] = line
        values[key] = _plain(value_node, inner, document)
    return values
