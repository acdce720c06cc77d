"""Any loss of pytorch-metric-learning: by name, checked before training, trained, kept, and forgotten between seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from ercbench_stock.metric import MetricLoss
from ercbench_stock.metric_parts import classes, parameters_of
from ercbench_stock.metric_settings import MetricSettings
from hypothesis import strategies as st
from pytorch_metric_learning import distances, losses, miners, reducers, regularizers
from torch import Tensor, nn

from ercbench.catalog import load_catalog
from ercbench.config import Training, resolve
from ercbench.devices import Device
from ercbench.errors import BadSetting, ErcbenchError, Problems
from ercbench.preparing import prepare
from ercbench.progress import Silent
from ercbench.resume import Unfinished
from ercbench.runner import run
from ercbench.tensors import read_tensors
from ercbench.training import Objective, Surroundings, train
from ercbench.types import Batch, EncodedBatch, LabelSet
from ercbench.values import parse_assignment

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = LabelSet.of({"glad": "glad", "grim": "grim", "calm": "calm"})
WIDTH = 6
UNFIT = {
    "DynamicSoftMarginLoss": "backward through the graph a second time",
    "GenericPairLoss": "mat_based_loss",
    "ManifoldLoss": "not supported",
    "MultipleLosses": "losses",
    "SelfSupervisedLoss": "loss",
    "SmoothAPLoss": "same number of elements",
    "VICRegLoss": "not supported",
}
"""Losses that do not work on a batch of labelled utterances, or not twice, and a word of what is said of them."""
NEEDED: dict[str, dict[str, Any]] = {
    "CrossBatchMemory": {"loss": "TripletMarginLoss"},
    "HistogramLoss": {"n_bins": 10},
    "ManifoldLoss": {"K": 3, "l": 8},
    "RankedListLoss": {"margin": 1, "Tn": 1},
}
"""What a loss cannot do without."""


def batch_of(rows: int = 12, seed: int = 0, classes: int = 3) -> EncodedBatch:
    """Vectors (B, D) that ask for gradients."""
    draw = torch.Generator().manual_seed(seed)
    vectors = torch.randn(rows, WIDTH, generator=draw).requires_grad_()
    return EncodedBatch(tuple(map(str, range(rows))), vectors, vectors, labels=torch.arange(rows) % classes)


def made(class_name: str, **values: Any) -> MetricLoss:
    """The loss under test."""
    torch.manual_seed(0)
    return MetricLoss(MetricSettings(class_name=class_name, **values), LABELS, WIDTH)


def set_to(*assignments: str) -> dict[str, Any]:
    """What ``--set`` makes of a recipe's metric loss."""
    overrides = dict(parse_assignment(text) for text in assignments)
    found = resolve(load_catalog(), "supcon-ce", "mini", "meld", overrides)
    return found.losses["metric"].part.settings.model_dump()


def refused(*assignments: str) -> str:
    """What is said instead."""
    with pytest.raises(ErcbenchError) as caught:
        set_to(*assignments)
    return str(caught.value)


# -------------------------------------------------------------------------------------------------------- by name


@pytest.mark.filterwarnings("ignore:.*__array_wrap__.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning")
@pytest.mark.parametrize("name", sorted(classes("loss")))
def test_every_loss_is_the_librarys_or_is_refused(name: str) -> None:
    """By its class name; what cannot be used on labelled utterances is refused with what the library says."""
    given = NEEDED.get(name, {})
    if name in UNFIT:
        with pytest.raises(ValueError, match=UNFIT[name]):
            MetricSettings(class_name=name, **given)
        return
    loss, batch = made(name, **given), batch_of()
    found = loss(batch).total
    twin = made(name, **given).loss
    torch.testing.assert_close(found, twin(batch.vectors, batch.labels), rtol=0, atol=0)
    found.backward()
    assert batch.vectors.grad is not None
    assert batch.vectors.grad.isfinite().all()
    for rows, labels in ((1, 3), (3, 3), (4, 1)):  # one utterance, all different, all the same
        total = made(name, **given)(batch_of(rows, classes=labels)).total
        assert total.isfinite()
        assert total.requires_grad


