"""The files beside a record: what a run predicted on test, with scores, and what it sealed. No torch here.

A predictions file holds the scores of the state that was chosen. A sealed file holds the label predicted after every
epoch and by every state of the classifier; nothing is chosen with it, and ``ercbench leak-tax`` alone scores it.
Neither holds a gold label or a word of dialogue.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ercbench.errors import RecordError
from ercbench.record_file import AGAIN
from ercbench.types import Predictions


def predictions_name(seed: int) -> str:
    """The name of the predictions file beside ``seed-<n>.json``."""
    return f"seed-{seed}.predictions.csv"


def format_predictions(predictions: Predictions, labels: tuple[str, ...]) -> str:
    """Predictions -> CSV text: a header ``uid,<label>,...`` and one line per utterance, scores as exact float32."""
    lines = [",".join(("uid", *labels))]
    for uid, row in zip(predictions.uids, predictions.scores.astype(np.float32), strict=True):
        lines.append(",".join((uid, *(np.format_float_positional(value, unique=True, trim="0") for value in row))))
    return "\n".join(lines) + "\n"


def sealed_name(seed: int) -> str:
    """The name of the file of sealed predictions beside ``seed-<n>.json``."""
    return f"seed-{seed}.sealed.csv"


def format_sealed(uids: Sequence[str], columns: Mapping[str, Sequence[str]]) -> str:
    """Label keys predicted on test -> CSV text: a header ``uid,epoch 1,...,state 1,...``, one line per utterance."""
    lines = [",".join(("uid", *columns))]
    lines += [",".join(row) for row in zip(uids, *columns.values(), strict=True)]
    return "\n".join(lines) + "\n"


def read_sealed(path: Path) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """A file of sealed predictions -> uids, and the label keys by column.

    Raises:
        RecordError: the file is missing or is not what `format_sealed` writes.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
        uids, *columns = zip(*rows, strict=True)
        if header[0] != "uid" or len(set(header)) < len(header):
            raise ValueError("the header must be uid and names of its own for every column")
        return uids, dict(zip(header[1:], columns, strict=True))
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise RecordError(f"{path}: cannot read what was sealed: {error}. {AGAIN}") from error


def read_predictions(path: Path) -> tuple[tuple[str, ...], Predictions]:
    """A predictions file -> its label keys and its Predictions.

    Raises:
        RecordError: the file is missing or is not what `format_predictions` writes.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        scores = np.array([[float(value) for value in row[1:]] for row in rows], dtype=np.float32)
        if header[0] != "uid" or scores.shape != (len(rows), len(header) - 1) or not np.isfinite(scores).all():
            raise ValueError("not a table of finite scores")
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise RecordError(f"{path}: cannot read predictions: {error}. {AGAIN}") from error
    return tuple(header[1:]), Predictions(tuple(row[0] for row in rows), scores)
