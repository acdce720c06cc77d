"""Conversations and systems made up of random numbers, shaped like the three test sets: what is true is known here.

A dialogue has a length, its own mix of emotions and its own difficulty. A system gives every emotion of an utterance a
score: more for the right one, more for frequent ones, and noise, of which a part is the same for every system (the
utterance is hard), a part the same for every seed of a method, and a part of the seed's own; it predicts the largest.
The sizes were set so that accuracy, the likeness of utterances of a dialogue, the agreement of two seeds and of two
methods, and the width of the intervals come near those of the first records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ercbench.resampling import margins, weighted_f1
from ercbench.types import IntArray

Floats = npt.NDArray[np.float32]

POPULATION = 40
"""Blocks of utterances that stand for endlessly many, when what a system truly scores is worked out."""
BLOCK = 100_000
"""Utterances in a block, about."""


@dataclass(frozen=True)
class Shape:
    """What a test set and the systems on it are like.

    Attributes:
        dialogues: how many.
        lengths: deciles of the labelled utterances of a dialogue, from the shortest to the longest but for outliers.
        labels: utterances per label.
        mixing: how alike the mixes of dialogues are; 1 / (1 + mixing) is the correlation of labels in a dialogue.
        skill: what the right label has ahead of the others, in standard deviations of the noise.
        habit: how much of the logarithm of a label's frequency is added to its score.
        difficulty: standard deviation over dialogues of what the right label has ahead, the same for every system.
        liking: the same of a method's own.
        noise: how much of the variance is shared by all systems, by the seeds of a method, and is of a seed.
        drift: standard deviation over seeds of what a seed adds to the score of a label.
    """

    dialogues: int
    lengths: tuple[int, ...]
    labels: tuple[int, ...]
    mixing: float
    skill: float
    habit: float
    difficulty: float
    liking: float
    noise: tuple[float, float, float]
    drift: float = 0.25

    @property
    def frequencies(self) -> npt.NDArray[np.float64]:
        """Of the labels, as shares (C,)."""
        return np.array(self.labels) / sum(self.labels)


SHAPES = {
    "meld": Shape(
        280, (1, 2, 4, 5, 7, 9, 10, 12, 14, 17, 24), (1256, 402, 345, 281, 208, 68, 50), 12.9,
        skill=1.1, habit=0.6, difficulty=0.2, liking=0.1, noise=(0.8, 0.05, 0.15),
    ),
    "emorynlp": Shape(
        85, (5, 8, 10, 12, 14, 16, 18, 19, 21, 23, 25), (349, 282, 182, 159, 145, 113, 98), 11.2,
        skill=0.62, habit=0.6, difficulty=0.25, liking=0.1, noise=(0.8, 0.05, 0.15),
    ),
    "iemocap": Shape(
        31, (23, 29, 40, 43, 44, 52, 54, 59, 64, 83, 91), (384, 381, 299, 245, 170, 143), 1.8,
        skill=1.42, habit=0.3, difficulty=0.5, liking=0.18, noise=(0.78, 0.05, 0.17),
    ),
}  # fmt: skip
"""By name of the test set that they are like."""


@dataclass(frozen=True)
class Method:
    """A system over its seeds: what it adds to the score of each label (C,), and to that of the right one."""

    habits: tuple[float, ...]
    skill: float = 0.0
    seeds: int = 3


class TestSet:
    """Utterances drawn anew, with all that systems share on them."""

    __test__ = False  # nothing for pytest

    def __init__(self, shape: Shape, dialogues: int, rng: np.random.Generator) -> None:
        """Draw this many dialogues."""
        self._shape, self._rng = shape, rng
        steps = np.linspace(0, 1, len(shape.lengths))
        lengths = np.rint(np.interp(rng.random(dialogues), steps, shape.lengths)).astype(np.int64)
        self._dialogue = np.repeat(np.arange(dialogues), lengths)  # (N,)
        mixes = rng.dirichlet(shape.mixing * shape.frequencies, dialogues).cumsum(axis=1)  # (G, C)
        drawn = rng.random(len(self._dialogue))[:, None] > mixes[self._dialogue, :-1]  # (N, C - 1)
        self._labels = drawn.sum(axis=1)  # (N,)
        self._shared = self._noise(0) + (shape.habit * np.log(shape.frequencies)).astype(np.float32)  # (N, C)
        self._ease = shape.skill + shape.difficulty * rng.standard_normal(dialogues)  # (G,)
        self._dialogues = dialogues

    def counts(self, method: Method, drift: bool) -> IntArray:
        """Confusion counts (S, G, C, C) of a method; `drift` tells whether seeds differ in more than their noise."""
        shape, classes = self._shape, len(self._shape.labels)
        own = self._ease + method.skill + shape.liking * self._rng.standard_normal(self._dialogues)  # (G,)
        scores = self._shared + self._noise(1) + np.array(method.habits, dtype=np.float32)  # (N, C)
        scores[np.arange(len(scores)), self._labels] += own[self._dialogue].astype(np.float32)
        found = []
        for _ in range(method.seeds):
            bias = drift * shape.drift * self._rng.standard_normal(classes).astype(np.float32)  # (C,)
            guess = (scores + self._noise(2) + bias).argmax(axis=1)
            cells = (self._dialogue * classes + self._labels) * classes + guess
            found.append(np.bincount(cells, minlength=self._dialogues * classes**2))
        return np.stack(found).reshape(method.seeds, self._dialogues, classes, classes)

    def _noise(self, part: int) -> Floats:
        """One of the three parts of the noise (N, C)."""
        size = len(self._dialogue), len(self._shape.labels)
        return self._rng.standard_normal(size, dtype=np.float32) * np.float32(self._shape.noise[part] ** 0.5)


def truth(shape: Shape, method: Method, blocks: int | None = None) -> float:
    """What a method scores on a population, seeds without drift; every method meets the same dialogues."""
    rng, total = np.random.default_rng(2026), np.zeros((len(shape.labels),) * 2, dtype=np.int64)
    dialogues = round(BLOCK / float(np.mean(shape.lengths)))
    for _ in range(blocks or POPULATION):
        total += TestSet(shape, dialogues, rng).counts(replace(method, seeds=1), drift=False).sum(axis=(0, 1))
    return float(weighted_f1(margins(total)))


def rival(shape: Shape, method: Method, habits: Sequence[float]) -> Method:
    """A method with other habits that scores the same on the population, by trying how much skill that takes."""
    blocks = max(1, POPULATION // 4)
    wanted, low, high = truth(shape, method, blocks), method.skill - 1.0, method.skill + 1.0
    for _ in range(12):
        middle = (low + high) / 2
        if truth(shape, Method(tuple(habits), middle), blocks) < wanted:
            low = middle
        else:
            high = middle
    return Method(tuple(habits), (low + high) / 2, method.seeds)
