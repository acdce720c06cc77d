"""Stock losses against loops over utterances, and where one of them is another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from ercbench_stock.losses import CrossEntropyLoss, FocalLoss, SupConLoss, WeightedCrossEntropyLoss
from ercbench_stock.settings import CrossEntropySettings, FocalSettings, SupConSettings, WeightedCrossEntropySettings
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ercbench.errors import PluginError
from ercbench.types import EncodedBatch, LabelSet

LABELS = LabelSet.of({"glad": "glad", "grim": "grim", "calm": "calm"})
COUNTS = (70, 20, 10)


def batch_of(vectors: Tensor, labels: Sequence[int], logits: Tensor | None = None) -> EncodedBatch:
    """A batch as an encoder makes it."""
    uids = tuple(str(i) for i in range(len(vectors)))
    return EncodedBatch(uids, vectors, vectors, logits, labels=torch.tensor(labels))


def random(rows: int, columns: int, seed: int) -> Tensor:
    """A table that asks for gradients, float64."""
    draw = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(rows, columns, generator=draw, dtype=torch.float64)).requires_grad_()


def weighted(power: float = 1.0) -> WeightedCrossEntropyLoss:
    """The loss under test."""
    return WeightedCrossEntropyLoss(WeightedCrossEntropySettings(power=power), LABELS, 0, COUNTS)


def focal(gamma: float = 2.0) -> FocalLoss:
    """The loss under test."""
    return FocalLoss(FocalSettings(gamma=gamma), LABELS, 0)


def log_probability(row: Tensor, label: int) -> Tensor:
    """Of a label, from the logits of one utterance."""
    return row[label] - torch.log(sum(torch.exp(value) for value in row))  # type: ignore[arg-type]


def slow_weighted(logits: Tensor, labels: Sequence[int], power: float) -> Tensor:
    """Each utterance with the weight of its label, divided by the sum of the weights."""
    weights = [(sum(COUNTS) / (len(COUNTS) * COUNTS[label])) ** power for label in labels]
    losses = [-w * log_probability(row, label) for w, row, label in zip(weights, logits, labels, strict=True)]
    return sum(losses) / sum(weights)  # type: ignore[return-value]


def slow_focal(logits: Tensor, labels: Sequence[int], gamma: float) -> Tensor:
    """-(1 - p)^gamma log p, averaged."""
    losses = []
    for row, label in zip(logits, labels, strict=True):
        log_p = log_probability(row, label)
        losses.append(-((1 - torch.exp(log_p)) ** gamma) * log_p)
    return sum(losses) / len(losses)  # type: ignore[return-value]


def slow_supcon(vectors: Tensor, labels: Sequence[int], temperature: float) -> Tensor:
    """For each utterance with others of its class: minus the mean log-softmax of their cosines; mean of what is > 0."""
    if len(set(labels)) in (1, len(labels)):  # no negative, or no positive, anywhere
        return vectors.sum() * 0
    losses = []
    for i, x in enumerate(vectors):
        cosines = {j: (x @ y) / (x.norm() * y.norm()) for j, y in enumerate(vectors) if j != i}
        total = sum(torch.exp(cosine / temperature) for cosine in cosines.values())
        same = [j for j in cosines if labels[j] == labels[i]]
        if same:
            losses.append(-sum(cosines[j] / temperature - torch.log(total) for j in same) / len(same))  # type: ignore[arg-type]
    kept = [loss for loss in losses if loss > 0]
    return sum(kept) / len(kept)  # type: ignore[return-value]


Case = tuple[list[int], int]
cases = st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=8), st.integers(0, 10**6))


def assert_agree(fast: Tensor, slow: Tensor, inputs: Tensor) -> None:
    """Values and gradients."""
    torch.testing.assert_close(fast, slow, rtol=1e-6, atol=1e-7)
    ours, theirs = (torch.autograd.grad(loss, inputs)[0] for loss in (fast, slow))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


@settings(max_examples=40)
@given(cases, st.sampled_from([0.0, 0.5, 1.0]))
def test_weighted_cross_entropy_is_its_formula(case: Case, power: float) -> None:
    """Value and gradients are those of the loop, for any batch."""
    labels, seed = case
    logits = random(len(labels), 3, seed)
    assert_agree(weighted(power)(batch_of(logits, labels, logits)).total, slow_weighted(logits, labels, power), logits)


@settings(max_examples=40)
@given(cases, st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0]))
def test_focal_loss_is_its_formula(case: Case, gamma: float) -> None:
    """Value and gradients are those of the loop, for any batch."""
    labels, seed = case
    logits = random(len(labels), 3, seed)
    assert_agree(focal(gamma)(batch_of(logits, labels, logits)).total, slow_focal(logits, labels, gamma), logits)


@settings(max_examples=40)
@given(cases, st.sampled_from([0.05, 0.1, 1.0]))
def test_supcon_is_its_formula_and_the_librarys(case: Case, temperature: float) -> None:
    """Value and gradients are those of the loop, and those of the library called by hand."""
    from pytorch_metric_learning.losses import SupConLoss as Theirs

    labels, seed = case
    vectors = random(len(labels), 4, seed)
    found = SupConLoss(SupConSettings(temperature=temperature), LABELS, 4)(batch_of(vectors, labels)).total
    assert_agree(found, slow_supcon(vectors, labels, temperature), vectors)
    theirs = Theirs(temperature=temperature)(vectors, torch.tensor(labels))
    torch.testing.assert_close(found, theirs, rtol=0, atol=0)


@settings(max_examples=20)
@given(cases)
def test_at_zero_both_are_cross_entropy(case: Case) -> None:
    """Focal loss with gamma 0, and weights to the power 0."""
    labels, seed = case
    logits = random(len(labels), 3, seed)
    batch = batch_of(logits, labels, logits)
    plain = CrossEntropyLoss(CrossEntropySettings(), LABELS, 0)(batch).total
    for loss in (focal(0.0), weighted(0.0)):
        torch.testing.assert_close(loss(batch).total, plain, rtol=1e-9, atol=1e-12)


def test_rare_labels_weigh_more() -> None:
    """The weights are those of scikit-learn's ``balanced``; a label that train does not have weighs nothing."""
    assert weighted().weights.tolist() == pytest.approx([100 / 210, 100 / 60, 100 / 30])
    absent = WeightedCrossEntropyLoss(WeightedCrossEntropySettings(), LABELS, 0, (5, 5, 0))
    assert absent.weights.tolist() == pytest.approx([10 / 15, 10 / 15, 0])


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_is_finite_where_the_right_label_is_certain(gamma: float) -> None:
    """Probabilities of 1 and of 0 in float32 give a finite loss with finite gradients."""
    logits = torch.tensor([[80.0, -80.0, -80.0], [-80.0, 80.0, 0.0]], requires_grad=True)
    loss = focal(gamma)(batch_of(logits, [0, 0], logits)).total
    loss.backward()
    assert math.isfinite(loss.item())
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    "make",
    [
        weighted,
        focal,
        lambda: CrossEntropyLoss(CrossEntropySettings(), LABELS, 0),
    ],
)
def test_losses_on_logits_say_so_where_there_are_none(make: Callable[[], nn.Module]) -> None:
    """An encoder without a linear head is a plugin's mistake, told as one."""
    with pytest.raises(PluginError, match="needs logits"):
        make()(batch_of(random(2, 3, 0), [0, 1]))
