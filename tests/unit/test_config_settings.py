"""Values set below, above and against the type of others."""

from __future__ import annotations

import pytest

from ercbench.catalog import load_catalog
from ercbench.config import resolve
from ercbench.errors import ErcbenchError
from ercbench.values import parse_assignment


def test_setting_an_entry_of_a_mapping_leaves_the_recipe_alone() -> None:
    """A value set below a recipe's mapping is not there the next time the recipe is resolved."""
    catalog = load_catalog()
    before = dict(resolve(catalog, "eacl", "mini", "meld", {}).values)
    resolve(catalog, "eacl", "mini", "meld", {"renderer.replace.foo": "bar"})
    assert dict(resolve(catalog, "eacl", "mini", "meld", {}).values) == before


@pytest.mark.parametrize("path", ["training.lr.x", "encoder.read.x", "losses.separation.weight.x"])
def test_a_value_below_a_plain_value_is_refused(path: str) -> None:
    """A path that goes on below a plain value is an error of ours, not a traceback."""
    with pytest.raises(ErcbenchError):
        resolve(load_catalog(), "eacl-released", "mini", "meld", {path: 1})


@pytest.mark.parametrize(
    "text", ["losses.separation.weight=NaN", "training.lr=Infinity", "training.clip_norm=-Infinity"]
)
def test_values_that_are_not_finite_are_refused(text: str) -> None:
    """JSON's extensions for what is no number are no settings."""
    with pytest.raises(ErcbenchError):
        resolve(load_catalog(), "eacl", "mini", "meld", dict([parse_assignment(text)]))


def test_a_value_alone_where_several_are_wanted_is_told_as_a_list() -> None:
    """With the brackets that it lacks."""
    with pytest.raises(ErcbenchError, match=r"^classifier\.c: .* Got 1, set by: --set\. Write it as a list: \[1\]$"):
        resolve(load_catalog(), "tfidf-lr", "mini", "meld", {"classifier.c": 1})


def test_a_loss_has_no_negative_weight() -> None:
    """It would be rewarded."""
    with pytest.raises(ErcbenchError, match=r"^losses\.supcon\.weight: .* Got -1, set by: --set\."):
        resolve(load_catalog(), "supcon-ce", "mini", "meld", {"losses.supcon.weight": -1})
