"""What a recipe comes to: the order of the sources, what is refused, where every value came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import Field

from ercbench.catalog import Catalog, Entry, Plugin, load_catalog
from ercbench.config import Config, resolve
from ercbench.errors import BadSetting, ErcbenchError, PluginError, Problems, UnknownName
from ercbench.specs import (
    ClassifierSpec,
    CurriculumSpec,
    DatasetSpec,
    EncoderSpec,
    LossSpec,
    Recipe,
    RendererSpec,
    Settings,
    Spec,
    TrackSpec,
)
from ercbench.types import LabelSet
from ercbench.values import lineage, parse_assignment

TOY = Plugin("toy-plugin", "1.0", "toy", "toy")


class EncoderSettings(Settings):
    """Of the toy encoder."""

    width: int = Field(4, ge=1)
    words: dict[str, str] = Field({})


class PullSettings(Settings):
    """Of the toy loss."""

    temperature: float = Field(0.5, gt=0)


class FitSettings(Settings):
    """Of the toy classifier."""

    steps: int = 3


def recipe(name: str = "method", base: str | None = None, **fields: Any) -> Recipe:
    """A recipe; without a base it names every part."""
    parts = {
        "renderer.name": "plain",
        "encoder.name": "small",
        "losses.pull.weight": 1.0,
        "classifier.name": "fitted",
        "selection.classifier": "head",
    }
    values = ({} if base else parts) | fields.pop("values", {})
    return Recipe(name=name, summary="", version="1", reference="", base=base, values=values, **fields)


def dataset(name: str, family: str) -> DatasetSpec:
    """A data set that nobody reads."""
    labels = LabelSet.of({"glad": "glad"})
    return DatasetSpec(
        name=name, summary="", family=family, version="1", labels=labels, files={}, licence="MIT", source="nowhere"
    )


def catalog(*specs: Spec, values: Mapping[str, Any] | None = None) -> Catalog:
    """Toy parts, track ``short`` with `values`, data sets ``talk`` and ``talk-sample`` of one family, and `specs`."""
    stock: list[Spec] = [
        RendererSpec(name="plain", summary="", target="toy:Plain", later_turns=True),
        EncoderSpec(name="small", summary="", target="toy:Small", settings=EncoderSettings, later_turns=True),
        LossSpec(name="pull", summary="", target="toy:Pull", settings=PullSettings),
        LossSpec(name="push", summary="", target="toy:Push"),
        ClassifierSpec(name="head", summary="", target="toy:Head", needs_training=False),
        ClassifierSpec(name="fitted", summary="", target="toy:Fitted", settings=FitSettings),
        TrackSpec(name="short", summary="", values=dict(values or {})),
        TrackSpec(name="long", summary="", values={"training.epochs": 99}),
        dataset("talk", "talk"),
        dataset("talk-sample", "talk"),
        dataset("mail", "mail"),
    ]
    return Catalog([TOY], [Entry(TOY, spec) for spec in [*stock, *specs]])


def resolved(found: Catalog, name: str = "method", data: str = "talk-sample", **overrides: Any) -> Config:
    """On track ``short``; in the names of overrides ``__`` stands for a dot."""
    return resolve(found, name, "short", data, {path.replace("__", "."): value for path, value in overrides.items()})


def refused(found: Catalog, error: type[ErcbenchError] = BadSetting, **overrides: Any) -> str:
    """What is said about a configuration that is not acceptable."""
    with pytest.raises(error) as caught:
        resolved(found, **overrides)
    return str(caught.value)


# ----------------------------------------------------------------------------------------------- which source wins

WIDTH = "encoder.width"
SOURCES = [
    ("default", 4),
    ("recipe root", 11),
    ("recipe method", 12),
    ("track short", 13),
    ("recipe root for track short", 14),
    ("recipe method for track short", 15),
    ("recipe root for data set talk", 16),
    ("recipe method for data set talk", 17),
    ("recipe root for data set talk on track short", 18),
    ("recipe method for data set talk on track short", 19),
    ("recipe root for data set talk-sample", 20),
    ("recipe method for data set talk-sample", 21),
    ("recipe root for data set talk-sample on track short", 22),
    ("recipe method for data set talk-sample on track short", 23),
    ("--set", 24),
]


@pytest.mark.parametrize("rank", range(len(SOURCES)))
def test_the_more_particular_source_wins(rank: int) -> None:
    """With all sources up to one of them speaking, that one is heard, and named as the value's origin."""
    origin, width = SOURCES[rank]
    said = dict(SOURCES[: rank + 1])

    def layer(source: str) -> dict[str, Any]:
        return {WIDTH: said[source]} if source in said else {}

    def of(name: str) -> dict[str, Any]:
        return {
            "values": layer(f"recipe {name}"),
            "for_track": {"short": layer(f"recipe {name} for track short"), "long": {WIDTH: 900}},
            "for_dataset": {
                "mail": {WIDTH: 901},
                "talk-sample": layer(f"recipe {name} for data set talk-sample"),
                "talk": layer(f"recipe {name} for data set talk"),
                "talk/short": layer(f"recipe {name} for data set talk on track short"),
                "talk/long": {WIDTH: 902},
                "talk-sample/short": layer(f"recipe {name} for data set talk-sample on track short"),
            },
        }

    found = catalog(recipe("root", **of("root")), recipe(base="root", **of("method")), values=layer("track short"))
    config = resolved(found, **({"encoder__width": said["--set"]} if "--set" in said else {}))
    assert config.values[WIDTH] == width
    assert config.encoder.settings.width == width  # type: ignore[attr-defined]
    assert config.origins[WIDTH] == origin


