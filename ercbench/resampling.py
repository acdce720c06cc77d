"""Draws whole dialogues again, or swaps them between two systems, and scores each draw. No torch here.

Letters beside those of ``types.py``: ``S`` seeds, ``G`` dialogues of test that hold a labelled utterance, ``R``
resamples. A sum over dialogues is a matrix product of whole numbers, exact in float64, and the random numbers come from
the generator whose stream numpy has frozen: the same counts give the same numbers on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf

import numpy as np
import numpy.typing as npt

from ercbench.types import IntArray

Floats = npt.NDArray[np.float64]

_GRID = 2.0**32
"""Gradients are rounded to a multiple of one part in this, so that their products with counts are exact too."""
_TIE = 1 - 1e-9
"""Two statistics that differ by less than this factor are equal but for rounding."""


def margins(counts: IntArray) -> Floats:
    """Confusion counts (..., C, C) -> what weighted F1 needs of them: hits, predicted, gold per label (..., 3, C)."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return np.stack([hits, counts.sum(axis=-2), counts.sum(axis=-1)], axis=-2).astype(np.float64)


def weighted_f1(totals: Floats) -> Floats:
    """Margins summed over dialogues (..., 3, C) -> weighted F1 (...), to the last bit what scikit-learn gives."""
    hits, predicted, gold = totals[..., 0, :], totals[..., 1, :], totals[..., 2, :]
    f1 = 2 * hits / np.maximum(predicted + gold, 1)
    weighted: Floats = (f1 * gold).sum(axis=-1) / gold.sum(axis=-1)
    return weighted


@dataclass(frozen=True)
class Bootstrap:
    """A weighted F1, or the difference of two, on the test set and on resamples of its dialogues.

    Attributes:
        estimate: on the test set, averaged over seeds.
        error: its standard error over dialogues.
        pivots: on every resample, how many of its own standard errors it lies away from `estimate` (R,).
    """

    estimate: float
    error: float
    pivots: Floats

    def half_width(self, level: float) -> float:
        """Half of the interval that holds the true value with this probability; infinite where nothing is known."""
        ranked = np.sort(np.abs(self.pivots))  # (R,)
        rank = min(int(np.ceil(level * (len(ranked) + 1))), len(ranked))
        return float(ranked[rank - 1] * self.error) if self.error > 0 else 0.0

    def p(self) -> float:
        """The p-value of the hypothesis that the true value is 0."""
        if self.estimate == 0:
            return 1.0
        return p_value(np.abs(self.pivots), abs(self.estimate) / self.error if self.error > 0 else inf)


def bootstrap(systems: Sequence[Floats], resamples: int, seed: int) -> Bootstrap:
    """Margins of one system (S, G, 3, C), or of two to be subtracted -> its bootstrap over whole dialogues."""
    dialogues = systems[0].shape[1]
    (estimate,), (error,) = _drawn(systems, np.ones((1, dialogues)))
    if dialogues < 2:  # one dialogue says nothing about others
        return Bootstrap(float(estimate), inf, np.full(resamples, inf))
    values, errors = _drawn(systems, draws(dialogues, resamples, seed))
    moved = values - estimate
    with np.errstate(divide="ignore", invalid="ignore"):
        pivots = np.where(moved == 0, 0.0, moved / errors)
    return Bootstrap(float(estimate), float(error), pivots)


@lru_cache(maxsize=4)
def draws(dialogues: int, resamples: int, seed: int) -> Floats:
    """How often each resample holds each dialogue (R, G): G draws with replacement in each."""
    drawn = np.random.RandomState(seed).randint(0, dialogues, size=(resamples, dialogues), dtype=np.int64)
    places = drawn + dialogues * np.arange(resamples)[:, None]
    counted = np.bincount(places.ravel(), minlength=resamples * dialogues)
    return counted.reshape(resamples, dialogues).astype(np.float64)


def _drawn(systems: Sequence[Floats], weights: Floats) -> tuple[Floats, Floats]:
    """Weights of the dialogues (R, G) -> the value and its linearised standard error, (R,) each."""
    parts = [_linearised(system, weights) for system in systems]
    value, influence = parts[0] if len(parts) == 1 else (parts[0][i] - parts[1][i] for i in (0, 1))
    dialogues = weights.shape[1]
    variance = (weights * influence * influence).sum(axis=1) * dialogues / max(1, dialogues - 1)
    return value, np.sqrt(variance)


def _linearised(system: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Margins (S, G, 3, C), weights (R, G) -> weighted F1 (R,), and what each dialogue moves it by (R, G).

    The second is the derivative by the weight of a dialogue, averaged over seeds.
    """
    seeds, dialogues = system.shape[:2]
    totals = _totals(system, weights)  # (R, S, 3, C)
    value = weighted_f1(totals)  # (R, S)
    hits, gold = totals[:, :, 0], totals[:, :, 2]  # (R, S, C)
    both = np.maximum(totals[:, :, 1] + gold, 1)
    f1 = 2 * hits / both
    by_predicted = -gold * f1 / both
    slopes = np.stack([2 * gold / both, by_predicted, by_predicted + f1 - value[:, :, None]], axis=2)  # (R, S, 3, C)
    slopes = np.round(slopes * _GRID).reshape(len(weights), -1) / _GRID
    flat = system.transpose(0, 2, 3, 1).reshape(-1, dialogues)  # (S*3*C, G)
    influence = slopes @ flat / (seeds * gold[:, 0].sum(axis=1))[:, None]  # (R, G)
    return value.mean(axis=1), influence


def randomisation(first: Floats, second: Floats, resamples: int, seed: int) -> float:
    """Margins of two systems (S, G, 3, C) -> the p-value of approximate randomisation.

    Whole dialogues are swapped between the systems, all seeds of one with all seeds of the other: every seed of the
    first stands against every seed of the second, so that numbers of seeds may differ and their order says nothing.
    """
    dialogues = first.shape[1]
    drawn = np.random.RandomState(seed).randint(0, 2, size=(resamples, dialogues), dtype=np.int64)
    swaps = np.concatenate([np.zeros((1, dialogues)), drawn])  # (1 + R, G), 1 for a swap; the first row swaps nothing
    (one, one_moved), (other, other_moved) = (
        (_totals(system, 1 - swaps), _totals(system, swaps)) for system in (first, second)
    )  # (1 + R, S, 3, C) each
    left = weighted_f1(one[:, :, None] + other_moved[:, None])  # (1 + R, S of the first, S of the second)
    right = weighted_f1(one_moved[:, :, None] + other[:, None])
    observed, *others = np.abs((left - right).mean(axis=(1, 2)))
    return p_value(np.array(others), observed)


def _totals(system: Floats, weights: Floats) -> Floats:
    """Margins (S, G, 3, C), weights of the dialogues (R, G) -> margins of each resample (R, S, 3, C)."""
    seeds, dialogues, kinds, labels = system.shape
    flat = system.transpose(1, 0, 2, 3).reshape(dialogues, -1)  # (G, S*3*C)
    return (weights @ flat).reshape(len(weights), seeds, kinds, labels)


def p_value(statistics: Floats, observed: float) -> float:
    """Of an observed statistic among those that chance gives (R,); never 0."""
    return float((1 + (statistics >= observed * _TIE).sum()) / (1 + len(statistics)))
