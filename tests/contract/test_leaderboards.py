"""The committed leaderboards: every number in them, and in the README, comes from a committed record."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from ercbench.catalog import load_catalog
from ercbench.data import gold, load
from ercbench.leaderboard import check
from ercbench.prediction_files import read_predictions
from ercbench.records import RunRecord, read_records
from ercbench.specs import DatasetSpec
from ercbench.types import Corpus
from ercbench.whole_files import sha256_of

ROOT = Path(__file__).parents[2]
BOARDS = ROOT / "leaderboards"
RECORDS = dict(read_records(BOARDS))


def test_boards_are_what_the_records_say() -> None:
    """Building the boards again changes no byte."""
    assert check(BOARDS) == ()


@pytest.mark.parametrize("path", RECORDS, ids=str)
def test_predictions_belong_to_their_record(path: Path) -> None:
    """The predictions file has the recorded checksum, one row per labelled test utterance, and no text."""
    record: RunRecord = RECORDS[path]
    file = BOARDS / path.parent / record.predictions.file
    assert sha256_of(file.read_text(encoding="utf-8")) == record.predictions.sha256
    labels, predictions = read_predictions(file)
    assert labels == tuple(record.scores.test.per_class)
    assert len(set(predictions.uids)) == len(predictions.uids) == record.dataset.utterances["test"]
    assert all(uid.startswith(f"{record.dataset.name}/test/") for uid in predictions.uids)


@cache
def dataset(name: str, folder: Path) -> tuple[DatasetSpec, Corpus]:
    """A data set, read once for all of its records."""
    spec = load_catalog().get(DatasetSpec, name)
    return spec, load(spec, folder)


@pytest.mark.real_data
@pytest.mark.parametrize("path", RECORDS, ids=str)
def test_records_score_again_to_the_same_numbers(path: Path, real_data: Path) -> None:
    """Scoring the predictions file against the gold labels gives the recorded scores to the last bit."""
    from dataclasses import asdict

    from ercbench import scoring, slices

    record = RECORDS[path]
    spec, corpus = dataset(record.dataset.name, real_data)
    assert corpus.fingerprint == record.dataset.fingerprint
    _, predictions = read_predictions(BOARDS / path.parent / record.predictions.file)
    parts = slices.slices(corpus, "test", spec.slices) if record.scores.test.slices else None
    scores = scoring.score(predictions, gold(corpus, "test"), corpus.labels, parts)
    assert asdict(scores) == record.scores.test.model_dump()


def test_readme_shows_rows_of_the_boards() -> None:
    """The leaderboard in the README is the table of the index, row for row."""
    shown = (ROOT / "README.md").read_text(encoding="utf-8").partition("<!-- leaderboard -->")[2]
    rows = [line for line in shown.partition("<!-- /leaderboard -->")[0].splitlines() if line.startswith("|")]
    index = (BOARDS / "README.md").read_text(encoding="utf-8").replace("](", "](leaderboards/").splitlines()
    table = [line for line in index[index.index("## First rows") : index.index("## Boards")] if line.startswith("|")]
    assert rows == table
    assert len(rows) > 2
