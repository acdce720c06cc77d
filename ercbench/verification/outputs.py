"""The files beside a record: what it predicted on test, and what it sealed. Row by row, with no gold label."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ercbench.errors import RecordError
from ercbench.gold import sibling
from ercbench.prediction_files import format_predictions
from ercbench.types import FloatArray, LabelSet, Predictions
from ercbench.verification.findings import AGAIN, Finding, fault, few
from ercbench.verification.reading import Subject
from ercbench.verification.untrusted import TABLE_BYTES, Unreadable, decode, read_bytes


@dataclass(frozen=True)
class Outputs:
    """What was found beside a record.

    Attributes:
        predictions: None where the file does not hold a score for each label in every row.
        uids_are_sound: whether every uid is there once and is of the record's data set and split.
    """

    predictions: Predictions | None
    uids_are_sound: bool
    findings: tuple[Finding, ...]


def outputs(subject: Subject, labels: LabelSet | None) -> Outputs:
    """The files beside a record -> its predictions, and everything that is wrong with the files.

    Args:
        subject: the record.
        labels: of its data set; None where nobody knows them, then those of its own scores.
    """
    keys = tuple(subject.record.scores.test.per_class) if labels is None else labels.keys
    table, findings = _table(subject, "predictions", subject.record.predictions.file, subject.record.predictions.sha256)
    predictions = None
    uids: list[Finding] = []
    if table is not None:
        file, text, (header, *rows) = table
        scores, wrong = _scores(file, header, rows, keys)
        findings += wrong
        uids = list(_uids(subject, file, [row[0] if row else "" for row in rows]))
        findings += uids
        if scores is not None:
            predictions = Predictions(tuple(row[0] for row in rows), scores)
            if format_predictions(predictions, keys) != text:
                what = "It is not written as ercbench writes it: something else may stand there beside the scores."
                findings.append(fault(file, "the file", what))
    findings += _sealed(subject, predictions, keys)
    return Outputs(predictions, table is not None and not uids, tuple(findings))


Table = tuple[str, str, list[list[str]]]
"""A file's name, its text, its rows."""


def _table(subject: Subject, section: str, name: str, wanted: str) -> tuple[Table | None, list[Finding]]:
    """A CSV file that a record names -> its rows; what cannot be read is None."""
    try:
        file = subject.beside(sibling(subject.results / subject.file, name))
    except RecordError:
        fix = "Name a file in the record's own folder."
        return None, [fault(subject.file, f"{section}.file", "It leads out of the record's folder.", fix, name)]
    try:
        content = read_bytes(subject.results, file, TABLE_BYTES)
        text = decode(content)
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (Unreadable, csv.Error) as error:
        what = f"It {error}." if isinstance(error, Unreadable) else f"It is no CSV: {error}."
        return None, [fault(file, "the file", f"{what} {subject.file} names it as {section}.file.")]
    findings = []
    if (got := hashlib.sha256(content).hexdigest()) != wanted:
        what = f"It is not that of {name}: the file or the record was changed."
        findings.append(fault(subject.file, f"{section}.sha256", what, AGAIN, wanted, got))
    if not rows:
        return None, [*findings, fault(file, "the file", "It is empty.")]
    return (file, text, rows), findings


def _scores(
    file: str, header: Sequence[str], rows: Sequence[Sequence[str]], keys: Sequence[str]
) -> tuple[FloatArray | None, list[Finding]]:
    """Rows -> scores (N, C), or None where there is not a finite one for every label in every row."""
    findings = []
    if list(header) != ["uid", *keys]:
        findings.append(
            fault(file, "header", "It is not uid and the labels in their order.", AGAIN, header, ["uid", *keys])
        )
    findings += few(_cells(file, rows, keys))
    if findings or not rows:
        return None, findings or [fault(file, "the file", "It has no rows.")]
    return np.array([[float(cell) for cell in row[1:]] for row in rows], dtype=np.float64).astype(np.float32), []


