"""What a plugin's author writes against: ports, specs, values and the public names. See ``generate.py``."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import ercbench
import ercbench.testing
from ercbench import checkpoint_specs, errors, hookspecs, ports, reading, specs, types
from ercbench.plugin_loading import KINDS

ABOUT = """\
What the parts of a plugin must be able to do, how a plugin describes them, what they are given, and what helps to \
write them.
[Hooks](hooks.md) says when a plugin is asked, and [Write a plugin](../how-to/write-a-plugin.md) how it is done.
All names on this page are names of `ercbench`.
In shapes, B is utterances in a batch, T tokens in a sequence, H the encoder's width, D the width of the vectors, C \
classes and N utterances in a split."""
SPECS = """\
How a plugin describes what it offers. Specs are frozen and checked by pydantic, and a field that there is not is an \
error.
A `Target` is `"module:attribute"`, imported when the part is built; a `Name` has small letters, digits and `._-`; \
`Values` are JSON values by dotted path, such as `{"training.epochs": 8}`."""
ELSEWHERE = {"API_LEVEL": "../explanation/versions.md#the-plugin-interface", "hookimpl": "hooks.md",
             "RunInfo": "hooks.md#runinfo", "EpochInfo": "hooks.md#epochinfo", "RunRecord": "record.md",
             "parametrize_with_checks": "../how-to/write-a-plugin.md#the-kit"}  # fmt: skip
"""Names that stand on another page."""
SPECIFIED, VALUES = (specs, checkpoint_specs), (reading, types, checkpoint_specs)
"""Modules whose classes are described as specs, and as values."""


def interface(marker: str) -> str:
    """The page of ports, specs, values and helpers."""
    lines = [marker, "", "# Ports, specs and values", "", ABOUT, "", "## Ports", "", _first(ports), ""]
    for port in _public(ports):
        lines += _port(port)
    lines += ["## Specs", "", SPECS, ""]
    for spec in [found for home in SPECIFIED for found in _public(home) if issubclass(found, BaseModel)]:
        lines += _spec(spec)
    lines += ["## Values", "", "What the methods of ports are given and return. All of them are frozen.", ""]
    for value in [found for home in VALUES for found in _public(home) if dataclasses.is_dataclass(found)]:
        lines += _value(value)
    lines += ["## Helpers", "", "Functions that parts are written with.", ""]
    for name in _helpers():
        lines += _helper(name)
    return _linked_text("\n".join(lines), "")


def _helpers() -> list[str]:
    """The public functions, but for the one that runs ercbench."""
    found = (name for name in ercbench.__all__ if inspect.isfunction(getattr(ercbench, name)))
    return [name for name in found if name != "run"]


def _linked_text(text: str, page: str) -> str:
    """What docstrings name by its module becomes a link to its heading."""
    link = lambda found: f"[`{found[1]}{found[2]}`]({page}#{found[1].lower()})"  # noqa: E731
    return re.sub(r"`(?:ports|specs|checkpoint_specs)\.(\w+)([\w.]*)`", link, text)


def names(marker: str) -> str:
    """The page of public names; on the site each is described in full below the table."""
    own = sorted(ercbench.__all__, key=str.lower)
    kit = sorted(ercbench.testing.__all__, key=str.lower)
    text = "\n".join(
        [
            marker,
            "",
            "# The public names",
            "",
            "What a plugin, or a program that runs ercbench, may rely on. Everything else is the inside of ercbench;",
            "[Versions](../explanation/versions.md) says what that means.",
            "",
            "## ercbench",
            "",
            *_names(ercbench, own),
            "",
            "## ercbench.testing",
            "",
            *_names(ercbench.testing, kit),
            "",
            *(f"<!-- ::: {owner}.{name} -->" for owner, found in (("ercbench", own), ("ercbench.testing", kit))
              for name in found),
            "",
        ]
    )  # fmt: skip
    return _linked_text(text, "ports.md")


def since() -> str:
    """A table of the hooks by the API level that brought them."""
    levels: dict[int, list[str]] = {}
    for name in (name for name in vars(hookspecs) if name.startswith("ercbench_")):
        about = " ".join((inspect.getdoc(getattr(hookspecs, name)) or "").split())
        [level] = re.findall(r"Since API level (\d+)\.", about)
        levels.setdefault(int(level), []).append(f"`{name}`")
    rows = [f"| {level} | {', '.join(found)} |" for level, found in sorted(levels.items())]
    return "\n".join(["| API level | Hooks it brought |", "| --- | --- |", *rows])


def _first(thing: Any) -> str:
    """The first paragraph of what something says of itself."""
    return _prose(inspect.cleandoc(thing.__doc__ or "").split("\n\n", 1)[0])


