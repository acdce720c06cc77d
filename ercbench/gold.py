"""The gold labels of test, for whoever scores again what a run predicted: verify, compare, leak-tax, report.

A run itself has none of them while anything of a plugin's is at work; see ``preparing.py``. No torch here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ercbench import data, scoring
from ercbench.catalog import Catalog
from ercbench.data_files import data_root
from ercbench.errors import DataError, RecordError
from ercbench.manifest import FILE, read_manifest
from ercbench.prediction_files import read_predictions
from ercbench.records import RunRecord
from ercbench.slices import slices
from ercbench.specs import DatasetSpec
from ercbench.types import Corpus, LabelSet, Predictions, Scores


@dataclass(frozen=True)
class Gold:
    """The data set of a record, as it was when the record was made.

    Attributes:
        corpus: with all labels.
        test: label index by uid, for every labelled utterance of test.
        slices: uids of each slice of test.
    """

    corpus: Corpus
    test: Mapping[str, int]
    slices: Mapping[str, frozenset[str]]

    @property
    def labels(self) -> LabelSet:
        """The label set."""
        return self.corpus.labels


class GoldLabels:
    """Finds the data of records; each data set is read once."""

    def __init__(self, catalog: Catalog, data_dir: Path | None = None) -> None:
        self._catalog, self._data_dir = catalog, data_dir
        self._read: dict[tuple[str, int | None], Gold] = {}

    def of(self, record: RunRecord) -> Gold:
        """RunRecord -> the gold labels of its test split.

        Raises:
            DataError: the data are not here, or not acceptable.
            UnknownName: no plugin offers the data set.
            RecordError: the data here are others than the record's.
        """
        wanted, found = record.dataset, self.here(record)
        if found.corpus.fingerprint != wanted.fingerprint:
            raise RecordError(
                f"The data set {wanted.name!r} that is here has another content than that of the record. "
                f"Got {found.corpus.fingerprint}, the record says {wanted.fingerprint}. "
                "Bring the version that the record names, or run its command again."
            )
        return found

    def here(self, record: RunRecord) -> Gold:
        """The gold labels of the data set that is here under the record's name, whatever its content.

        Raises:
            DataError: the data are not here, or not acceptable.
            UnknownName: no plugin offers the data set.
        """
        key = record.dataset.name, record.dataset.limit
        if key not in self._read:
            self._read[key] = load_gold(self.spec(record), self._data_dir, record.dataset.limit)
        return self._read[key]

    def spec(self, record: RunRecord) -> DatasetSpec:
        """A plugin's data set by name; somebody's own from a folder of its name.

        Raises:
            DataError: somebody's own is not here.
            UnknownName: no plugin offers the data set.
        """
        name = record.dataset.name
        if record.dataset.own is None:
            return self._catalog.get(DatasetSpec, name)
        folder = data_root(self._data_dir) / name
        if not (folder / FILE).is_file():
            raise DataError(
                f"The record is about somebody's own data set, which is not here. Got {name!r}, and there is no "
                f"{folder / FILE}. Put its folder there, or name the folder that holds it with --data-dir."
            )
        return read_manifest(folder)


def load_gold(spec: DatasetSpec, data_dir: Path | None, limit: int | None) -> Gold:
    """Files -> the gold labels of test.

    Raises:
        DataError: the data are not here, or not acceptable.
    """
    corpus = data.load(spec, data_dir, limit)
    return Gold(corpus, data.gold(corpus, "test"), slices(corpus, "test", spec.slices))


def recorded_predictions(path: Path, record: RunRecord, labels: LabelSet) -> Predictions:
    """The predictions of a record on test, after the checksum.

    Args:
        path: where the record lies; its predictions lie beside it.
        record: what was read from there.
        labels: the columns that the file must have.

    Raises:
        RecordError: the file is elsewhere, missing, not the one that the record names, or of other labels.
    """
    file = path.parent / sibling(path, record.predictions.file)
    check_sha256(file, record.predictions.sha256)
    keys, predictions = read_predictions(file)
    if keys != labels.keys:
        raise RecordError(
            f"{file}: the columns are not the labels of {record.dataset.name}. Got {', '.join(keys)}; they are "
            f"{', '.join(labels.keys)}. Run the record's command again with --force."
        )
    return predictions


def rescore(path: Path, record: RunRecord, gold: Gold) -> Scores:
    """The scores of a record on test, computed again from its predictions file and the gold labels.

    Raises:
        RecordError: the predictions file is not the record's.
        PluginError: it does not hold exactly one row per labelled utterance.
    """
    return scoring.score(recorded_predictions(path, record, gold.labels), gold.test, gold.labels, gold.slices)


def sibling(path: Path, name: str) -> str:
    """The name of a file beside a record, which must not lead anywhere else.

    Raises:
        RecordError: it does.
    """
    if Path(name).name != name or name in ("", ".", "..") or "\\" in name or "\0" in name:
        raise RecordError(
            f"{path}: a file of the record must lie beside it. Got {name!r}. Name a file in the same folder."
        )
    return name


def check_beside(path: Path, record: RunRecord) -> None:
    """Compare every file beside a record with the sha256 that the record gives.

    Raises:
        RecordError: one cannot be read, or differs.
    """
    for file in filter(None, (record.predictions, record.training.sealed)):
        check_sha256(path.parent / sibling(path, file.file), file.sha256)


def check_sha256(file: Path, wanted: str) -> None:
    """Compare a file's content with the sha256 of the record.

    Raises:
        RecordError: it cannot be read, or differs.
    """
    try:
        got = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise RecordError(f"{file}: cannot be read: {error}. Run the record's command again with --force.") from error
    if got != wanted:
        raise RecordError(
            f"{file} was changed after it was written: its sha256 should be {wanted}. Got {got}. "
            "Bring the original back, or run the record's command again with --force."
        )
