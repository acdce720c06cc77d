"""Parts are tried before anything is trained: what does not go together is told, and what decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ercbench_stock.transformer import TransformerEncoder, TransformerModel

from ercbench.catalog import load_catalog
from ercbench.config import resolve
from ercbench.devices import Device
from ercbench.errors import PluginError, Problems
from ercbench.preparing import Preparations
from ercbench.trial import attempt

pytestmark = pytest.mark.usefixtures("one_thread")

CATALOG = load_catalog()
PREPARATIONS = Preparations(CATALOG, None, 4)
Checkpoint = Callable[[str], Path]


def tried(recipe: str, checkpoint: Path | None = None, **values: Any) -> list[str]:
    """What is remarked; in the names of values ``__`` stands for a dot, ``_`` within a name for a hyphen."""
    overrides = {} if checkpoint is None else {"encoder.checkpoint": str(checkpoint)}
    given = {path.replace("__", ".").replace("_", "-"): value for path, value in values.items()}
    config = resolve(CATALOG, recipe, "mini", "meld-sample", {**overrides, **given})
    return attempt(PREPARATIONS.prepare(config), Device("cpu", "fp32"))


@pytest.mark.parametrize("recipe", ["eacl", "ce-context", "eacl-shared", "frozen-lr"])
def test_recipes_that_work_have_nothing_said_against_them(recipe: str, tiny_checkpoint: Checkpoint) -> None:
    """Nor anything remarked."""
    assert tried(recipe, tiny_checkpoint("roberta")) == []


@pytest.mark.parametrize("recipe", ["majority", "tfidf-lr"])
def test_fitted_encoders_are_fitted_first(recipe: str) -> None:
    """They encode nothing before."""
    assert tried(recipe) == []


def test_every_part_that_lacks_something_says_so(tiny_checkpoint: Checkpoint) -> None:
    """A loss and both classifiers, each in its own words."""
    with pytest.raises(Problems, match=r"2 problems(.|\n)*losses of EACL need anchors(.|\n)*classifiers of EACL need"):
        tried("ce-context", tiny_checkpoint("roberta"), encoder__name="transformer",
              losses__separation__weight=1.0, classifier__name="nearest-anchor")  # fmt: skip
    with pytest.raises(PluginError, match="classifiers of EACL need anchors"):
        tried("ce-context", tiny_checkpoint("roberta"), encoder__name="transformer",
              selection__classifier="nearest-anchor")  # fmt: skip
    with pytest.raises(PluginError, match="logistic-regression needs vectors"):
        tried("majority", classifier__name="logistic-regression")


@pytest.mark.parametrize(
    ("values", "remarks"),
    [
        ({"losses__cross_entropy": None, "losses__supcon__weight": 1.0},
         ["classifier.name: linear-head decides by logits, which no loss trains."]),
        ({"classifier__name": "nearest-anchor"},
         ["classifier.name: nearest-anchor decides by vectors, which no loss trains."]),
        ({"losses__cross_entropy": None, "losses__supcon__weight": 1.0, "classifier__name": "logistic-regression"},
         ["selection.classifier: linear-head decides by logits, which no loss trains."]),
        ({"losses__supcon__weight": 1.0, "classifier__name": "logistic-regression"}, []),
        ({"classifier__name": "logistic-regression"},
         ["classifier.name: logistic-regression is fitted on vectors, which no loss trains."]),
        ({"classifier__name": "logistic-regression", "classifier__reads": "hidden"}, []),
        ({"curriculum__name": "difficulty"},
         ["curriculum.name: difficulty measures by vectors, which no loss trains."]),
        ({"curriculum__name": "difficulty", "losses__supcon__weight": 1.0}, []),
        ({"losses__cross_entropy__weight": 0.0, "losses__supcon__weight": 1.0},
         ["classifier.name: linear-head decides by logits, which no loss trains."]),
        ({"losses__cross_entropy__weight": 0.0},
         ["encoder.name: eacl is not trained, for no loss reaches it.",
          "classifier.name: linear-head decides by logits, which no loss trains."]),
        ({"losses": None}, ["classifier.name: linear-head decides by logits, which no loss trains."]),
        ({"losses": None, "classifier__name": "logistic-regression"}, []),
    ],
)  # fmt: skip
def test_a_decision_that_nothing_trains_is_remarked(
    values: dict[str, Any], remarks: list[str], tiny_checkpoint: Checkpoint
) -> None:
    """It works, and its scores are a guess."""
    assert tried("ce-context", tiny_checkpoint("roberta"), **values) == remarks


def test_an_encoder_that_no_loss_reaches_is_remarked(tiny_checkpoint: Checkpoint) -> None:
    """As SPCL's without its contrast: cross-entropy alone trains a head that is detached from the encoder."""
    assert tried("spcl", tiny_checkpoint("roberta")) == []
    remark = "encoder.name: transformer is not trained, for no loss reaches it."
    assert tried("spcl", tiny_checkpoint("roberta"), losses__spcl=None) == [remark]
    attached = {
        "losses.spcl": None,
        "encoder.detach_head": False,
        "encoder.checkpoint": str(tiny_checkpoint("roberta")),
    }
    config = resolve(CATALOG, "spcl", "mini", "meld-sample", attached)
    assert attempt(PREPARATIONS.prepare(config), Device("cpu", "fp32")) == []


def test_weights_that_are_frozen_for_good_are_not_remarked(
    tiny_checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder may train nothing but what it adds to a backbone."""
    load = TransformerEncoder.load

    def frozen(self: TransformerEncoder) -> TransformerModel:
        model = load(self)
        model.backbone.requires_grad_(False)
        return model

    monkeypatch.setattr(TransformerEncoder, "load", frozen)
    assert tried("ce-context", tiny_checkpoint("roberta"), encoder__name="transformer") == []


def test_nothing_is_trained(tiny_checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """No optimiser is made."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(torch.optim.AdamW, "__init__", refuse)
    assert tried("ce-context", tiny_checkpoint("roberta")) == []