def _public(module: Any) -> list[Any]:
    """The public classes of a module, in its order."""
    found = [(name, thing) for name, thing in vars(module).items() if name in ercbench.__all__]
    return [thing for name, thing in found if inspect.isclass(thing) and thing.__module__ == module.__name__]


# ------------------------------------------------------------------------------------------------- ports


def _port(port: type[Any]) -> list[str]:
    """A protocol: what it is for, its attributes, its methods."""
    about, attributes = _docs(port)
    parents = [parent.__name__ for parent in port.__bases__ if parent.__module__ == ports.__name__]
    more = [f"It has what [{name}](#{name.lower()}) has, and:" for name in parents] + [""] * bool(parents)
    lines = [f"### {port.__name__}", "", *_paragraphs(about), *more]
    methods = {
        name: method for name, method in vars(port).items()
        if inspect.isfunction(method) and (name == "__call__" or not name.startswith("_")) and name != "__init__"
    }  # fmt: skip
    told = {name: method for name, method in methods.items() if inspect.getdoc(method) and _own(method)}
    if attributes:
        rows = [(f"`{name}: {port.__annotations__[name]}`", text) for name, text in attributes.items()]
        lines += _table(("Attribute", "Meaning"), rows)
    rows = [(f"`{_signature(name, method)}`", _method(method)) for name, method in told.items()]
    lines += _table(("Method", "What it does"), rows)
    if rest := [f"`{name}`" for name in methods if name not in told]:
        lines += [f"And, as a `torch.nn.Module` has them: {', '.join(rest)}.", ""]
    return lines


def _own(method: Any) -> bool:
    """Whether its text is its own, not one that it inherits."""
    return bool(method.__doc__)


def _signature(name: str, method: Any) -> str:
    found = inspect.signature(method)
    bare = found.replace(parameters=[given for given in found.parameters.values() if given.name not in ("self", "cls")])
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", f"{name}{bare}")


def _stub(signature: str) -> str:
    """A signature as code, in lines of at most 120 characters as the formatter makes them."""
    line = re.sub(r"= '([^']*)'", r'= "\1"', f"def {signature}: ...")
    begin, end = line.index("(") + 1, line.rindex(") ->") if ") ->" in line else line.rindex(")")
    return line if len(line) <= 120 else f"{line[:begin]}\n    {line[begin:end]}\n{line[end:]}"


def _method(method: Any) -> str:
    """A method's text on one line, its arguments after it."""
    about, arguments = _with_arguments(method)
    return " ".join([about, *(f"`{name}`: {text}" for name, text in arguments)])


def _with_arguments(function: Any) -> tuple[str, list[tuple[str, str]]]:
    """A function's text, what it raises after it, and its arguments."""
    about, *sections = re.split(r"\n\n(Args|Returns|Raises):\n", inspect.getdoc(function) or "")
    texts = dict(zip(sections[::2], sections[1::2], strict=True))
    arguments, raised = (list(_attributes(texts.get(name, "").split("\n\n")[0])) for name in ("Args", "Raises"))
    return " ".join([_prose(about), *(f"Raises `{name}`: {text}" for name, text in raised)]), arguments


def _helper(name: str) -> list[str]:
    """A function: how it is called, what it does, its arguments."""
    function = getattr(ercbench, name)
    about, arguments = _with_arguments(function)
    rows = [(f"`{argument}`", text) for argument, text in arguments]
    return [f"### {name}", "", "```python", _stub(_signature(name, function)), "```", "", about, "",
            *_table(("Argument", "Meaning"), rows)]  # fmt: skip


# ------------------------------------------------------------------------------------------------- specs


PLAIN = {
    "name": "by which it is asked for; `distribution:name` where two plugins offer the same",
    "summary": "what it is, in a line",
    "licence": "under which the files may be used, as SPDX writes it or in words",
    "dialogues": "their number",
    "turns": "their number, those without a label included",
    "labels": "labelled utterances per label key",
}
"""Fields that the docstrings leave out because their names say enough."""


def _spec(spec: type[BaseModel]) -> list[str]:
    """A model: what it is for, and its fields with those it inherits."""
    about, _ = _docs(spec)
    told, written = dict(PLAIN), {}
    for owner in reversed(spec.__mro__):
        if owner.__module__ in {home.__name__ for home in SPECIFIED}:
            told |= _docs(owner)[1]
            written |= owner.__annotations__
    rows = [
        (f"`{name}`", f"`{_annotation(written[name])}`", _default(field), told.get(name, ""))
        for name, field in spec.model_fields.items()
    ]
    kind = next((plural for plural, found in KINDS.items() if found is spec), "")
    hook = [f"Handed over by [`ercbench_{kind}`](hooks.md#ercbench_{kind})."] if kind else []
    return [f"### {spec.__name__}", "", *_paragraphs(about), *hook, *([""] if hook else []),
            *_table(("Field", "Type", "Default", "Meaning"), rows)]  # fmt: skip


