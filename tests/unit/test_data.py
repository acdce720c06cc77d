"""Stage 1: files -> Corpus -> Examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ercbench_stock.datasets import DATASETS
from hypothesis import given
from hypothesis import strategies as st

from ercbench import data, data_files
from ercbench.data_checks import file_problems
from ercbench.errors import DataError, UsageError
from ercbench.reading import RawDialogue, RawTurn, Reading
from ercbench.specs import DatasetSpec, SplitCounts, SplitFile
from ercbench.types import SPLITS, Corpus, Dialogue, LabelSet, Split, Utterance

LABELS = LabelSet.of({"glad": "glad", "grim": "grim", "flat": "flat"}, neutral="flat")
JSON_READER = "ercbench_stock.readers.iemocap:read_iemocap"
STOCK = {spec.name: spec for spec in DATASETS}


def toy(**changes: Any) -> DatasetSpec:
    """A data set of three JSON files, ``train.json`` and so on."""
    values: dict[str, Any] = {
        "name": "toy",
        "summary": "a toy",
        "family": "toy",
        "version": "1",
        "labels": LABELS,
        "files": {split: (SplitFile(name=f"{split}.json", reader=JSON_READER),) for split in SPLITS},
        "licence": "MIT",
        "source": "https://example.org/toy",
    }
    return DatasetSpec(**{**values, **changes})


def turn(text: str, label: str | None = "glad", speaker: str = "Ada") -> dict[str, str]:
    """One turn as it stands in a file."""
    return {"text": text, "speaker": speaker} | ({} if label is None else {"label": label})


CONTENT: dict[Split, list[list[dict[str, str]]]] = {
    "train": [
        [turn("The kettle is on."), turn("", None, "Bob"), turn("Not mine.", "grim", "Bob"), turn("Fine.", "flat")],
        [turn("Two lumps, please.", "flat")],
        [turn("It rained in the loft.", "grim"), turn("Again?", "grim", "Cy")],
    ],
    "dev": [[turn("The boat is blue.", "flat"), turn("It was green.", "glad", "Bob")]],
    "test": [[turn("Who took the ladder?", "grim"), turn("I did.", "flat", "Dee"), turn("Ha!")]],
}


def write(root: Path, content: dict[Split, Any] | None = None, folder: str = "toy") -> Path:
    """Write the toy's files below `root`, which is returned."""
    (root / folder).mkdir(exist_ok=True)
    for split, dialogues in (CONTENT | (content or {})).items():
        (root / folder / f"{split}.json").write_text(json.dumps(dialogues), encoding="utf-8")
    return root


def message(root: Path, content: dict[Split, Any], spec: DatasetSpec | None = None) -> str:
    """What `load` says about files it refuses."""
    with pytest.raises(DataError) as caught:
        data.load(spec or toy(), write(root, content))
    return str(caught.value)


# ---------------------------------------- finding files


def test_the_folder_is_the_option_then_the_environment_then_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--data-dir`` counts more than ``ERCBENCH_DATA``, which counts more than the platform's folder."""
    monkeypatch.setenv("ERCBENCH_DATA", "from-environment")
    assert data_files.data_root(Path("from-option")) == Path("from-option")
    assert data_files.data_root(None) == Path("from-environment")
    monkeypatch.delenv("ERCBENCH_DATA")
    assert data_files.data_root(None).name == "ercbench"


def test_the_first_known_name_that_exists_is_read(tmp_path: Path) -> None:
    """Of several known names the earlier one wins, and a later one is found where it stands alone."""
    names = (SplitFile(name="usual.json", reader=JSON_READER), SplitFile(name="train.json", reader=JSON_READER))
    spec = toy(files=toy().files | {"train": names})
    write(tmp_path)
    assert data.find_files(spec, tmp_path)["train"] == (tmp_path / "toy" / "train.json", names[1])
    (tmp_path / "toy" / "usual.json").write_text("[]", encoding="utf-8")
    assert data.find_files(spec, tmp_path)["train"] == (tmp_path / "toy" / "usual.json", names[0])


