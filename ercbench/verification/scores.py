"""The scores of a record, computed again: from predictions and gold labels, or from its own confusion counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain

import numpy as np

from ercbench import scoring
from ercbench.records import ScoresRecord
from ercbench.types import LabelSet, Predictions, Scores
from ercbench.verification.findings import AGAIN, Finding, fault, note
from ercbench.verification.reading import Subject

LARGEST = 1_000_000
"""Utterances of a split at most, so that counts of a stranger cannot fill the memory."""
FIRST_WITH_SLICES = 2
"""The schema version since which records score slices."""


def compare(subject: Subject, split: str, found: Scores) -> Iterator[Finding]:
    """Every number of a record's scores that is not the one that was found, to the last bit.

    Args:
        subject: the record.
        split: ``dev`` or ``test``.
        found: computed again; slices that it lacks are not compared.
    """
    recorded: ScoresRecord = getattr(subject.record.scores, split)
    old, new = recorded.model_dump(), asdict(found)
    if subject.schema < FIRST_WITH_SLICES or not found.slices:
        old.pop("slices"), new.pop("slices")
    before, after = dict(_flat(f"scores.{split}", old)), dict(_flat(f"scores.{split}", new))
    for field in dict.fromkeys((*before, *after)):
        if before.get(field, "nothing") != after.get(field, "nothing"):
            what = "Scoring the predictions again gives another value."
            yield fault(subject.file, field, what, AGAIN, before.get(field, "nothing"), after.get(field, "nothing"))


def consistent(subject: Subject, split: str, labels: LabelSet | None) -> Iterator[Finding]:
    """Scores follow from the confusion counts beside them; slices, and what depends on unknown labels, are left out.

    Args:
        subject: the record.
        split: ``dev`` or ``test``.
        labels: of its data set; None where nobody knows them.
    """
    recorded: ScoresRecord = getattr(subject.record.scores, split)
    known = LabelSet.of({key: key for key in recorded.per_class}) if labels is None else labels
    if list(recorded.per_class) != list(known.keys):
        what = "They are not the labels of the data set in their order."
        yield fault(subject.file, f"scores.{split}.per_class", what, AGAIN, list(recorded.per_class), list(known.keys))
        return
    counts, wanted = recorded.confusion, subject.record.dataset.utterances.get(split)
    square = len(counts) == len(known) and all(len(row) == len(known) for row in counts)
    total = sum(chain.from_iterable(counts))
    if not square or min(chain.from_iterable(counts), default=-1) < 0 or total != wanted or total > LARGEST:
        what = f"It is no table of counts, {len(known)} x {len(known)}, of the {wanted} utterances of {split}."
        yield fault(subject.file, f"scores.{split}.confusion", what, AGAIN, counts)
        return
    found = asdict(_of_counts(counts, known))
    old = recorded.model_dump()
    for values in (old, found):
        values.pop("slices")
        if labels is None:
            values.pop("micro_f1_without_neutral")
    before, after = dict(_flat(f"scores.{split}", old)), dict(_flat(f"scores.{split}", found))
    for field, value in after.items():
        if before[field] != value:
            what = f"It does not follow from scores.{split}.confusion."
            yield fault(subject.file, field, what, AGAIN, before[field], value)


def metric(subject: Subject, labels: LabelSet | None) -> Iterator[Finding]:
    """The metric is the one that is computed here; another release of scikit-learn is a note."""
    if labels is None:
        return
    recorded, here = subject.record.protocol.metric, scoring.metric_signature(labels)
    old, new = (text.rpartition("|sklearn:") for text in (recorded, here))
    if old[0] != new[0]:
        yield fault(subject.file, "protocol.metric", "Another metric is computed here.", AGAIN, recorded, here)
    elif old[2] != new[2]:
        what = "Another scikit-learn is installed here; the scores must agree all the same."
        yield note(subject.file, "protocol.metric", what, old[2], new[2])


def predicted_counts(subject: Subject, predictions: Predictions) -> Iterator[Finding]:
    """Without gold labels: how often each label was predicted is what the columns of the confusion counts say."""
    confusion = subject.record.scores.test.confusion
    classes = predictions.scores.shape[1]
    if len(confusion) != classes or any(len(row) != classes for row in confusion):
        return  # `consistent` tells
    found = np.bincount(predictions.scores.argmax(axis=1), minlength=classes).tolist()
    recorded = [sum(column) for column in zip(*confusion, strict=True)]
    for key, old, new in zip(subject.record.scores.test.per_class, recorded, found, strict=False):
        if old != new:
            what = "It does not have as many utterances as the predictions file gives that label."
            yield fault(subject.file, f"scores.test.confusion, column {key}", what, AGAIN, old, new)


def _of_counts(counts: Sequence[Sequence[int]], labels: LabelSet) -> Scores:
    """Confusion counts (C, C) -> scores, as if the utterances had been scored one by one."""
    table = np.array(counts, dtype=np.int64)  # (C, C)
    truth, guess = (np.repeat(index.ravel(), table.ravel()) for index in np.indices(table.shape))  # (N,) each
    uids = tuple(map(str, range(len(truth))))
    scores = np.eye(len(labels), dtype=np.float32)[guess]  # (N, C)
    return scoring.score(Predictions(uids, scores), dict(zip(uids, truth.tolist(), strict=True)), labels)


def _flat(path: str, value: object) -> Iterator[tuple[str, object]]:
    """Dotted path and value of every number."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}", inner)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _flat(f"{path}[{number}]", inner)
    else:
        yield path, value
