"""Probabilities against how often they are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ercbench.report.gather import Floats, System
from ercbench.types import IntArray

BINS = 10
"""Of equal width, from 0 to 1."""


@dataclass(frozen=True)
class Calibration:
    """Bins that hold a prediction: their mean probability, the share that is right, and how many they hold, (B,) each.

    `error` is the expected calibration error: the distance between the two, averaged over predictions.
    """

    confidence: Floats
    right: Floats
    counts: IntArray
    error: float


def calibration(confidence: Floats, right: npt.NDArray[np.bool_]) -> Calibration:
    """Probability of each predicted label and whether it is right, (N,) each -> Calibration."""
    from sklearn.calibration import calibration_curve

    share, mean = calibration_curve(right, confidence, pos_label=True, n_bins=BINS, strategy="uniform")  # (B,) each
    edges = np.linspace(0, 1, BINS + 1)[1:-1]
    counts = np.bincount(np.searchsorted(edges, confidence), minlength=BINS)
    counts = counts[counts > 0]  # (B,)
    return Calibration(mean, share, counts, float(np.abs(share - mean) @ counts / counts.sum()))


def of_system(system: System, gold: Mapping[str, int]) -> Calibration:
    """The predictions of all seeds together -> Calibration."""
    confidence, right = [], []
    for run in system.runs:
        guess = run.predictions.scores.argmax(axis=1)  # (N,)
        truth = np.array([gold[uid] for uid in run.predictions.uids])  # (N,)
        confidence.append(run.probabilities[np.arange(len(guess)), guess])
        right.append(guess == truth)
    return calibration(np.concatenate(confidence), np.concatenate(right))