def test_distance_reducer_miner_and_regulariser_are_the_librarys() -> None:
    """Each by name with parameters, inside each other where the library has them so."""
    found = made(
        "TripletMarginLoss",
        margin=0.3,
        distance={"name": "LpDistance", "p": 1, "normalize_embeddings": False},
        reducer={"name": "ThresholdReducer", "low": 0.1},
        miner={"name": "TripletMarginMiner", "margin": 0.4, "distance": "CosineSimilarity"},
        embedding_regularizer="LpRegularizer",
        embedding_reg_weight=0.5,
    )
    loss = losses.TripletMarginLoss(
        margin=0.3,
        distance=distances.LpDistance(p=1, normalize_embeddings=False),
        reducer=reducers.ThresholdReducer(low=0.1),
        embedding_regularizer=regularizers.LpRegularizer(),
        embedding_reg_weight=0.5,
    )
    miner = miners.TripletMarginMiner(margin=0.4, distance=distances.CosineSimilarity())
    batch = batch_of()
    expected = loss(batch.vectors, batch.labels, miner(batch.vectors, batch.labels))
    torch.testing.assert_close(found(batch).total, expected, rtol=0, atol=0)
    weights = [1.0, 2.0, 3.0]
    weighted = made("ContrastiveLoss", reducer={"name": "ClassWeightedReducer", "weights": weights})
    by_hand = losses.ContrastiveLoss(reducer=reducers.ClassWeightedReducer(torch.tensor(weights)))
    torch.testing.assert_close(weighted(batch).total, by_hand(batch.vectors, batch.labels), rtol=0, atol=0)


def test_parameters_are_those_of_all_bases() -> None:
    """A class that hands on what it does not know takes what its bases take."""
    assert {"margin", "scale", "num_classes", "embedding_size", "weight_regularizer", "distance", "reducer"} <= set(
        parameters_of(losses.SubCenterArcFaceLoss)
    )
    assert "kwargs" not in parameters_of(losses.SubCenterArcFaceLoss)


# ------------------------------------------------------------------------------------------------------- with --set


def test_a_loss_is_set_by_name_with_its_parameters() -> None:
    """The name alone will do; parameters and parts are set below it, in any order."""
    assert set_to("losses.metric=pml:TripletMarginLoss") == {"class_name": "TripletMarginLoss"}
    found = set_to(
        "losses.metric.miner.margin=0.1", "losses.metric.miner.name=TripletMarginMiner", "losses.metric.margin=0.2",
        "losses.metric=pml:TripletMarginLoss", "losses.metric.distance=CosineSimilarity", "losses.metric.weight=0.5",
    )  # fmt: skip
    assert found == {
        "class_name": "TripletMarginLoss",
        "margin": 0.2,
        "distance": "CosineSimilarity",
        "miner": {"name": "TripletMarginMiner", "margin": 0.1},
    }
    deep = set_to(
        "losses.metric=pml:CrossBatchMemory", "losses.metric.loss.name=ContrastiveLoss", "losses.metric.memory_size=64",
        "losses.metric.loss.distance.name=LpDistance", "losses.metric.loss.distance.p=1",
    )  # fmt: skip
    assert deep["loss"] == {"name": "ContrastiveLoss", "distance": {"name": "LpDistance", "p": 1}}


@hypothesis.given(st.permutations([
    "losses.metric=pml:CrossBatchMemory", "losses.metric.loss=ContrastiveLoss", "losses.metric.loss.pos_margin=0.5",
    "losses.metric.loss.distance=LpDistance", "losses.metric.loss.distance.p=1", "losses.metric.memory_size=64",
]))  # fmt: skip
@hypothesis.settings(max_examples=20, deadline=None)
def test_a_name_stands_beside_its_parameters_in_any_order(assignments: list[str]) -> None:
    """``loss=X`` and ``loss.margin=1`` are one part with one parameter, whichever is set first."""
    assert set_to(*assignments) == {
        "class_name": "CrossBatchMemory",
        "memory_size": 64,
        "loss": {"name": "ContrastiveLoss", "pos_margin": 0.5, "distance": {"name": "LpDistance", "p": 1}},
    }


def test_names_that_are_not_right_are_told_all_at_once() -> None:
    """With the path, near names, what there is, the value and where it came from."""
    with pytest.raises(Problems) as caught:
        set_to(
            "losses.metric=pml:TripletMarginLoss", "losses.metric.margn=0.2", "losses.metric.distance.name=Cosine",
            "losses.metric.miner=TripletMiner",
        )  # fmt: skip
    message = str(caught.value)
    assert "losses.metric.margn: TripletMarginLoss does not take it. Did you mean margin? Known: " in message
    assert "Got 0.2, set by: --set." in message
    assert "losses.metric.distance.name: no distance of pytorch-metric-learning. Did you mean CosineSim" in message
    assert "losses.metric.miner.name: no miner of pytorch-metric-learning. Did you mean TripletMarginMiner" in message
    assert "losses.metric.name: no loss of" in refused("losses.metric=pml:TripletMarginLos")
    nameless = refused("losses.metric=pml:TripletMarginLoss", "losses.metric.distance.p=3")
    assert "losses.metric.distance.name: missing beside the parameters. Known: BatchedDistance" in nameless
    assert "Got {'p': 3}, set by: --set." in nameless
    assert "Got 'Cosine', set by: --set." in refused("losses.m=pml:NTXentLoss", "losses.m.distance=Cosine")
    assert refused("losses.metric=pml") == "losses.metric: which pml? Write it: --set losses.metric=pml:NAME"


