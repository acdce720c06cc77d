"""What each factor of a grid contributes: mean scores of its levels, and how they differ. No torch here.

A grid has factors, such as loss and classifier, and each factor has levels, the parts that are tried. A cell is one
level of every factor, with all its seeds. Letters are those of ``resampling.py``.

**Reference** Montgomery, Design and Analysis of Experiments, chapter 5 (main effects, sums of squares); Satterthwaite
(1946), An approximate distribution of estimates of variance components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from statistics import fmean, variance

import numpy as np

from ercbench.resampling import Floats, bootstrap, margins, p_of_swaps, swapped, weighted_f1
from ercbench.statistics import RESAMPLES, Comparison, Interval, holm, interval_of, over_dialogues
from ercbench.types import IntArray

Combination = tuple[str, ...]
"""One level of every factor, in the order of the factors."""
REST = "interactions"
"""What no single factor explains: that a level is worth more beside some levels of the others."""


@dataclass(frozen=True)
class Factor:
    """A part that is varied, and what it is varied over; the first level is what the others are set against."""

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """A level against the first one of its factor.

    Attributes:
        found: the mean difference over the combinations of the other factors that both have, with its p-values.
        combinations: how many those are.
        p_holm: the largest of the p-values, corrected for all differences that were computed along with it.
        compared: how many those are.
    """

    found: Comparison
    combinations: int
    p_holm: float = 1.0
    compared: int = 1


@dataclass(frozen=True)
class Level:
    """A level of a factor.

    Attributes:
        name: the level.
        cells: how many it is in.
        score: weighted F1 averaged over them and over seeds, with its interval over dialogues; None without a cell.
        difference: None for the first level, and where the two have no combination in common.
    """

    name: str
    cells: int
    score: Interval | None
    difference: Difference | None


@dataclass(frozen=True)
class Effect:
    """What a factor contributes.

    Attributes:
        factor: its name.
        levels: in its order.
        share: how much of the variance between cells its levels explain, a fraction; None where that has no meaning.
    """

    factor: str
    levels: tuple[Level, ...]
    share: float | None


def combinations(factors: Sequence[Factor]) -> list[Combination]:
    """Every combination of levels, the last factor changing first."""
    return list(product(*(factor.levels for factor in factors)))


def main_effects(factors: Sequence[Factor], counts: Mapping[Combination, IntArray]) -> list[Effect]:
    """Confusion counts (S, G, C, C) of cells -> what each factor contributes; p-values are not corrected yet.

    Args:
        factors: in the order of the combinations.
        counts: of every cell that there is, all with the same number of seeds and on the same dialogues.

    Before: comparing.py. After: `corrected`.
    """
    explained = shares(factors, {cell: fmean(_scores(one)) for cell, one in counts.items()})
    effects = []
    for place, factor in enumerate(factors):
        by_level = {level: _others(place, level, counts) for level in factor.levels}
        first, *_ = by_level.values()
        levels = [_level(level, own, {} if own is first else first) for level, own in by_level.items()]
        effects.append(Effect(factor.name, tuple(levels), explained.get(factor.name)))
    return effects


def corrected(effects: Sequence[Sequence[Effect]]) -> list[list[Effect]]:
    """The same effects with p-values corrected by Holm's method for all the differences in them."""
    p_values = [d.found.p for one in effects for e in one for d in _differences(e)]
    left = iter(holm(p_values))

    def mended(level: Level) -> Level:
        if level.difference is None:
            return level
        return replace(level, difference=replace(level.difference, p_holm=next(left), compared=len(p_values)))

    return [[replace(e, levels=tuple(mended(level) for level in e.levels)) for e in one] for one in effects]


