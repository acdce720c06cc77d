"""Where the values of a run come from: recipe, track, data set and ``--set``. Part of ``config.py``.

Later ones win: the recipe (its base first), the track, the recipe's own values for that track, the recipe's own values
for that data set's family and name, each on any track and on that one, ``--set``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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


def _layers(catalog: Catalog, recipe: Recipe, track: TrackSpec, dataset: DatasetSpec) -> Iterator[tuple[str, Values]]:
    """The sources of values, least important first, each with its name."""
    chain = lineage(catalog, recipe)
    for link in chain:
        yield f"recipe {link.name}", link.values
    yield f"track {track.name}", track.values
    for link in chain:
        yield f"recipe {link.name} for track {track.name}", link.for_track.get(track.name, {})
    for target in dict.fromkeys((dataset.family, dataset.name)):
        for link in chain:
            yield f"recipe {link.name} for data set {target}", link.for_dataset.get(target, {})
        for link in chain:
            origin = f"recipe {link.name} for data set {target} on track {track.name}"
            yield origin, link.for_dataset.get(f"{target}/{track.name}", {})


def merge(
    catalog: Catalog, recipe: Recipe, track: TrackSpec, dataset: DatasetSpec, overrides: Mapping[str, JsonValue]
) -> tuple[Values, dict[str, str]]:
    """Lay the sources over each other -> values by dotted path, and the name of the source of each."""
    values: Values = {}
    origins: dict[str, str] = {}
    for origin, layer in [*_layers(catalog, recipe, track, dataset), ("--set", dict(overrides))]:
        for given, value in layer.items():
            path = _path(given, value)
            below = [known for known in values if known.startswith(f"{path}.")]
            for known in below:
                del values[known], origins[known]
            if value is not None or not below:
                values.pop(path, None)  # a value set again counts as set last
                values[path], origins[path] = value, origin
    return values, origins


def _path(given: str, value: JsonValue) -> str:
    """Where a value is kept: ``losses.NAME=LOSS`` is short for ``losses.NAME.name=LOSS``."""
    names_a_loss = given.startswith("losses.") and given.count(".") == 1 and isinstance(value, str)
    return f"{given}.name" if names_a_loss else given


def nest(flat: Mapping[str, JsonValue]) -> dict[str, Any]:
    """``{"replace.x": 1}`` -> ``{"replace": {"x": 1}}``."""
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        head, _, rest = path.partition(".")
        if rest:
            known = nested.get(head)
            nested[head] = {**(known if isinstance(known, dict) else {}), rest: value}
        else:
            nested[head] = value
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
