"""Logistic regression: scikit-learn's own scores, in the order in which states are chosen from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ercbench_stock.logistic import ABSENT, LogisticRegression
from ercbench_stock.settings import LogisticRegressionSettings
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression as Theirs
from sklearn.preprocessing import StandardScaler

from ercbench import classifying
from ercbench.errors import PluginError
from ercbench.types import LabelSet, Representation

LABELS = LabelSet.of({"glad": "glad", "grim": "grim", "calm": "calm"})


def classifier(**values: Any) -> LogisticRegression:
    """The classifier under test."""
    return LogisticRegression(LogisticRegressionSettings(**values), LABELS)


def table(labels: list[int], columns: int = 5, seed: int = 0) -> np.ndarray:
    """Features (N, F) that tell something of the labels, with means and deviations far from 0 and 1."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(3, columns))
    return ((centres[labels] + draw.normal(size=(len(labels), columns))) * 3 + 10).astype(np.float32)


def representation(vectors: np.ndarray, labels: list[int] | None = None, **more: Any) -> Representation:
    """A split after the encoder."""
    uids = tuple(map(str, range(len(vectors))))
    return Representation(uids, vectors * 2, vectors, labels=None if labels is None else np.array(labels), **more)


GOLD = [0, 1, 2] * 8 + [0] * 8


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("reads", ["vectors", "hidden"])
def test_states_are_the_librarys_in_order(reads: str, standardise: bool) -> None:
    """A state per weighting of the classes and C, C changing first, each with scikit-learn's decision function."""
    train, test = table(GOLD), table([0, 1, 2], seed=1)
    settings = {"reads": reads, "standardise": standardise, "c": (0.1, 5.0), "class_weight": ("balanced", "none")}
    states = classifying.fit(classifier(**settings), representation(train, GOLD), None, 0)
    factor = 2 if reads == "hidden" else 1
    train, test = train.astype(np.float64), test.astype(np.float64)
    scaler = StandardScaler().fit(train * factor)
    order = [(weight, c) for weight in ("balanced", None) for c in (0.1, 5.0)]
    for state, (class_weight, c) in zip(states, order, strict=True):
        model = Theirs(C=c, class_weight=class_weight, max_iter=2000, tol=1e-6)
        x, y = (scaler.transform(part * factor) if standardise else part * factor for part in (train, test))
        model.fit(x, GOLD)
        scores = classifying.predict(state, representation(test), 3).scores
        assert scores == pytest.approx(model.decision_function(y), abs=1e-3)


@pytest.mark.parametrize("standardise", [False, True])
def test_every_set_of_sparse_features_is_tried(standardise: bool) -> None:
    """In their order, and scored on the set that a state was fitted on; scaled, they keep their mean."""
    near, far = (csr_array(table(GOLD, seed=seed)) for seed in (0, 5))
    nothing = np.zeros((len(GOLD), 0), dtype=np.float32)
    train = representation(nothing, GOLD, sparse={"near": near, "far": far})
    states = classifier(c=(1.0,), class_weight=("none",), standardise=standardise).fit(train, None, 0)
    assert [state.reads for state in states] == ["near", "far"]
    for state, features in zip(states, (near, far), strict=True):
        found = features.astype(np.float64)
        scaled = StandardScaler(with_mean=False).fit_transform(found) if standardise else found
        model = Theirs(max_iter=2000, tol=1e-6).fit(scaled, GOLD)
        assert state.score(train) == pytest.approx(model.decision_function(scaled), abs=1e-3)


def test_labels_that_train_does_not_have() -> None:
    """Two classes in train give the odds that scikit-learn gives; the third is never predicted; one class wins."""
    gold = [0, 2] * 10
    [state] = classifier(c=(1.0,), class_weight=("none",)).fit(representation(table(gold), gold), None, 0)
    scores = state.score(representation(table(gold)))
    model = Theirs(max_iter=2000, tol=1e-6).fit(table(gold).astype(np.float64), gold)
    assert scores[:, 2] - scores[:, 0] == pytest.approx(model.decision_function(table(gold)), abs=1e-3)
    assert (scores[:, 1] == ABSENT).all()
    [alone] = classifier(c=(1.0,), class_weight=("none",)).fit(representation(table([1] * 4), [1] * 4), None, 0)
    assert alone.score(representation(table(gold))).argmax(1).tolist() == [1] * len(gold)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("standardise", [False, True])
def test_the_weights_hang_on_the_data(standardise: bool, sparse: bool) -> None:
    """Where sums come out in another order, as with other threads or processors, weights are the same to 1e-3.

    Features are many, alike and hardly regularised, as those of an encoder: the solver could end in many places.
    """
    draw = np.random.default_rng(3)
    gold = draw.integers(3, size=300)
    common = draw.normal(size=(300, 8)) + gold[:, None] * 0.2
    vectors = (common @ draw.normal(size=(8, 60)) + 0.3 * draw.normal(size=(300, 60))).astype(np.float32)
    weights = []
    for order in (np.arange(300), draw.permutation(300)):
        more = {"sparse": {"words": csr_array(vectors[order])}} if sparse else {}
        train = representation(vectors[order], gold[order].tolist(), **more)
        [state] = classifier(c=(10.0,), class_weight=("none",), standardise=standardise).fit(train, None, 0)
        weights.append(state.weights)
    assert np.abs(weights[0] - weights[1]).max() < 1e-3 * np.abs(weights[0]).max()


def test_a_state_is_restored_from_its_tensors() -> None:
    """With what it reads."""
    train = representation(table(GOLD), GOLD)
    sparse = {"last 4": csr_array(table(GOLD))}
    for given, settings in ((train, {"reads": "hidden"}), (representation(table(GOLD), GOLD, sparse=sparse), {})):
        state = classifier(**settings).fit(given, None, 0)[0]
        again = classifier().restore(state.tensors())
        assert again.reads == state.reads
        assert np.array_equal(again.score(given), state.score(given))


def test_without_vectors_it_says_so() -> None:
    """An encoder that makes none is a plugin's mistake, told as one."""
    with pytest.raises(PluginError, match="needs vectors"):
        classifier().fit(representation(np.zeros((4, 0), dtype=np.float32), [0, 1, 2, 0]), None, 0)
