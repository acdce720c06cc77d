"""Records -> everything a report shows about one data set: predictions, label words, and gold labels where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ercbench.catalog import Catalog
from ercbench.errors import DataError, ErcbenchError, PluginError, RecordError, UnknownName
from ercbench.gold import Gold, GoldLabels, recorded_predictions
from ercbench.records import RunRecord, ScoresRecord
from ercbench.report.find import Found, by_data, by_system, names
from ercbench.specs import DatasetSpec
from ercbench.statistics import dialogue_counts
from ercbench.types import IntArray, LabelSet, Predictions

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One seed: its record, where that lies, and what it predicted on test."""

    path: Path
    record: RunRecord
    predictions: Predictions

    @cached_property
    def probabilities(self) -> Floats:
        """Softmax of the scores (N, C)."""
        from scipy.special import softmax

        found: Floats = softmax(self.predictions.scores.astype(np.float64), axis=1)
        return found


@dataclass(frozen=True)
class System:
    """The seeds of one method with one setting. `counts` (S, G, C, C) are there where the gold labels are."""

    name: str
    runs: tuple[Run, ...]
    counts: IntArray | None

    @property
    def record(self) -> RunRecord:
        """Of the first seed, for what all seeds have in common."""
        return self.runs[0].record

    @property
    def tests(self) -> list[ScoresRecord]:
        """Scores on test, one per seed."""
        return [run.record.scores.test for run in self.runs]

    @cached_property
    def confusion(self) -> Floats:
        """Confusion counts on test (C, C), the mean over seeds."""
        found: Floats = np.mean([test.confusion for test in self.tests], axis=0)
        return found

    def f1(self, key: str) -> float:
        """F1 of one emotion on test, the mean over seeds."""
        return self.mean(lambda test: test.per_class[key].f1)

    def mean(self, of: Callable[[ScoresRecord], float]) -> float:
        """The mean over seeds of a number on test."""
        return float(np.mean([of(test) for test in self.tests]))


@dataclass(frozen=True)
class Section:
    """What is known of one exact content of a data set.

    Attributes:
        labels: in the order of every array with a class axis.
        licence: terms of the data set, None where nothing here knows them.
        gold: the data set itself, None where it is not at hand.
        systems: at least one.
    """

    labels: LabelSet
    licence: str | None
    gold: Gold | None
    systems: tuple[System, ...]

    @property
    def name(self) -> str:
        """The data set's."""
        return self.systems[0].record.dataset.name

    @cached_property
    def words(self) -> tuple[str, ...]:
        """What the emotions are called: their words, or their keys where two share a word."""
        return self.labels.texts if len(set(self.labels.texts)) == len(self.labels) else self.labels.keys


def gather(
    catalog: Catalog, found: Sequence[Found], data_dir: Path | None, tell: Callable[[str], None]
) -> list[Section]:
    """Records -> a section for each exact content of a data set.

    Args:
        catalog: where data sets are looked up.
        found: records and where they lie.
        data_dir: the folder of the data sets. Where it is named, not finding the data in it is an error; where it is
            not, sections do without gold labels.
        tell: is told what is left out, and why.

    Raises:
        RecordError: a predictions file is not what its record says, or two records claim one seed.
        DataError: the data are not in the folder that was named.
    """
    gold_labels = GoldLabels(catalog, data_dir)
    sections = []
    for records in by_data(found):
        first = records[0][1]
        gold = None
        try:
            gold = gold_labels.of(first)
        except (DataError, RecordError, UnknownName) as error:
            if data_dir is not None:
                raise
            tell(f"{first.dataset.name}: no gold labels, so parts of the report are left out. {error}")
        sections.append(_section(catalog, records, gold))
    return sections


def _section(catalog: Catalog, records: Sequence[Found], gold: Gold | None) -> Section:
    first = records[0][1]
    spec = _spec(catalog, first)
    own = first.dataset.own
    groups = by_system(records)
    titles = names([group[0][1] for group in groups])
    labels = gold.labels if gold else _labels(first, spec)
    systems = tuple(_system(title, group, labels, gold) for title, group in zip(titles, groups, strict=True))
    return Section(labels, spec.licence if spec else own.licence if own else None, gold, systems)


def _spec(catalog: Catalog, record: RunRecord) -> DatasetSpec | None:
    """What a plugin says of the data set, where one does."""
    try:
        return None if record.dataset.own else catalog.get(DatasetSpec, record.dataset.name)
    except ErcbenchError:
        return None  # the keys of the record do as well as words


def _labels(record: RunRecord, spec: DatasetSpec | None) -> LabelSet:
    """The label set of a record; the words are the keys where nothing here knows them."""
    keys = tuple(record.scores.test.per_class)
    own = record.dataset.own
    known = spec.labels if spec else LabelSet.of(own.labels, own.neutral) if own else None
    return known if known and known.keys == keys else LabelSet.of({key: key for key in keys})


def _check(path: Path, record: RunRecord, labels: LabelSet) -> None:
    """What is drawn must have the shape that the labels give it; `read_record` knows of no labels."""
    scores, found, classes = record.scores, record.training.prototype_similarity, len(labels)
    sound = {
        "scores.test.confusion": _square([scores.test.confusion], classes),
        "scores.test.per_class": scores.test.per_class.keys() == set(labels.keys),
        "scores.dev.per_class": scores.dev.per_class.keys() == set(labels.keys),
        "training.prototype_similarity": found is None or _square([found.before, found.after], classes),
    }
    wrong = [field for field, is_sound in sound.items() if not is_sound]
    if wrong:
        raise RecordError(
            f"{path}: {' and '.join(wrong)} must hold finite numbers for each of the {classes} labels. "
            "Got something else. "
            "Run the record's command again."
        )


def _square(matrices: Sequence[Sequence[Sequence[float]]], size: int) -> bool:
    """Whether each is a square of finite numbers, of that many rows."""
    return all(
        len(matrix) == size and all(len(row) == size and np.isfinite(row).all() for row in matrix)
        for matrix in matrices
    )


def _system(name: str, found: Sequence[Found], labels: LabelSet, gold: Gold | None) -> System:
    for path, record in found:
        _check(path, record, labels)
    runs = tuple(Run(path, record, recorded_predictions(path, record, labels)) for path, record in found)
    return System(name, runs, np.stack([_counts(run, gold) for run in runs]) if gold else None)


def _counts(run: Run, gold: Gold) -> IntArray:
    """Confusion counts per dialogue (G, C, C), which must add up to those of the record."""
    file = run.path.parent / run.record.predictions.file
    try:
        counts = dialogue_counts(run.predictions, gold.test, gold.labels)[1]
    except PluginError as error:
        raise RecordError(f"{file}: {error}") from error
    if counts.sum(axis=0).tolist() != run.record.scores.test.confusion:
        raise RecordError(
            f"{run.path}: its scores are not those of its predictions. Got other confusion counts from {file.name} and "
            "the gold labels. `ercbench verify` names every difference; run the record's command again."
        )
    return counts
