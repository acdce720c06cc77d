"""Logistic regression of scikit-learn, one state per value of its hyper-parameters; the runner chooses on dev."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ercbench import FloatArray, LabelSet, PluginError, Prototypes, Representation
from ercbench_stock.settings import LogisticRegressionSettings

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from sklearn.preprocessing import StandardScaler

ABSENT = -1e4
"""Score of a label that no training utterance carries."""


@dataclass(frozen=True)
class LinearScores:
    """Scores are linear in the features.

    Attributes:
        reads: the set of sparse features, or ``vectors`` or ``hidden``.
        weights: (C, F).
        intercepts: (C,).
    """

    reads: str
    weights: FloatArray
    intercepts: FloatArray

    def score(self, representation: Representation) -> FloatArray:
        """Representation -> scores (N, C)."""
        scores: FloatArray = np.asarray(features(representation, self.reads) @ self.weights.T) + self.intercepts
        return scores

    def tensors(self) -> Mapping[str, FloatArray]:
        """Weights and intercepts; what they read is in their names."""
        return {f"{self.reads}/weights": self.weights, f"{self.reads}/intercepts": self.intercepts}


class LogisticRegression:
    """Multinomial logistic regression with an L2 penalty.

    A state per set of features, weighting of the classes and C, in this order: the last changes first. The solver
    computes in float64 and goes on until hardly a decision hangs on anything but the data: scikit-learn's default
    tolerance of 1e-4 leaves predictions that change with the number of threads. It has one, which is faster for so few
    classes.

    **Reference**: scikit-learn, ``LogisticRegression`` with the solver lbfgs.

    **Differs from the paper**: does not apply.
    """

    def __init__(self, settings: LogisticRegressionSettings, labels: LabelSet) -> None:
        self.settings, self.classes = settings, len(labels)

    def fit(self, train: Representation | None, prototypes: Prototypes | None, seed: int) -> Sequence[LinearScores]:
        """Fit every state; nothing in it is drawn at random."""
        if train is None or train.labels is None:
            raise PluginError("logistic-regression needs the training split with its labels. Got none.")
        from threadpoolctl import threadpool_limits

        names = list(train.sparse) if train.sparse else [self.settings.reads]
        with threadpool_limits(1):
            return [state for name in names for state in self._states(name, features(train, name), train.labels)]

    def restore(self, tensors: Mapping[str, FloatArray]) -> LinearScores:
        """The same state."""
        reads = next(iter(tensors)).rpartition("/")[0]
        return LinearScores(reads, tensors[f"{reads}/weights"], tensors[f"{reads}/intercepts"])

    def _states(self, name: str, found: FloatArray | csr_array, labels: np.ndarray) -> Iterator[LinearScores]:
        """Every state on one set of features (N, F)."""
        from sklearn.linear_model import LogisticRegression as Model
        from sklearn.preprocessing import StandardScaler

        found = found.astype(np.float64)
        scaler = StandardScaler(with_mean=isinstance(found, np.ndarray)) if self.settings.standardise else None
        scaled = found if scaler is None else scaler.fit_transform(found)
        present = np.unique(labels)
        for class_weight in self.settings.class_weight:
            for c in self.settings.c:
                weights, intercepts = np.zeros((1, found.shape[1])), np.zeros(1)
                if len(present) > 1:
                    balanced = "balanced" if class_weight == "balanced" else None
                    limits = {"tol": self.settings.tolerance, "max_iter": self.settings.most_iterations}
                    model = Model(C=c, class_weight=balanced, **limits).fit(scaled, labels)
                    weights, intercepts = _symmetric(model.coef_, model.intercept_)
                if scaler is not None:
                    weights, intercepts = _unscaled(weights, intercepts, scaler)
                yield self._all_classes(name, present, weights, intercepts)

    def _all_classes(self, name: str, present: np.ndarray, weights: np.ndarray, intercepts: np.ndarray) -> LinearScores:
        """Rows for the labels in train -> rows for all labels."""
        all_weights = np.zeros((self.classes, weights.shape[1]), dtype=np.float32)  # (C, F)
        all_intercepts = np.full(self.classes, ABSENT, dtype=np.float32)  # (C,)
        all_weights[present], all_intercepts[present] = weights, intercepts
        return LinearScores(name, all_weights, all_intercepts)


def features(representation: Representation, name: str) -> FloatArray | csr_array:
    """The features (N, F) that go by a name.

    Raises:
        PluginError: there are none.
    """
    found = {
        "vectors": representation.vectors,
        "hidden": representation.hidden,
        **(representation.sparse or {}),
    }[name]
    if not found.shape[1]:
        raise PluginError(
            "logistic-regression needs vectors, and this recipe's encoder makes none. Choose another encoder: "
            "--set encoder.name=..."
        )
    return found


def _symmetric(weights: np.ndarray, intercepts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A row per class, where scikit-learn gives one alone for two classes."""
    if len(intercepts) > 1:
        return weights, intercepts
    return np.concatenate([-weights, weights]) / 2, np.concatenate([-intercepts, intercepts]) / 2


def _unscaled(weights: np.ndarray, intercepts: np.ndarray, scaler: StandardScaler) -> tuple[np.ndarray, np.ndarray]:
    """Weights on scaled features -> the same on features as they are."""
    weights = weights / scaler.scale_
    # A scaler that leaves the mean of sparse features where it is knows it all the same.
    return weights, intercepts - weights @ scaler.mean_ if scaler.with_mean else intercepts