def test_every_value_has_an_origin() -> None:
    """`values` holds all settings, defaults included, and `origins` tells of each where it is from."""
    config = resolved(catalog(recipe(), values={"training.epochs": 2}), losses__pull__temperature=0.25)
    assert config.values.keys() == config.origins.keys()
    assert config.origins["training.epochs"] == "track short"
    assert config.origins["training.lr"] == "default"
    assert config.origins["encoder.name"] == "recipe method"
    assert config.origins["losses.pull.temperature"] == "--set"
    assert config.values["losses.pull.temperature"] == 0.25
    assert config.losses["pull"].part.settings == PullSettings(temperature=0.25)
    assert config.overrides == {"losses.pull.temperature": 0.25}


def test_values_are_what_json_can_hold() -> None:
    """All values go into a record and come back the same."""
    values = dict(resolved(catalog(recipe()), encoder__words={"a": "b"}).values)
    assert json.loads(json.dumps(values)) == values


def test_a_setting_inside_a_mapping_can_be_reached_by_its_path() -> None:
    """``encoder.words.x`` sets one entry of the mapping ``encoder.words``."""
    config = resolved(catalog(recipe()), encoder__words__x="y")
    assert config.values["encoder.words"] == {"x": "y"}


# ------------------------------------------------------------------------------------------------- derived recipes


def test_a_derived_recipe_removes_a_subtree() -> None:
    """None for a path drops everything below it, and later values can put something else there."""
    root = recipe("root", values={"losses.push.weight": 2.0, "losses.pull.temperature": 0.1, "classifier.steps": 9})
    values = {"losses.pull": None, "classifier": None, "classifier.name": "head"}
    config = resolved(catalog(root, recipe(base="root", values=values)))
    assert [*config.losses] == ["push"]
    assert config.losses["push"].weight == 2.0
    assert config.classifier.spec.name == "head"
    assert not [path for path in config.values if path.startswith(("losses.pull", "classifier.steps"))]


def test_removal_spares_names_that_only_begin_alike() -> None:
    """Removing ``losses.pull`` leaves a loss ``pull-harder`` alone."""
    harder = LossSpec(name="pull-harder", summary="", target="toy:Harder")
    config = resolved(catalog(recipe(values={"losses.pull-harder.weight": 1.0}), harder), losses__pull=None)
    assert [*config.losses] == ["pull-harder"]


def test_a_recipe_derived_from_itself_is_refused() -> None:
    """A circle of bases is an error that names the recipe, and no endless loop."""
    found = catalog(recipe("one", base="two"), recipe("two", base="one"))
    with pytest.raises(BadSetting, match="one is derived from itself through one"):
        resolve(found, "one", "short", "talk", {})


def test_lineage_is_the_base_first() -> None:
    """A recipe of the third generation follows its parent, which follows the root."""
    found = catalog(recipe("root"), recipe("parent", base="root"), recipe("child", base="parent"))
    assert [link.name for link in lineage(found, found.get(Recipe, "child"))] == ["root", "parent", "child"]


def test_an_unknown_base_is_named() -> None:
    """A base that nobody offers is an unknown recipe."""
    with pytest.raises(UnknownName, match=r"Unknown recipe\. Got 'rot'\. Did you mean root\?"):
        resolved(catalog(recipe("root"), recipe(base="rot")))


SHIPPED = load_catalog()


