"""The losses of EACL against loops over rows, against golden numbers, and at the edges."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ercbench_eacl.losses import AnchorContrastiveLoss, SeparationLoss, similarity
from ercbench_eacl.settings import AnchorContrastiveSettings, SeparationSettings
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ercbench.catalog import load_catalog, load_target
from ercbench.config import Config, resolve
from ercbench.errors import PluginError
from ercbench.training import Objective
from ercbench.types import EncodedBatch, LabelSet

LABELS = LabelSet.of({"glad": "glad", "grim": "grim"})


def contrastive(temperature: float = 0.1, anchors: bool = True) -> AnchorContrastiveLoss:
    """The loss under test."""
    return AnchorContrastiveLoss(AnchorContrastiveSettings(temperature=temperature, anchors=anchors), LABELS, 0)


def separation() -> SeparationLoss:
    """The loss under test."""
    return SeparationLoss(SeparationSettings(), LABELS, 0)


def batch_of(
    vectors: Tensor, labels: Sequence[int] | Tensor, anchors: Tensor | None = None, **more: Any
) -> EncodedBatch:
    """A batch as the encoder makes it."""
    uids = tuple(str(i) for i in range(len(vectors)))
    gold = torch.as_tensor(labels, dtype=torch.long)
    return EncodedBatch(uids, vectors, vectors, prototypes=anchors, labels=gold, **more)


def random_batch(seed: int, labels: Sequence[int], classes: int, width: int) -> tuple[Tensor, Tensor]:
    """Vectors (B, D) and anchors (C, D), float64, drawn from the seed, both asking for gradients."""
    draw = torch.Generator().manual_seed(seed)
    vectors = torch.randn(len(labels), width, generator=draw, dtype=torch.float64, requires_grad=True)
    anchors = torch.randn(classes, width, generator=draw, dtype=torch.float64, requires_grad=True)
    return vectors, anchors


# ------------------------------------------------------------------------- the formulas once more, one row at a time


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """Of two vectors."""
    return (x * y).sum() / (x.pow(2).sum().sqrt() * y.pow(2).sum().sqrt())


def slow_contrastive(rows: Sequence[Tensor], classes: Sequence[int], temperature: float) -> Tensor:
    """Mean over rows with l_i > 0 of l_i = -log([sum_P e / (sum_P e + sum_N e)] / number of P + 1e-8)."""
    losses = []
    for i, row in enumerate(rows):
        same: list[Tensor] = []
        different: list[Tensor] = []
        for j, other in enumerate(rows):
            if i != j:
                s = (1 + cosine(row, other)) / 2 + 1e-8
                (same if classes[i] == classes[j] else different).append(torch.exp(s / temperature))
        if same:
            share = sum(same) / (sum(same) + sum(different))
            loss = -torch.log(share / len(same) + 1e-8)
        else:
            loss = row.sum() * 0 - math.log(1e-8)
        if loss > 0:
            losses.append(loss)
    return sum(losses) / len(losses) if losses else sum(row.sum() for row in rows) * 0  # type: ignore[return-value]


def slow_separation(anchors: Tensor) -> Tensor:
    """Minus the mean, over anchors centred on their mean, of the angle to the nearest other one."""
    centre = sum(anchors) / len(anchors)
    angles = []
    for k, anchor in enumerate(anchors):
        closest = max(cosine(anchor - centre, other - centre) for j, other in enumerate(anchors) if j != k)
        angles.append(torch.arccos(torch.clamp(closest, -0.99999, 0.99999)))
    return -sum(angles) / len(angles)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[int], int, int, int]:
    """Labels of a batch, number of classes, width, seed; one class alone and a batch of one come up often."""
    classes = draw(st.integers(2, 5))
    label = st.integers(0, classes - 1)
    one_class = st.builds(lambda one, size: [one] * size, label, st.integers(1, 6))
    labels = draw(one_class | st.lists(label, min_size=1, max_size=7))
    return labels, classes, draw(st.integers(2, 6)), draw(st.integers(0, 10**6))


def gradients(loss: Tensor, *inputs: Tensor) -> list[Tensor]:
    """Of a loss, zeros where an input does not reach it."""
    found = torch.autograd.grad(loss, inputs, allow_unused=True)
    return [torch.zeros_like(x) if grad is None else grad for x, grad in zip(inputs, found, strict=True)]


@settings(max_examples=40)
@given(cases(), st.sampled_from([0.05, 0.1, 1.0]), st.booleans())
def test_contrastive_loss_is_its_formula(
    case: tuple[list[int], int, int, int], temperature: float, with_anchors: bool
) -> None:
    """Value and gradients are those of the loop, for any batch, any labels, with and without anchors."""
    labels, classes, width, seed = case
    vectors, anchors = random_batch(seed, labels, classes, width)
    fast = contrastive(temperature, with_anchors)(batch_of(vectors, labels, anchors)).total
    rows = [*vectors, *anchors] if with_anchors else [*vectors]
    slow = slow_contrastive(rows, [*labels, *range(classes)][: len(rows)], temperature)
    torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)
    for ours, theirs in zip(gradients(fast, vectors, anchors), gradients(slow, vectors, anchors), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


@settings(max_examples=40)
@given(st.integers(2, 8), st.integers(2, 6), st.integers(0, 10**6))
def test_separation_loss_is_its_formula(classes: int, width: int, seed: int) -> None:
    """Value and gradients are those of the loop, for any anchors."""
    _, anchors = random_batch(seed, [0], classes, width)
    fast, slow = separation()(batch_of(anchors, [0] * classes, anchors)).total, slow_separation(anchors)
    torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradients(fast, anchors)[0], gradients(slow, anchors)[0], rtol=1e-7, atol=1e-7)


def test_gradients_are_those_of_finite_differences() -> None:
    """torch.autograd.gradcheck is content with both losses."""
    labels = [0, 1, 1, 3]
    vectors, anchors = random_batch(3, labels, 4, 5)
    assert torch.autograd.gradcheck(lambda v, a: contrastive()(batch_of(v, labels, a)).total, (vectors, anchors))
    assert torch.autograd.gradcheck(lambda a: separation()(batch_of(vectors, labels, a)).total, (anchors,))


def test_similarity_is_the_shifted_cosine() -> None:
    """S is 1 for equal directions, 0 for opposite ones, 1/2 for right angles, plus 1e-8, whatever the lengths."""
    x = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    y = torch.tensor([[5.0, 0.0], [-0.1, 0.0], [0.0, 3.0]], dtype=torch.float64)
    expected = torch.tensor([[1 + 1e-8, 1e-8, 0.5 + 1e-8]], dtype=torch.float64)
    torch.testing.assert_close(similarity(x, y), expected, rtol=0, atol=1e-15)


def test_a_row_without_positives_counts_in_the_mean_and_has_no_gradient() -> None:
    """Two vectors of two classes, no anchors: each contributes -log(1e-8)."""
    vectors, _ = random_batch(1, [0, 1], 2, 4)
    loss = contrastive(anchors=False)(batch_of(vectors, [0, 1])).total
    assert loss.item() == pytest.approx(-math.log(1e-8), abs=1e-12)
    assert not gradients(loss, vectors)[0].any()


def test_rows_without_loss_are_left_out_of_the_mean() -> None:
    """A row whose only neighbours are its one positive has l_i = -log(1 + 1e-8) <= 0 and does not count."""
    vectors, _ = random_batch(1, [0, 0], 2, 4)
    assert contrastive(anchors=False)(batch_of(vectors, [0, 0])).total.item() == 0.0


def test_the_mean_is_over_the_rows_that_are_kept() -> None:
    """Two equal vectors opposite a third of another class: at tau 0.05 only the third, -log(1e-8), is above zero."""
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    loss = contrastive(0.05, anchors=False)(batch_of(vectors, [0, 0, 1])).total
    assert loss.item() == pytest.approx(-math.log(1e-8), abs=1e-12)
    assert loss.item() == pytest.approx(slow_contrastive([*vectors], [0, 0, 1], 0.05).item(), abs=1e-12)


def test_the_anchors_of_the_batch_can_be_left_alone() -> None:
    """With ``anchors: false`` no gradient reaches an anchor."""
    vectors, anchors = random_batch(1, [0, 0, 1], 2, 4)
    assert not gradients(contrastive(anchors=False)(batch_of(vectors, [0, 0, 1], anchors)).total, anchors)[0].any()
    assert gradients(contrastive()(batch_of(vectors, [0, 0, 1], anchors)).total, anchors)[0].any()


# ------------------------------------------------------------------------------------------------------- golden values


@pytest.fixture(scope="module")
def eacl() -> Config:
    """The recipe as it is shipped."""
    return resolve(load_catalog(), "eacl", "full", "meld-sample", {})


def objective(config: Config, labels: LabelSet, dimension: int) -> Objective:
    """The losses of a recipe, built as the runner builds them."""
    return Objective(
        {
            name: (loss.weight, load_target(loss.part.spec.target)(loss.part.settings, labels, dimension))
            for name, loss in config.losses.items()
        }
    )


@pytest.fixture(scope="module")
def golden() -> tuple[list[dict[str, Any]], Mapping[str, Any]]:
    """Cases and arrays that the authors' released code produced."""
    named = os.environ.get("ERCBENCH_DATA")
    folder = Path(named).parent / "golden" if named else None
    if folder is None or not (folder / "eacl_losses.npz").is_file():
        pytest.skip("no folder `golden` beside the one that ERCBENCH_DATA names")
    with np.load(folder / "eacl_losses.npz") as arrays:
        return json.loads((folder / "eacl_losses.json").read_text()), dict(arrays)


