"""SPCL's loss against loops over utterances, what its pools remember, and that nothing is lost in an interruption."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from ercbench_stock.settings import SpclSettings
from ercbench_stock.spcl import SpclLoss, prototypical
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from ercbench.types import EncodedBatch, LabelSet

LABELS = LabelSet.of({"glad": "glad", "grim": "grim", "calm": "calm"})
WIDTH = 4


def loss_of(seed: int = 0, **values: object) -> SpclLoss:
    """The loss under test in float64; its sequence of random numbers is given by the seed."""
    torch.manual_seed(seed)
    return SpclLoss(SpclSettings(**values), LABELS, WIDTH).double()  # type: ignore[arg-type]


def vectors_of(rows: int, seed: int) -> Tensor:
    """A table that asks for gradients, float64."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(rows, WIDTH, generator=draw, dtype=torch.float64).requires_grad_()


def batch_of(vectors: Tensor, labels: Sequence[int]) -> EncodedBatch:
    """A batch as an encoder makes it."""
    return EncodedBatch(tuple(map(str, range(len(labels)))), vectors, vectors, labels=torch.tensor(labels))


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """(1 + cosine) / 2."""
    return (1 + (x @ y) / (x.norm() * y.norm())) / 2


def slow(vectors: Tensor, labels: Sequence[int], prototypes: dict[int, Tensor], tau: float, least: float) -> Tensor:
    """Utterance by utterance, as in the released code: log of the share of the same class, by how many there are."""
    kept = []
    for i, x in enumerate(vectors):
        others = [(labels[j], y) for j, y in enumerate(vectors) if j != i] + list(prototypes.items())
        scores = [(label, torch.exp(similarity(x, y) / tau)) for label, y in others]
        same = [score for label, score in scores if label == labels[i]]
        share = sum(same) / sum(score for _, score in scores)
        loss = -torch.log(share / len(same))
        if loss > least:
            kept.append(loss)
    return sum(kept) / len(kept) if kept else vectors.sum() * 0  # type: ignore[return-value]


Steps = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=5)


@settings(max_examples=40)
@given(Steps, st.sampled_from([0.05, 0.2, 1.0]), st.sampled_from([0.0, 0.3, 1.5]), st.integers(0, 10**6))
def test_the_loss_is_its_formula_while_pools_are_short(
    steps: list[list[int]], tau: float, least: float, seed: int
) -> None:
    """Value and gradients of every step are those of the loop, whose prototypes are means over all that was seen."""
    loss, seen = loss_of(temperature=tau, least=least), dict[int, list[Tensor]]()
    for number, labels in enumerate(steps):
        vectors = vectors_of(len(labels), seed + number)
        for label, vector in zip(labels, vectors.detach(), strict=True):
            seen.setdefault(label, []).append(vector)
        prototypes = {label: torch.stack(found).mean(0) for label, found in seen.items()}
        ours, theirs = loss(batch_of(vectors, labels)).total, slow(vectors, labels, prototypes, tau, least)
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
        gradients = [torch.autograd.grad(total, vectors)[0] for total in (ours, theirs)]
        torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_the_loss_is_its_formula_with_drawn_prototypes(seed: int) -> None:
    """With full pools the prototypes are means of so many different vectors of each pool; the loss is the loop's."""
    loss = loss_of(seed, pool_size=6, support_size=3, least=0.0)
    for number in range(8):
        loss(batch_of(vectors_of(6, seed + number), [0, 1, 2, 0, 1, 2]))
    pools = loss.pool.clone()
    drawn, _ = loss._prototypes(np.random.default_rng(seed))
    for label in range(3):
        triples = [pools[label, list(rows)].mean(0) for rows in _triples(6)]
        assert min(float((drawn[label] - mean).abs().max()) for mean in triples) < 1e-12
    vectors, labels = vectors_of(4, seed + 99), [2, 0, 0, 1]
    compared = torch.cat([vectors, drawn]), torch.tensor([*labels, 0, 1, 2])
    ours = prototypical(vectors, torch.tensor(labels), compared, loss.settings)
    theirs = slow(vectors, labels, dict(enumerate(drawn)), 0.05, 0.0)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def _triples(count: int) -> list[tuple[int, int, int]]:
    """Three different numbers below `count`, in every way."""
    return [(a, b, c) for a in range(count) for b in range(a + 1, count) for c in range(b + 1, count)]


def test_prototypes_are_drawn_anew_at_every_step() -> None:
    """Two steps with the same batch and full pools give other prototypes; with pools no larger than drawn, the same."""
    loss = loss_of(pool_size=32, support_size=4)
    for number in range(40):
        loss(batch_of(vectors_of(3, number), [0, 1, 2]))
    first, second = (loss._prototypes(np.random.default_rng(number))[0] for number in (1, 2))
    assert not torch.equal(first, second)
    assert loss.counts.tolist() == [32, 32, 32]
    assert int(loss.steps) == 40


