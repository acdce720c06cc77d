"""Parts of a split that are scored on their own: what is in them, and that their scores are those of their turns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ercbench import data, scoring
from ercbench.catalog import load_catalog
from ercbench.slices import slices
from ercbench.specs import GENERAL_SLICES, DatasetSpec
from ercbench.types import SPLITS, Corpus, Dialogue, LabelSet, Predictions, Utterance

LABELS = LabelSet.of({"glad": "glad", "grim": "grim", "flat": "flat"}, neutral="flat")
Turns = list[tuple[str, str, str | None]]


def corpus(**dialogues: Turns) -> Corpus:
    """A corpus whose test split has these dialogues, by key; a turn is speaker, text and label."""
    test = tuple(
        Dialogue(key, tuple(Utterance(f"toy/test/{d}/{t}", t, *turn) for t, turn in enumerate(turns)))
        for d, (key, turns) in enumerate(dialogues.items())
    )
    return Corpus("toy", "1", "sha256:0", LABELS, (), (), test)


def turns_in(found: dict[str, frozenset[str]], name: str, dialogue: int = 0) -> list[int]:
    """The turns of one dialogue that are in a slice."""
    places = [uid.split("/") for uid in found[name]]
    return sorted(int(turn) for _, _, d, turn in places if int(d) == dialogue)


def test_a_shift_is_a_change_of_the_same_speakers_label() -> None:
    """Other speakers and unlabelled turns in between do not matter; a speaker's first label is neither of both."""
    talk: Turns = [
        ("Ada", "One.", "glad"),
        ("Bob", "Two.", "grim"),
        ("Ada", "Three.", "glad"),
        ("Bob", "Four.", None),
        ("Bob", "Five.", "glad"),
        ("Ada", "Six.", "flat"),
        ("Cy", "Seven.", "flat"),
        ("Ada", "Eight.", "flat"),
    ]
    found = slices(corpus(a=talk, b=[("Ada", "Nine.", "grim")]), "test", {})
    assert turns_in(found, "no-shift") == [2, 7]
    assert turns_in(found, "shift") == [4, 5]
    assert turns_in(found, "shift", 1) == turns_in(found, "no-shift", 1) == []


def test_the_first_turn_is_the_dialogues_first_and_only_where_it_is_labelled() -> None:
    """An unlabelled opening does not make the second turn a first one."""
    found = slices(corpus(a=[("Ada", "A", "glad"), ("Bob", "B", "glad")], b=[("A", "A", None), ("B", "B", "glad")]),
                   "test", {})  # fmt: skip
    assert found["first-turn"] == {"toy/test/0/0"}


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Well.", True),
        ("One two three four!", True),
        ("One two three four five", False),
        ("It's the end.", True),  # it, s, the, end
        ("It's the very end.", False),  # it, s, the, very, end
        ("- - - - - -", True),
        ("A1 b2, C3-d4 E5", False),
    ],
)
def test_short_is_fewer_than_five_words(text: str, short: bool) -> None:
    """A word is a run of a-z and 0-9 after lower-casing."""
    assert bool(slices(corpus(a=[("Ada", text, "glad")]), "test", {})["short"]) is short


def test_a_data_set_defines_slices_by_the_dialogues_key() -> None:
    """The pattern is searched for in the key; every labelled turn of it is in; slices may overlap or be empty."""
    two: Turns = [("Ada", "A", "glad"), ("Bob", "B", None), ("Ada", "C", "grim")]
    own = {"scripted": "_script", "improvised": "_impro", "first-session": "^Ses01", "sung": "_song"}
    found = slices(corpus(Ses01F_script01=two, Ses02M_impro03=two), "test", own)
    assert found["scripted"] == found["first-session"] == {"toy/test/0/0", "toy/test/0/2"}
    assert found["improvised"] == {"toy/test/1/0", "toy/test/1/2"}
    assert found["sung"] == frozenset()
    assert list(found) == [*own, *GENERAL_SLICES]


def slow(dialogues: tuple[Dialogue, ...]) -> dict[str, set[str]]:
    """The general slices as their definitions read."""
    found: dict[str, set[str]] = {name: set() for name in GENERAL_SLICES}
    for dialogue in dialogues:
        for u in dialogue.utterances:
            if u.label is None:
                continue
            own = [v for v in dialogue.utterances if v.turn < u.turn and v.speaker == u.speaker and v.label is not None]
            if own:
                found["shift" if own[-1].label != u.label else "no-shift"].add(u.uid)
            if u is dialogue.utterances[0]:
                found["first-turn"].add(u.uid)
            words = [word for word in re.split("[^a-z0-9]+", u.text.lower()) if word]
            if len(words) <= 4:
                found["short"].add(u.uid)
    return found