@pytest.mark.parametrize("name", [spec.name for spec in SHIPPED.all(Recipe)])
def test_every_shipped_recipe_resolves_everywhere(name: str) -> None:
    """On every track and every data set, with every value told by a path that can be set to just that value."""
    for track in SHIPPED.all(TrackSpec):
        for data in SHIPPED.all(DatasetSpec):
            config = resolve(SHIPPED, name, track.name, data.name, {})
            again = resolve(SHIPPED, name, track.name, data.name, config.values)
            assert dict(again.values) == dict(config.values)
            assert again.digest == config.digest


def test_the_shipped_eacl_is_the_paper() -> None:
    """On ``full`` the values of the recipe ``eacl`` are those of the paper, and its variants differ where they say."""

    def values(name: str) -> Mapping[str, Any]:
        return resolve(SHIPPED, name, "full", "meld", {}).values

    paper = {
        "context.past": 8, "encoder.max_tokens": 256, "encoder.read": "mask", "encoder.width": 1024,
        "encoder.label_encoding": "fixed", "encoder.dropout": 0.1, "encoder.attention_dropout": None,
        "losses.cross-entropy.weight": 0.1, "losses.anchor-contrastive.weight": 0.9,
        "losses.anchor-contrastive.temperature": 0.1, "losses.anchor-contrastive.anchors": True,
        "losses.separation.weight": pytest.approx(0.09),
        "training.encoder_lr": 1e-5, "training.lr": 4e-4, "training.weight_decay": 0.01, "training.batch_size": 64,
        "training.epochs": 8, "training.lr_decay": 0.5, "training.clip_norm": 5.0,
        "classifier.name": "anchor-adaptation", "classifier.lr": 1e-4, "classifier.batch_size": 64,
        "classifier.epochs": 10, "classifier.temperature": 0.1, "selection.classifier": "nearest-anchor",
        "selection.split": "dev", "selection.prototypes": "best", "selection.ties": "first",
    }  # fmt: skip
    eacl = values("eacl")
    assert {path: eacl[path] for path in paper} == paper
    released = values("eacl-released")
    assert {path for path in released if released[path] != eacl[path]} == {
        "encoder.read", "selection.split", "selection.prototypes", "selection.ties",
    }  # fmt: skip
    assert not SHIPPED.get(Recipe, "eacl-released").ranked
    assert values("eacl-no-ce").keys() == eacl.keys() - {"losses.cross-entropy.weight"}
    assert values("eacl-no-separation").keys() == eacl.keys() - {"losses.separation.weight"}
    assert values("eacl-no-adaptation")["classifier.name"] == "nearest-anchor"
    assert values("eacl-no-anchors")["losses.anchor-contrastive.anchors"] is False


# ---------------------------------------------------------------------------------------------------------- errors


def test_an_unknown_setting_is_refused_with_its_origin_and_what_there_is() -> None:
    """The message names the path, who set it, and the settings known there."""
    message = refused(catalog(recipe()), encoder__widht=3)
    assert message == ("encoder.widht is no setting. It is set by: --set. Known here: encoder.width, encoder.words.")
    assert "set by: track short" in refused(catalog(recipe(), values={"training.epoch": 3}))


@pytest.mark.parametrize("path", ["trainnig.epochs", "training", "losses", "losses.pull", "seed", "training.", ""])
def test_a_path_outside_the_sections_is_refused(path: str) -> None:
    """The message names the path and the sections that there are."""
    with pytest.raises(ErcbenchError) as caught:
        resolve(catalog(recipe()), "method", "short", "talk", {path: 3})
    assert f"{path} is no setting. It is set by: --set." in str(caught.value)
    assert "renderer, encoder, losses, curriculum, classifier, selection, context, training" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("training.epochs", -1, "greater than or equal to 0"),
        ("training.epochs", "many", "valid integer"),
        ("training.lr", -1, "greater than 0"),
        ("training.precision", "fp8", "'auto', 'bf16' or 'fp32'"),
        ("context.past", -1, "greater than or equal to 0"),
        ("selection.split", "train", "'dev' or 'test'"),
        ("losses.pull.temperature", 0, "greater than 0"),
        ("losses.pull.weight", "heavy", "valid number"),
        ("encoder.width", None, "valid integer"),
    ],
)
def test_a_bad_value_is_refused(path: str, value: Any, why: str) -> None:
    """The message names path, reason, value and origin."""
    with pytest.raises(BadSetting) as caught:
        resolve(catalog(recipe()), "method", "short", "talk", {path: value})
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert why in message
    assert f"Got {value!r}, set by: --set." in message


