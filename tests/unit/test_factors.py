"""What is varied in a grid: levels, and what each combination lays over the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ercbench.catalog import load_catalog
from ercbench.config import Config, resolve
from ercbench.effects import Combination
from ercbench.errors import BadSetting, Problems, UnknownName, UsageError
from ercbench.factors import find_factors, grid_variants, losses_of
from ercbench.grid import Request
from ercbench.variants import Variant

CATALOG = load_catalog()
ASKED = Request(["ce-context"], ["meld"], "mini", [0], {}, results=Path("r"))


def cells(request: Request = ASKED, **levels: Sequence[str]) -> dict[Combination, Variant]:
    """The combinations on the one data set."""
    [found] = grid_variants(CATALOG, request, find_factors(levels)).values()
    return found


def config(variant: Variant, request: Request = ASKED) -> Config:
    """A cell as it would run."""
    return resolve(CATALOG, request.recipes[0], "mini", variant.dataset, variant.overrides)


def changed(variant: Variant, request: Request = ASKED) -> dict[str, Any]:
    """The values in which a cell differs from the recipe."""
    [before, after] = [resolve(CATALOG, request.recipes[0], "mini", variant.dataset, o).values
                       for o in ({}, variant.overrides)]  # fmt: skip
    return {path: after.get(path) for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


# Levels


@pytest.mark.parametrize(
    ("level", "weights"),
    [
        ("focal", {"focal": 1.0}),
        ("cross-entropy+supcon", {"cross-entropy": 1.0, "supcon": 1.0}),
        ("0.1*cross-entropy+0.9*supcon", {"cross-entropy": 0.1, "supcon": 0.9}),
        ("2*pml:TripletMarginLoss", {"pml:TripletMarginLoss": 2.0}),
        ("none", {}),
    ],
)
def test_a_level_of_loss_may_be_a_sum(level: str, weights: Mapping[str, float]) -> None:
    """With weights or without, of any losses, or of none."""
    assert losses_of(level) == weights


@pytest.mark.parametrize("level", ["", "a+", "a+a", "x*a", "-1*a", "a*0.5", "1e3*a"])
def test_what_is_no_sum_is_refused(level: str) -> None:
    """With what was given and what a sum looks like."""
    with pytest.raises(UsageError, match=r"a loss or a sum of different ones, such as .* Got"):
        losses_of(level)


def test_factors_come_in_the_order_of_a_run() -> None:
    """Whatever order they are asked for in; a level that is named twice counts once."""
    found = find_factors({"classifier": ["linear-head"], "loss": ["focal", "cross-entropy", "focal"], "encoder": []})
    assert [(factor.name, factor.levels) for factor in found] == [
        ("loss", ("focal", "cross-entropy")), ("classifier", ("linear-head",)),
    ]  # fmt: skip


def test_a_grid_varies_something() -> None:
    """One level of each is refused; every level that is no sum is named at once."""
    with pytest.raises(UsageError, match=r"A grid varies something\. Got --loss focal\. Name two levels"):
        find_factors({"loss": ["focal"]})
    with pytest.raises(Problems, match=r"2 problems(.|\n)*'a\+'(.|\n)*'b\*'"):
        find_factors({"loss": ["a+", "b*"]})


# What a combination lays over the recipe


def test_a_cell_differs_in_its_parts_alone() -> None:
    """Training, context and the parts that are not varied are the recipe's, and what it has of its own stays."""
    found = cells(loss=["cross-entropy", "0.1*cross-entropy+0.9*supcon"], classifier=["linear-head", "majority"])
    assert len(found) == 4
    assert changed(found["cross-entropy", "linear-head"]) == {}
    assert changed(found["0.1*cross-entropy+0.9*supcon", "linear-head"]) == {
        "losses.cross-entropy.weight": 0.1, "losses.supcon.weight": 0.9, "losses.supcon.temperature": 0.1,
    }  # fmt: skip
    assert changed(found["cross-entropy", "majority"]) == {"classifier.name": "majority"}
    for combination, variant in found.items():
        assert variant.overrides["classifier.name"] == combination[1]
        assert variant.name == f"loss={combination[0]}, classifier={combination[1]}"


def test_a_loss_keeps_the_settings_that_the_recipe_gives_it() -> None:
    """And those of other losses go with them."""
    request = replace(ASKED, recipes=["eacl"])
    found = cells(request, loss=["anchor-contrastive+separation", "focal"])
    values = config(found["anchor-contrastive+separation",], request).values
    assert values["losses.anchor-contrastive.temperature"] == 0.1
    assert values["losses.anchor-contrastive.weight"] == 1.0
    assert sorted(config(found["focal",], request).losses) == ["focal"]
    shorter = replace(request, overrides={"training.epochs": 1})
    for asked in (request, shorter):  # what is said of training is for those that are trained
        assert config(cells(asked, loss=["none", "focal"])["none",], asked).training.epochs == 0
    assert config(cells(shorter, loss=["none", "focal"])["focal",], shorter).training.epochs == 1


