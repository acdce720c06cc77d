"""Intervals and paired tests: equal to slow computations, and to what the textbooks say where they say something."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import comb
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from ercbench import statistics
from ercbench.errors import PluginError
from ercbench.leaderboard.ranking import COMPARED, LEVEL
from ercbench.resampling import (
    BLOCKS,
    RARE,
    bootstrap,
    draws,
    margins,
    p_value,
    randomisation,
    swaps,
    weighted_f1,
)
from ercbench.statistics import compare, dialogue_counts, holm, over_dialogues, over_seeds, rank_ranges
from ercbench.types import IntArray, LabelSet, Predictions

LABELS = LabelSet.of({key: key for key in ("flat", "glad", "grim")})
CLASSES = st.integers(0, 4)


def simulated(seeds: int, dialogues: int, accuracy: float, seed: int = 0, labels: int = 4) -> IntArray:
    """Counts (S, G, C, C) of systems that are right with this probability; the test set is the same for every seed."""
    world, own = np.random.default_rng(11), np.random.default_rng(seed)
    counts = np.zeros((seeds, dialogues, labels, labels), dtype=np.int64)
    for dialogue in range(dialogues):
        truth = world.integers(0, labels, world.integers(1, 9))
        for number in range(seeds):
            wrong = own.integers(0, labels, len(truth))
            guess = np.where(own.random(len(truth)) < accuracy, truth, wrong)
            np.add.at(counts[number, dialogue], (truth, guess), 1)
    return counts


def pairs_of(counts: IntArray) -> tuple[list[int], list[int]]:
    """A confusion matrix (C, C) -> gold and predicted labels, one of each per utterance."""
    cells = [(i, j) for (i, j), many in np.ndenumerate(counts) for _ in range(int(many))]
    return [i for i, _ in cells], [j for _, j in cells]


def by_loops(counts: IntArray) -> Fraction:
    """Weighted F1 of a confusion matrix, in exact fractions."""
    labels, total = range(len(counts)), Fraction(0)
    for c in labels:
        gold, predicted = sum(int(counts[c][j]) for j in labels), sum(int(counts[i][c]) for i in labels)
        if gold + predicted:
            total += gold * Fraction(2 * int(counts[c][c]), gold + predicted)
    return total / int(sum(int(x) for x in counts.ravel()))


# Weighted F1


@given(pairs=st.lists(st.tuples(CLASSES, CLASSES), min_size=1, max_size=80))
def test_weighted_f1_is_scikit_learns_to_the_last_bit(pairs: list[tuple[int, int]]) -> None:
    """From counts as from labels, also where labels are absent or never predicted; and it is what loops count."""
    counts = np.zeros((5, 5), dtype=np.int64)
    for truth, guess in pairs:
        counts[truth, guess] += 1
    truth, guess = zip(*pairs, strict=True)
    found = float(weighted_f1(margins(counts)))
    assert found == f1_score(truth, guess, labels=range(5), average="weighted", zero_division=0)
    assert found == pytest.approx(float(by_loops(counts)), abs=1e-15)


def test_many_labels_are_summed_as_scikit_learn_sums_them() -> None:
    """Beyond eight labels numpy adds in another order; the last bit is still scikit-learn's, in stacks as alone."""
    rng = np.random.default_rng(3)
    truth, guess = rng.integers(0, 27, (40, 300)), rng.integers(0, 27, (40, 300))
    counts = np.zeros((40, 27, 27), dtype=np.int64)
    np.add.at(counts, (np.arange(40)[:, None], truth, guess), 1)
    wanted = [f1_score(t, g, labels=range(27), average="weighted", zero_division=0) for t, g in zip(truth, guess)]  # noqa: B905
    assert weighted_f1(margins(counts)).tolist() == wanted


# Counts per dialogue


def test_counts_are_per_dialogue_in_the_order_of_the_gold_labels() -> None:
    """Rows are matched by uid; the dialogue is the uid without its turn, and a dialogue of two digits is its own."""
    gold = {"s/test/1/0": 0, "s/test/1/2": 2, "s/test/10/0": 1, "s/test/0/5": 1}
    guesses = {"s/test/0/5": 1, "s/test/10/0": 0, "s/test/1/2": 2, "s/test/1/0": 1}
    predictions = Predictions(tuple(guesses), np.eye(3, dtype=np.float32)[list(guesses.values())])
    dialogues, counts = dialogue_counts(predictions, gold, LABELS)
    assert dialogues == ("s/test/1", "s/test/10", "s/test/0")
    assert counts.dtype == np.int64
    assert [list(zip(*pairs_of(one), strict=True)) for one in counts] == [[(0, 1), (2, 2)], [(1, 0)], [(1, 1)]]


