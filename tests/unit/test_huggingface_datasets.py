"""A data set as Hugging Face objects: in, out, and the checks that files get."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from ercbench_stock.datasets import DATASETS
from hypothesis import given, settings
from hypothesis import strategies as st

import ercbench
from ercbench import data
from ercbench.errors import DataError, UsageError
from ercbench.own import of_corpus
from ercbench.types import SPLITS, Corpus, LabelSet

STOCK = {spec.name: spec for spec in DATASETS}
LABELS = LabelSet.of({"ang": "angry", "glad": "glad", "flat": "neutral"}, neutral="flat")
CLASSES = ClassLabel(names=list(LABELS.keys))
FEATURES = {"dialogue": Value("string"), "speaker": Value("string"), "text": Value("string"), "label": CLASSES}


def rows(split: str = "train", **columns: list[Any]) -> dict[str, list[Any]]:
    """Two dialogues, one label of which is missing."""
    return {
        "dialogue": ["a", "a", "b"],
        "speaker": ["Ada", "Bob", "Ada"],
        "text": [f"The kettle of {split} is on.", "Not again!", "Fine."],
        "label": [2, 0, -1],
    } | columns


def splits(**columns: list[Any]) -> DatasetDict:
    """Three splits of it, whose label is a ``ClassLabel``."""
    return DatasetDict({s: Dataset.from_dict(rows(s, **columns), features=Features(FEATURES)) for s in SPLITS})


def plain(**columns: list[Any]) -> DatasetDict:
    """Three splits with whatever is in the columns."""
    return DatasetDict({s: Dataset.from_dict(rows(s, **columns)) for s in SPLITS})


# ---------------------------------------- in


def test_rows_become_a_corpus() -> None:
    """Class numbers become keys, -1 is no label; uids are positions."""
    corpus = Corpus.from_datasets(splits(), "calls", LABELS, "2")
    assert (corpus.name, corpus.version, corpus.labels) == ("calls", "2", LABELS)
    assert [(d.key, [(u.uid, u.speaker, u.label) for u in d.utterances]) for d in corpus.dev] == [
        ("a", [("calls/dev/0/0", "Ada", "flat"), ("calls/dev/0/1", "Bob", "ang")]),
        ("b", [("calls/dev/1/0", "Ada", None)]),
    ]


def test_without_labels_the_class_names_are_the_words() -> None:
    """And without a name the fingerprint makes one, so that no two contents share it."""
    corpus = Corpus.from_datasets(splits())
    assert corpus.labels == LabelSet.of({"ang": "ang", "glad": "glad", "flat": "flat"})
    assert corpus.name == f"dataset-{corpus.fingerprint.removeprefix('sha256:')[:8]}"


def test_keys_as_text_other_columns_and_validation() -> None:
    """A label may be its key; columns may be called otherwise; the hub's name for dev is known."""
    table = {"call": [1, 1], "who": ["Ada", "Bob"], "said": ["second", "first"], "emo": ["ang", None], "nr": [2, 1]}
    given = {s: Dataset.from_dict(table | {"said": [s, f"{s}?"]}) for s in ("train", "validation", "test")}
    columns = {"dialogue": "call", "speaker": "who", "text": "said", "label": "emo", "turn": "nr"}
    corpus = Corpus.from_datasets(given, "calls", LABELS, columns=columns)
    assert [(u.text, u.label) for u in corpus.dev[0].utterances] == [("validation?", None), ("validation", "ang")]