def test_all_errors_are_told_at_once() -> None:
    """Five mistakes of five kinds give one `Problems` with five numbered lines."""
    message = refused(
        catalog(recipe()),
        Problems,
        encoder__name="smal",
        losses__pul__weight=1.0,
        training__epochs=-1,
        context__later=2,
        extra=1,
    )
    assert message.startswith("5 problems; nothing was started.")
    for part in ("Got 'smal'. Did you mean small?", "Got 'pul'. Did you mean pull or push?", "training.epochs: ",
                 "context.later is no setting", "extra is no setting"):  # fmt: skip
        assert part in message
    assert [line[:2] for line in message.splitlines()[1:]] == ["1.", "2.", "3.", "4.", "5."]


@pytest.mark.parametrize(
    ("names", "kind", "near"),
    [
        (("metod", "short", "talk"), "recipe", "method"),
        (("method", "shorts", "talk"), "track", "short"),
        (("method", "short", "tlak"), "dataset", "talk"),
    ],
)
def test_unknown_names_suggest_near_ones(names: tuple[str, str, str], kind: str, near: str) -> None:
    """Recipe, track and data set alike."""
    with pytest.raises(UnknownName, match=rf"Unknown {kind}\. Got .*Did you mean {near}.*Known: "):
        resolve(catalog(recipe()), *names, {})


def test_the_epoch_is_not_chosen_by_a_classifier_that_needs_fitting() -> None:
    """A selection classifier that would have to be trained is refused, by name."""
    message = refused(catalog(recipe()), selection__classifier="fitted")
    assert "selection.classifier must be a classifier that needs no fitting. Got 'fitted'." in message


def test_a_name_that_two_plugins_offer_can_be_told_apart_in_a_recipe() -> None:
    """The bare name of a part is refused, ``distribution:name`` is taken."""
    rival = Plugin("rival-plugin", "1.0", "rival", "rival")
    entries = [Entry(TOY, spec) for kind in (Recipe, TrackSpec, DatasetSpec, RendererSpec, LossSpec, ClassifierSpec)
               for spec in catalog(recipe()).all(kind)]  # fmt: skip
    both = [
        Entry(owner, EncoderSpec(name="small", summary="", target=f"{owner.module}:Small")) for owner in (TOY, rival)
    ]
    found = Catalog([TOY, rival], [*entries, *both])
    assert "rival-plugin:small and toy-plugin:small" in refused(found, PluginError).replace(
        "toy-plugin:small and rival-plugin:small", "rival-plugin:small and toy-plugin:small"
    )
    assert resolved(found, encoder__name="rival-plugin:small").encoder.spec.target == "rival:Small"


# ------------------------------------------------------------------------------------------------ --set and digest


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("training.epochs=3", "training.epochs", 3),
        ("training.lr=1e-4", "training.lr", 1e-4),
        ("losses.separation=null", "losses.separation", None),
        ("encoder.checkpoint=org/name", "encoder.checkpoint", "org/name"),
        ("encoder.checkpoint=a=b", "encoder.checkpoint", "a=b"),
        ('renderer.replace={"a": "b"}', "renderer.replace", {"a": "b"}),
        ('encoder.checkpoint="3"', "encoder.checkpoint", "3"),
        ("encoder.checkpoint=", "encoder.checkpoint", ""),
        (" context.past =2", "context.past", 2),
        ("x=true", "x", True),
    ],
)
def test_an_assignment_is_a_path_and_json_or_else_text(text: str, path: str, value: Any) -> None:
    """What can be read as JSON is, the rest is a string."""
    assert parse_assignment(text) == (path, value)


@pytest.mark.parametrize("text", ["training.epochs", "=3", " =3", ""])
def test_an_assignment_without_path_or_sign_is_refused(text: str) -> None:
    """The message shows the form and what was given."""
    with pytest.raises(BadSetting, match="PATH=VALUE") as caught:
        parse_assignment(text)
    assert f"Got {text!r}." in str(caught.value)