def test_counts_need_exactly_the_labelled_utterances() -> None:
    """A missing row is an error, as it is where scores are made."""
    predictions = Predictions(("s/test/0/0",), np.eye(3, dtype=np.float32)[[0]])
    with pytest.raises(PluginError, match=r"1 missing \(s/test/0/1\)"):
        dialogue_counts(predictions, {"s/test/0/0": 0, "s/test/0/1": 0}, LABELS)


# Over seeds


@given(values=st.lists(st.floats(0.2, 0.8), min_size=2, max_size=9))
def test_seeds_have_a_t_interval(values: list[float]) -> None:
    """Mean, sample deviation and interval are scipy's, whatever the order of the seeds."""
    found = over_seeds(values)
    assert found == over_seeds(sorted(values, reverse=True))
    assert found.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    assert found.interval is not None
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    assert (found.mean, found.seeds) == (fmean(values), len(values))
    assert found.interval.high - found.mean == pytest.approx(half, rel=1e-9, abs=1e-12)
    assert found.mean - found.interval.low == pytest.approx(half, rel=1e-9, abs=1e-12)


def test_one_seed_has_no_spread() -> None:
    """What takes two seeds to say is not said."""
    assert over_seeds([0.5]) == statistics.SeedSpread(0.5, None, None, 1)


# Over dialogues


def influence_by_steps(counts: IntArray, weights: list[float], dialogue: int) -> float:
    """How fast the score moves with the weight of a dialogue, by making the weight a little larger."""

    def score(extra: float) -> float:
        now = [weight + extra * (place == dialogue) for place, weight in enumerate(weights)]
        return fmean(float(weighted_f1(margins(np.tensordot(now, one, 1)))) for one in counts)

    return (score(1e-6) - score(-1e-6)) / 2e-6


def bootstrap_by_loops(systems: list[IntArray], resamples: int, seed: int) -> tuple[float, float, list[float]]:
    """Estimate, its standard error and the pivots, one resample and one dialogue at a time."""
    dialogues = systems[0].shape[1]

    def drawn(weights: list[float]) -> tuple[float, float]:
        values = [fmean(float(weighted_f1(margins(np.tensordot(weights, s, 1)))) for s in one) for one in systems]
        moves = [[influence_by_steps(one, weights, g) for g in range(dialogues)] for one in systems]
        if len(systems) == 1:
            value, move = values[0], moves[0]
        else:
            value, move = values[0] - values[1], [left - right for left, right in zip(*moves, strict=True)]
        squares = sum(weight * one * one for weight, one in zip(weights, move, strict=True))
        return value, (squares * dialogues / (dialogues - 1)) ** 0.5

    estimate, error = drawn([1.0] * dialogues)
    pivots = []
    for weights in draws(dialogues, resamples, seed).tolist():
        value, own = drawn(weights)
        pivots.append((value - estimate) / own)
    return estimate, error, pivots


@pytest.mark.parametrize("paired", [False, True])
def test_the_bootstrap_is_that_of_loops(paired: bool) -> None:
    """Every resample's score and standard error, the latter by moving each dialogue's weight a little."""
    systems = [simulated(2, 12, 0.6, seed=1), simulated(3, 12, 0.5, seed=2)][: 1 + paired]
    found = bootstrap([margins(one) for one in systems], 25, 7)
    estimate, error, pivots = bootstrap_by_loops(systems, 25, 7)
    assert found.estimate == pytest.approx(estimate, abs=1e-12)
    assert found.error == pytest.approx(error, rel=1e-6)
    assert found.pivots == pytest.approx(pivots, rel=1e-5, abs=1e-6)


def test_draws_are_of_whole_dialogues() -> None:
    """Every resample has as many dialogues as the test set, each as likely as any; another seed gives other draws."""
    drawn = draws(31, 2000, 0)
    assert drawn.sum(axis=1).tolist() == [31] * 2000
    assert drawn.mean(axis=0) == pytest.approx(np.ones(31), abs=0.1)
    assert drawn.var(axis=0) == pytest.approx(np.full(31, 30 / 31), abs=0.15)
    assert (drawn != draws(31, 2000, 1)).any()