def test_a_row_may_be_a_whole_dialogue() -> None:
    """Lists of speakers, texts and labels give the corpus that the same turns in rows give."""
    table = {
        "dialogue": ["a", "b"],
        "speaker": [["Ada", "Bob"], ["Ada"]],
        "text": [["The kettle of train is on.", "Not again!"], ["Fine."]],
        "label": [[2, 0], [-1]],
    }
    features = Features(
        {
            "dialogue": Value("string"),
            "speaker": List(Value("string")),
            "text": List(Value("string")),
            "label": List(CLASSES),
        }
    )
    nested = {s: Dataset.from_dict(table, features=features) for s in SPLITS}
    for split in ("dev", "test"):
        nested[split] = splits()[split]
    found = Corpus.from_datasets(nested, "calls", LABELS)
    assert found == Corpus.from_datasets(splits(), "calls", LABELS)
    nested["train"] = Dataset.from_dict(table | {"speaker": [["Ada"], ["Ada"]]}, features=features)
    with pytest.raises(DataError, match="train, row 0: is a dialogue whose lists must be equally long"):
        Corpus.from_datasets(nested, "calls", LABELS)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": ["mad", "ang", None]}, "train, row 0: unknown label. Got 'mad'."),
        ({"label": [0, 1, 2]}, "train, row 0: 'label' must be the key of a label as text.* Got 0."),
        ({"speaker": ["Ada", None, "Ada"], "label": ["ang", "ang", "ang"]}, "train, row 1: 'speaker' must be"),
        (
            {"text": ["x", "y", ""], "label": ["ang", "ang", "ang"]},
            "row 2: the text of an utterance with the label ang",
        ),
        ({"text": [[1], [2], [3]], "label": ["ang", "ang", "ang"]}, "row 0: is a dialogue whose lists"),
        ({"dialogue": ["a", "b", "a"], "label": ["ang"] * 3}, "row 2: dialogue 'a' begins a second time"),
        ({"turn": [1, 1, 1], "label": ["ang"] * 3}, "row 1: dialogue 'a' has two turns with the id '1'"),
        ({"label": [None, None, None]}, "train: holds no labelled utterance"),
    ],
)
def test_wrong_rows_are_told_by_split_and_row(columns: dict[str, list[Any]], message: str) -> None:
    """The checks that files get, all of them at once."""
    with pytest.raises(DataError, match=message) as caught:
        Corpus.from_datasets(plain(**columns), "calls", LABELS)
    assert "test" in str(caught.value)


def test_a_dialogue_in_two_splits_is_refused() -> None:
    """As it is in files."""
    one = splits()["train"]
    with pytest.raises(DataError, match="No dialogue may be in two splits"):
        Corpus.from_datasets({"train": one, "dev": one, "test": splits()["test"]}, "calls", LABELS)


