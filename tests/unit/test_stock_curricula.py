"""SPCL's curriculum against a loop, its chances, and the nearest class mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from ercbench_stock.classifiers import NearestCentroid
from ercbench_stock.curricula import Difficulty, difficulties
from ercbench_stock.settings import DifficultySettings, NearestCentroidSettings
from hypothesis import given
from hypothesis import strategies as st

from ercbench.errors import PluginError
from ercbench.types import LabelSet, Representation

LABELS = LabelSet.of({"glad": "glad", "grim": "grim", "calm": "calm"})


def split(labels: Sequence[int], seed: int = 0, spread: float = 1.0) -> Representation:
    """A training split of random vectors around a point per class."""
    random = np.random.default_rng(seed)
    vectors = 2 * np.eye(3, 5)[list(labels)] + spread * random.normal(size=(len(labels), 5))
    uids = tuple(f"talk/train/0/{i}" for i in range(len(labels)))
    return Representation(uids, vectors.astype(np.float32), vectors.astype(np.float32), labels=np.array(labels))


def curriculum() -> Difficulty:
    """The curriculum under test."""
    return Difficulty(DifficultySettings(), LABELS)


def slow_difficulties(train: Representation) -> list[float]:
    """Utterance by utterance: the distance to the own centre over the distances to all centres."""
    assert train.labels is not None
    vectors = train.vectors.astype(np.float64)
    centres = {k: vectors[train.labels == k].mean(axis=0) for k in sorted(set(train.labels.tolist()))}
    found = []
    for vector, label in zip(vectors, train.labels.tolist(), strict=True):
        distances = {
            k: (1 - vector @ centre / np.linalg.norm(vector) / np.linalg.norm(centre)) / 2 + 1e-8
            for k, centre in centres.items()
        }
        found.append(distances[label] / sum(distances.values()))
    return found


@given(st.lists(st.integers(0, 2), min_size=1, max_size=12), st.integers(0, 10**6))
def test_difficulty_is_its_formula(labels: list[int], seed: int) -> None:
    """That of the loop, for any labels, where a class is missing too; shares are between 0 and 1."""
    train = split(labels, seed)
    found = difficulties(train, 3)
    np.testing.assert_allclose(found, slow_difficulties(train), rtol=1e-5, atol=1e-6)
    assert ((found >= 0) & (found <= 1 + 1e-9)).all()


def test_the_chance_of_an_utterance_goes_linearly_with_its_rank() -> None:
    """In epoch e of E, from 1 - e/E for the easiest to e/E for the hardest; over many seeds, so often is it in."""
    train, epochs, seeds = split([0, 1, 2] * 20, 1), 5, 600
    order = np.argsort(difficulties(train, 3))
    for epoch in (1, 3, 5):
        often = np.zeros(60)
        for seed in range(seeds):
            often[curriculum().choose(epoch, epochs, train, seed).rows] += 1 / seeds
        hard = (epoch - 1) / epochs
        assert np.abs(often[order] - np.linspace(1 - hard, hard, 60)).max() < 0.09


def test_it_goes_from_easy_to_hard_with_half_of_train_in_every_epoch() -> None:
    """The mean difficulty grows from epoch to epoch, and is that of the rows; their number stays about the same."""
    train = split([0, 1, 2] * 200, 2)
    chosen = [curriculum().choose(epoch, 4, train, epoch) for epoch in range(1, 5)]
    means = [subset.difficulty for subset in chosen]
    assert means == sorted(means)  # type: ignore[type-var]
    assert means[0] < means[-1] * 0.8  # type: ignore[operator]
    assert all(abs(len(subset.rows) - 300) < 60 for subset in chosen)
    assert means == pytest.approx([np.mean(difficulties(train, 3)[subset.rows]) for subset in chosen])
    of_train = [subset.difficulty_of_train for subset in chosen]
    assert of_train == pytest.approx([np.mean(difficulties(train, 3))] * 4)


def test_the_easiest_is_there_where_chance_keeps_none() -> None:
    """An epoch is never empty."""
    train = split([0, 1], 3)
    found = [curriculum().choose(10, 10, train, seed).rows.tolist() for seed in range(200)]
    easiest = [int(np.argmin(difficulties(train, 3)))]
    assert all(found)
    assert easiest in found


def test_difficulty_needs_vectors_and_labels() -> None:
    """Said as a plugin's mistake."""
    train = split([0, 1])
    empty = np.zeros((2, 0), dtype=np.float32)
    for broken in (
        Representation(train.uids, train.hidden, train.vectors),
        Representation(train.uids, empty, empty, labels=train.labels),
    ):
        with pytest.raises(PluginError, match="needs vectors of train with their labels"):
            curriculum().choose(1, 1, broken, 0)
        with pytest.raises(PluginError, match="needs vectors of train with their labels"):
            NearestCentroid(NearestCentroidSettings(), LABELS).fit(broken, None, 0)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=12), st.integers(0, 10**6))
def test_the_nearest_class_mean_is_decided_for(labels: list[int], seed: int) -> None:
    """By cosine, as a loop finds it; the temperature changes no decision; a class without a mean is never chosen."""
    train, test = split(labels, seed), split([0, 1, 2, 0, 1, 2], seed + 1)
    assert train.labels is not None
    vectors = train.vectors.astype(np.float64)
    centres = {k: vectors[train.labels == k].mean(axis=0) for k in set(labels)}
    wanted = [max(centres, key=lambda k: x @ centres[k] / np.linalg.norm(centres[k])) for x in test.vectors]
    for temperature in (0.05, 1.0):
        [state] = NearestCentroid(NearestCentroidSettings(temperature=temperature), LABELS).fit(train, None, 0)
        scores = state.score(test)
        assert scores.argmax(axis=1).tolist() == wanted
        there = scores[:, sorted(centres)] * temperature
        assert ((there >= 0) & (there <= 1)).all()