def test_the_random_numbers_never_change() -> None:
    """Golden values: a machine or a release of numpy that draws others would change every interval."""
    assert draws(5, 3, 0).tolist() == [[1, 0, 0, 3, 1], [1, 1, 1, 1, 1], [2, 1, 1, 0, 1]]
    assert swaps(6, 2, 0).tolist() == [[0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 1, 1], [1, 1, 1, 1, 1, 0]]
    assert draws(5, 2, 0, 3).tolist() == [[0, 1, 3, 1, 0], [1, 3, 0, 1, 0]]
    assert swaps(6, 2, 0, 3).tolist() == [[0, 0, 0, 0, 0, 0], [1, 0, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1]]


def test_the_interval_of_a_score() -> None:
    """Around the mean of the seeds' scores as scikit-learn has them, and narrower for more dialogues."""
    few, many = simulated(3, 20, 0.6), simulated(3, 320, 0.6)
    found, narrow = over_dialogues(few), over_dialogues(many)
    scores = [f1_score(*pairs_of(one.sum(axis=0)), average="weighted", zero_division=0) for one in few]
    assert found.estimate == fmean(scores)
    assert 0 <= found.low < found.estimate < found.high <= 1
    assert found.estimate - found.low == pytest.approx(found.high - found.estimate)
    assert 3 < (found.high - found.low) / (narrow.high - narrow.low) < 6  # the root of 16, and small samples are wider
    assert over_dialogues(few) == found
    assert over_dialogues(few, seed=1) != found


def test_the_interval_does_not_leave_what_is_possible() -> None:
    """A score that is nearly perfect has an interval up to 1 and not beyond; a perfect one has no width."""
    counts = simulated(1, 8, 0.9, seed=3)
    assert over_dialogues(counts).high == 1.0
    perfect = over_dialogues(simulated(2, 8, 1.0))
    assert (perfect.low, perfect.estimate, perfect.high) == (1.0, 1.0, 1.0)


def test_dependent_turns_make_it_wider() -> None:
    """The same utterances in fewer dialogues, of which some are hard and some easy, say less about other dialogues."""
    counts = simulated(1, 120, 0.6)[0]
    hits = np.trace(counts, axis1=1, axis2=2) / counts.sum(axis=(1, 2))
    alike = counts[np.argsort(hits)].reshape(1, 10, 12, 4, 4).sum(axis=2)
    wide, narrow = over_dialogues(alike), over_dialogues(counts[None])
    assert wide.estimate == narrow.estimate
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_one_dialogue_says_nothing_about_others() -> None:
    """Its interval is all that is possible, and no test finds a difference."""
    a, b = simulated(3, 1, 0.9, seed=1), simulated(3, 1, 0.1, seed=2)
    assert (over_dialogues(a).low, over_dialogues(a).high) == (0.0, 1.0)
    found = compare(a, b)
    assert (found.effect.low, found.effect.high) == (-1.0, 1.0)
    assert found.p_bootstrap == found.p_randomisation == found.p == 1.0


# Paired tests


def randomisation_by_loops(a: IntArray, b: IntArray, resamples: int, seed: int) -> float:
    """The p-value, one resample and one pair of seeds at a time."""

    def difference(swapped: list[float]) -> float:
        found = []
        for one, other in itertools.product(a, b):
            left = sum(other[g] if move else one[g] for g, move in enumerate(swapped))
            right = sum(one[g] if move else other[g] for g, move in enumerate(swapped))
            found.append(by_loops(left) - by_loops(right))
        return abs(float(sum(found) / len(found)))

    observed, *others = [difference(row) for row in swaps(a.shape[1], resamples, seed).tolist()]
    if sum(one >= observed - 1e-12 for one in others) < RARE:
        for block in range(1, BLOCKS):
            others += [difference(row) for row in swaps(a.shape[1], resamples, seed, block).tolist()[1:]]
    return (1 + sum(one >= observed - 1e-12 for one in others)) / (1 + len(others))


