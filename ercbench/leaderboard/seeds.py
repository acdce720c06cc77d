"""RunRecord -> what a board needs of it, and the records that belong together. Nothing is mixed here.

A hundred thousand records are read one by one and let go again: what is kept of each is a `Seed`, and what all seeds
of a row share is kept once.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ercbench.errors import RecordError
from ercbench.leaderboard.evidence import row_key, seed_key
from ercbench.records import RunRecord
from ercbench.types import CONTEXT_PROTOCOLS, ContextProtocol

Slice = tuple[str, int]
"""The name of a slice and its utterances: two slices of one name with other numbers are two."""

Place = tuple[str, str, str, str]
"""Data set, content of the data, track with context protocol, digest of the method: what the seeds of a row share."""

Seen = Callable[[str, str, str], tuple[str, ...]]
"""Checkpoint, its origin and a data set -> what the weights had seen of it, a sentence each."""


@dataclass(frozen=True)
class Shared:
    """What the seeds of a row have in common.

    Attributes:
        id: digest of everything that makes it a row of its own.
        data_version: which of the data sets that share a name.
        configuration: short digest of the resolved config and encoder.
        contamination: what the weights of the encoder had seen of the data, a sentence each.
        reasons: why it must not be ranked, whatever its scores; empty within the rules.
    """

    id: str
    dataset: str
    data_version: str
    fingerprint: str
    test_utterances: int | None
    track: str
    context: ContextProtocol
    recipe: str
    version: str
    reference: str
    configuration: str
    encoder: str
    contamination: tuple[str, ...]
    selected_on: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seed:
    """One record. Scores are fractions, on test unless dev is named; `key` is that of ``evidence.py``."""

    seed: int
    path: str
    weighted_f1: float
    macro_f1: float
    dev: float
    emotions: dict[str, float]
    slices: dict[Slice, float]
    metric: str
    command: str
    signature: str
    predictions: str
    key: str


@dataclass(frozen=True)
class Group:
    """One row before it is averaged: what its seeds share, and the seeds in order."""

    shared: Shared
    seeds: tuple[Seed, ...]

    @property
    def name(self) -> str:
        """recipe@version."""
        return f"{self.shared.recipe}@{self.shared.version}"

    @cached_property
    def key(self) -> str:
        """What the row is called in ``evidence.json``."""
        return row_key(self.shared.fingerprint, [seed.key for seed in self.seeds])


def groups(found: Iterable[tuple[Path, RunRecord]], seen: Seen) -> list[Group]:
    """RunRecords with their paths, in a fixed order -> rows, by what they are about.

    Args:
        found: records and their paths relative to the results folder.
        seen: tells of encoders that had seen the data.

    Raises:
        RecordError: two records claim the same seed of one row.

    Before: records.py. After: tables.py.
    """
    shared: dict[Place, Shared] = {}
    seeds: defaultdict[Place, list[Seed]] = defaultdict(list)
    for path, record in found:
        place = _place(record)
        if place not in shared:
            shared[place] = _shared(record, place, seen)
        seeds[place].append(_seed(path.as_posix(), record))
    return [_group(shared[place], seeds[place]) for place in sorted(shared)]


def tables(found: Iterable[Group]) -> list[list[Group]]:
    """Rows by the table that they may share: one content of one data set, one track, one context protocol."""
    parts: dict[tuple[object, ...], list[Group]] = {}
    for one in found:
        about = one.shared
        key = about.dataset, about.data_version, about.fingerprint, about.test_utterances, about.track, about.context
        parts.setdefault(key, []).append(one)
    return list(parts.values())


def _group(shared: Shared, seeds: Sequence[Seed]) -> Group:
    """The seeds of a row in order, each once."""
    ordered = sorted(seeds, key=lambda seed: (seed.seed, seed.path))
    twice = [seed for seed, count in Counter(seed.seed for seed in ordered).items() if count > 1]
    if twice:
        paths = " and ".join(seed.path for seed in ordered if seed.seed == twice[0])
        raise RecordError(
            f"Two records of one row have the same seed. Got seed {twice[0]} in {paths}. Remove all but one."
        )
    return Group(shared, tuple(ordered))


def _place(record: RunRecord) -> Place:
    """Where a record belongs. Usual context protocols come first."""
    data = record.dataset
    return (
        data.name,
        _json([data.version, data.fingerprint, data.utterances.get("test")]),
        _json([record.track, CONTEXT_PROTOCOLS.index(record.protocol.context)]),
        _digest(_json([record.method, record.unranked_reasons, data.limit])),
    )


def _shared(record: RunRecord, place: Place, seen: Seen) -> Shared:
    return Shared(
        id=_digest(_json(place))[:16],
        dataset=record.dataset.name,
        data_version=record.dataset.version,
        fingerprint=record.dataset.fingerprint,
        test_utterances=record.dataset.utterances.get("test"),
        track=record.track,
        context=record.protocol.context,
        recipe=record.recipe.name,
        version=record.recipe.version,
        reference=record.recipe.reference,
        configuration=_digest(_json(record.method))[:8],
        encoder=record.encoder.checkpoint,
        contamination=seen(record.encoder.checkpoint, record.encoder.origin, record.dataset.name),
        selected_on=record.protocol.selection_split,
        reasons=tuple(record.unranked_reasons),
    )


def _seed(path: str, record: RunRecord) -> Seed:
    test = record.scores.test
    scored = {(name, part.utterances): part.weighted_f1 for name, part in test.slices.items()}
    return Seed(
        seed=record.seed,
        path=path,
        weighted_f1=test.weighted_f1,
        macro_f1=test.macro_f1,
        dev=record.scores.dev.weighted_f1,
        emotions={key: scores.f1 for key, scores in test.per_class.items()},
        slices={one: f1 for one, f1 in scored.items() if f1 is not None},
        metric=record.protocol.metric,
        command=record.command,
        signature=record.signature,
        predictions=record.predictions.sha256,
        key=seed_key(record),
    )


_json = json.JSONEncoder(sort_keys=True).encode


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
