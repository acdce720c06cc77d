"""RunRecords -> rows of boards: grouped so that nothing is mixed, averaged over seeds, and put in order.

A board is one data set. Its sections never share a table: one per version and fingerprint of the data. The tasks of a
section, a track with a context protocol each, never share a table either. A row is one recipe version with one
configuration and encoder, over its seeds.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from ercbench.errors import RecordError
from ercbench.records import RunRecord, ScoresRecord
from ercbench.types import CONTEXT_PROTOCOLS, ContextProtocol

Found = tuple[Path, RunRecord]
"""A record, and where it lies relative to the results folder."""

Slice = tuple[str, int]
"""The name of a slice and its utterances: two slices of one name with other numbers have a column each."""


@dataclass(frozen=True)
class Spread:
    """Mean of a fraction over seeds, and its sample standard deviation, None for a single seed."""

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class Row:
    """One line of a board. All numbers are fractions, on test unless another split is named.

    Attributes:
        name: recipe@version.
        configuration: short digest of the resolved config and encoder, for a name that has several rows.
        emotions: F1 of each emotion.
        slices: weighted F1 of each slice that all of its records have, those without utterances left out.
        reasons: why it is not ranked; empty for a ranked row.
        records: seed and path of each record, in the order of seeds.
        commands: what makes each record again, in the same order.
    """

    name: str
    configuration: str
    encoder: str
    selected_on: str
    test: Spread
    dev: Spread
    macro: Spread
    emotions: dict[str, Spread]
    slices: dict[Slice, Spread]
    reasons: tuple[str, ...]
    records: tuple[tuple[int, Path], ...]
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """The rows of one track under one context protocol: ranked ones best first, the others below."""

    track: str
    context: ContextProtocol
    ranked: tuple[Row, ...]
    unranked: tuple[Row, ...]


@dataclass(frozen=True)
class Section:
    """The part of a board that is about one exact content of a data set. `emotions` are in label order."""

    version: str
    fingerprint: str
    test_utterances: int | None
    metrics: tuple[str, ...]
    emotions: tuple[str, ...]
    tasks: tuple[Task, ...]


def sections(found: Iterable[Found]) -> dict[str, tuple[Section, ...]]:
    """RunRecords -> the sections of every board, by the name of the data set, sorted.

    Raises:
        RecordError: two records claim the same seed of one row.

    Before: records.py. After: markdown.py.
    """
    boards: dict[str, tuple[Section, ...]] = {}
    records = sorted(found, key=lambda one: one[0].as_posix())
    for dataset, of_board in _grouped(records, lambda record: record.dataset.name):
        parts = [_section(group) for _, group in _grouped(of_board, _content)]
        boards[dataset] = tuple(sorted(parts, key=lambda part: not any(task.ranked for task in part.tasks)))
    return boards


def _content(record: RunRecord) -> str:
    """What the records of one section have in common."""
    data = record.dataset
    return _json([data.version, data.fingerprint, data.utterances.get("test")])


def _section(found: Sequence[Found]) -> Section:
    """The records about one content of a data set -> its tables."""
    data = found[0][1].dataset
    return Section(
        version=data.version,
        fingerprint=data.fingerprint,
        test_utterances=data.utterances.get("test"),
        metrics=tuple(sorted({record.protocol.metric for _, record in found})),
        emotions=tuple(dict.fromkeys(key for _, record in found for key in record.scores.test.per_class)),
        tasks=tuple(_task(group) for _, group in _grouped(found, _task_key)),
    )


def _task_key(record: RunRecord) -> str:
    """What the records of one table have in common; the usual protocol comes first."""
    return _json([record.track, CONTEXT_PROTOCOLS.index(record.protocol.context)])


def _task(found: Sequence[Found]) -> Task:
    """The records of one track and context protocol -> ranked and unranked rows."""
    rows = sorted((_row(group) for _, group in _grouped(found, _method)), key=_order)
    ranked, unranked = [row for row in rows if not row.reasons], [row for row in rows if row.reasons]
    return Task(found[0][1].track, found[0][1].protocol.context, tuple(ranked), tuple(unranked))


def _order(row: Row) -> tuple[float, str, str]:
    """Best first; equals by name, then by configuration."""
    return -row.test.mean, row.name, row.configuration


def _method(record: RunRecord) -> str:
    """What the seeds of one row have in common."""
    recipe, limit = f"{record.recipe.name}@{record.recipe.version}", record.dataset.limit
    return _json([recipe, _settings(record), record.protocol.selection_split, record.unranked_reasons, limit])


def _settings(record: RunRecord) -> list[object]:
    """The resolved config and whose weights it started from."""
    return [record.config, record.overrides, record.encoder.checkpoint, record.encoder.sha256]


def _row(found: Sequence[Found]) -> Row:
    """The records of one row, one per seed -> means and deviations."""
    found = sorted(found, key=lambda one: one[1].seed)
    _check_seeds(found)
    first, records = found[0][1], [record for _, record in found]
    tests = [record.scores.test for record in records]
    emotions = [key for key in first.scores.test.per_class if all(key in test.per_class for test in tests)]
    return Row(
        name=f"{first.recipe.name}@{first.recipe.version}",
        configuration=hashlib.sha256(_json(_settings(first)).encode()).hexdigest()[:8],
        encoder=first.encoder.checkpoint,
        selected_on=first.protocol.selection_split,
        test=spread([test.weighted_f1 for test in tests]),
        dev=spread([record.scores.dev.weighted_f1 for record in records]),
        macro=spread([test.macro_f1 for test in tests]),
        emotions={key: spread([test.per_class[key].f1 for test in tests]) for key in emotions},
        slices=_slices(tests),
        reasons=tuple(first.unranked_reasons),
        records=tuple((record.seed, path) for path, record in found),
        commands=tuple(record.command for record in records),
    )


def _slices(tests: Sequence[ScoresRecord]) -> dict[Slice, Spread]:
    """Test scores, one per seed -> weighted F1 of the slices that all of them have, in the order of the first."""
    scored = [
        {
            (name, part.utterances): part.weighted_f1
            for name, part in test.slices.items()
            if part.weighted_f1 is not None
        }
        for test in tests
    ]
    return {one: spread([of[one] for of in scored]) for one in scored[0] if all(one in of for of in scored)}


def spread(values: Sequence[float]) -> Spread:
    """Fractions, one per seed -> mean and sample standard deviation. The order of the values does not matter."""
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None)


def _grouped(found: Iterable[Found], key: Callable[[RunRecord], str]) -> list[tuple[str, list[Found]]]:
    """Records by what they have in common, in the order of it."""
    groups: defaultdict[str, list[Found]] = defaultdict(list)
    for path, record in found:
        groups[key(record)].append((path, record))
    return sorted(groups.items())


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _check_seeds(found: Sequence[Found]) -> None:
    """A seed counts once."""
    counts = Counter(record.seed for _, record in found)
    twice = [seed for seed, count in counts.items() if count > 1]
    if twice:
        paths = " and ".join(path.as_posix() for path, record in found if record.seed == twice[0])
        raise RecordError(
            f"Two records of one row have the same seed. Got seed {twice[0]} in {paths}. Remove all but one."
        )