def _annotation(text: Any) -> str:
    return re.sub(r"(?:Annotated|InstanceOf)\[([^,\[\]]+(?:\[[^\]]*\])?)(?:, Field\(.*?\))?\]", r"\1", str(text))


def _default(field: Any) -> str:
    if field.default is PydanticUndefined:
        return "required"
    default = getattr(field.default, "__name__", None) or repr(field.default)
    return f"`{default}`"


# ------------------------------------------------------------------------------------------------- values


def _value(value: type[Any]) -> list[str]:
    """A dataclass: its fields as the code has them, and what it can be asked."""
    about, attributes = _docs(value)
    fields = [
        (f"`{field.name}`", f"`{field.type}`", _value_default(field), attributes.get(field.name, ""))
        for field in dataclasses.fields(value)
    ]
    header = ("Field", "Type", "Default", "Meaning")
    if not attributes:
        fields, header = [row[:3] for row in fields], header[:3]
    asked = [(f"`{name}`", _prose(inspect.getdoc(found) or "")) for name, found in _members(value)]
    return [f"### {value.__name__}", "", *_paragraphs(about), *_table(header, fields),
            *(_table(("It can be asked", "What it answers"), asked) if asked else [])]  # fmt: skip


def _value_default(field: Any) -> str:
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`"
    return "required" if field.default_factory is dataclasses.MISSING else "empty"


def _members(value: type[Any]) -> Iterator[tuple[str, Any]]:
    """Public methods and properties with what they are given."""
    for name, found in vars(value).items():
        inner = getattr(found, "__func__", found)
        if name.startswith("_") or not (isinstance(found, property) or inspect.isfunction(inner)):
            continue
        yield (name if isinstance(found, property) else _signature(name, inner)), found


# ------------------------------------------------------------------------------------------------- names


def _names(owner: Any, found: list[str]) -> list[str]:
    """A row per public name: what it is, with a link to where the reference has it."""
    things = {name: getattr(owner, name) for name in found}
    rows = [(_linked(thing, name), CONSTANTS.get(name) or _first(thing)) for name, thing in things.items()]
    return _table(("Name", "What it is"), rows)[:-1]


def _linked(thing: Any, name: str) -> str:
    if name in ELSEWHERE:
        return f"[`{name}`]({ELSEWHERE[name]})"
    if getattr(thing, "__module__", "") == errors.__name__:
        return f"[`{name}`](errors.md)"
    described = name in _helpers() or any(thing in _public(home) for home in (ports, *SPECIFIED, *VALUES))
    return f"[`{name}`](ports.md#{name.lower()})" if described else f"`{name}`"


CONSTANTS = {
    "API_LEVEL": "The level of the plugin interface. A plugin made for another level is not loaded.",
    "FloatArray": "A numpy array of float32.",
    "MASK": "Stands for the tokenizer's own mask token in a `Prompt`; a renderer removes it from dialogue text.",
    "SPLITS": "`train`, `dev` and `test`, in this order.",
    "Split": "The name of a split.",
    "hookimpl": "Marks a function or method as a hook.",
}
"""Names that have no text of their own."""


# ------------------------------------------------------------------------------------------------- text


def _docs(thing: type[Any]) -> tuple[str, dict[str, str]]:
    """A class's own text, and what it says of its attributes."""
    about, _, attributes = inspect.cleandoc(thing.__doc__ or "").partition("\n\nAttributes:\n")
    return about, dict(_attributes(attributes)) if attributes else {}


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    """Name and meaning of every item in a docstring's list; none where it is empty."""
    for line in re.sub(r"\n {4,}", " ", inspect.cleandoc(text)).splitlines() if text else ():
        name, _, meaning = line.partition(": ")
        yield name, _prose(meaning)


def _paragraphs(text: str) -> list[str]:
    return [line for paragraph in text.split("\n\n") for line in (_prose(paragraph), "")]


def _prose(text: str) -> str:
    """A docstring's text on one line, code marked as Markdown does."""
    return " ".join(text.split()).replace("``", "`")


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """A Markdown table and an empty line; nothing where there are no rows."""
    escaped = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in ([header, tuple("---" for _ in header), *escaped] if rows else [])]
    return [*lines, ""] if lines else []
