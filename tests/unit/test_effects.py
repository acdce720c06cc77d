"""What factors contribute: equal to plain loops, and to what follows from how scores are moved."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student_t
from sklearn.metrics import f1_score

from ercbench import statistics
from ercbench.effects import REST, Combination, Effect, Factor, combinations, contrast, corrected, main_effects, shares
from ercbench.resampling import bootstrap, draws, margins, scored, swaps
from ercbench.statistics import RESAMPLES
from ercbench.types import IntArray

FACTORS = (Factor("loss", ("ce", "supcon")), Factor("classifier", ("head", "lr", "knn")))
DIALOGUES, LABELS = 12, 3


def cell(accuracy: float, seed: int, seeds: int = 2) -> IntArray:
    """Counts (S, G, C, C) of a cell that is right with this probability; the test set is the same for every cell."""
    world, own = np.random.default_rng(5), np.random.default_rng(seed)
    counts = np.zeros((seeds, DIALOGUES, LABELS, LABELS), dtype=np.int64)
    for dialogue in range(DIALOGUES):
        truth = world.integers(0, LABELS, world.integers(3, 9))
        for number in range(seeds):
            guess = np.where(own.random(len(truth)) < accuracy, truth, own.integers(0, LABELS, len(truth)))
            np.add.at(counts[number, dialogue], (truth, guess), 1)
    return counts


def grid(factors: tuple[Factor, ...] = FACTORS, seeds: int = 2) -> dict[Combination, IntArray]:
    """A cell for every combination, each as good as its place says."""
    return {one: cell(0.4 + 0.08 * place, place, seeds) for place, one in enumerate(combinations(factors))}


def score(counts: IntArray) -> float:
    """Weighted F1 of a confusion matrix (C, C), by scikit-learn from single utterances."""
    pairs = [(i, j) for (i, j), many in np.ndenumerate(counts) for _ in range(int(many))]
    truth, guess = zip(*pairs, strict=True)
    return float(f1_score(truth, guess, labels=range(LABELS), average="weighted", zero_division=0))


def by_loops(counts: IntArray, weights: list[float] | None = None) -> float:
    """A cell's score, averaged over seeds, with its dialogues as often as the weights say."""
    often = [1.0] * DIALOGUES if weights is None else weights
    found = []
    for one in counts:
        total = np.zeros((LABELS, LABELS))
        for dialogue in range(DIALOGUES):
            total += often[dialogue] * one[dialogue]
        found.append(score(total))
    return fmean(found)


def difference(effects: list[Effect], factor: str, level: str) -> float:
    """The difference of a level to the first one."""
    [found] = [one for e in effects if e.factor == factor for one in e.levels if one.name == level]
    assert found.difference is not None
    return found.difference.found.effect.estimate


def test_means_and_differences_are_those_of_a_loop() -> None:
    """A level's mean is over every combination of the others, and its difference is to the first level's mean."""
    counts = grid()
    effects = main_effects(FACTORS, counts)
    assert [(e.factor, [level.name for level in e.levels]) for e in effects] == [
        ("loss", ["ce", "supcon"]),
        ("classifier", ["head", "lr", "knn"]),
    ]
    for place, effect in enumerate(effects):
        means = {}
        for level in effect.levels:
            own = [by_loops(one) for combination, one in counts.items() if combination[place] == level.name]
            means[level.name] = sum(own) / len(own)
            assert level.cells == len(own)
            assert level.score is not None
            assert level.score.estimate == pytest.approx(means[level.name], abs=1e-12)
        first, *others = effect.levels
        assert first.difference is None
        for level in others:
            wanted = means[level.name] - means[first.name]
            assert difference(effects, effect.factor, level.name) == pytest.approx(wanted, abs=1e-12)


def test_every_cell_is_scored_on_the_same_resamples() -> None:
    """The bootstrap of an effect is that of one number, computed for each resample over all cells, by loops."""
    counts = grid()
    a = [one for combination, one in counts.items() if combination[0] == "supcon"]
    b = [one for combination, one in counts.items() if combination[0] == "ce"]
    often = draws(DIALOGUES, 6, 0)
    found, _ = scored([margins(np.concatenate(side)) for side in (a, b)], often)
    wanted = [fmean(by_loops(x, list(row)) for x in a) - fmean(by_loops(x, list(row)) for x in b) for row in often]
    assert found == pytest.approx(wanted, abs=1e-12)
    pivots = bootstrap([margins(np.concatenate(side)) for side in (a, b)], RESAMPLES, 0)
    half = pivots.half_width(0.95)
    effect = contrast(a, b).effect
    assert (effect.low, effect.high) == (effect.estimate - half, effect.estimate + half)


