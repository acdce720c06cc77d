"""Stage 6: the numbers are those of an independent count, and predictions meet gold labels by uid or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ercbench import scoring
from ercbench.errors import PluginError
from ercbench.types import LabelSet, Predictions

LABELS = LabelSet.of({key: key for key in ("neutral", "joy", "anger", "fear")}, neutral="neutral")
WITHOUT_NEUTRAL = LabelSet.of({key: key for key in ("excited", "joy", "anger", "fear")})


def predictions_of(guesses: list[int]) -> Predictions:
    """One-hot scores for the guessed label indices."""
    uids = tuple(f"set/test/0/{row}" for row in range(len(guesses)))
    return Predictions(uids, np.eye(len(LABELS), dtype=np.float32)[guesses])


def gold_of(truth: list[int]) -> dict[str, int]:
    """Gold label indices under the uids of `predictions_of`."""
    return {f"set/test/0/{row}": label for row, label in enumerate(truth)}


def ratio(numerator: int, denominator: int) -> float:
    """A fraction, 0 where there is nothing to divide by."""
    return numerator / denominator if denominator else 0.0


def counted_by_hand(truth: list[int], guesses: list[int], labels: LabelSet) -> dict[str, object]:
    """All scores with plain loops and no library."""
    pairs = list(zip(truth, guesses, strict=True))
    f1, support, precision, recall = [], [], [], []
    hits_all = guessed_all = truth_all = 0
    for label in labels:
        hits = sum(1 for t, g in pairs if t == g == label.index)
        guessed = sum(1 for _, g in pairs if g == label.index)
        present = sum(1 for t, _ in pairs if t == label.index)
        precision.append(ratio(hits, guessed))
        recall.append(ratio(hits, present))
        f1.append(ratio(2 * hits, guessed + present))
        support.append(present)
        if label.key != labels.neutral:
            hits_all, guessed_all, truth_all = hits_all + hits, guessed_all + guessed, truth_all + present
    return {
        "weighted_f1": sum(f * n for f, n in zip(f1, support, strict=True)) / len(pairs),
        "macro_f1": sum(f1) / len(f1),
        "micro_f1_without_neutral": ratio(2 * hits_all, guessed_all + truth_all),
        "accuracy": sum(t == g for t, g in pairs) / len(pairs),
        "per_class": list(zip(precision, recall, f1, support, strict=True)),
        "confusion": [[pairs.count((t, g)) for g in range(len(labels))] for t in range(len(labels))],
    }


CLASS = st.integers(0, len(LABELS) - 1)
PAIRS = st.lists(st.tuples(CLASS, CLASS), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(pairs=PAIRS, labels=st.sampled_from([LABELS, WITHOUT_NEUTRAL]))
def test_scores_equal_an_independent_count(pairs: list[tuple[int, int]], labels: LabelSet) -> None:
    """Every score is what plain loops count, also where labels are absent from the gold labels or never predicted."""
    truth, guesses = [t for t, _ in pairs], [g for _, g in pairs]
    expected = counted_by_hand(truth, guesses, labels)
    got = scoring.score(predictions_of(guesses), gold_of(truth), labels)
    for name in ("weighted_f1", "macro_f1", "micro_f1_without_neutral", "accuracy"):
        assert getattr(got, name) == pytest.approx(expected[name], abs=1e-12), name
    rows = [(s.precision, s.recall, s.f1, s.support) for s in got.per_class.values()]
    assert rows == [pytest.approx(row, abs=1e-12) for row in expected["per_class"]]
    assert tuple(got.per_class) == labels.keys
    assert got.confusion == expected["confusion"]


@settings(max_examples=40, deadline=None)
@given(pairs=PAIRS)
def test_the_fast_path_gives_the_same_headline(pairs: list[tuple[int, int]]) -> None:
    """`weighted_f1` is exactly the weighted F1 of `score`: the epoch is chosen by the number that is reported."""
    predictions, gold = predictions_of([g for _, g in pairs]), gold_of([t for t, _ in pairs])
    assert scoring.weighted_f1(predictions, gold, LABELS) == scoring.score(predictions, gold, LABELS).weighted_f1


@settings(max_examples=40, deadline=None)
@given(pairs=PAIRS, data=st.data())
def test_the_order_of_rows_does_not_matter(pairs: list[tuple[int, int]], data: st.DataObject) -> None:
    """Rows are matched by uid: shuffled predictions have the same scores."""
    predictions, gold = predictions_of([g for _, g in pairs]), gold_of([t for t, _ in pairs])
    order = data.draw(st.permutations(range(len(pairs))))
    shuffled = Predictions(tuple(predictions.uids[i] for i in order), predictions.scores[list(order)])
    before, after = scoring.score(predictions, gold, LABELS), scoring.score(shuffled, gold, LABELS)
    assert after == before


def test_micro_f1_leaves_the_neutral_label_out() -> None:
    """Neutral hits do not count; neutral mistaken for an emotion does."""
    got = scoring.score(predictions_of([0, 0, 1, 1]), gold_of([0, 0, 0, 1]), LABELS)
    assert got.micro_f1_without_neutral == pytest.approx(2 / 3)
    assert got.accuracy == 0.75


def test_micro_f1_without_a_neutral_label_is_accuracy() -> None:
    """A label set without neutral keeps all labels in micro F1."""
    got = scoring.score(predictions_of([0, 0, 1, 1]), gold_of([0, 0, 0, 1]), WITHOUT_NEUTRAL)
    assert got.micro_f1_without_neutral == got.accuracy == 0.75


def test_missing_uids_are_named() -> None:
    """A row that is missing stops scoring; the message names it and counts."""
    gold = gold_of([0, 1, 2])
    with pytest.raises(PluginError, match=r"Got 2 rows for 3 utterances: 1 missing \(set/test/0/2\)"):
        scoring.score(predictions_of([0, 1]), gold, LABELS)


def test_doubled_uids_are_named() -> None:
    """Two rows for one utterance stop scoring, though the number of different uids is right."""
    one = predictions_of([0, 1])
    doubled = Predictions((*one.uids, one.uids[0]), np.concatenate([one.scores, one.scores[:1]]))
    with pytest.raises(PluginError, match=r"Got 3 rows for 2 utterances: 1 doubled \(set/test/0/0\)"):
        scoring.score(doubled, gold_of([0, 1]), LABELS)


def test_surplus_uids_are_named() -> None:
    """A row for an utterance that nobody asked about stops scoring."""
    with pytest.raises(PluginError, match=r"3 surplus \(set/test/0/1, set/test/0/2, set/test/0/3\)"):
        scoring.weighted_f1(predictions_of([0, 1, 2, 3]), gold_of([0]), LABELS)


def test_only_the_first_few_uids_are_named() -> None:
    """A thousand missing rows make one line, not a thousand."""
    with pytest.raises(PluginError, match=r"5 missing \(set/test/0/0, set/test/0/1, set/test/0/2, \.\.\.\)"):
        scoring.score(Predictions((), np.zeros((0, 4), dtype=np.float32)), gold_of([0] * 5), LABELS)


def test_nothing_to_score_is_an_error() -> None:
    """No utterance at all has no score; it is not a perfect or a zero one."""
    with pytest.raises(PluginError, match="Got 0 rows for 0 utterances"):
        scoring.score(Predictions((), np.zeros((0, 4), dtype=np.float32)), {}, LABELS)


@pytest.mark.parametrize("shape", [(2, 3), (3, 4), (2,), (2, 4, 1)])
def test_a_wrong_shape_is_an_error(shape: tuple[int, ...]) -> None:
    """Scores that are not (N, C) stop scoring, with both shapes in the message."""
    wrong = Predictions(predictions_of([0, 1]).uids, np.zeros(shape, dtype=np.float32))
    with pytest.raises(PluginError, match=r"wrong shape\. Got .*expected \(2, 4\)"):
        scoring.score(wrong, gold_of([0, 1]), LABELS)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_an_error(value: float) -> None:
    """NaN would silently become a prediction (argmax picks it); it is an error that names the row."""
    predictions = predictions_of([0, 1])
    predictions.scores[1, 2] = value
    with pytest.raises(PluginError, match=r"not finite in 1 of 2 rows \(set/test/0/1\)"):
        scoring.score(predictions, gold_of([0, 1]), LABELS)


def test_the_signature_says_what_the_number_is() -> None:
    """The metric signature names the metric, the number of classes and scikit-learn's release, no patch level."""
    signature = scoring.metric_signature(LABELS)
    assert signature.startswith("weighted_f1|classes:4|zero_division:0|sklearn:")
    assert len(signature.rpartition(":")[2].split(".")) == 2