def test_a_part_keeps_the_settings_that_it_has_too() -> None:
    """An encoder that is swapped in has the track's weights and the recipe's dropout; what it does not know goes."""
    found = cells(encoder=["eacl", "transformer", "tfidf"], loss=["cross-entropy", "none"])
    swapped = config(found["transformer", "cross-entropy"]).values
    original = config(found["eacl", "cross-entropy"]).values
    for path in ("encoder.checkpoint", "encoder.max_tokens", "encoder.attention_dropout"):
        assert swapped[path] == original[path]
    assert "encoder.width" in original
    assert "encoder.width" not in swapped
    with pytest.raises(Problems, match="fitted, not trained"):
        config(found["tfidf", "cross-entropy"])
    request = replace(ASKED, datasets=["iemocap"])
    [speaker, *_] = cells(request, renderer=["utterance", "eacl"]).values()
    values = config(speaker).values
    assert values["renderer.replace"] == {"[LAUGHTER]": ""}
    assert "renderer.speaker" not in values


def test_a_recipe_that_chooses_by_its_own_classifier_goes_on_doing_so() -> None:
    """A level that needs no fitting chooses the epoch too; otherwise the recipe's choice stays."""
    found = cells(classifier=["linear-head", "nearest-anchor", "logistic-regression"])
    chosen = {name: config(variant).selection.classifier for (name,), variant in found.items()}
    assert chosen == {
        "linear-head": "linear-head", "nearest-anchor": "nearest-anchor", "logistic-regression": "linear-head",
    }  # fmt: skip
    request = replace(ASKED, recipes=["eacl"])
    found = cells(request, classifier=["anchor-adaptation", "linear-head"])
    assert {config(variant, request).selection.classifier for variant in found.values()} == {"nearest-anchor"}


def test_a_loss_of_a_family_by_its_class() -> None:
    """``pml:CLASS`` stands under the name of the class."""
    found = cells(loss=["cross-entropy", "cross-entropy+0.5*pml:TripletMarginLoss"])
    losses = config(found["cross-entropy+0.5*pml:TripletMarginLoss",]).losses
    assert {name: loss.weight for name, loss in losses.items()} == {"cross-entropy": 1.0, "TripletMarginLoss": 0.5}


def test_other_values_go_where_they_belong() -> None:
    """A value of a part that is varied is for the cells that have the part; any other is for all."""
    sets: dict[str, Any] = {"losses.supcon.temperature": 0.5, "training.epochs": 1, "classifier.c": [1.0]}
    found = cells(replace(ASKED, overrides=sets), loss=["focal", "supcon"],
                  classifier=["linear-head", "logistic-regression"])  # fmt: skip
    for (loss, classifier), variant in found.items():
        values = config(variant).values
        assert values["training.epochs"] == 1
        assert values.get("losses.supcon.temperature") == (0.5 if loss == "supcon" else None)
        assert values.get("classifier.c") == ([1.0] if classifier == "logistic-regression" else None)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("losses.focal.weight", "losses.focal.weight is what --loss varies"),
        ("losses.focal", "losses.focal is what --loss varies"),
        ("classifier.name", "classifier.name is what --classifier varies"),
        ("losses.supcon.temperature", "losses.supcon.temperature would change no cell"),
        ("classifier.width", "classifier.width would change no cell of the grid: none has it. What there is: nothing"),
    ],
)
def test_other_values_do_not_say_what_is_varied(path: str, said: str) -> None:
    """Nor are they about a part that no cell has."""
    with pytest.raises(BadSetting, match=said):
        cells(replace(ASKED, overrides={path: 1}), loss=["focal", "cross-entropy"], classifier=["linear-head"])


def test_unknown_parts_are_told_with_what_there_is() -> None:
    """As everywhere."""
    with pytest.raises(UnknownName, match=r"Unknown encoder\. Got 'eaclo'\. Did you mean eacl"):
        cells(encoder=["eaclo", "eacl"])


def test_every_cell_has_a_folder_of_its_own() -> None:
    """Another combination, recipe or value, another folder; a value that does not concern a cell changes nothing."""
    levels = {"loss": ["cross-entropy", "supcon", "0.5*supcon", "pml:TripletMarginLoss"], "classifier": ["linear-head"]}
    folders = [variant.results for variant in cells(**levels).values()]
    folders += [variant.results for variant in cells(replace(ASKED, recipes=["ce-utterance"]), **levels).values()]
    folders += [
        variant.results for variant in cells(replace(ASKED, overrides={"training.epochs": 1}), **levels).values()
    ]
    assert len({str(folder).lower() for folder in folders}) == 12
    assert all(set(folder.name) <= set("abcdefghijklmnopqrstuvwxyzTML0123456789.+-_") for folder in folders)
    assert folders[0].parent == Path("r") / "grid" / "ce-context"
    other = cells(replace(ASKED, overrides={"losses.supcon.temperature": 0.5}), **levels)
    same = [one for one, variant in other.items() if variant.results == cells(**levels)[one].results]
    assert [loss for loss, _ in same] == ["cross-entropy", "pml:TripletMarginLoss"]