def contrast(a: Sequence[IntArray], b: Sequence[IntArray]) -> Comparison:
    """Counts of cells, (S, G, C, C) each -> how the mean of `a` differs from that of `b`, cell i from cell i.

    With one cell of each this is `statistics.compare`. With several, all are scored on the same resamples; dialogues
    are swapped between the two cells of each pair, the same ones in all pairs; and the t-test is that of the mean of
    the cells' differences, each cell with its own variance over seeds.

    Raises:
        ValueError: cells differ in their number of seeds, which would give some of them more weight.
    """
    if len({len(one) for one in a}) != 1 or len({len(one) for one in b}) != 1:
        raise ValueError("Cells that are averaged must have the same number of seeds.")
    first, second = [margins(one) for one in a], [margins(one) for one in b]
    found = bootstrap([np.concatenate(first), np.concatenate(second)], RESAMPLES, 0)

    def moved(block: int) -> Floats:
        pairs = zip(first, second, strict=True)
        found: Floats = np.mean([swapped(x, y, RESAMPLES, 0, block) for x, y in pairs], axis=0)  # (1 + R,)
        return found

    return Comparison(
        effect=interval_of(found, -1.0, 1.0),
        p_bootstrap=found.p(),
        p_randomisation=p_of_swaps(moved),
        p_seeds=_over_seeds([_scores(one) for one in a], [_scores(one) for one in b]),
    )


def shares(factors: Sequence[Factor], scores: Mapping[Combination, float]) -> dict[str, float]:
    """Scores of cells -> the share of their variance that each factor explains, and under `REST` what is left.

    Sums of squares, which add up only where every combination is there: empty without one, or without any variance.
    """
    if len(scores) < prod(len(factor.levels) for factor in factors):
        return {}
    grand = fmean(scores.values())
    total = sum((score - grand) ** 2 for score in scores.values())
    if total < 1e-24:
        return {}
    explained = {}
    for place, factor in enumerate(factors):
        means = [fmean(score for cell, score in scores.items() if cell[place] == level) for level in factor.levels]
        explained[factor.name] = sum((mean - grand) ** 2 for mean in means) * len(scores) / len(means) / total
    return explained | {REST: max(0.0, 1.0 - sum(explained.values()))}


def _others(place: int, level: str, counts: Mapping[Combination, IntArray]) -> dict[Combination, IntArray]:
    """The cells of a level, by the levels of the other factors."""
    return {cell[:place] + cell[place + 1 :]: one for cell, one in counts.items() if cell[place] == level}


def _level(name: str, own: Mapping[Combination, IntArray], first: Mapping[Combination, IntArray]) -> Level:
    """A level with its cells, against those cells of the first one that have the same levels of other factors."""
    shared = [others for others in own if others in first]
    score = over_dialogues(np.concatenate(list(own.values()))) if own else None
    found = contrast([own[o] for o in shared], [first[o] for o in shared]) if shared else None
    return Level(name, len(own), score, Difference(found, len(shared)) if found else None)


def _differences(effect: Effect) -> list[Difference]:
    return [level.difference for level in effect.levels if level.difference is not None]


def _scores(counts: IntArray) -> list[float]:
    """Counts of a cell (S, G, C, C) -> weighted F1 of each seed."""
    scores: list[float] = weighted_f1(margins(counts.sum(axis=1))).tolist()
    return scores


def _over_seeds(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> float | None:
    """Scores of the seeds of cells -> p-value of the difference of the two means; None with a single seed.

    Welch's t-test for a contrast: variances add up, degrees of freedom are Satterthwaite's. Where no seed differs from
    another, seeds cast no doubt on a difference: 0, or 1 for none.
    """
    from scipy.special import stdtr

    if min(len(cell) for cell in (*a, *b)) < 2:
        return None
    difference = fmean(map(fmean, a)) - fmean(map(fmean, b))
    parts = [(variance(cell) / len(cell) / len(side) ** 2, len(cell)) for side in (a, b) for cell in side]
    total = sum(part for part, _ in parts)
    if not total:
        return float(abs(difference) < 1e-12)
    freedom = total**2 / sum(part**2 / (seeds - 1) for part, seeds in parts)
    return float(2 * stdtr(freedom, -abs(difference) / total**0.5))
