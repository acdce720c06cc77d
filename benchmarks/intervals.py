"""The intervals for a score that were tried and not chosen, to be compared with ``ercbench.statistics``."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm, t

from ercbench.resampling import Floats, draws, margins, scored
from ercbench.statistics import RESAMPLES
from ercbench.types import IntArray

SIDES = np.array([0.025, 0.975])


def others(counts: IntArray) -> dict[str, tuple[float, float]]:
    """Confusion counts (S, G, C, C) -> low and high of each interval over dialogues, by name."""
    system, dialogues = margins(counts), counts.shape[1]
    values, errors = scored([system], draws(dialogues, RESAMPLES, 0))  # (R,) each
    (value,), (error,) = scored([system], np.ones((1, dialogues)))
    low, high = np.quantile(values, SIDES)
    below, above = np.quantile((values - value) / errors, SIDES)
    wide = t.ppf(SIDES[1], dialogues - 1) * values.std(ddof=1) * (dialogues / (dialogues - 1)) ** 0.5
    return {
        "percentile": (low, high),
        "basic": (2 * value - high, 2 * value - low),
        "bca": _bca(values, value, scored([system], 1 - np.eye(dialogues))[0]),
        "error_t": (value - wide, value + wide),
        "bootstrap_t": (value - above * error, value - below * error),
        "utterances": over_utterances(counts[0]),
    }


def _bca(values: Floats, value: float, without: Floats) -> tuple[float, float]:
    """Percentiles corrected for bias and acceleration, the latter from leaving out each dialogue in turn."""
    moved = without.mean() - without
    acceleration = (moved**3).sum() / (6 * (moved**2).sum() ** 1.5)
    bias = norm.ppf(((values < value).mean() + (values <= value).mean()) / 2)
    sides = bias + norm.ppf(SIDES)
    low, high = np.quantile(values, norm.cdf(bias + sides / (1 - acceleration * sides)))
    return float(low), float(high)


def over_utterances(counts: IntArray) -> tuple[float, float]:
    """Counts of one seed (G, C, C) -> the interval as if no utterance had to do with another, which is not so.

    With so many utterances its form matters little; this is the normal one.
    """
    classes = counts.shape[-1]
    cells = np.eye(classes**2, dtype=np.int64).reshape(1, classes**2, classes, classes)  # one utterance of each kind
    (value,), (error,) = scored([margins(cells)], counts.sum(axis=0).reshape(1, -1).astype(np.float64))
    half = norm.ppf(SIDES[1]) * error
    return value - half, value + half