def test_pools_hold_the_vectors_of_their_class_and_no_more_than_they_may() -> None:
    """Every vector in a pool is one that was seen with that label, none is there twice, without a graph."""
    loss, seen = loss_of(pool_size=5, support_size=2), {0: [], 1: [], 2: []}  # type: ignore[var-annotated]
    for number in range(30):
        vectors, labels = vectors_of(7, number), [0, 0, 0, 1, 0, 0, 0]
        loss(batch_of(vectors, labels))
        for label, vector in zip(labels, vectors, strict=True):
            seen[label].append(tuple(vector.tolist()))
    assert loss.counts.tolist() == [5, 5, 0]
    assert not loss.pool.requires_grad
    for label in (0, 1):
        pool = {tuple(vector.tolist()) for vector in loss.pool[label]}
        assert len(pool) == 5
        assert pool <= set(seen[label])


def test_what_is_driven_out_is_chosen_at_random() -> None:
    """Of a pool of 4 and one new vector, each of the five is driven out as often, the new one too."""
    driven = np.zeros(5)
    for seed in range(1500):
        loss = loss_of(seed, pool_size=4, support_size=1)
        rows = torch.arange(1.0, 6)[:, None].expand(5, WIDTH).double()
        loss._remember(rows, torch.zeros(5, dtype=torch.long), np.random.default_rng(seed))
        [gone] = {1, 2, 3, 4, 5} - {int(vector[0]) for vector in loss.pool[0]}
        driven[gone - 1] += 1
    assert np.abs(driven / 1500 - 0.2).max() < 0.04


def test_old_vectors_go_in_the_end() -> None:
    """After many more steps nothing of the first is left in any pool."""
    loss = loss_of(pool_size=8, support_size=4)
    first = vectors_of(8, 0)
    loss(batch_of(first, [0] * 8))
    for number in range(1, 60):
        loss(batch_of(vectors_of(4, number), [0] * 4))
    old = {tuple(vector.tolist()) for vector in first}
    assert not old & {tuple(vector.tolist()) for vector in loss.pool[0]}


def test_a_loss_taken_up_again_goes_on_bit_by_bit() -> None:
    """With its state loaded, another one gives the same totals and ends with the same pools; without, others."""
    whole = loss_of(1, pool_size=6, support_size=2)
    steps = [(vectors_of(5, number), [0, 1, 2, 0, 1]) for number in range(30)]
    totals = [float(whole(batch_of(*step)).total.detach()) for step in steps]
    first, again, other = (loss_of(seed, pool_size=6, support_size=2) for seed in (1, 2, 3))
    for step in steps[:15]:
        first(batch_of(*step))
    again.load_state_dict({name: tensor.clone() for name, tensor in first.state_dict().items()})
    for loss, same in ((again, True), (other, False)):
        later = [float(loss(batch_of(*step)).total.detach()) for step in steps[15:]]
        assert (later == totals[15:]) == same
        assert torch.equal(loss.pool, whole.pool) == same


def test_each_run_has_random_numbers_of_its_own() -> None:
    """Losses built from the same seed of torch draw the same, from another seed others, and use none of torch's."""
    pools = []
    for seed in (5, 5, 6):
        loss = loss_of(seed, pool_size=4, support_size=2)
        torch.manual_seed(len(pools))
        for number in range(20):
            loss(batch_of(vectors_of(6, number), [0] * 6))
        pools.append(loss.pool)
    assert torch.equal(pools[0], pools[1])
    assert not torch.equal(pools[0], pools[2])
    before = torch.get_rng_state()
    loss(batch_of(vectors_of(6, 1), [0] * 6))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_utterance_beside_its_prototype_alone_counts_for_nothing() -> None:
    """A batch of one has no one to be told apart from: zero, with a graph."""
    vectors = vectors_of(1, 0)
    total = loss_of()(batch_of(vectors, [1])).total
    assert total.item() == 0
    total.backward()
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()


def test_the_loss_falls_as_classes_come_apart() -> None:
    """Classes in opposite directions cost nothing, utterances nearer to another class cost much."""
    along = torch.eye(WIDTH, dtype=torch.float64)[[0, 0, 1, 1]]
    apart = loss_of()(batch_of(along, [0, 0, 1, 1])).total
    mixed = loss_of()(batch_of(along, [0, 1, 0, 1])).total
    assert 0.69 < apart.item() < 0.7 < mixed.item()  # log 2, for each has two of its class beside it


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_long_and_short_vectors_are_compared_by_direction(scale: float) -> None:
    """Nothing overflows in float32, and the length makes no difference to value and little to finiteness."""
    torch.manual_seed(0)
    loss = SpclLoss(SpclSettings(), LABELS, WIDTH)
    vectors = (vectors_of(6, 3).detach().float() * scale).requires_grad_()
    total = loss(batch_of(vectors, [0, 1, 2, 0, 1, 2])).total
    total.backward()
    assert math.isfinite(total.item())
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()


def test_more_cannot_be_drawn_than_there_is_room_for() -> None:
    """A setting that could never be reached is refused."""
    with pytest.raises(ValidationError, match="at most pool_size, which is 10"):
        SpclSettings(pool_size=10, support_size=11)
