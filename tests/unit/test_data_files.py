"""Data sets in folders, and in more than one file for a split: found, read, fingerprinted, imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from ercbench import data, data_files
from ercbench.errors import DataError
from ercbench.importing import import_data
from ercbench.specs import DatasetSpec, SplitFile
from ercbench.types import SPLITS, LabelSet

READER = "sound_parts:read_beside"
SPEC = DatasetSpec(
    name="talk", summary="In folders.", family="talk", version="1", labels=LabelSet.of({"hap": "happy"}),
    files={
        split: (SplitFile(name=f"{split}/turns.csv", reader=READER, beside=(f"{split}/labels.txt",)),)
        for split in SPLITS
    },
    licence="MIT", source="nowhere",
)  # fmt: skip


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """The folder of the data set."""
    for split in SPLITS:
        folder = tmp_path / "talk" / split
        folder.mkdir(parents=True)
        (folder / "turns.csv").write_text(f"dialogue,turn,speaker,text\n1,0,Ann,This is {split}.\n", encoding="utf-8")
        (folder / "labels.txt").write_text("hap\n", encoding="utf-8")
    return tmp_path / "talk"


def test_files_in_folders_are_read_with_what_lies_beside_them(talk: Path) -> None:
    """The reader is given the file in its folder, and finds the other one beside it."""
    corpus = data.load(SPEC, talk.parent)
    [[turn]] = [dialogue.utterances for dialogue in corpus.dev]
    assert (turn.text, turn.label) == ("This is dev.", "hap")


def test_a_split_lacks_its_files_where_one_of_them_is_missing(talk: Path) -> None:
    """Both names stand in the message."""
    (talk / "dev" / "labels.txt").unlink()
    with pytest.raises(DataError, match=r"(?s)lacks its files for dev\..*dev: dev/turns\.csv with dev/labels\.txt"):
        data.load(SPEC, talk.parent)


def test_every_file_has_a_fingerprint_and_a_name_of_its_own(talk: Path) -> None:
    """Files of the same name in different folders are told apart, as records list them by name."""
    corpus = data.load(SPEC, talk.parent)
    found = data.corpus_fingerprints(corpus, SPEC, talk.parent).files
    names = [file.name for split in SPLITS for file in found[split]]
    assert names == [f"{split}/{name}" for split in SPLITS for name in ("turns.csv", "labels.txt")]


def test_files_in_folders_are_imported_together(talk: Path, tmp_path: Path) -> None:
    """All files of every split are copied into the same folders, and read there."""
    report = import_data(SPEC, talk, tmp_path / "data")
    assert len(report.written) == 6
    assert data.load(SPEC, tmp_path / "data") == data.load(SPEC, talk.parent)
    assert data_files.all_paths(data.find_files(SPEC, tmp_path / "data"))["train"][1].read_text() == "hap\n"


def test_files_that_are_not_complete_are_not_imported(talk: Path, tmp_path: Path) -> None:
    """What was wanted is told with all names."""
    (talk / "test" / "labels.txt").unlink()
    with pytest.raises(DataError, match=r"test/turns\.csv with test/labels\.txt"):
        import_data(SPEC, talk, tmp_path / "data")
    assert not (tmp_path / "data").exists()
