"""Where the values of a run come from: recipe, track, data set and ``--set``. Part of ``config.py``.

Later ones win: the recipe (its base first), the track, the recipe's own values for that track, the recipe's own values
for that data set's family and name, each on any track and on that one, ``--set``. What a recipe removes of its base,
with None, is gone from all of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from ercbench.catalog import Catalog
from ercbench.errors import BadSetting
from ercbench.specs import DatasetSpec, Recipe, TrackSpec, Values


def lineage(catalog: Catalog, recipe: Recipe) -> list[Recipe]:
    """A recipe and the recipes it is derived from, the base first."""
    chain = [recipe]
    while base := chain[0].base:
        found = catalog.get(Recipe, base)
        if found in chain:
            raise BadSetting(
                f"Recipe {recipe.name} is derived from itself through {base}. Its plugin must name another base."
            )
        chain.insert(0, found)
    return chain


@dataclass(frozen=True)
class Layer:
    """One source of values.

    Attributes:
        origin: its name.
        place: of the recipe that states them, in its lineage; -1 for a track, which no recipe is derived from, and
            one more than the last for ``--set``.
        values: by dotted path.
    """

    origin: str
    place: int
    values: Values


def _layers(
    chain: Sequence[Recipe], track: TrackSpec, dataset: DatasetSpec, overrides: Mapping[str, JsonValue]
) -> Iterator[Layer]:
    """The sources of values, least important first."""
    for place, link in enumerate(chain):
        yield Layer(f"recipe {link.name}", place, link.values)
    yield Layer(f"track {track.name}", -1, track.values)
    for place, link in enumerate(chain):
        yield Layer(f"recipe {link.name} for track {track.name}", place, link.for_track.get(track.name, {}))
    for target in dict.fromkeys((dataset.family, dataset.name)):
        for place, link in enumerate(chain):
            yield Layer(f"recipe {link.name} for data set {target}", place, link.for_dataset.get(target, {}))
        for place, link in enumerate(chain):
            origin = f"recipe {link.name} for data set {target} on track {track.name}"
            yield Layer(origin, place, link.for_dataset.get(f"{target}/{track.name}", {}))
    yield Layer("--set", len(chain), dict(overrides))


def merge(
    catalog: Catalog, recipe: Recipe, track: TrackSpec, dataset: DatasetSpec, overrides: Mapping[str, JsonValue]
) -> tuple[Values, dict[str, str]]:
    """Lay the sources over each other -> values by dotted path, and the name of the source of each.

    A value of None removes everything below its path that less important sources state, and everything that a recipe's
    bases state there for a track or a data set: those values were meant for what has been removed. What a recipe
    states, its bases do not remove. Any other value takes the place of what less important sources state below its
    path; what one source states beside it stays, in any order.
    """
    layers = list(_layers(lineage(catalog, recipe), track, dataset, overrides))
    stated = [_path(given, value) for layer in layers for given, value in layer.values.items()]
    values: Values = {}
    sources: dict[str, Layer] = {}
    for layer in layers:
        for given, value in layer.values.items():
            path = _path(given, value)
            if _removed(path, value, layer, layers):
                continue
            removes = value is None and any(_is_below(other, path) for other in stated)  # else None is the value
            for known in [known for known in values if _is_below(known, path)]:
                if sources[known].place <= layer.place if removes else sources[known] is not layer:
                    del values[known], sources[known]
            if not removes:
                values.pop(path, None)  # a value set again counts as set last
                values[path], sources[path] = value, layer
    return values, {path: source.origin for path, source in sources.items()}


def _removed(path: str, value: JsonValue, layer: Layer, layers: Sequence[Layer]) -> bool:
    """Whether a recipe that is derived from the one that states a value removes it, wherever either says so."""
    return layer.place >= 0 and any(
        removal is None and (_is_below(path, given) or (value is None and path == given))
        for other in layers
        if other.place > layer.place
        for given, removal in other.values.items()
    )


def _is_below(path: str, other: str) -> bool:
    """``losses.pull.weight`` is below ``losses.pull`` and ``losses``."""
    return path.startswith(f"{other}.")


def _path(given: str, value: JsonValue) -> str:
    """Where a value is kept: ``losses.NAME=LOSS`` is short for ``losses.NAME.name=LOSS``."""
    names_a_loss = given.startswith("losses.") and given.count(".") == 1 and isinstance(value, str)
    return f"{given}.name" if names_a_loss else given


def nest(flat: Mapping[str, JsonValue]) -> dict[str, Any]:
    """``{"replace.x": 1}`` -> ``{"replace": {"x": 1}}``; what is below anything but a mapping stays where it is."""
    nested: dict[str, Any] = {path: value for path, value in flat.items() if "." not in path}
    for path, value in flat.items():
        head, dot, rest = path.partition(".")
        known = nested.get(head, {})
        if dot and isinstance(known, dict):
            nested[head] = {**known, rest: value}
        elif dot:
            nested[path] = value
    return nested


def parse_assignment(
    text: str, option: str = "--set", form: str = "PATH=VALUE", example: str = "training.epochs=3"
) -> tuple[str, JsonValue]:
    """``"training.epochs=3"`` -> ``("training.epochs", 3)``; a value that is not JSON is a string.

    Args:
        text: what was given.
        option: whose value it is, with its `form` and an `example`, for the message.
        form: see `option`.
        example: see `option`.

    Raises:
        BadSetting: there is no ``=``.
    """
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise BadSetting(f"{option} wants {form}. Got {text!r}. Example: {option} {example}")
    try:
        return path.strip(), json.loads(value)
    except ValueError:
        return path.strip(), value
