"""What a run would have gained by choosing on test: its sealed predictions, scored for this report and nothing else.

The field often chooses the epoch by its score on test. The difference to what dev would have chosen, in the same run,
is the tax that such a number does not pay. No torch here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ercbench import scoring
from ercbench.errors import RecordError
from ercbench.gold import Gold, check_sha256, sibling
from ercbench.prediction_files import read_sealed
from ercbench.records import RunRecord
from ercbench.types import Predictions


@dataclass(frozen=True)
class Option:
    """What could have been chosen: an epoch, or a state of the classifier. Scores are weighted F1, fractions."""

    name: str
    dev: float
    test: float


@dataclass(frozen=True)
class LeakTax:
    """What one run could have been said to score.

    Attributes:
        options: in the order of the run, of one kind: epochs, or states of the classifier.
    """

    options: tuple[Option, ...]

    @property
    def by_dev(self) -> Option:
        """The first of the best on dev."""
        return max(self.options, key=lambda option: option.dev)

    @property
    def by_test(self) -> Option:
        """The first of the best on test."""
        return max(self.options, key=lambda option: option.test)

    @property
    def tax(self) -> float:
        """Weighted F1 on test that choosing on test adds, a fraction of at least 0."""
        return self.by_test.test - self.by_dev.test


def leak_tax(path: Path, record: RunRecord, gold: Gold) -> dict[str, LeakTax]:
    """A record with sealed predictions -> its tax over epochs, and over the states of the classifier.

    Args:
        path: where the record lies; the sealed file lies beside it.
        record: what was read from there.
        gold: of its data set.

    Returns:
        ``epochs``, then ``states`` where the classifier had more than one. Epochs are predicted by the classifier that
        chooses among them (``selection.classifier``), states with the weights of the epoch that was chosen.

    Raises:
        RecordError: nothing was sealed, or the file is not what was sealed.

    Before: records.py. After: ``ercbench leak-tax``.
    """
    sealed = record.training.sealed
    if sealed is None:
        raise RecordError(
            f"{path}: nothing was sealed in this run. Runs from before schema version 3, without training, or with "
            f"selection.seal_test=false have no sealed predictions. Run it again with --force: {record.command}"
        )
    file = path.parent / sibling(path, sealed.file)
    check_sha256(file, sealed.sha256)
    uids, columns = read_sealed(file)
    dev = {f"epoch {epoch.epoch}": epoch.dev_weighted_f1 for epoch in record.training.epochs}
    dev |= {f"state {n}": score for n, score in enumerate(record.training.candidates_dev_weighted_f1, 1)}
    if columns.keys() != dev.keys():
        raise RecordError(
            f"{file}: the columns are not the epochs and states of the record. Got {', '.join(columns)}; the record "
            f"has {', '.join(dev)}. Run the record's command again with --force."
        )
    options = [Option(name, dev[name], _score(file, uids, columns[name], gold)) for name in columns]
    kinds = {"epochs": "epoch ", "states": "state "}
    found = {
        kind: LeakTax(tuple(option for option in options if option.name.startswith(prefix)))
        for kind, prefix in kinds.items()
    }
    return {kind: tax for kind, tax in found.items() if kind == "epochs" or len(tax.options) > 1}


def _score(file: Path, uids: Sequence[str], keys: Sequence[str], gold: Gold) -> float:
    """Label keys predicted for the uids -> weighted F1."""
    order = {key: index for index, key in enumerate(gold.labels.keys)}
    if unknown := sorted(set(keys) - order.keys()):
        raise RecordError(
            f"{file}: a predicted label is none of the data set's. Got {unknown[0]!r:.80}. "
            f"Labels: {', '.join(order)}. Run the record's command again with --force."
        )
    scores = np.eye(len(order), dtype=np.float32)[[order[key] for key in keys]]  # (N, C)
    return scoring.weighted_f1(Predictions(tuple(uids), scores), gold.test, gold.labels)
