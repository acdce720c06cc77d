"""Classifiers that belong to no one method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ercbench import FloatArray, LabelSet, PluginError, Prototypes, Representation
from ercbench_stock.centroids import class_means, similarities
from ercbench_stock.settings import LinearHeadSettings, NearestCentroidSettings

ABSENT = -1e4
"""Score of a class that no training utterance belongs to."""


class LinearHead:
    """The logits of the linear head that was trained with the encoder.

    **Reference**: none; the usual decision of a classifier.

    **Differs from the paper**: does not apply.
    """

    def __init__(self, settings: LinearHeadSettings, labels: LabelSet) -> None:
        pass

    def fit(self, train: Representation | None, prototypes: Prototypes | None, seed: int) -> Sequence[LinearHead]:
        """Nothing to fit."""
        return [self]

    def score(self, representation: Representation) -> FloatArray:
        """Representation -> its logits (N, C)."""
        if representation.logits is None:
            raise PluginError(
                "linear-head needs logits, and this recipe's encoder makes none. Choose another classifier."
            )
        return representation.logits

    def tensors(self) -> Mapping[str, FloatArray]:
        """Nothing was fitted."""
        return {}

    def restore(self, tensors: Mapping[str, FloatArray]) -> LinearHead:
        """Nothing to restore."""
        return self


@dataclass(frozen=True)
class Centroids:
    """The mean vector of each class (C, D), and 1 for a class of which there is one, else 0 (C,)."""

    means: FloatArray
    present: FloatArray
    temperature: float

    def score(self, representation: Representation) -> FloatArray:
        """Representation -> (1 + cosine) / 2 / temperature with each mean, (N, C)."""
        scores = similarities(representation.vectors, self.means) / self.temperature
        decided: FloatArray = np.where(self.present > 0, scores, ABSENT).astype(np.float32)
        return decided

    def tensors(self) -> Mapping[str, FloatArray]:
        """The means, and which there are."""
        return {"means": self.means, "present": self.present}


class NearestCentroid:
    """The class whose mean vector over train is the most similar by cosine.

    **Reference**: Song, Huang, Xue, Hu, EMNLP 2022, arXiv 2210.08713, on how emotions are predicted.

    **Differs from the paper**: nothing.
    """

    def __init__(self, settings: NearestCentroidSettings, labels: LabelSet) -> None:
        self.settings, self.classes = settings, len(labels)

    def fit(self, train: Representation | None, prototypes: Prototypes | None, seed: int) -> Sequence[Centroids]:
        """The means over train; nothing in it is drawn at random."""
        if train is None or train.labels is None or not train.vectors.shape[1]:
            raise PluginError("nearest-centroid needs vectors of train with their labels. Got none.")
        return [Centroids(*class_means(train, self.classes), self.settings.temperature)]

    def restore(self, tensors: Mapping[str, FloatArray]) -> Centroids:
        """The same means."""
        return Centroids(tensors["means"], tensors["present"], self.settings.temperature)