def _cells(file: str, rows: Sequence[Sequence[str]], keys: Sequence[str]) -> Iterator[Finding]:
    largest = float(np.finfo(np.float32).max)
    for number, row in enumerate(rows, 2):
        if len(row) != 1 + len(keys):
            what = f"It has {len(row)} cells, not the {1 + len(keys)} of uid and labels."
            yield fault(file, f"row {number}", what, AGAIN, list(row))
            continue
        for key, cell in zip(keys, row[1:], strict=True):
            try:
                sound = abs(float(cell)) <= largest  # False for nan
            except ValueError:
                sound = False
            if not sound:
                yield fault(file, f"row {number}, {key}", "It is no finite float32.", AGAIN, cell)


def _uids(subject: Subject, file: str, uids: Sequence[str]) -> Iterator[Finding]:
    """Every uid once, of the record's data set and of test, as many as the record says."""
    prefix = re.escape(f"{subject.record.dataset.name}/test/")
    form = re.compile(rf"{prefix}(0|[1-9]\d*)/(0|[1-9]\d*)")
    counts = Counter(uids)
    yield from few(
        fault(file, f"row {number}, uid", f"It is none of {subject.record.dataset.name}, split test.", AGAIN, uid)
        for number, uid in enumerate(uids, 2)
        if not form.fullmatch(uid)
    )
    yield from few(
        fault(file, "uid", "It stands there more than once.", AGAIN, uid, f"{count} rows")
        for uid, count in counts.items()
        if count > 1
    )
    wanted = subject.record.dataset.utterances.get("test")
    if len(uids) != wanted:
        what = "The predictions file has another number of rows."
        yield fault(subject.file, "dataset.utterances.test", what, AGAIN, wanted, len(uids))


def _sealed(subject: Subject, predictions: Predictions | None, keys: Sequence[str]) -> Iterator[Finding]:
    """The sealed file: a column per epoch and state, the same utterances, labels that there are."""
    sealed, training = subject.record.training.sealed, subject.record.training
    if sealed is None:
        return
    table, findings = _table(subject, "training.sealed", sealed.file, sealed.sha256)
    yield from findings
    if table is None:
        return
    file, _, (header, *rows) = table
    wanted = ["uid", *(f"epoch {epoch.epoch}" for epoch in training.epochs)]
    wanted += [f"state {number}" for number, _ in enumerate(training.candidates_dev_weighted_f1, 1)]
    if header != wanted:
        yield fault(file, "header", "It is not uid and every epoch and state of the record.", AGAIN, header, wanted)
        return
    if short := [number for number, row in enumerate(rows, 2) if len(row) != len(wanted)]:
        yield fault(file, f"row {short[0]}", f"It does not have {len(wanted)} cells.", AGAIN, rows[short[0] - 2])
        return
    yield from few(_labels(file, header, rows, keys))
    if predictions is None:
        return
    if tuple(row[0] for row in rows) != predictions.uids:
        yield fault(file, "uid", f"They are not those of {subject.record.predictions.file}, in its order.", AGAIN)
        return
    column = f"state {training.chosen_candidate}"
    if column in header:
        yield from few(_agree(file, column, [row[header.index(column)] for row in rows], (predictions, keys)))


def _labels(file: str, header: Sequence[str], rows: Sequence[Sequence[str]], keys: Sequence[str]) -> Iterator[Finding]:
    for number, row in enumerate(rows, 2):
        for column, cell in zip(header[1:], row[1:], strict=True):
            if cell not in keys:
                yield fault(file, f"row {number}, {column}", "It is no label of the data set.", AGAIN, cell)


def _agree(
    file: str, column: str, sealed: Sequence[str], predicted: tuple[Predictions, Sequence[str]]
) -> Iterator[Finding]:
    """The state that was chosen predicted what the predictions file says."""
    predictions, keys = predicted
    for number, (cell, best) in enumerate(zip(sealed, predictions.scores.argmax(axis=1), strict=True), 2):
        if cell != keys[best]:
            what = "The predictions file has another label with the largest score."
            yield fault(file, f"row {number}, {column}", what, AGAIN, cell, keys[best])