@pytest.mark.parametrize(
    ("assignment", "why"),
    [
        ("swap=False", "values are JSON: write true, false or null. Got 'False'"),
        ("reducer=None", "values are JSON: write true, false or null. Got 'None'"),
        ("swap=yes", "must be true or false. Got 'yes'"),
        ("swap=0", "must be true or false. Got 0"),
        ("margin=.5", "must be a number, written as in JSON. Got '.5'"),
        ("margin=true", "must be a number, written as in JSON. Got True"),
        ("distance.normalize_embeddings=False", "values are JSON: write true, false or null. Got 'False'"),
    ],
)
def test_a_word_is_no_truth_and_no_number(assignment: str, why: str) -> None:
    """The library asks for no types, and to Python every word is true."""
    more = ["losses.metric.distance=LpDistance"] if assignment.startswith("distance") else []
    said = refused("losses.metric=pml:TripletMarginLoss", *more, f"losses.metric.{assignment}")
    assert said == f"losses.metric.{assignment.partition('=')[0]}: {why}, set by: --set. Choose another value."


def test_a_memory_that_holds_no_batch_is_told_before_training() -> None:
    """It is known from ``training.batch_size``."""
    memory = "losses.bank=pml:CrossBatchMemory", "losses.bank.loss=NTXentLoss", "losses.bank.memory_size=17"
    said = "losses.bank.memory_size: must hold a batch, and training.batch_size is 32. Got 17, set by: --set."
    assert refused(*memory).startswith(said)
    overrides = dict(parse_assignment(text) for text in (*memory, "training.batch_size=16"))
    assert resolve(load_catalog(), "supcon-ce", "mini", "meld", overrides).training.batch_size == 16


@pytest.mark.parametrize(
    ("assignments", "why"),
    [
        (("losses.metric=pml:RankedListLoss", "losses.metric.margin=wide", "losses.metric.Tn=1"), "TypeError"),
        (
            (
                "losses.bank=pml:CrossBatchMemory",
                "losses.bank.loss=NTXentLoss",
                "losses.bank.memory_size=4",
                "training.batch_size=4",
            ),
            "AssertionError: it says no more",
        ),
        (("losses.metric=pml:RankedListLoss",), "missing 2 required positional arguments: 'margin' and 'Tn'"),
        (("losses.metric=pml:SupConLoss", "losses.metric.mat_based_loss=true"), "multiple values"),
        (("losses.metric=pml:AngularLoss", "losses.metric.distance=CosineSimilarity"), "requires"),
        (("losses.metric=pml:CrossBatchMemory", "losses.metric.loss=ArcFaceLoss"), "not supported for ArcFaceLoss"),
    ],
)
def test_what_the_library_refuses_is_told_before_training(assignments: tuple[str, ...], why: str) -> None:
    """A constructor's or a loss's own complaint, while the recipe is resolved; no random number is used up."""
    before = torch.get_rng_state()
    message = refused(*assignments)
    assert why in message
    assert ".name: it cannot be used as it is set." in message
    assert torch.equal(torch.get_rng_state(), before)


def test_a_size_of_another_run_is_refused() -> None:
    """What the run knows need not be set, and must not be set otherwise."""
    with pytest.raises(BadSetting, match=r"ArcFaceLoss: embedding_size is 6 in this run\. Got 8\. Leave it out\."):
        made("ArcFaceLoss", embedding_size=8)
    assert made("ArcFaceLoss", embedding_size=WIDTH).loss.W.shape == (WIDTH, len(LABELS))
    with pytest.raises(BadSetting, match=r"memory_size must hold a batch\. Got 8, and a batch of 12"):
        made("CrossBatchMemory", loss="ContrastiveLoss", memory_size=8)(batch_of())


# ------------------------------------------------------------------------------------------ trained, kept, forgotten


class Line(nn.Module):
    """The smallest encoder model."""

    dimension = WIDTH

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.backbone, self.map = nn.Linear(4, 4), nn.Linear(4, WIDTH)

    def forward(self, batch: Batch) -> EncodedBatch:
        """Batch -> EncodedBatch."""
        hidden = self.backbone(batch.inputs["x"])
        return EncodedBatch(batch.uids, hidden, self.map(hidden), labels=batch.labels)

    def prototypes(self) -> Tensor | None:
        """None."""
        return None