@pytest.mark.parametrize(("seeds", "others"), [(1, 1), (2, 2), (2, 3)])
def test_randomisation_is_that_of_loops(seeds: int, others: int) -> None:
    """Whole dialogues are swapped, every seed of one system against every seed of the other."""
    a, b = simulated(seeds, 9, 0.6, seed=1), simulated(others, 9, 0.5, seed=2)
    wanted = randomisation_by_loops(a, b, 60, 3)
    assert randomisation(margins(a), margins(b), 60, 3) == wanted
    assert 1 / 61 < wanted < 1
    rare = randomisation_by_loops(a, b, 9, 3)  # fewer than ten come to it, so that all blocks are drawn
    assert randomisation(margins(a), margins(b), 9, 3) == rare
    assert rare * (1 + 9 * BLOCKS) == pytest.approx(round(rare * (1 + 9 * BLOCKS)))


def test_randomisation_approaches_all_swaps() -> None:
    """With few dialogues all swaps can be listed; a large sample of them gives their share."""
    a, b = simulated(1, 8, 0.7, seed=5), simulated(1, 8, 0.45, seed=6)
    values = []
    for swapped in itertools.product([False, True], repeat=8):
        move = np.array(swapped)[:, None, None]
        left, right = np.where(move, b[0], a[0]).sum(axis=0), np.where(move, a[0], b[0]).sum(axis=0)
        values.append(abs(float(by_loops(left) - by_loops(right))))
    share = sum(value >= values[0] - 1e-12 for value in values) / len(values)
    assert randomisation(margins(a), margins(b), 20000, 0) == pytest.approx(share, abs=0.012)


def test_a_system_does_not_differ_from_itself() -> None:
    """No effect, and every p-value is 1."""
    a = simulated(3, 30, 0.6)
    found = compare(a, a)
    assert (found.effect.estimate, found.effect.low, found.effect.high) == (0.0, 0.0, 0.0)
    assert found.p_bootstrap == found.p_randomisation == found.p_seeds == found.p == 1.0


@pytest.mark.parametrize(("seeds", "others"), [(3, 3), (2, 4), (1, 3)])
def test_the_other_way_round_is_the_same_with_the_sign_turned(seeds: int, others: int) -> None:
    """Which system is named first decides nothing but the sign; nor does the order of the seeds."""
    a, b = simulated(seeds, 40, 0.62, seed=1), simulated(others, 40, 0.55, seed=2)
    found, turned, shuffled = compare(a, b), compare(b, a), compare(a[::-1], b[::-1])
    assert found.effect.estimate == -turned.effect.estimate
    assert found.effect.low == pytest.approx(-turned.effect.high, abs=1e-12)
    for other in (turned, shuffled):
        assert (found.p_bootstrap, found.p_randomisation) == (other.p_bootstrap, other.p_randomisation)
        assert found.p_seeds == pytest.approx(other.p_seeds) if found.p_seeds is not None else other.p_seeds is None


@pytest.mark.parametrize("seed", range(12))
def test_interval_and_p_value_say_the_same(seed: int) -> None:
    """The bootstrap's p-value is below 0.05 where the interval of the effect leaves 0 out, and nowhere else."""
    a, b = simulated(2, 40, 0.6, seed=seed), simulated(2, 40, 0.52, seed=seed + 100)
    found = compare(a, b)
    assert (found.p_bootstrap < 0.05) == (not found.effect.low <= 0 <= found.effect.high)


def test_a_large_difference_is_found_and_a_small_one_is_not() -> None:
    """Forty dialogues tell 30 points, and do not tell one."""
    a = simulated(3, 40, 0.7, seed=1)
    far, near = compare(a, simulated(3, 40, 0.3, seed=2)), compare(a, simulated(3, 40, 0.69, seed=3))
    assert far.p < 0.01
    assert near.p > 0.05
    assert far.effect.low > 0.1


def test_seeds_are_compared_by_welch() -> None:
    """The p-value over seeds is scipy's, of the scores that scikit-learn gives each seed."""
    a, b = simulated(3, 40, 0.62, seed=1), simulated(5, 40, 0.55, seed=2)
    scores = [
        [f1_score(*pairs_of(one.sum(axis=0)), average="weighted", zero_division=0) for one in system]
        for system in (a, b)
    ]
    assert compare(a, b).p_seeds == pytest.approx(stats.ttest_ind(*scores, equal_var=False).pvalue, rel=1e-9)


def test_one_seed_says_nothing_of_seeds() -> None:
    """With one seed of either system there is no p-value over seeds, and the others decide."""
    a, b = simulated(1, 40, 0.7, seed=1), simulated(3, 40, 0.4, seed=2)
    for found in (compare(a, b), compare(b, a)):
        assert found.p_seeds is None
        assert found.p == max(found.p_bootstrap, found.p_randomisation)