def test_the_digest_changes_with_every_value() -> None:
    """Any single value set to another one, another recipe version, track or data set: another digest."""
    found = catalog(recipe(), recipe("other"))
    others: dict[str, Any] = {
        "classifier.name": "head", "selection.classifier": None, "selection.split": "test", "selection.ties": "test",
        "selection.prototypes": "last", "selection.seal_test": False, "training.precision": "fp32",
        "encoder.words": {"a": "b"},
    }  # fmt: skip
    config = resolved(found)
    digests = {"as it is": config.digest}
    alone = ("renderer.name", "encoder.name", "selection.classifier", "context.protocol", "context.future")
    for path, value in config.values.items():
        if path not in alone:
            changed = others.get(path, value * 2 + 1 if isinstance(value, int | float) else value)
            drop = {"classifier.steps": None} if path == "classifier.name" else {}
            found_values = {"classifier": None, path: changed} if drop else {path: changed}
            digests[path] = resolve(found, "method", "short", "talk-sample", found_values).digest
    for context in ("full", "none"):
        digests[context] = resolve(found, "method", "short", "talk-sample", {}, context).digest
    digests["context.future"] = resolve(found, "method", "short", "talk-sample", {"context.future": 3}, "full").digest
    digests["recipe"] = resolved(found, "other").digest
    digests["track"] = resolve(found, "method", "long", "talk-sample", {"training.epochs": 8}).digest
    digests["data set"] = resolved(found, data="talk").digest
    digests["version"] = resolved(catalog(recipe().model_copy(update={"version": "2"}))).digest
    assert len(set(digests.values())) == len(digests)


def test_the_digest_is_the_same_for_the_same_values() -> None:
    """However a value came about: left at its default, or set to what the default is."""
    found = catalog(recipe())
    assert resolved(found).digest == resolved(found, training__epochs=8, encoder__width=4).digest


def test_a_setting_added_later_does_not_make_a_record_another_run() -> None:
    """At its default; set to something, it does, as does any value that differs or is gone."""
    catalog = load_catalog()
    found = resolve(catalog, "eacl", "mini", "meld", {})
    recorded = dict(found.values)
    assert found.differences(recorded) == []
    del recorded["encoder.label_encoding"]
    assert found.differences(recorded) == []
    changed = resolve(catalog, "eacl", "mini", "meld", {"encoder.label_encoding": "trainable"})
    assert changed.differences(recorded) == ["encoder.label_encoding"]
    assert found.differences({**recorded, "training.lr": 1.0, "encoder.gone": 1}) == ["encoder.gone", "training.lr"]
    del recorded["training.lr"]
    assert found.differences(recorded) == ["training.lr"]


# ------------------------------------------------------------------------------------------------------------ curricula


class PaceSettings(Settings):
    """Of a curriculum."""

    pace: float = 0.5


SLOW = CurriculumSpec(name="slow", summary="", target="toy:Slow", settings=PaceSettings)


def test_a_recipe_may_have_a_curriculum() -> None:
    """Named and set like any part; it is among the values, and without one nothing is said of any."""
    found = resolved(catalog(SLOW, recipe(values={"curriculum.name": "slow"})), curriculum__pace=0.25)
    assert found.curriculum is not None
    assert (found.curriculum.spec, found.curriculum.settings) == (SLOW, PaceSettings(pace=0.25))
    assert (found.values["curriculum.name"], found.values["curriculum.pace"]) == ("slow", 0.25)
    plain = resolved(catalog(SLOW, recipe()))
    assert plain.curriculum is None
    assert not [path for path in plain.values if path.startswith("curriculum")]
    assert plain.digest != found.digest


def test_a_curriculum_can_be_added_and_removed() -> None:
    """With ``--set``, or by a derived recipe; without it is the same as if there had never been one."""
    base, bare = recipe(values={"curriculum.name": "slow", "curriculum.pace": 0.1}), recipe("bare")
    derived = recipe("derived", base="method", values={"curriculum": None})
    found = catalog(SLOW, base, bare, derived)
    assert resolved(found, "derived").curriculum is None
    removed = resolve(found, "method", "short", "talk", {"curriculum": None})
    assert dict(removed.values) == dict(resolved(found, "bare", "talk").values)
    assert resolved(found, "bare", curriculum__name="slow").values == resolved(found, curriculum__pace=0.5).values


def test_a_curriculum_that_is_not_acceptable_is_refused() -> None:
    """An unknown one, a setting it does not have, a value that is not one, and nothing to choose for."""
    found = catalog(SLOW, recipe(values={"curriculum.name": "slow"}))
    assert "Unknown curriculum. Got 'slwo'. Did you mean slow?" in refused(found, UnknownName, curriculum__name="slwo")
    assert "curriculum.speed is no setting" in refused(found, curriculum__speed=1)
    assert "curriculum.pace: Input should be a valid number" in refused(found, curriculum__pace="fast")
    message = refused(found, losses__pull=None)
    assert "no effect in a recipe without losses" in message
    assert "curriculum.name=slow" in message