def test_golden_losses(eacl: Config, golden: tuple[list[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Parts, total and gradients of the recipe ``eacl`` are those of the released code, to 1e-6."""
    cases, arrays = golden
    assert cases
    for case in cases:
        vectors, anchors, logits = inputs = [
            torch.tensor(arrays[f"{case['name']}.{name}"], dtype=torch.float64, requires_grad=True)
            for name in ("vectors", "anchors", "logits")
        ]
        labels = LabelSet.of({str(i): str(i) for i in range(case["classes"])})
        gold = torch.from_numpy(arrays[f"{case['name']}.labels"])
        output = objective(eacl, labels, case["dim"])(batch_of(vectors, gold, anchors, logits=logits))
        for loss in ("cross-entropy", "anchor-contrastive", "separation"):
            assert output.parts[loss].item() == pytest.approx(case[loss.replace("-", "_")], abs=1e-6), case["name"]
        assert output.total.item() == pytest.approx(case["total"], abs=1e-6), case["name"]
        for name, grad in zip(("vectors", "anchors", "logits"), gradients(output.total, *inputs), strict=True):
            expected = arrays[f"{case['name']}.grad_{name}"]
            np.testing.assert_allclose(grad.numpy(), expected, rtol=0, atol=1e-6, err_msg=f"{case['name']} {name}")


def test_total_is_the_weighted_sum_of_the_paper(eacl: Config) -> None:
    """The recipe's total is 0.1 CE + 0.9 (contrastive + 0.1 separation), tau 0.1, computed here by loops."""
    labels = [0, 2, 2, 1, 0]
    vectors, anchors = random_batch(5, labels, 3, 6)
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    keys = LabelSet.of({"a": "a", "b": "b", "c": "c"})
    total = objective(eacl, keys, 6)(batch_of(vectors, labels, anchors, logits=logits)).total
    ce = -sum(
        math.log(math.exp(row[gold]) / sum(map(math.exp, row)))
        for row, gold in zip(logits.tolist(), labels, strict=True)
    )
    contrast = slow_contrastive([*vectors, *anchors], [*labels, 0, 1, 2], 0.1)
    expected = 0.1 * ce / 5 + 0.9 * (contrast.item() + 0.1 * slow_separation(anchors).item())
    assert total.item() == pytest.approx(expected, abs=1e-9)


# ------------------------------------------------------------------------------------------------------------ the edges


DEGENERATE = {
    "batch of one": (torch.ones(1, 4), [0]),
    "vectors of length zero": (torch.zeros(3, 4), [0, 1, 1]),
    "all vectors equal": (torch.ones(4, 4), [1, 1, 1, 1]),
    "long vectors": (torch.full((2, 4), 1e4), [0, 1]),
    "short vectors": (torch.full((2, 4), 1e-30), [0, 0]),
}


@pytest.mark.parametrize(
    ("name", "with_anchors"), [(name, True) for name in DEGENERATE] + [(name, False) for name in DEGENERATE]
)
def test_degenerate_batches_are_finite_and_keep_the_graph(name: str, with_anchors: bool) -> None:
    """Whatever the batch, the loss is finite and can be differentiated, and so are its gradients, in float32."""
    vectors, labels = DEGENERATE[name]
    vectors = vectors.clone().requires_grad_()
    loss = contrastive(anchors=with_anchors)(batch_of(vectors, labels, torch.eye(2, 4))).total
    assert torch.isfinite(loss)
    assert torch.isfinite(torch.autograd.grad(loss, vectors)[0]).all()


@pytest.mark.parametrize(
    "anchors",
    [torch.ones(3, 4), torch.zeros(3, 4), torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.ones(1, 4)],
    ids=["all equal", "of length zero", "two equal", "one class"],
)
def test_degenerate_anchors_are_finite_and_keep_the_graph(anchors: Tensor) -> None:
    """Anchors that fall together give a finite separation loss with finite gradients, in float32."""
    anchors = anchors.clone().requires_grad_()
    loss = separation()(batch_of(anchors, [0] * len(anchors), anchors)).total
    assert torch.isfinite(loss)
    assert torch.isfinite(torch.autograd.grad(loss, anchors)[0]).all()


@pytest.mark.parametrize(("classes", "optimum"), [(6, -1.772), (7, -1.738)])
def test_the_optimum_of_separation_is_the_simplex(classes: int, optimum: float) -> None:
    """At the simplex it takes the known value, and gradient steps from random anchors get there and no lower."""
    simplex = torch.eye(classes, dtype=torch.float64)
    assert separation()(batch_of(simplex, [0] * classes, simplex)).total.item() == pytest.approx(optimum, abs=5e-4)
    _, anchors = random_batch(0, [0], classes, classes)
    optimizer = torch.optim.Adam([anchors], lr=0.03)
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / 400)
        optimizer.zero_grad()
        loss = separation()(batch_of(anchors, [0] * classes, anchors)).total
        loss.backward()
        optimizer.step()
        assert loss.item() > -math.acos(-1 / (classes - 1)) - 1e-9
    assert loss.item() == pytest.approx(optimum, abs=2e-3)


def test_float32_agrees_with_float64() -> None:
    """In the precision of training, a batch of the real size gives the same losses and finite gradients."""
    labels = [i % 7 for i in range(64)]
    vectors, anchors = random_batch(8, labels, 7, 1024)
    low = [x.detach().float().requires_grad_() for x in (vectors, anchors)]
    for loss in (contrastive(), separation()):
        exact, rounded = loss(batch_of(vectors, labels, anchors)).total, loss(batch_of(low[0], labels, low[1])).total
        assert rounded.dtype == torch.float32
        assert rounded.item() == pytest.approx(exact.item(), rel=1e-5)
        assert all(torch.isfinite(grad).all() for grad in gradients(rounded, *low))


def test_losses_of_eacl_ask_for_anchors_by_name() -> None:
    """An encoder without anchors is told of in one message that says what to set."""
    vectors, _ = random_batch(1, [0, 1], 2, 4)
    for loss in (contrastive(), separation()):
        with pytest.raises(PluginError, match=r"need anchors.*encoder\.name=eacl"):
            loss(batch_of(vectors, [0, 1]))