@pytest.mark.parametrize("seeds", [1, 3])
def test_one_cell_against_one_is_a_comparison(seeds: int) -> None:
    """Without other factors an effect has all the numbers that `ercbench compare` would give."""
    a, b = cell(0.7, 1, seeds), cell(0.5, 2, seeds)
    found, wanted = contrast([a], [b]), statistics.compare(a, b)
    assert found.effect == wanted.effect
    assert (found.p_bootstrap, found.p_randomisation) == (wanted.p_bootstrap, wanted.p_randomisation)
    assert found.p_seeds == (wanted.p_seeds if wanted.p_seeds is None else pytest.approx(wanted.p_seeds, rel=1e-9))


def test_the_swaps_are_the_same_in_every_pair_of_cells() -> None:
    """The p-value of the randomisation is that of a loop which swaps a dialogue in all pairs or in none."""
    a, b = [cell(0.6, 1, 1), cell(0.5, 2, 1)], [cell(0.5, 3, 1), cell(0.45, 4, 1)]
    observed = abs(fmean(map(by_loops, a)) - fmean(map(by_loops, b)))
    found = []
    for row in swaps(DIALOGUES, 40, 0)[1:]:
        moved = []
        for one, other in zip(a, b, strict=True):
            mask = row.astype(bool)[None, :, None, None]
            moved.append(by_loops(np.where(mask, other, one)) - by_loops(np.where(mask, one, other)))
        found.append(abs(fmean(moved)))
    wanted = (1 + sum(one >= observed * (1 - 1e-12) for one in found)) / 41
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ercbench.effects.RESAMPLES", 40)
        assert contrast(a, b).p_randomisation == wanted


def test_seeds_of_several_cells_are_a_t_test_of_their_mean() -> None:
    """Variances of the cells' means add up, and Satterthwaite gives the degrees of freedom."""
    a, b = [cell(0.6, seed, 3) for seed in (1, 2)], [cell(0.5, seed, 3) for seed in (3, 4)]
    scores = [[[score(one.sum(axis=0)) for one in counts] for counts in side] for side in (a, b)]
    total, below = 0.0, 0.0
    for side in scores:
        for seeds in side:
            part = np.var(seeds, ddof=1) / 3 / 4
            total, below = total + part, below + part**2 / 2
    t = (np.mean(scores[0]) - np.mean(scores[1])) / np.sqrt(total)
    assert contrast(a, b).p_seeds == pytest.approx(2 * student_t.sf(abs(t), total**2 / below), rel=1e-9)


def test_other_numbers_of_seeds_are_refused() -> None:
    """A cell with more seeds than another would weigh more."""
    with pytest.raises(ValueError, match="the same number of seeds"):
        contrast([cell(0.5, 1, 2), cell(0.5, 2, 3)], [cell(0.5, 3, 2), cell(0.5, 4, 2)])


def test_the_other_order_of_levels_flips_signs() -> None:
    """What is first is the reference: with two levels the other way round, the effect has the other sign."""
    counts = grid()
    turned = (Factor("loss", ("supcon", "ce")), FACTORS[1])
    before, after = main_effects(FACTORS, counts), main_effects(turned, counts)
    assert difference(after, "loss", "ce") == pytest.approx(-difference(before, "loss", "supcon"), abs=1e-12)
    for level in ("lr", "knn"):
        assert difference(after, "classifier", level) == pytest.approx(
            difference(before, "classifier", level), abs=1e-12
        )
    assert before[0].levels[1].difference is not None
    assert after[0].levels[1].difference is not None
    one, other = before[0].levels[1].difference.found, after[0].levels[1].difference.found
    assert (one.p_bootstrap, one.p_randomisation) == (other.p_bootstrap, other.p_randomisation)
    assert (one.effect.low, one.effect.high) == pytest.approx((-other.effect.high, -other.effect.low), abs=1e-12)


def test_the_order_of_factors_changes_nothing() -> None:
    """Only the order in which they are told."""
    counts = grid()
    turned = {(b, a): one for (a, b), one in counts.items()}
    before, after = main_effects(FACTORS, counts), main_effects(FACTORS[::-1], turned)
    assert [e.factor for e in after] == [e.factor for e in before][::-1]
    for a, b in zip(before, after[::-1], strict=True):
        assert a.share == pytest.approx(b.share)
        assert [level.difference and level.difference.found.p for level in a.levels] == pytest.approx(
            [level.difference and level.difference.found.p for level in b.levels], nan_ok=True
        )


