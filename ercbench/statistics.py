"""How far a score can be trusted: intervals over seeds and over test dialogues, and paired tests. No torch here.

Two sources of uncertainty, kept apart: other seeds would have given other models, and another test set other scores of
the same models. Everything over the test set is computed from confusion counts per dialogue (S, G, C, C), with the
letters of ``resampling.py``: turns of a dialogue depend on each other, so whole dialogues are drawn, never utterances.
``docs/explanation/statistics.md`` explains the methods and shows how often they hold what they promise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np

from ercbench.resampling import Bootstrap, bootstrap, margins, randomisation, weighted_f1
from ercbench.scoring import aligned
from ercbench.types import IntArray, LabelSet, Predictions

RESAMPLES = 2000
LEVEL = 0.95
"""Of every interval."""


@dataclass(frozen=True)
class Interval:
    """A number and its 95 % interval, fractions."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class SeedSpread:
    """How a number varies over seeds; what takes two seeds to say is None for one."""

    mean: float
    deviation: float | None
    interval: Interval | None
    seeds: int


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same test set: `effect` is the first one's weighted F1 minus the second one's.

    Attributes:
        effect: with its interval over dialogues.
        p_bootstrap: of the paired bootstrap of whole dialogues; below 0.05 where the interval leaves 0 out.
        p_randomisation: of approximate randomisation, which swaps whole dialogues between the systems.
        p_seeds: of Welch's t-test over the scores of the seeds; None where a system has fewer than two.
    """

    effect: Interval
    p_bootstrap: float
    p_randomisation: float
    p_seeds: float | None

    @property
    def p(self) -> float:
        """The largest of the p-values there are: a difference must be beyond the dialogues and beyond the seeds."""
        return max(p for p in (self.p_bootstrap, self.p_randomisation, self.p_seeds) if p is not None)


def dialogue_counts(
    predictions: Predictions, gold: Mapping[str, int], labels: LabelSet
) -> tuple[tuple[str, ...], IntArray]:
    """Predictions -> the dialogues (G of them) in the order of `gold`, and their confusion counts (G, C, C).

    ``counts[g, i, j]`` is how many utterances of dialogue g with label i were predicted as j. The dialogue of a uid is
    the uid without its turn.

    Raises:
        PluginError: the predictions are not exactly one row of finite scores per labelled utterance.

    Before: records.py. After: `over_dialogues` and `compare`.
    """
    dialogues = tuple(dict.fromkeys(uid.rpartition("/")[0] for uid in gold))
    place = {dialogue: number for number, dialogue in enumerate(dialogues)}
    truth, guess = aligned(predictions, gold, labels)  # (N,) each
    rows = np.array([place[uid.rpartition("/")[0]] for uid in predictions.uids])  # (N,)
    shape = len(dialogues), len(labels), len(labels)
    flat = np.bincount(np.ravel_multi_index((rows, truth, guess), shape), minlength=len(dialogues) * len(labels) ** 2)
    return dialogues, flat.astype(np.int64).reshape(shape)  # (G, C, C)


def over_seeds(values: Sequence[float]) -> SeedSpread:
    """Numbers, one per seed -> mean, sample standard deviation and t interval. Their order does not matter.

    The interval is not cut off at 0 and 1.
    """
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    mean, seeds = fmean(values), len(values)
    if seeds < 2:
        return SeedSpread(mean, None, None, seeds)
    deviation = stdev(values)
    half = float(stdtrit(seeds - 1, (1 + LEVEL) / 2)) * deviation / seeds**0.5
    return SeedSpread(mean, deviation, Interval(mean, mean - half, mean + half), seeds)


def over_dialogues(counts: IntArray, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Confusion counts (S, G, C, C) -> weighted F1 averaged over seeds, and its interval over test dialogues.

    The interval is for what these very models would score on endlessly many dialogues like those of test; what models
    of other seeds would score is in `over_seeds`. A single dialogue says nothing about others: the interval is 0 to 1.
    """
    return interval_of(bootstrap([margins(counts)], resamples, seed), 0.0, 1.0)


def compare(a: IntArray, b: IntArray, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
    """Confusion counts of two systems, (S_a, G, C, C) and (S_b, G, C, C), on the same dialogues -> how they differ.

    Both systems are scored on the same resamples, so that a dialogue that is hard for both counts for neither. Where
    the numbers of seeds differ, each system's scores are averaged over its own.

    Raises:
        ValueError: the counts are not of the same test set.
    """
    first, second = margins(a), margins(b)
    if first.shape[1:] != second.shape[1:] or (first[:, :, 2] != second[:1, :, 2]).any():
        raise ValueError("The counts are not of the same dialogues and gold labels.")
    found = bootstrap([first, second], resamples, seed)
    scores = [weighted_f1(system.sum(axis=1)).tolist() for system in (first, second)]
    return Comparison(
        effect=interval_of(found, -1.0, 1.0),
        p_bootstrap=found.p(),
        p_randomisation=randomisation(first, second, resamples, seed),
        p_seeds=_welch(*scores),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests -> the same, raised so that a false alarm among all of them is as rare as one p says.

    The smallest is multiplied by how many there are, the next by one fewer, and so on; none falls below a smaller one,
    and none exceeds 1.

    **Reference** Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def rank_ranges(n: int, better: Set[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranks that each of `n` systems may have, where (i, j) in `better` says that i is significantly above j.

    From 1 plus how many are above it, to `n` minus how many are below it.
    """
    return [
        (1 + sum((other, one) in better for other in range(n)), n - sum((one, other) in better for other in range(n)))
        for one in range(n)
    ]


def _welch(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Scores of the seeds of two systems -> p-value of Welch's t-test; None where a system has fewer than two.

    Where no seed of either system differs from another, seeds cast no doubt on a difference: 0, or 1 for none.
    """
    from scipy.stats import ttest_ind_from_stats

    if min(len(a), len(b)) < 2:
        return None
    (mean, deviation), (other_mean, other_deviation) = ((fmean(scores), stdev(scores)) for scores in (a, b))
    if not deviation and not other_deviation:
        return float(mean == other_mean)
    found = ttest_ind_from_stats(mean, deviation, len(a), other_mean, other_deviation, len(b), equal_var=False)
    return float(found.pvalue)


def interval_of(found: Bootstrap, low: float, high: float) -> Interval:
    """A bootstrap -> its 95 % interval, within what is possible."""
    half = found.half_width(LEVEL)
    return Interval(found.estimate, max(low, found.estimate - half), min(high, found.estimate + half))
