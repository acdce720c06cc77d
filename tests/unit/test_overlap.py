"""What two sets of dialogues share, against the definition written out slowly, and against the measured numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from ercbench_stock.datasets import DATASETS
from hypothesis import given
from hypothesis import strategies as st

from ercbench.data_files import find_files, read_files
from ercbench.overlap import Amount, Overlap, is_long, normalised, overlap, repeats, shared_texts
from ercbench.reading import RawDialogue, RawTurn

STOCK = {spec.name: spec for spec in DATASETS}


def dialogue(key: str, *turns: tuple[str, str | None]) -> RawDialogue:
    """A dialogue of (text, label)."""
    return RawDialogue(
        key, tuple(RawTurn("Ada", text, label, "", f"turn {t}") for t, (text, label) in enumerate(turns))
    )


@pytest.mark.parametrize(
    ("text", "norm", "long"),
    [
        ("It's 5 o'clock!", "it s 5 o clock", True),
        ("  So -- what?? ", "so what", False),
        ("A b c d e", "a b c d e", True),
        ("A b c d", "a b c d", False),
        ("Caf\u00e9 \u00c0 la carte", "caf la carte", False),
        ("...", "", False),
        ("\u0130\u212a", "i k", False),
    ],
)
def test_normalised_text_is_runs_of_letters_and_digits(text: str, norm: str, long: bool) -> None:
    """Lower case, a-z and 0-9 only, one space; five runs are long."""
    assert normalised(text) == norm
    assert is_long(text) == long


def test_the_overlap_of_a_small_pair_by_hand() -> None:
    """Only labelled utterances are looked up, each time they occur; unlabelled turns of the other side count."""
    test = [
        dialogue("a", ("We went to the old mill.", "glad"), ("Yes.", "glad"), ("yes", "grim"), ("Ladder", None)),
        dialogue("b", ("We went, to the OLD mill", "grim"), ("No.", "grim"), ("Yes.", "glad")),
    ]
    train = [dialogue("c", ("Yes.", "grim"), ("Ladder", "grim"), ("We went to the old mill.", None))]
    assert overlap(test, train) == Overlap(
        utterances=Amount(6, 2), exact=Amount(3, 1), normalised=Amount(5, 2), normalised_against_labelled=Amount(3, 0)
    )
    assert [(one.where, one.text) for one in shared_texts(test, train, 5)] == [
        ("dialogue a, turn 0", "We went to the old mill."),
        ("dialogue a, turn 1", "Yes."),
    ]
    assert len(shared_texts(test, train, 1)) == 1


def test_repeats_of_a_split_by_hand() -> None:
    """The first occurrence is not counted; whole dialogues are compared with their speakers."""
    twice = [("Yes.", "glad"), ("No!", None)]
    found = repeats([dialogue("a", *twice), dialogue("b", *twice), dialogue("c", ("no", "grim")), dialogue("d")])
    assert found.exact == Amount(2, 0)
    assert found.normalised == Amount(3, 0)
    assert (found.dialogues, found.longer_dialogues) == (1, 1)
    other = RawDialogue("e", (RawTurn("Bob", "Yes.", None, "", ""), RawTurn("Bob", "No!", None, "", "")))
    assert repeats([dialogue("a", *twice), other]).dialogues == 0
    alone = [dialogue(key, ("Yes.", "glad")) for key in "abc"]
    assert (repeats(alone).dialogues, repeats(alone).longer_dialogues) == (2, 0)


def slow(test: list[RawDialogue], train: list[RawDialogue]) -> list[tuple[int, int]]:
    """The four amounts of an overlap, counted with loops, letter by letter."""

    def runs(text: str) -> list[str]:
        kept = "".join(c if c in "abcdefghijklmnopqrstuvwxyz0123456789" else " " for c in text.lower())
        return kept.split()

    amounts = [[0, 0] for _ in range(4)]
    others = [turn for one in train for turn in one.turns]
    for turn in (turn for one in test for turn in one.turns if turn.label is not None):
        same = any(turn.text == other.text for other in others)
        loose = any(runs(turn.text) == runs(other.text) for other in others)
        labelled = any(runs(turn.text) == runs(other.text) for other in others if other.label is not None)
        for amount, counts in zip(amounts, (True, same, loose, labelled), strict=True):
            amount[0] += counts
            amount[1] += counts and len(runs(turn.text)) >= 5
    return [(everything, long) for everything, long in amounts]


SAID = st.tuples(st.text("aB1 .'", max_size=12), st.sampled_from([None, "glad"]))
SIDE = st.lists(st.lists(SAID, max_size=5).map(lambda turns: dialogue("d", *turns)), max_size=5)


@given(test=SIDE, train=SIDE)
def test_the_overlap_is_the_one_that_is_defined(test: list[RawDialogue], train: list[RawDialogue]) -> None:
    """Against a double loop."""
    found = overlap(test, train)
    amounts = (found.utterances, found.exact, found.normalised, found.normalised_against_labelled)
    assert [(amount.all, amount.long) for amount in amounts] == slow(test, train)


KNOWN = [
    ("iemocap", "iemocap", (1622, 1226), (362, 130), (329, 108)),
    ("meld", "meld", (2610, 1765), (404, 14), (404, 14)),
    ("emorynlp", "emorynlp", (1328, 893), (223, 3), (223, 3)),
    ("emorynlp", "meld", (1328, 893), (379, 132), (379, 132)),
]


@pytest.mark.real_data
@pytest.mark.parametrize(("test", "train", "utterances", "same", "labelled"), KNOWN)
def test_the_real_overlaps_are_the_measured_ones(
    real_data: Path,
    test: str,
    train: str,
    utterances: tuple[int, int],
    same: tuple[int, int],
    labelled: tuple[int, int],
) -> None:
    """To the digit, all and long ones."""
    if not all((real_data / name).is_dir() for name in (test, train)):
        pytest.skip(f"no folder {test} or {train} among the real data sets")
    sides = [read_files(find_files(STOCK[name], real_data)) for name in (test, train)]
    found = overlap(sides[0]["test"][1].dialogues, sides[1]["train"][1].dialogues)
    assert found.utterances == Amount(*utterances)
    assert found.normalised == Amount(*same)
    assert found.normalised_against_labelled == Amount(*labelled)