def test_missing_columns_are_told_for_every_split() -> None:
    """With those that are there."""
    given = plain(label=["ang", "ang", "ang"]).rename_column("text", "words")
    with pytest.raises(
        DataError, match=r"test: lacks the column 'text'\. Columns found: 'dialogue', 'speaker', 'words'"
    ):
        Corpus.from_datasets(given, "calls", LABELS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"splits": splits()["train"]}, "must be a DatasetDict.* Got Dataset"),
        ({"splits": {"train": splits()["train"]}}, "Got 'train'. A run trains on train"),
        ({"splits": {**splits(), "extra": splits()["dev"]}}, "no more and no fewer. Got 'train', 'dev', 'test', 'ext"),
        ({"splits": {**splits(), "validation": splits()["dev"]}}, "Two splits are the dev split"),
        ({"splits": {**splits(), "dev": [{"text": "x"}]}}, "The split dev must be a datasets.Dataset. Got list"),
        ({"splits": {**splits(), "dev": splits()["dev"].to_iterable_dataset()}}, "Got IterableDataset"),
        ({"splits": plain()}, "The labels cannot be told from the column 'label', which is no ClassLabel"),
        ({"columns": {"label": "emo"}}, "from the column 'emo', which is not there"),
        ({"columns": {"utterance": "text"}}, "No field is called 'utterance'"),
        ({"name": "My Calls"}, "The name of a data set must be lower-case letters"),
        ({"labels": {"ang": "angry"}}, "must be a LabelSet. Got dict"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told(change: dict[str, Any], message: str) -> None:
    """What it is, and what to give instead."""
    with pytest.raises(UsageError, match=message):
        Corpus.from_datasets(**({"splits": splits()} | change))


def test_label_words_are_checked_as_in_a_manifest() -> None:
    """All at once."""
    wrong = LabelSet.of({"ang": "angry", "glad": "Angry", "a,b": " "}, neutral="calm")
    with pytest.raises(DataError) as caught:
        Corpus.from_datasets(splits(), "calls", wrong)
    for part in ("has 4 problems", "labels.glad has the same word", "Got 'a,b'", "Got 'calm'", "must be text. Got ' '"):
        assert part in str(caught.value)


# ---------------------------------------- out


@pytest.mark.parametrize("name", [name for name, spec in STOCK.items() if spec.bundled])
def test_a_round_trip_keeps_the_fingerprint(name: str) -> None:
    """Out and in again: the same content; with the labels handed on, the same corpus."""
    corpus = data.load(STOCK[name])
    out = corpus.to_datasets()
    assert isinstance(out, DatasetDict)
    assert list(out) == list(SPLITS)
    assert out["train"].features["label"].names == list(corpus.labels.keys)
    assert Corpus.from_datasets(out).fingerprint == corpus.fingerprint
    assert Corpus.from_datasets(out, corpus.name, corpus.labels, corpus.version) == corpus


VALUE = st.text(min_size=1, max_size=9).filter(lambda v: v.strip() and "\0" not in v)


@given(
    turns=st.lists(
        st.tuples(st.integers(0, 3), VALUE, VALUE, st.sampled_from([None, *LABELS.keys])), min_size=1, max_size=6
    )
)
@settings(max_examples=25)
def test_any_corpus_survives_a_round_trip(turns: list[tuple[int, str, str, str | None]]) -> None:
    """Whatever the texts are, and wherever labels are missing."""
    turns = [(0, "Ada", "Oh.", "ang"), *turns]
    table = [dict(zip(FEATURES, row, strict=True)) for row in sorted(turns, key=lambda row: row[0])]
    given = {s: Dataset.from_list([{**row, "text": f"{s} {row['text']}"} for row in table]) for s in SPLITS}
    corpus = Corpus.from_datasets(given, "calls", LABELS)
    assert Corpus.from_datasets(corpus.to_datasets(), "calls", LABELS) == corpus


# ---------------------------------------- in memory


def test_a_corpus_in_memory_is_loaded_with_all_checks() -> None:
    """The fingerprint is that of the content, whatever the object says; a limit keeps the first dialogues."""
    corpus = Corpus.from_datasets(splits(), "calls", LABELS)
    spec = of_corpus(corpus)
    assert data.load(spec) == corpus
    lying = Corpus("calls", "1", "sha256:0", LABELS, corpus.train, corpus.dev, corpus.test)
    assert data.load(of_corpus(lying)) == corpus
    limited = data.load(spec, limit=1)
    assert (len(limited.train), limited.fingerprint != corpus.fingerprint) == (1, True)
    twice = Corpus("calls", "1", corpus.fingerprint, LABELS, corpus.train, corpus.train, corpus.test)
    with pytest.raises(DataError, match="No dialogue may be in two splits"):
        data.load(of_corpus(twice))


def test_run_refuses_what_is_no_data_set() -> None:
    """A single split, a number, a corpus that is called what a plugin's data set is."""
    for wrong, message in (
        (splits()["train"], "Got Dataset. A single Dataset has no splits"),
        (3, "Got int"),
        (data.load(STOCK["meld-sample"]), "cannot be called what a plugin's is. Got 'meld-sample'"),
    ):
        with pytest.raises(UsageError, match=message):
            ercbench.run("eacl", dataset=wrong, track="mini")  # type: ignore[arg-type]


def test_the_library_is_imported_when_it_is_used() -> None:
    """``datasets``, pandas and pyarrow stay away until a corpus goes in or out."""
    code = (
        "import sys, ercbench.api, ercbench.data, ercbench.own\n"
        "from ercbench import Corpus\n"
        "print([m for m in ('datasets', 'pandas', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