def test_missing_files_are_named_with_their_source_and_the_ways_to_name_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the data set, the folder, every accepted name, the source, and three ways to the folder."""
    write(tmp_path)
    (tmp_path / "toy" / "dev.json").unlink()
    (tmp_path / "toy" / "test.json").unlink()
    with pytest.raises(DataError) as caught:
        data.find_files(toy(), tmp_path)
    text = str(caught.value)
    for part in ("'toy'", str(tmp_path / "toy"), "dev: dev.json", "test: test.json", "https://example.org/toy"):
        assert part in text
    monkeypatch.delenv("ERCBENCH_DATA", raising=False)
    for way in ("--data-dir", "ERCBENCH_DATA", str(data_files.data_root(None))):
        assert way in text
    assert "train.json" not in text


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    """Somebody who mistyped the folder reads that it does not exist."""
    with pytest.raises(DataError, match="no such folder"):
        data.find_files(toy(), tmp_path / "nowhere")


def test_a_pickle_is_refused_with_what_to_bring_instead(tmp_path: Path) -> None:
    """A pickle in the folder is named, never opened."""
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "toy_features.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(DataError, match=r"(?s)toy_features\.pkl.*never opened.*Bring the files"):
        data.load(toy(), tmp_path)


def test_a_bundled_data_set_needs_no_folder(tmp_path: Path) -> None:
    """The samples are found inside their package, whatever ``--data-dir`` says."""
    for name in ("meld-sample", "emorynlp-sample", "iemocap-sample"):
        assert data.load(STOCK[name], tmp_path).train
    with pytest.raises(DataError, match="no_such_package"):
        data.find_files(toy(bundled="no_such_package:folder"))


# ---------------------------------------- loading


def test_uids_are_zero_based_positions_in_the_split_file(tmp_path: Path) -> None:
    """``dataset/split/dialogue/turn``, counted over all turns, labelled or not."""
    corpus = data.load(toy(), write(tmp_path))
    assert [u.uid for d in corpus.train for u in d.utterances] == [
        *("toy/train/0/0", "toy/train/0/1", "toy/train/0/2", "toy/train/0/3"),
        *("toy/train/1/0", "toy/train/2/0", "toy/train/2/1"),
    ]
    assert corpus.test[0].utterances[1] == Utterance("toy/test/0/1", 1, "Dee", "I did.", "flat")
    assert (corpus.name, corpus.version, corpus.labels) == ("toy", "1", LABELS)


def test_a_limit_keeps_the_first_dialogues_and_changes_the_fingerprint(tmp_path: Path) -> None:
    """``--limit`` cuts every split after the checks; a record of it cannot be mistaken for one of the whole."""
    write(tmp_path)
    whole, two = data.load(toy(), tmp_path), data.load(toy(), tmp_path, limit=2)
    assert two.train == whole.train[:2]
    assert (two.dev, two.test) == (whole.dev, whole.test)
    assert two.fingerprint != whole.fingerprint
    assert data.load(toy(), tmp_path, limit=99) == whole


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_a_usage_error(tmp_path: Path, limit: int) -> None:
    """A limit that would leave nothing is refused, not taken as a slice."""
    with pytest.raises(UsageError, match=f"Got {limit}"):
        data.load(toy(), write(tmp_path), limit=limit)


def test_a_limit_does_not_hide_a_broken_row(tmp_path: Path) -> None:
    """The checks see every dialogue."""
    write(tmp_path, {"train": [*CONTENT["train"], [turn("Late.", "glib")]]})
    with pytest.raises(DataError, match="glib"):
        data.load(toy(), tmp_path, limit=1)


def test_an_empty_text_without_label_is_legal(tmp_path: Path) -> None:
    """IEMOCAP has such a turn: it is context, and stays where it is."""
    assert data.load(toy(), write(tmp_path)).train[0].utterances[1].text == ""


@pytest.mark.parametrize(
    ("bad", "where", "parts"),
    [
        ([[turn("Oh.", "gladd")]], "dialogue 0, turn 0", ["unknown label", "'gladd'", "Did you mean glad?", "grim"]),
        ([[turn("Oh."), turn(" \t")]], "dialogue 0, turn 1", ["empty", r"' \t'", "remove the label"]),
        ([[turn("Oh.")], []], "", ["'1' has no turn"]),
        ([[turn("a\0b")]], "dialogue 0, turn 0", ["NUL", r"'a\x00b'"]),
        ([[turn("a\ud800b")]], "dialogue 0, turn 0", ["surrogate"]),
        ([[turn("Oh.", None)]], "", ["no labelled utterance", "1 dialogues"]),
        ([], "", ["no labelled utterance", "0 dialogues"]),
        ([[{"text": 7, "speaker": "Ada"}]], "dialogue 0, turn 0", ["'text' must be a string", "7"]),
        ([[turn("x", speaker="Ses01F_a_F")]] * 2, "dialogue 1, turn 0", ["'Ses01F_a' begins a second time"]),
    ],
)
def test_every_kind_of_bad_row_is_reported_with_its_place(
    tmp_path: Path, bad: list[Any], where: str, parts: Sequence[str]
) -> None:
    """The message has the file, the row, the offending value, and what to do."""
    text = message(tmp_path, {"dev": bad})
    line = next(line for line in text.splitlines() if line.startswith("- "))
    assert line.startswith(f"- dev.json, {where}:" if where else "- dev.json:")
    for part in parts:
        assert part in line
    assert text.startswith(f"Data set 'toy' in {tmp_path / 'toy'} has 1 problem:")


def reading(*turns: RawTurn) -> Reading:
    """One dialogue as a reader hands it over."""
    return Reading((RawDialogue("d", turns),))


def test_a_repeated_turn_is_reported() -> None:
    """Two turns of one dialogue with one id are one problem; turns without an id of their own are none."""
    twice = reading(*(RawTurn("Ada", "Oh.", "glad", "7", f"line {line}") for line in (2, 3)))
    (problem,) = file_problems(twice, LABELS, "dev.csv")
    assert problem.where == "dev.csv, line 3"
    assert "'7'" in problem.what
    assert not file_problems(reading(*(RawTurn("Ada", "Oh.", "glad", "", "line 2") for _ in "ab")), LABELS, "dev.csv")


@pytest.mark.parametrize("field", ["text", "speaker"])
@pytest.mark.parametrize("value", [None, 3, b"Oh.", ["Oh."]])
def test_what_is_not_a_string_is_reported_whatever_reader_let_it_through(field: str, value: Any) -> None:
    """A careless reader of another plugin cannot bring numbers or None into a corpus."""
    values = {"speaker": "Ada", "text": "Oh."} | {field: value}
    (problem,) = file_problems(reading(RawTurn(**values, label="glad", key="", row="line 2")), LABELS, "dev.csv")
    assert f"the {field} must be a string" in problem.what
    assert repr(value) in problem.what


def test_problems_of_all_splits_are_reported_together(tmp_path: Path) -> None:
    """One run of the command shows everything that is wrong, over all files."""
    text = message(
        tmp_path, {"train": [[turn("", "glad"), turn("Oh.", "rad")]], "dev": {"no": 1}, "test": [[turn("Oh.", "bad")]]}
    )
    assert "has 4 problems" in text
    starts = [line.split(":")[0] for line in text.splitlines()[1:]]
    assert starts == [
        "- train.json, dialogue 0, turn 0",
        "- train.json, dialogue 0, turn 1",
        "- dev.json",
        "- test.json, dialogue 0, turn 0",
    ]


def test_at_most_fifty_problems_are_written_out(tmp_path: Path) -> None:
    """A file in the wrong format does not flood the screen, but the number of problems is told."""
    text = message(tmp_path, {"train": [[turn("Oh.", "rad") for _ in range(63)]]})
    assert "has 63 problems" in text
    assert sum(line.startswith("- ") for line in text.splitlines()) == 50
    assert text.endswith("and 13 more")


def test_a_dialogue_in_two_splits_is_refused(tmp_path: Path) -> None:
    """No dialogue may be in two splits; one-utterance dialogues may be alike, as some of MELD's could."""
    text = message(tmp_path, {"test": [CONTENT["train"][2]]})
    assert "- test.json, dialogue 0, turn 0: dialogue '0' is the same as '2' in train.json." in text
    data.load(toy(), write(tmp_path, {"test": [CONTENT["train"][1]]}))