def test_seeds_that_all_give_the_same_cast_no_doubt() -> None:
    """Methods without chance: 0 where they differ, so that the dialogues decide, and 1 where they do not."""
    a, b = (np.repeat(simulated(1, 40, accuracy, seed=1), 3, axis=0) for accuracy in (0.7, 0.5))
    assert compare(a, b).p_seeds == 0.0
    assert compare(a, a).p_seeds == 1.0
    assert compare(a, b).p == max(compare(a, b).p_bootstrap, compare(a, b).p_randomisation)
    mixed = compare(a, simulated(3, 40, 0.5, seed=2))  # one of the two varies
    assert mixed.p_seeds is not None
    assert 0 < mixed.p_seeds < 1


def test_more_blocks_are_drawn_where_the_first_tells_too_little() -> None:
    """As few as nine in the first block, and all count; with ten the first decides, and nothing else is drawn."""
    block = np.arange(2000.0)

    def drawn(number: int) -> np.ndarray:
        asked.append(number)
        return block + number  # each has one more that comes to the observed value

    asked: list[int] = []
    assert p_value(block, drawn, 1990) == 11 / 2001
    assert asked == []
    assert p_value(block, drawn, 1991) == (1 + sum(9 + number for number in range(BLOCKS))) / (1 + 2000 * BLOCKS)
    assert asked == list(range(1, BLOCKS))


def test_a_large_table_can_tell_rows_apart() -> None:
    """What no resample comes to is a difference after Holm's correction for all pairs of as many rows as are ranked."""
    a, b = simulated(3, 40, 0.95, seed=1), simulated(3, 40, 0.2, seed=2)
    found = compare(a, b)
    assert found.p_bootstrap == found.p_randomisation == 1 / (1 + 2000 * BLOCKS)
    assert comb(COMPARED, 2) * found.p_bootstrap < LEVEL


def test_p_is_the_largest_there_is() -> None:
    """A difference must be beyond dialogues and beyond seeds."""
    effect = statistics.Interval(0.1, 0.0, 0.2)
    assert statistics.Comparison(effect, 0.01, 0.02, 0.3).p == 0.3
    assert statistics.Comparison(effect, 0.01, 0.02, None).p == 0.02
    assert statistics.Comparison(effect, 0.04, 0.02, 0.0).p == 0.04


def test_another_test_set_is_not_compared() -> None:
    """Counts of other dialogues, or of other gold labels, cannot be paired."""
    a = simulated(2, 10, 0.6)
    with pytest.raises(ValueError, match="not of the same dialogues"):
        compare(a, simulated(2, 11, 0.6))
    with pytest.raises(ValueError, match="not of the same dialogues"):
        compare(a, a.transpose(0, 1, 3, 2))


# Many tests, and ranks


def test_holm_by_hand() -> None:
    """The example of a textbook: the smallest of four times four, and so on, never below a smaller one."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.04]) == [0.04]
    assert holm([0.6, 0.5]) == [1.0, 1.0]


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=8), level=st.floats(0.001, 0.5))
def test_holm_rejects_what_the_step_down_rule_rejects(p_values: list[float], level: float) -> None:
    """From the smallest on, as long as p is within the level divided by the tests that are left."""
    rejected: set[int] = set()
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, place in enumerate(order):
        if p_values[place] * (len(p_values) - rank) > level:
            break
        rejected.add(place)
    assert {place for place, adjusted in enumerate(holm(p_values)) if adjusted <= level} == rejected


def test_ranks_count_who_is_above_and_below() -> None:
    """Without differences all share all ranks; a system that is below two of three others has 3 to 4."""
    assert rank_ranges(3, set()) == [(1, 3)] * 3
    assert rank_ranges(4, {(0, 2), (1, 2), (0, 3)}) == [(1, 2), (1, 3), (3, 4), (2, 4)]
    assert rank_ranges(0, set()) == []


@given(n=st.integers(1, 7), data=st.data())
def test_a_total_order_gives_every_rank_once(n: int, data: st.DataObject) -> None:
    """Where all differences are significant, ranges are the plain ranks."""
    order = data.draw(st.permutations(range(n)))
    better = {(order[i], order[j]) for i, j in itertools.combinations(range(n), 2)}
    assert len(better) == comb(n, 2)
    ranges = rank_ranges(n, better)
    assert [ranges[one] for one in order] == [(rank, rank) for rank in range(1, n + 1)]