class Source:
    """Four batches of six utterances."""

    utterances = 24

    def batches(self, seed: int) -> Iterator[Batch]:
        """In an order that the seed gives."""
        x = torch.randn(24, 4, generator=torch.Generator().manual_seed(3))
        for rows in torch.randperm(24, generator=torch.Generator().manual_seed(seed)).split(6):
            yield Batch(tuple(str(int(row)) for row in rows), {"x": x[rows]}, rows % 3)


def trained(loss: MetricLoss, folder: Path, scores: Iterable[float], stop_before: int = 0) -> dict[str, Tensor]:
    """Train; the loss's state afterwards."""
    given, seen = iter(scores), [0]

    def evaluate(epoch: int) -> tuple[float, float]:
        seen[0] = epoch
        if epoch == stop_before:
            raise KeyboardInterrupt
        return 0.0, next(given)

    objective = Objective({"metric": (1.0, loss)})
    around = Surroundings(Device("cpu", "fp32"), 0, Unfinished(folder), Silent())
    train(Line(), objective, Source(), Training(epochs=3, lr=0.1, batch_size=6), evaluate, around)
    return {name: value.clone() for name, value in objective.state_dict().items()}


MEMORIES: list[tuple[str, dict[str, Any]]] = [
    ("ProxyNCALoss", {}),
    ("CrossBatchMemory", {"loss": {"name": "ContrastiveLoss"}, "memory_size": 16}),
    ("CrossBatchMemory", {"loss": {"name": "TripletMarginLoss"}, "memory_size": 512, "miner": "MultiSimilarityMiner"}),
    ("MarginLoss", {"learn_beta": True}),
]


@pytest.mark.parametrize(("name", "values"), MEMORIES, ids=["proxies", "full memory", "miner inside", "beta"])
def test_an_interrupted_run_goes_on_as_it_was(tmp_path: Path, name: str, values: dict[str, Any]) -> None:
    """Parameters of a loss, its memory and its place in the memory are taken up again."""
    whole = trained(made(name, **values), tmp_path / "whole", [0.1, 0.2, 0.3])
    with pytest.raises(KeyboardInterrupt):
        trained(made(name, **values), tmp_path / "again", [0.1], stop_before=2)
    again = trained(made(name, **values), tmp_path / "again", [0.2, 0.3])
    assert whole.keys() == again.keys()
    assert [key for key in whole if not torch.equal(whole[key], again[key])] == []


def test_parameters_are_trained_and_those_of_the_chosen_epoch_kept(tmp_path: Path) -> None:
    """Proxies move, and end as they were after the best epoch."""
    fresh = made("ProxyNCALoss").state_dict()["loss.proxies"]
    first = trained(made("ProxyNCALoss"), tmp_path / "first", [0.9, 0.1, 0.1])["losses.metric.loss.proxies"]
    last = trained(made("ProxyNCALoss"), tmp_path / "last", [0.1, 0.1, 0.9])["losses.metric.loss.proxies"]
    assert not torch.equal(first, fresh)
    assert not torch.equal(first, last)


def test_a_run_keeps_what_losses_learnt_and_forgets_it_before_the_next_seed(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """Seed 1 after seed 0 in one process is seed 1 alone; parameters and memory lie beside the kept model."""
    catalog = load_catalog()
    overrides = dict(
        parse_assignment(text)
        for text in (
            f"encoder.checkpoint={tiny_checkpoint('bert')}",
            "encoder.width=16",
            "losses.proxies=pml:ProxyAnchorLoss",
            "losses.bank=pml:CrossBatchMemory",
            "losses.bank.loss=NTXentLoss",
            "losses.bank.memory_size=32",
        )
    )
    config = resolve(catalog, "supcon-ce", "mini", "meld-sample", overrides)
    prepared = prepare(catalog, config, None, 2)
    both = [run(prepared, seed, Device("cpu", "fp32"), tmp_path / "both", Silent()) for seed in (0, 1)]
    alone = run(prepared, 1, Device("cpu", "fp32"), tmp_path / "alone", Silent())
    assert set(alone.training.epochs[0].losses) == {"total", "cross-entropy", "supcon", "proxies", "bank"}
    assert alone.training.epochs[0].losses == both[1].training.epochs[0].losses
    assert alone.predictions.sha256 == both[1].predictions.sha256
    [file] = (tmp_path / "alone").rglob("losses.safetensors")
    kept = read_tensors(file)
    assert kept["losses.proxies.loss.proxies"].shape == (len(config.dataset.labels), 16)
    assert kept["losses.bank.loss.embedding_memory"].shape == (32, 16)
    assert not list((tmp_path / "alone").glob("**/.unfinished/*/*"))
