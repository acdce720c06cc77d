"""The classes of pytorch-metric-learning by name: found, checked against what they take, built. Part of ``metric.py``.

A part is named by its class, alone or with parameters: ``"CosineSimilarity"`` or ``{"name": "LpDistance", "p": 1}``.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn, tensor

KINDS = {
    "loss": "losses",
    "distance": "distances",
    "reducer": "reducers",
    "miner": "miners",
    "embedding_regularizer": "regularizers",
    "weight_regularizer": "regularizers",
}
"""Parameters that are parts themselves, and the module of the library that has them."""
PREFIX = "pml:"


def name_and_parameters(given: object) -> tuple[str, dict[str, Any]]:
    """How a part is given -> the name of its class, and its parameters."""
    parameters = dict(given) if isinstance(given, Mapping) else {"name": given}
    return str(parameters.pop("name", "")).removeprefix(PREFIX), parameters


def classes(kind: str) -> dict[str, type[nn.Module]]:
    """The classes of a kind by name, without the library's own bases."""
    module = importlib.import_module(f"pytorch_metric_learning.{KINDS[kind]}")
    return {
        name: found
        for name, found in vars(module).items()
        if inspect.isclass(found) and issubclass(found, nn.Module) and not name.startswith("Base")
    }


def parameters_of(found: type) -> dict[str, inspect.Parameter]:
    """What a class takes, through all the bases to which it hands on what it does not know."""
    known: dict[str, inspect.Parameter] = {}
    for base in inspect.getmro(found):
        if "__init__" not in vars(base):
            continue
        taken = list(inspect.signature(base.__init__).parameters.values())[1:]
        named = [one for one in taken if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
        known = {**{one.name: one for one in named}, **known}
        if len(named) == len(taken):
            break
    return known


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a part: where, in words what, and the value."""

    path: tuple[str, ...]
    what: str
    value: object


def faults(kind: str, given: object, path: tuple[str, ...]) -> Iterator[Fault]:
    """What is wrong with the names in a part, everything at once.

    Args:
        kind: one of `KINDS`.
        given: the part.
        path: where it was given.
    """
    name, parameters = name_and_parameters(given)
    found = classes(kind).get(name)
    if found is None:
        known = _near(name, classes(kind))
        what = f"no {kind.replace('_', ' ')} of pytorch-metric-learning" if name else "missing beside the parameters"
        yield Fault((*path, "name"), f"{what}. {known}", name or parameters)
        return
    known = parameters_of(found)
    for parameter, value in parameters.items():
        if parameter not in known:
            yield Fault((*path, parameter), f"{name} does not take it. {_near(parameter, known)}", value)
        elif what := _mistyped(value, known[parameter].default):
            yield Fault((*path, parameter), what, value)
        elif parameter in KINDS and value is not None:
            yield from faults(parameter, value, (*path, parameter))


def _mistyped(value: object, default: object) -> str:
    """What is wrong with a value for a parameter with this default, which is all that the library says of its type.

    A word counts as true wherever Python asks, ``"False"`` too; so it must not pass for a truth or a number.
    """
    if value in ("True", "False", "None"):
        return "values are JSON: write true, false or null"
    if isinstance(default, bool) and not isinstance(value, bool):
        return "must be true or false"
    if isinstance(default, int | float) and not isinstance(default, bool) and isinstance(value, bool | str):
        return "must be a number, written as in JSON"
    return ""


def build(kind: str, given: object, sizes: Mapping[str, int]) -> nn.Module:
    """Make a part whose names are right.

    Args:
        kind: one of `KINDS`.
        given: the part.
        sizes: values of parameters that the run knows, for those that have no default.
    """
    name, parameters = name_and_parameters(given)
    found = classes(kind)[name]
    for parameter, taken in parameters_of(found).items():
        if parameter in KINDS and parameters.get(parameter) is not None:
            parameters[parameter] = build(parameter, parameters[parameter], sizes)
        elif parameter in sizes and parameter not in parameters and taken.default is inspect.Parameter.empty:
            parameters[parameter] = sizes[parameter]
    return found(**{parameter: _value(parameter, value) for parameter, value in parameters.items()})


def _value(parameter: str, value: Any) -> Any:
    """What a parameter is given as; weights of classes are a tensor, which JSON does not know."""
    made: Tensor | Any = tensor(value) if parameter == "weights" and isinstance(value, list | tuple) else value
    return made


def _near(name: str, known: Mapping[str, object]) -> str:
    """Names that are like one, and all there are."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return (f"Did you mean {' or '.join(near)}? " if near else "") + f"Known: {', '.join(sorted(known)) or 'none'}"