# Missing combinations


def test_without_a_combination_the_shared_ones_count() -> None:
    """A difference is over the combinations that both levels have; the others are left out, and counted."""
    counts = grid()
    del counts["supcon", "knn"]
    effects = main_effects(FACTORS, counts)
    [supcon] = [level for level in effects[0].levels if level.name == "supcon"]
    assert supcon.cells == 2
    assert supcon.difference is not None
    assert supcon.difference.combinations == 2
    wanted = fmean(by_loops(counts["supcon", c]) - by_loops(counts["ce", c]) for c in ("head", "lr"))
    assert difference(effects, "loss", "supcon") == pytest.approx(wanted, abs=1e-12)
    wanted = by_loops(counts["ce", "knn"]) - by_loops(counts["ce", "head"])
    assert difference(effects, "classifier", "knn") == pytest.approx(wanted, abs=1e-12)
    assert [e.share for e in effects] == [None, None]


def test_levels_with_nothing_in_common_have_no_difference() -> None:
    """And a level without any cell has no score."""
    counts = {one: table for one, table in grid().items() if one in (("ce", "head"), ("supcon", "lr"))}
    loss, classifier = main_effects(FACTORS, counts)
    assert [(level.cells, level.difference) for level in loss.levels] == [(1, None), (1, None)]
    assert [(level.name, level.score) for level in classifier.levels if not level.cells] == [("knn", None)]


# Correction and variance


def test_holm_is_over_all_differences() -> None:
    """Of all factors, and of all grids that are told together."""
    first, second = main_effects(FACTORS, grid()), main_effects(FACTORS, grid(seeds=3))
    found = [level.difference for one in corrected([first, second]) for e in one for level in e.levels]
    told = [one for one in found if one is not None]
    assert [one.compared for one in told] == [6] * 6
    assert [one.p_holm for one in told] == statistics.holm([one.found.p for one in told])


CELL_SCORES = st.lists(st.floats(0.1, 0.9), min_size=6, max_size=6)


def scores_of(values: list[float]) -> dict[Combination, float]:
    """Scores by combination."""
    return dict(zip(combinations(FACTORS), values, strict=True))


@given(values=CELL_SCORES, constant=st.floats(-0.05, 0.05))
def test_shares_add_up_and_a_constant_changes_none(values: list[float], constant: float) -> None:
    """Every share is a share, with the interactions they are one, and what all cells have more of explains nothing."""
    found = shares(FACTORS, scores_of(values))
    if max(values) - min(values) < 1e-3:
        return
    assert sum(found.values()) == pytest.approx(1)
    assert all(-1e-9 <= one <= 1 + 1e-9 for one in found.values())
    assert found == pytest.approx(shares(FACTORS, scores_of([v + constant for v in values])), abs=1e-6)


@given(loss=st.floats(0.01, 0.2), classifiers=st.lists(st.floats(0, 0.2), min_size=3, max_size=3))
def test_what_adds_up_has_no_interactions(loss: float, classifiers: list[float]) -> None:
    """Where a level is worth the same beside every other, nothing is left, and shares are those of a loop."""
    scores = {(a, b): 0.3 + loss * (a == "supcon") + classifiers[FACTORS[1].levels.index(b)]
              for a, b in itertools.product(*(factor.levels for factor in FACTORS))}  # fmt: skip
    found = shares(FACTORS, scores)
    assert found[REST] == pytest.approx(0, abs=1e-9)
    total = sum((one - fmean(scores.values())) ** 2 for one in scores.values())
    assert found["loss"] == pytest.approx(6 * (loss / 2) ** 2 / total)


def test_what_depends_on_both_is_interaction() -> None:
    """Where the loss helps one classifier as much as it harms another, neither explains anything."""
    two = (FACTORS[0], Factor("classifier", ("head", "lr")))
    scores: Mapping[Combination, float] = {
        ("ce", "head"): 0.4, ("ce", "lr"): 0.6, ("supcon", "head"): 0.6, ("supcon", "lr"): 0.4,
    }  # fmt: skip
    assert shares(two, scores) == pytest.approx({"loss": 0, "classifier": 0, REST: 1})
    assert shares(two, dict.fromkeys(scores, 0.5)) == {}
