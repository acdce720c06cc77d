"""Gold labels for those who score again, and what is refused before anything is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from ercbench import runner
from ercbench.catalog import load_catalog
from ercbench.config import resolve
from ercbench.devices import Device
from ercbench.errors import DataError, RecordError, UnknownName
from ercbench.gold import GoldLabels, check_sha256, recorded_predictions, rescore, sibling
from ercbench.preparing import prepare
from ercbench.progress import Silent
from ercbench.records import RunRecord, SplitScores, read_record
from ercbench.whole_files import sha256_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def path(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    """The record of a run of EACL on a few dialogues, with a tiny encoder."""
    catalog = load_catalog()
    values = {"encoder.checkpoint": str(tiny_checkpoint("bert")), "encoder.width": 16, "training.epochs": 1}
    config = resolve(catalog, "eacl", "mini", "iemocap-sample", values)
    runner.run(prepare(catalog, config, None, 4), 0, Device("cpu", "fp32"), tmp_path, Silent(), keep_model=False)
    return runner.cell_path(config, 0, tmp_path)


def changed(record: RunRecord, **fields: object) -> RunRecord:
    """The record with another data set, in one respect."""
    return record.model_copy(update={"dataset": record.dataset.model_copy(update=fields)})


def test_scoring_again_gives_every_number_of_the_record(path: Path) -> None:
    """Slices and confusion counts included, to the last bit; a data set is read once."""
    record, labels = read_record(path), GoldLabels(load_catalog())
    gold = labels.of(record)
    again = SplitScores.model_validate(
        {"dev": record.scores.dev, "test": asdict(rescore(path, record, gold))}, from_attributes=True
    )
    assert again.test == record.scores.test
    assert labels.of(record) is gold
    assert len(gold.test) == record.dataset.utterances["test"]


def test_other_data_are_refused(path: Path) -> None:
    """The message has both fingerprints."""
    record = changed(read_record(path), fingerprint="sha256:" + "0" * 64)
    with pytest.raises(RecordError, match=f"another content.*sha256:{'0' * 64}"):
        GoldLabels(load_catalog()).of(record)


def test_a_data_set_that_nobody_offers_or_that_is_not_here(path: Path, tmp_path: Path) -> None:
    """A plugin's is looked up by name; somebody's own in a folder of its name."""
    record = read_record(path)
    with pytest.raises(UnknownName, match="nowhere"):
        GoldLabels(load_catalog()).of(changed(record, name="nowhere"))
    with pytest.raises(DataError, match="meld"):
        GoldLabels(load_catalog(), tmp_path / "empty").of(changed(record, name="meld", limit=None))
    own = {"labels": {"joy": "joy"}, "neutral": None, "summary": "", "licence": "", "citation": "", "source": ""}
    theirs = RunRecord.model_validate({**record.model_dump(), "dataset": {**record.dataset.model_dump(), "own": own}})
    with pytest.raises(DataError, match=r"somebody's own data set.*dataset\.yaml"):
        GoldLabels(load_catalog(), tmp_path / "empty").of(theirs)


@pytest.mark.parametrize("name", ["../seed-0.predictions.csv", "/etc/passwd", "a/b.csv", "..", "", "a\\b", "a\0b"])
def test_a_file_that_lies_elsewhere_is_never_opened(path: Path, name: str) -> None:
    """A name with a way in it is refused, whatever lies there."""
    with pytest.raises(RecordError, match="must lie beside it"):
        sibling(path, name)
    record = read_record(path)
    moved = record.model_copy(update={"predictions": record.predictions.model_copy(update={"file": name})})
    with pytest.raises(RecordError, match="must lie beside it"):
        recorded_predictions(path, moved, GoldLabels(load_catalog()).of(record).labels)


def test_a_changed_or_missing_file_is_told_by_its_checksum(path: Path) -> None:
    """One character is enough."""
    record = read_record(path)
    file = path.with_name(record.predictions.file)
    file.write_text(file.read_text(encoding="utf-8").replace("1", "2", 1), encoding="utf-8")
    with pytest.raises(RecordError, match="was changed after it was written"):
        rescore(path, record, GoldLabels(load_catalog()).of(record))
    file.unlink()
    with pytest.raises(RecordError, match="cannot be read"):
        check_sha256(file, record.predictions.sha256)


def test_columns_that_are_not_the_labels_are_refused(path: Path) -> None:
    """Two labels that changed places would change every score."""
    record = read_record(path)
    file = path.with_name(record.predictions.file)
    header, rest = file.read_text(encoding="utf-8").split("\n", 1)
    uid, first, second, *others = header.split(",")
    text = ",".join((uid, second, first, *others)) + "\n" + rest
    file.write_text(text, encoding="utf-8")
    honest = record.model_copy(
        update={"predictions": record.predictions.model_copy(update={"sha256": sha256_of(text)})}
    )
    with pytest.raises(RecordError, match="the columns are not the labels of iemocap-sample"):
        rescore(path, honest, GoldLabels(load_catalog()).of(record))
