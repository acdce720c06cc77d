"""The stock data sets, against published counts and the reference inputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ercbench_stock.datasets import DATASETS

from ercbench import data
from ercbench.types import SPLITS, Corpus

STOCK = {spec.name: spec for spec in DATASETS}


TOTALS = {
    "meld": [(1038, 9989, 9989), (114, 1109, 1109), (280, 2610, 2610)],
    "emorynlp": [(713, 9934, 9934), (99, 1344, 1344), (85, 1328, 1328)],
    "emorynlp-declare-lab": [(659, 7551, 7551), (89, 954, 954), (79, 984, 984)],
    "iemocap": [(100, 6490, 4778), (20, 1401, 980), (31, 2196, 1622)],
}
TEST_LABELS = {
    "meld": {"anger": 345, "disgust": 68, "fear": 50, "joy": 402, "sadness": 208, "surprise": 281, "neutral": 1256},
    "emorynlp": {"joyful": 282, "neutral": 349, "powerful": 145, "mad": 113, "scared": 182, "peaceful": 159, "sad": 98},
    "iemocap": {"neu": 384, "exc": 299, "fru": 381, "sad": 245, "hap": 143, "ang": 170},
}


@pytest.mark.parametrize("name", TOTALS)
def test_the_expected_counts_are_the_published_ones(name: str) -> None:
    """What a spec demands of the files agrees with the published totals and test counts, in label order."""
    spec = STOCK[name]
    assert [(c.dialogues, c.turns, c.labelled) for c in (spec.expected[split] for split in SPLITS)] == TOTALS[name]
    assert all(tuple(spec.expected[split].labels) == spec.labels.keys for split in SPLITS)
    if name in TEST_LABELS:
        assert list(spec.expected["test"].labels.items()) == list(TEST_LABELS[name].items())


def test_samples_stand_in_for_their_benchmark_and_are_not_ranked() -> None:
    """Each benchmark names a bundled sample of its family with the same labels, which no board ranks."""
    assert [spec.name for spec in DATASETS if spec.benchmark] == ["meld", "emorynlp", "iemocap"]
    for spec in DATASETS:
        if spec.bundled is None:
            assert spec.sample is not None
            sample = STOCK[spec.sample]
            assert (sample.family, sample.labels, sample.ranked) == (spec.family, spec.labels, False)
            assert spec.ranked


@pytest.mark.real_data
@pytest.mark.parametrize("name", TOTALS)
def test_the_real_files_are_read_whole(real_data: Path, name: str) -> None:
    """Dialogues, turns and labelled utterances of every split, counted on the corpus itself."""
    if not (real_data / name).is_dir():
        pytest.skip(f"no folder {name} among the real data sets")
    corpus = data.load(STOCK[name], real_data)
    found = data.statistics(corpus)
    assert [(found[s].dialogues, found[s].turns, found[s].labelled) for s in SPLITS] == TOTALS[name]
    if name in TEST_LABELS:
        assert dict(found["test"].labels) == TEST_LABELS[name]


@pytest.mark.real_data
def test_positions_agree_with_the_reference_inputs(real_data: Path) -> None:
    """The utterances that the reference implementation of EACL was fed stand where our uids say."""
    golden = real_data.parent / "golden" / "eacl_inputs.json"
    if not golden.is_file():
        pytest.skip("no folder golden beside the real data sets")
    corpora: dict[str, Corpus] = {}
    for row in json.loads(golden.read_text(encoding="utf-8")):
        name = row["dataset"]
        corpus = corpora.setdefault(name, corpora.get(name) or data.load(STOCK[name], real_data))
        utterance = corpus.split(row["split"])[row["dialogue"]].utterances[row["turn"]]
        label = next(label for label in corpus.labels if label.key == utterance.label)
        assert label.text == row["label"]
        assert letters(utterance.text) in letters(row["text"])
        if name != "iemocap":
            assert utterance.speaker.split()[0] == row["speaker"].split()[0]


def letters(text: str) -> str:
    """The letters of a text: what remains the same when punctuation is cleaned."""
    return "".join(character for character in text.lower() if character.isascii() and character.isalnum())