def test_counts_that_differ_from_the_expected_are_all_named(tmp_path: Path) -> None:
    """Another version under the same name is refused, with every number that differs and no other."""
    expected = {
        "train": SplitCounts(dialogues=3, turns=8, labels={"glad": 1, "grim": 4, "flat": 2}),
        "dev": SplitCounts(dialogues=1, turns=2, labels={"glad": 1, "flat": 1}),
        "test": SplitCounts(dialogues=2, turns=3, labels={"glad": 1, "grim": 1, "flat": 1}),
    }
    text = message(tmp_path, {}, toy(expected=expected))
    assert "'toy' are not those of version '1'" in text
    assert "train: turns 7, expected 8; labelled utterances 6, expected 7; label grim 3, expected 4\n" in text
    assert "test: dialogues 1, expected 2\n" in text
    assert "dev" not in text
    assert "https://example.org/toy" in text


# ---------------------------------------- examples


def test_labelled_turns_become_targets_with_their_past(tmp_path: Path) -> None:
    """Every labelled turn is a target once; unlabelled turns are context; the window holds the last turns."""
    corpus = data.load(toy(), write(tmp_path))
    found = data.examples(corpus, "train", past=2)
    assert [e.target.uid for e in found][:3] == ["toy/train/0/0", "toy/train/0/2", "toy/train/0/3"]
    assert [u.text for u in found[1].past] == ["The kettle is on.", ""]
    assert [u.text for u in found[2].past] == ["", "Not mine."]
    assert found[3].past == ()
    assert all(e.future == () for e in found)
    assert not any(e.past for e in data.examples(corpus, "train", past=0))


