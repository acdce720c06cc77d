"""Curricula: what an epoch is trained on."""

from __future__ import annotations

import numpy as np

from ercbench import FloatArray, LabelSet, PluginError, Representation, Subset
from ercbench_stock.centroids import class_means, similarities
from ercbench_stock.settings import DifficultySettings

LEAST = 1e-8
"""Added to every distance, so that their sum is above zero."""


class Difficulty:
    """From easy to hard utterances, half of train in every epoch.

    An utterance is the harder, the farther it is from the mean of its own class, as a share of its distances to all
    class means; a distance is (1 - cosine) / 2. Sorted from easy to hard, utterances are kept by chance: in epoch
    e = 0, 1, ... of E with a probability that goes linearly from 1 - e/E for the easiest to e/E for the hardest.

    **Reference**: Song, Huang, Xue, Hu, EMNLP 2022, arXiv 2210.08713, section on curriculum learning.

    **Differs from the paper**: nothing where chance keeps any utterance; where it keeps none, the easiest is kept.
    """

    def __init__(self, settings: DifficultySettings, labels: LabelSet) -> None:
        self.classes = len(labels)

    def choose(self, epoch: int, epochs: int, train: Representation, seed: int) -> Subset:
        """Representation (labelled) -> Subset."""
        hardness = difficulties(train, self.classes)  # (N,)
        order = np.argsort(hardness, kind="stable")  # (N,), the easiest first
        hard = (epoch - 1) / epochs
        kept = np.random.default_rng(seed).random(len(order)) < np.linspace(1 - hard, hard, len(order))
        rows = np.sort(order[kept]) if kept.any() else order[:1]
        return Subset(rows, float(hardness[rows].mean()), float(hardness.mean()))


def difficulties(train: Representation, classes: int) -> FloatArray:
    """Representation (labelled) -> distance to the own class mean / sum of distances to all class means, (N,).

    Raises:
        PluginError: there are no labels or no vectors.
    """
    if train.labels is None or not train.vectors.shape[1]:
        raise PluginError("The curriculum difficulty needs vectors of train with their labels. Got none.")
    means, present = class_means(train, classes)
    distances = (1 - similarities(train.vectors, means) + LEAST) * present  # (N, C)
    own = distances[np.arange(len(distances)), train.labels]  # (N,)
    shares: FloatArray = own / distances.sum(axis=1)
    return shares
