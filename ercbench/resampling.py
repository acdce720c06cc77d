"""Draws whole dialogues again, or swaps them between two systems, and scores each draw. No torch here.

Letters beside those of ``types.py``: ``S`` seeds, ``G`` dialogues of test that hold a labelled utterance, ``R``
resamples. A sum over dialogues is a matrix product of whole numbers, exact in float64, and the random numbers come from
the generator whose stream numpy has frozen: the same counts give the same numbers on every machine.

The interval is the symmetric bootstrap-t: each resample says how many of its own standard errors it lies away from the
test set's score, and the interval reaches as many standard errors of the test set to both sides as 95 % of the
resamples stay within. Percentiles of the resampled scores are too narrow where dialogues are few, for a resample of 31
dialogues varies less than 31 new ones would; BCa does not mend that. The standard error of a score, which is no mean
but a ratio of sums, is that of its linearisation: of the sum of what each dialogue moves it by. Symmetric, because then
interval and p-value say the same: a p-value is below 0.05 where the interval leaves 0 out.

A p-value that R resamples tell is at least 1 / (R + 1), and a correction for a hundred tests makes a hundred times as
much of it: with one block of resamples alone, no two rows of a large table would ever differ. So where the first block
hardly ever comes to what was observed, others follow. That makes no false alarm more likely: a small p-value takes a
small one in the first block too.

**Reference** Hall (1988), On symmetric bootstrap confidence intervals; Davison and Hinkley (1997), Bootstrap methods
and their application, chapters 4 (p-values that count the observed statistic) and 5 (intervals); Besag and Clifford
(1991), Sequential Monte Carlo p-values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from statistics import fmean

import numpy as np
import numpy.typing as npt

from ercbench.types import IntArray

Floats = npt.NDArray[np.float64]

BLOCKS = 10
"""Of resamples, where more than the first is needed: 20,000 of them tell what the 780 tests of 40 rows ask for."""
RARE = 10
"""Resamples of the first block that come to what was observed, below which the other blocks are drawn."""
_AT_ONCE = 250
"""Resamples scored at once: what is computed on the way then stays in the processor's cache."""
_GRID = 2.0**32
"""Gradients are rounded to a multiple of one part in this, so that their products with counts are exact too."""
_ROUNDING = 1e-12
"""Numbers that differ by less than this part are equal but for rounding."""


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
        pivots: on every resample of the first block, how many of its own standard errors it lies away from
            `estimate` (R,).
        further: the same for another block, by its number from 1 on.
    """

    estimate: float
    error: float
    pivots: Floats
    further: Callable[[int], Floats]

    def half_width(self, level: float) -> float:
        """Half of the interval that holds the true value with this probability; infinite where nothing is known."""
        ranked = np.sort(np.abs(self.pivots))  # (R,)
        rank = min(int(np.ceil(level * (len(ranked) + 1))), len(ranked))
        return float(ranked[rank - 1] * self.error) if self.error > 0 else 0.0

    def p(self) -> float:
        """The p-value of the hypothesis that the true value is 0."""
        if abs(self.estimate) < _ROUNDING:
            return 1.0
        observed = abs(self.estimate) / self.error if self.error > 0 else inf
        return p_value(np.abs(self.pivots), lambda block: np.abs(self.further(block)), observed)


def bootstrap(systems: Sequence[Floats], resamples: int, seed: int) -> Bootstrap:
    """Margins of one system (S, G, 3, C), or of two to be subtracted -> its bootstrap over whole dialogues."""
    dialogues = systems[0].shape[1]
    scores = [fmean(weighted_f1(system.sum(axis=1))) for system in systems]
    estimate, error = scores[0] - sum(scores[1:]), float(scored(systems, np.ones((1, dialogues)))[1][0])
    if dialogues < 2:  # one dialogue says nothing about others
        return Bootstrap(estimate, inf, np.full(resamples, inf), lambda _: np.full(resamples, inf))

    def pivots(block: int) -> Floats:
        values, errors = scored(systems, draws(dialogues, resamples, seed, block))
        moved = values - estimate
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(np.abs(moved) < _ROUNDING, 0.0, moved / errors)

    return Bootstrap(estimate, error, pivots(0), pivots)


@lru_cache(maxsize=BLOCKS + 4)
def draws(dialogues: int, resamples: int, seed: int, block: int = 0) -> Floats:
    """How often each resample holds each dialogue (R, G): G draws with replacement in each."""
    drawn = _random(seed, block).randint(0, dialogues, size=(resamples, dialogues), dtype=np.int64)
    places = drawn + dialogues * np.arange(resamples)[:, None]
    counted = np.bincount(places.ravel(), minlength=resamples * dialogues)
    return counted.reshape(resamples, dialogues).astype(np.float64)


@lru_cache(maxsize=BLOCKS + 4)
def swaps(dialogues: int, resamples: int, seed: int, block: int = 0) -> Floats:
    """Which dialogues are swapped, 1 for a swap (1 + R, G): none in the first row, each with even odds in others."""
    drawn = _random(seed, block).randint(0, 2, size=(resamples, dialogues), dtype=np.int64)
    return np.concatenate([np.zeros((1, dialogues)), drawn])


def _random(seed: int, block: int) -> np.random.RandomState:
    """The random numbers of a block."""
    return np.random.RandomState([seed, block] if block else seed)


def scored(systems: Sequence[Floats], weights: Floats) -> tuple[Floats, Floats]:
    """Weights of the dialogues (R, G) -> the value and its standard error by linearisation, (R,) each."""
    pieces = [_scored(systems, weights[begin : begin + _AT_ONCE]) for begin in range(0, len(weights), _AT_ONCE)]
    values, errors = (np.concatenate(found) for found in zip(*pieces, strict=True))
    return values, errors


def _scored(systems: Sequence[Floats], weights: Floats) -> tuple[Floats, Floats]:
    """The same, all at once."""
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
    """Margins of two systems (S, G, 3, C) -> the p-value of approximate randomisation."""
    return p_of_swaps(lambda block: swapped(first, second, resamples, seed, block))


def p_of_swaps(differences: Callable[[int], Floats]) -> float:
    """Differences as they are and after swaps (1 + R,), by the number of a block -> p-value."""
    observed, *others = np.abs(differences(0))
    return p_value(np.array(others), lambda block: np.abs(differences(block))[1:], observed)


def swapped(first: Floats, second: Floats, resamples: int, seed: int, block: int = 0) -> Floats:
    """Margins of two systems (S, G, 3, C) -> by how much the first is better (1 + R,): as they are, then swapped.

    Whole dialogues are swapped between the systems, all seeds of one with all seeds of the other: every seed of the
    first stands against every seed of the second, so that numbers of seeds may differ and their order says nothing.
    """
    moved = swaps(first.shape[1], resamples, seed, block)
    one_moved, other_moved = _totals(first, moved), _totals(second, moved)  # (1 + R, S, 3, C) each
    one, other = first.sum(axis=1) - one_moved, second.sum(axis=1) - other_moved
    left = weighted_f1(one[:, :, None] + other_moved[:, None])  # (1 + R, S of the first, S of the second)
    right = weighted_f1(one_moved[:, :, None] + other[:, None])
    better: Floats = (left - right).mean(axis=(1, 2))
    return better


def _totals(system: Floats, weights: Floats) -> Floats:
    """Margins (S, G, 3, C), weights of the dialogues (R, G) -> margins of each resample (R, S, 3, C)."""
    seeds, dialogues, kinds, labels = system.shape
    flat = system.transpose(1, 0, 2, 3).reshape(dialogues, -1)  # (G, S*3*C)
    return (weights @ flat).reshape(len(weights), seeds, kinds, labels)


def p_value(first: Floats, further: Callable[[int], Floats], observed: float) -> float:
    """Of an observed statistic among those that chance gives; never 0.

    Args:
        first: block of them (R,).
        further: the other blocks (R,), by their numbers from 1 on.
        observed: the statistic.
    """
    least, tried = observed * (1 - _ROUNDING), len(first)
    reached = int((first >= least).sum())
    if reached < RARE:
        for block in range(1, BLOCKS):
            others = further(block)
            reached, tried = reached + int((others >= least).sum()), tried + len(others)
    return (1 + reached) / (1 + tried)
