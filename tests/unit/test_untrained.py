"""What is not trained, and losses under another name than their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import Field

from ercbench.catalog import KINDS, Catalog, Entry, Plugin
from ercbench.config import Config, resolve
from ercbench.errors import BadSetting, Problems, UnknownName
from ercbench.specs import (
    ClassifierSpec,
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

TOY = Plugin("toy-plugin", "1.0", "toy", "toy")


class EncoderSettings(Settings):
    """Of an encoder that has something in common with what the track sets."""

    width: int = 4


class FamilySettings(Settings):
    """Of a loss that stands for many."""

    kind: str = Field(pattern="^[A-Z]")
    margin: float = 0.5


VALUES: Mapping[str, Any] = {
    "renderer.name": "plain",
    "encoder.name": "trained",
    "losses.pull.weight": 1.0,
    "classifier.name": "dense",
    "selection.classifier": "head",
}


def catalog(**values: Any) -> Catalog:
    """Toy parts, a track that sets an encoder's width and epochs, and a recipe with the values given."""
    labels = LabelSet.of({"glad": "glad"})
    merged = {**VALUES, **{path.replace("__", "."): value for path, value in values.items()}}
    specs: list[Spec] = [
        RendererSpec(name="plain", summary="", target="toy:Plain"),
        EncoderSpec(name="trained", summary="", target="toy:Trained", settings=EncoderSettings),
        EncoderSpec(name="counted", summary="", target="toy:Counted", fitted=True, sparse=True),
        LossSpec(name="pull", summary="", target="toy:Pull"),
        LossSpec(name="family", summary="", target="toy:Family", settings=FamilySettings, variant="kind"),
        ClassifierSpec(name="head", summary="", target="toy:Head", needs_training=False),
        ClassifierSpec(name="dense", summary="", target="toy:Dense"),
        ClassifierSpec(name="both", summary="", target="toy:Both", sparse=True),
        TrackSpec(name="short", summary="", values={"encoder.width": 9, "training.epochs": 3}),
        DatasetSpec(
            name="talk", summary="", family="talk", version="1", labels=labels, files={}, licence="", source=""
        ),
        Recipe(name="method", summary="", version="1", reference="", values=merged),
    ]
    return Catalog([TOY], [Entry(TOY, spec) for spec in specs])


def resolved(found: Catalog, **overrides: Any) -> Config:
    """With ``--set`` values; ``__`` stands for a dot."""
    return resolve(found, "method", "short", "talk", {p.replace("__", "."): v for p, v in overrides.items()})


def test_a_recipe_without_losses_is_not_trained() -> None:
    """Its epochs are 0 whatever the track says, and the origin says why; with a loss it is trained."""
    found = resolved(catalog(), losses__pull=None)
    assert (found.training.epochs, found.origins["training.epochs"]) == (0, "no losses")
    assert resolved(catalog()).training.epochs == 3
    assert resolved(catalog(), losses__pull=None, training__epochs=0).training.epochs == 0


def test_epochs_without_a_loss_are_refused() -> None:
    """Asked for with --set they would do nothing but decay weights."""
    with pytest.raises(BadSetting, match=r"training\.epochs must be 0 for method, which has no losses\. Got 2"):
        resolved(catalog(), losses__pull=None, training__epochs=2)


def test_what_a_track_says_of_encoders_is_not_for_one_that_is_fitted() -> None:
    """The track's width is no setting of it, and no mistake; set with --set it is one."""
    fitted = catalog(encoder__name="counted", losses__pull=None, classifier__name="both")
    assert "encoder.width" not in resolved(fitted).values
    assert resolved(catalog()).values["encoder.width"] == 9
    with pytest.raises(BadSetting, match=r"encoder\.width is no setting\. It is set by: --set"):
        resolved(fitted, encoder__width=3)


def test_an_encoder_without_a_checkpoint_takes_of_a_track_what_it_has() -> None:
    """A track names a checkpoint and a width: an encoder that begins with nothing takes the width."""
    plain = catalog()
    track = plain.get(TrackSpec, "short")
    track.values["encoder.checkpoint"] = "somebody's"
    config = resolved(plain)
    assert config.values["encoder.width"] == 9
    assert "encoder.checkpoint" not in config.values


def test_a_pre_trained_encoder_takes_all_that_a_track_says() -> None:
    """A value that it has no setting for is an error, which names the track."""

    class Pretrained(Settings):
        """Has weights."""

        checkpoint: str = "nobody's"

    found = catalog(encoder__name="big")
    big = EncoderSpec(name="big", summary="", target="toy:Big", settings=Pretrained)
    with pytest.raises(BadSetting, match=r"encoder\.width is no setting\. It is set by: track short"):
        resolved(Catalog([TOY], [*(e for kind in KINDS.values() for e in found.entries(kind)), Entry(TOY, big)]))


def test_a_fitted_encoder_refuses_losses_and_a_classifier_that_cannot_read_it() -> None:
    """Both are told at once, with what to do."""
    with pytest.raises(Problems) as caught:
        resolved(catalog(), encoder__name="counted")
    message = str(caught.value)
    assert "The encoder 'counted' is fitted, not trained, so no loss can train it. Got losses: pull." in message
    assert "'dense' cannot read the sparse features of the encoder 'counted'. Those that can: both." in message


def test_a_loss_may_be_used_under_another_name() -> None:
    """``losses.NAME=LOSS`` is ``losses.NAME.name=LOSS``, so one loss may be there twice, with settings of its own."""
    found = resolved(catalog(), losses__again="pull", losses__again__weight=0.5)
    assert {name: (loss.name, loss.weight) for name, loss in found.losses.items()} == {
        "pull": ("pull", 1.0),
        "again": ("pull", 0.5),
    }
    assert found.values["losses.again.name"] == "pull"
    assert "losses.pull.name" not in found.values
    after = resolve(catalog(), "method", "short", "talk", {"losses.again.weight": 0.5, "losses.again": "pull"})
    assert after.digest == found.digest
    with pytest.raises(UnknownName, match=r"Unknown loss\. Got 'pul'"):
        resolved(catalog(), losses__again="pul")


@pytest.mark.parametrize("name", ["family:Triplet", "toy-plugin:family:Triplet"])
def test_a_loss_that_stands_for_many_is_told_which(name: str) -> None:
    """``losses.NAME=SPEC:WHICH`` fills the setting that the spec names; other settings are checked as ever."""
    found = resolved(catalog(), losses__metric=name, losses__metric__margin=0.1)
    part = found.losses["metric"].part
    assert part.settings.model_dump() == {"kind": "Triplet", "margin": 0.1}
    assert found.losses["metric"].name == name.removesuffix(":Triplet")
    assert found.values["losses.metric.name"] == name
    assert "losses.metric.kind" not in found.values
    again = resolve(catalog(), "method", "short", "talk", found.values)
    assert (dict(again.values), again.digest) == (dict(found.values), found.digest)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"losses__metric": "family:triplet"}, r"losses\.metric\.kind: String should match"),
        ({"losses__metric": "family:Triplet", "losses__metric__kind": "Pair"}, "Got both"),
        ({"losses__family__weight": 1.0}, r"losses\.family: which family\? Write it: --set losses\.family=family:NAME"),
    ],
)
def test_a_loss_that_stands_for_many_and_is_told_badly_is_refused(values: dict[str, Any], message: str) -> None:
    """A variant that is not acceptable, told twice, or not told."""
    with pytest.raises(BadSetting, match=message):
        resolved(catalog(), **values)