def test_speakers_are_counted_from_the_start_of_the_dialogue(tmp_path: Path) -> None:
    """Order of first appearance up to and including the target, also beyond the window, never after the target."""
    names = ["Ada", "Bob", "Ada", "Cy", "Dee"]
    write(tmp_path, {"train": [[turn(f"{n} {i}", speaker=n) for i, n in enumerate(names)]]})
    found = data.examples(data.load(toy(), tmp_path), "train", past=1)
    assert [len(example.speakers) for example in found] == [1, 2, 2, 3, 4]
    assert found[3].speakers == ("Ada", "Bob", "Cy")


def test_no_utterance_of_an_example_carries_a_label(tmp_path: Path) -> None:
    """Labels are out of reach of every plugin: not in the target, not in the context, in no split."""
    corpus = data.load(toy(), write(tmp_path))
    for split in SPLITS:
        for example in data.examples(corpus, split, past=9):
            assert {u.label for u in (example.target, *example.past, *example.future)} == {None}
    assert corpus.test[0].utterances[0].label == "grim"


def slow_examples(dialogue: Dialogue, past: int) -> list[tuple[str, list[str], list[str]]]:
    """The same as `examples`, written as the definition reads."""
    found = []
    for target in dialogue.utterances:
        if target.label is not None:
            before = [u for u in dialogue.utterances if u.turn < target.turn]
            context = [u.uid for u in before if target.turn - u.turn <= past]
            found.append((target.uid, context, list(dict.fromkeys(u.speaker for u in [*before, target]))))
    return found


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("ABC"), st.just("Hm."), st.sampled_from([None, "glad"])), max_size=9),
        max_size=3,
    ),
    st.integers(0, 10),
)
def test_examples_agree_with_a_slow_reading_of_the_definition(dialogues: Any, past: int) -> None:
    """Targets, windows and speakers are those of the definition, for any dialogues and any window."""
    train = tuple(
        Dialogue(str(d), tuple(Utterance(f"t/train/{d}/{t}", t, *content) for t, content in enumerate(dialogue)))
        for d, dialogue in enumerate(dialogues)
    )
    corpus = Corpus("t", "1", "", LABELS, train, (), ())
    found = [(e.target.uid, [u.uid for u in e.past], list(e.speakers)) for e in data.examples(corpus, "train", past)]
    assert found == [row for dialogue in corpus.train for row in slow_examples(dialogue, past)]
    assert list(data.gold(corpus, "train")) == [uid for uid, _, _ in found]


def test_gold_has_the_label_index_in_the_order_of_the_examples(tmp_path: Path) -> None:
    """One entry per example, by uid."""
    corpus = data.load(toy(), write(tmp_path))
    assert data.gold(corpus, "test") == {"toy/test/0/0": 1, "toy/test/0/1": 2, "toy/test/0/2": 0}
    for split in SPLITS:
        assert list(data.gold(corpus, split)) == [e.target.uid for e in data.examples(corpus, split, 3)]


def test_statistics_count_what_is_there(tmp_path: Path) -> None:
    """Counted by hand on the toy's train split."""
    found = data.statistics(data.load(toy(), write(tmp_path)))["train"]
    assert (found.dialogues, found.turns, found.labelled, found.speakers, found.max_turns) == (3, 7, 6, 3, 4)
    assert dict(found.labels) == {"glad": 1, "grim": 3, "flat": 2}
    assert list(found.labels) == ["glad", "grim", "flat"]
    assert found.mean_turns == pytest.approx(7 / 3)
    assert found.mean_words == pytest.approx((4 + 0 + 2 + 1 + 3 + 5 + 1) / 7)
