"""What a recipe removes of the recipe it is derived from, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from ercbench.catalog import Catalog, Entry, Plugin
from ercbench.specs import DatasetSpec, Recipe, TrackSpec
from ercbench.types import LabelSet
from ercbench.values import merge, nest

TOY = Plugin("toy-plugin", "1.0", "toy", "toy")
TRACK = {"encoder.checkpoint": "somebody's"}
SCOPES = ("for_track", "short"), ("for_dataset", "talk"), ("for_dataset", "talk-sample")
"""Where a recipe has values for the track and the data set that are merged here."""


def recipe(name: str, base: str | None = None, **fields: Any) -> Recipe:
    """A recipe."""
    return Recipe(name=name, summary="", version="1", reference="", base=base, **{"values": {}, **fields})


def merged(root: Recipe, derived: Recipe) -> tuple[dict[str, Any], dict[str, str]]:
    """Values and origins of the derived recipe, on track ``short`` and data set ``talk-sample`` of family ``talk``."""
    talk = DatasetSpec(
        name="talk-sample", summary="", family="talk", version="1", labels=LabelSet.of({"glad": "glad"}), files={},
        licence="MIT", source="nowhere",
    )  # fmt: skip
    track = TrackSpec(name="short", summary="", values=TRACK)
    return merge(Catalog([TOY], [Entry(TOY, root), Entry(TOY, derived)]), derived, track, talk, {})


@pytest.mark.parametrize(("where", "scope"), SCOPES)
def test_removing_a_part_removes_what_its_base_says_of_it_anywhere(where: str, scope: str) -> None:
    """Values of a base for a track or a data set go with the part that they are for; other ones stay."""
    said = {"classifier.steps": 9, "losses.pull.temperature": 0.1, "losses.push.weight": 2.0}
    parts = {"classifier.name": "fitted", "losses.pull.weight": 1.0}
    changed = {"classifier": None, "classifier.name": "head", "losses.pull": None}
    values, origins = merged(
        recipe("root", values=parts, **{where: {scope: said}}), recipe("method", "root", values=changed)
    )
    assert values == TRACK | {"classifier.name": "head", "losses.push.weight": 2.0}
    assert origins["losses.push.weight"].startswith("recipe root for")


@pytest.mark.parametrize(("where", "scope"), SCOPES)
def test_removing_in_one_scope_removes_what_the_base_says_in_another(where: str, scope: str) -> None:
    """Wherever the derived recipe removes a part, and wherever the base speaks of it."""
    root = recipe("root", **{at: {name: {f"renderer.{i}": 1}} for i, (at, name) in enumerate(SCOPES)})
    changed = {where: {scope: {"renderer": None, "renderer.name": "plain"}}}
    assert merged(root, recipe("method", "root", **changed))[0] == TRACK | {"renderer.name": "plain"}


@pytest.mark.parametrize(("where", "scope"), SCOPES)
def test_a_base_does_not_remove_what_is_derived_from_it(where: str, scope: str) -> None:
    """A base that removes what its track says of an encoder leaves alone what a derived recipe says of it."""
    root = recipe("root", **{where: {scope: {"encoder": None, "encoder.name": "small"}}})
    values, origins = merged(root, recipe("method", "root", values={"encoder.width": 8}))
    assert values == {"encoder.width": 8, "encoder.name": "small"}
    assert origins["encoder.width"] == "recipe method"


def test_a_derived_recipe_replaces_a_part_that_its_base_replaces_for_a_track() -> None:
    """The part that the derived recipe names counts, and the track's values are for it again."""
    root = recipe("root", for_track={"short": {"encoder": None, "encoder.name": "tiny"}})
    derived = recipe("method", "root", values={"encoder": None, "encoder.name": "small"})
    assert merged(root, derived)[0] == TRACK | {"encoder.name": "small"}


def test_none_is_a_value_where_nothing_is_below() -> None:
    """For a setting that may be None it is the value, not a removal, and is replaced as any other."""
    derived = recipe("method", "root", values={"encoder.limit": None})
    assert merged(recipe("root", values={"encoder.limit": 5}), derived)[0]["encoder.limit"] is None
    assert merged(recipe("root", for_dataset={"talk": {"encoder.limit": 7}}), derived)[0]["encoder.limit"] == 7


def test_a_name_and_its_parameters_come_in_any_order() -> None:
    """From one source; a name from a more important one takes the place of the parameters, which were another's."""
    named, parameter = {"losses.pull.miner": "Near"}, {"losses.pull.miner.margin": 0.1}
    both = {**named, **parameter}
    for values in (both, {**parameter, **named}):
        assert merged(recipe("root"), recipe("method", "root", values=values))[0] == TRACK | both
    whole, single = {"renderer.replace": {"x": "y"}}, {"renderer.replace.z": ""}
    for values in (whole | single, single | whole):
        assert merged(recipe("root"), recipe("method", "root", values=values))[0] == TRACK | whole | single
    assert merged(recipe("root", values=parameter), recipe("method", "root", values=named))[0] == TRACK | named
    assert merged(recipe("root", values=named), recipe("method", "root", values=parameter))[0] == TRACK | both


def test_paths_are_folded_where_they_lead_into_a_mapping() -> None:
    """In any order; below anything else a path stays whole, and nothing is lost."""
    assert nest({"a.x": 1, "b": 2, "a.y.z": 3}) == {"a": {"x": 1, "y.z": 3}, "b": 2}
    assert nest({"a": {"x": 1}, "a.y": 2}) == {"a": {"x": 1, "y": 2}}
    for flat in ({"a": "name", "a.x": 1}, {"a.x": 1, "a": "name"}):
        assert nest(flat) == {"a": "name", "a.x": 1}
    assert nest({"a.": 1}) == {"a": {"": 1}}