TURN = st.tuples(
    st.sampled_from("ABC"), st.lists(st.sampled_from(["so", "I'd", "...", "7"]), max_size=6).map(" ".join),
    st.sampled_from([None, "glad", "grim"]),
)  # fmt: skip


@given(st.lists(st.lists(TURN, max_size=9), max_size=3))
def test_slices_agree_with_a_slow_reading_of_the_definitions(dialogues: list[Turns]) -> None:
    """For any dialogues."""
    talk = corpus(**{f"d{number}": turns for number, turns in enumerate(dialogues)})
    assert slices(talk, "test", {}) == slow(talk.test)


# --------------------------------------------------------------------------------------------------------------- scores


@given(
    pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.booleans()), min_size=1, max_size=30),
    data_=st.data(),
)
def test_a_slice_is_scored_like_a_split_of_its_own(pairs: list[tuple[int, int, bool]], data_: st.DataObject) -> None:
    """The scores of a slice are those of its utterances alone, in any order of rows; without any there are none."""
    order = data_.draw(st.permutations(range(len(pairs))))
    gold = {f"u{i}": truth for i, (truth, _, _) in enumerate(pairs)}
    inside = frozenset(f"u{i}" for i, (_, _, there) in enumerate(pairs) if there)

    def predicted(rows: list[int]) -> Predictions:
        eye = np.eye(3, dtype=np.float32)
        return Predictions(tuple(f"u{i}" for i in rows), eye[[pairs[i][1] for i in rows]])

    got = scoring.score(predicted(list(order)), gold, LABELS, {"part": inside, "none": frozenset()}).slices
    assert (got["none"].weighted_f1, got["none"].accuracy, got["none"].utterances) == (None, None, 0)
    assert got["part"].utterances == len(inside)
    if inside:
        alone = predicted([i for i, (_, _, there) in enumerate(pairs) if there])
        expected = scoring.score(alone, {uid: gold[uid] for uid in inside}, LABELS)
        assert got["part"].weighted_f1 == pytest.approx(expected.weighted_f1, abs=1e-12)
        assert got["part"].accuracy == pytest.approx(expected.accuracy, abs=1e-12)


def test_slices_change_no_other_score() -> None:
    """The scores of the whole are the same with and without slices."""
    gold, eye = {"a": 0, "b": 1}, np.eye(3, dtype=np.float32)
    predictions = Predictions(("a", "b"), eye[[0, 0]])
    with_slices = scoring.score(predictions, gold, LABELS, {"part": frozenset({"a"})})
    assert with_slices.slices["part"].weighted_f1 == 1
    assert vars(with_slices) | {"slices": {}} == vars(scoring.score(predictions, gold, LABELS))


# ---------------------------------------------------------------------------------------------------------------- specs


def spec(slices: Any) -> DatasetSpec:
    """A data set with these slices."""
    return DatasetSpec(
        name="toy", summary="", family="toy", version="1", labels=LABELS, files={}, licence="", source="", slices=slices
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shift": "x"}, "every data set has a slice 'shift'"),
        ({"part": "("}, "the pattern of slice 'part' is no regular expression"),
        ({"Two words": "x"}, "should match pattern"),
    ],
)
def test_slices_that_cannot_be_are_refused_with_the_data_set(wrong: dict[str, str], message: str) -> None:
    """A name that is taken or no name, and a pattern that is none, are errors of the plugin that offers them."""
    with pytest.raises(ValidationError, match=re.escape(message)):
        spec(wrong)
    assert spec({"part": "^a"}).slices == {"part": "^a"}


def test_the_sample_of_iemocap_has_the_slices_of_iemocap() -> None:
    """The bundled corpus shows both slices, in every split, and each labelled turn is in one of them."""
    catalog = load_catalog()
    sample, real = (catalog.get(DatasetSpec, name) for name in ("iemocap-sample", "iemocap"))
    assert sample.slices == real.slices
    talk = data.load(sample)
    for split in SPLITS:
        found = slices(talk, split, sample.slices)
        assert found["scripted"]
        assert found["improvised"]
        assert found["scripted"] ^ found["improvised"] == data.gold(talk, split).keys()


@pytest.mark.real_data
def test_the_slices_of_iemocap_have_the_known_sizes(real_data: Path) -> None:
    """Of 1622 test utterances 684 are scripted and 938 improvised."""
    real = load_catalog().get(DatasetSpec, "iemocap")
    found = slices(data.load(real, real_data), "test", real.slices)
    assert (len(found["scripted"]), len(found["improvised"])) == (684, 938)
    assert not found["scripted"] & found["improvised"]
    assert not found["shift"] & found["no-shift"]
