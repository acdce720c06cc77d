"""Predictions and gold labels -> evidence: rows scored again, with intervals over dialogues, and compared in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ercbench import scoring
from ercbench.errors import ErcbenchError, RecordError
from ercbench.gold import Gold, GoldLabels, recorded_predictions
from ercbench.leaderboard import ranking
from ercbench.leaderboard.evidence import Estimate, Evidence, PairEvidence, RowEvidence
from ercbench.leaderboard.seeds import Group, tables
from ercbench.records import RunRecord, read_record
from ercbench.statistics import Interval, compare, dialogue_counts, over_dialogues
from ercbench.types import IntArray, Predictions


@dataclass(frozen=True)
class Gathered:
    """What is known now.

    Attributes:
        evidence: all entries that rows need, and no others.
        rows: how many rows were scored again just now.
        pairs: how many pairs of rows were compared just now.
        problems: why others could not be, a sentence each.
        damaged: whether that is so of one because its predictions are not those of its record.
    """

    evidence: Evidence
    rows: int = 0
    pairs: int = 0
    problems: tuple[str, ...] = ()
    damaged: bool = False


def gather(results: Path, found: Sequence[Group], evidence: Evidence, gold: GoldLabels) -> Gathered:
    """Rows -> evidence: entries that are there already are kept, and what is missing is computed.

    Args:
        results: the folder in which the records of the rows lie.
        found: all rows.
        evidence: what is known of them.
        gold: finds the gold labels. Rows whose data are not here stay as they are, and are told of.

    Before: seeds.py. After: ranking.py.
    """
    again = _Again(results, gold)
    rows, pairs = dict(evidence.rows), {key: dict(others) for key, others in evidence.pairs.items()}
    new_rows = new_pairs = 0
    for table in tables(found):
        for group in table:
            if group.key not in rows and (row := again.row(group)):
                rows[group.key] = row
                new_rows += 1
        known = Evidence(rows=rows, pairs=pairs)
        for a, b in ranking.pairs(table, known):
            first, other = (a, b) if a.key < b.key else (b, a)
            if other.key not in pairs.get(first.key, {}) and (pair := again.pair(first, other)):
                pairs.setdefault(first.key, {})[other.key] = pair
                new_pairs += 1
        again.forget_counts()
    needed = ranking.needed(found, Evidence(rows=rows, pairs=pairs))
    return Gathered(needed, new_rows, new_pairs, again.problems, again.damaged)


def same_scores(predictions: Predictions, record: RunRecord, gold: Gold) -> bool:
    """Whether predictions give exactly the scores that a record has on test.

    Records from before slices have none, and none are asked of them.

    Raises:
        PluginError: the predictions are not exactly one row per labelled utterance.
    """
    parts = gold.slices if record.scores.test.slices else None
    return asdict(scoring.score(predictions, gold.test, gold.labels, parts)) == record.scores.test.model_dump()


class _Again:
    """Scores rows again. A data set that is not here is asked for once."""

    def __init__(self, results: Path, gold: GoldLabels) -> None:
        self._results, self._gold = results, gold
        self._absent: dict[tuple[str, str, int | None], ErcbenchError] = {}
        self._told: dict[str, list[str]] = {}
        self._counts: dict[str, IntArray] = {}
        self.damaged = False

    @property
    def problems(self) -> tuple[str, ...]:
        """Each reason once, with the first row it is true of and how many more there are."""
        more = {reason: f" and {len(names) - 1} more" if len(names) > 1 else "" for reason, names in self._told.items()}
        return tuple(f"{names[0]}{more[reason]}: {reason}" for reason, names in self._told.items())

    def row(self, group: Group) -> RowEvidence | None:
        """What can be found of one row, None where that is nothing."""
        try:
            verified, counts = self._scored(group)
        except ErcbenchError as error:
            self._tell(group, error)
            return None
        return RowEvidence(
            fingerprint=group.shared.fingerprint,
            predictions=sorted(seed.predictions for seed in group.seeds),
            verified=verified,
            over_dialogues=_estimate(over_dialogues(counts)) if verified else None,
        )

    def pair(self, first: Group, other: Group) -> PairEvidence | None:
        """How two rows differ, None where one of them cannot be scored here."""
        try:
            for group in (first, other):
                if group.key not in self._counts:
                    self._counts[group.key] = self._scored(group)[1]
        except ErcbenchError as error:
            self._tell(group, error)
            return None
        found = compare(self._counts[first.key], self._counts[other.key])
        return PairEvidence(
            effect=_estimate(found.effect),
            p_bootstrap=found.p_bootstrap,
            p_randomisation=found.p_randomisation,
            p_seeds=found.p_seeds,
        )

    def forget_counts(self) -> None:
        """Rows of another table are never compared with these."""
        self._counts.clear()

    def _scored(self, group: Group) -> tuple[bool, IntArray]:
        """Whether all seeds give their scores again, and confusion counts per dialogue (S, G, C, C)."""
        same, counts = True, []
        for seed in group.seeds:
            path = self._results / seed.path
            record = read_record(path)
            gold = self._of(record)
            predictions = recorded_predictions(path, record, gold.labels)
            same = same_scores(predictions, record, gold) and same
            counts.append(dialogue_counts(predictions, gold.test, gold.labels)[1])
        return same, np.stack(counts)

    def _of(self, record: RunRecord) -> Gold:
        key = record.dataset.name, record.dataset.fingerprint, record.dataset.limit
        if key in self._absent:
            raise self._absent[key]
        try:
            return self._gold.of(record)
        except ErcbenchError as error:
            self._absent[key] = error
            raise

    def _tell(self, group: Group, error: ErcbenchError) -> None:
        self.damaged |= isinstance(error, RecordError)
        self._told.setdefault(str(error), []).append(f"{group.shared.dataset}, {group.name}")


def _estimate(interval: Interval) -> Estimate:
    return Estimate(estimate=interval.estimate, low=interval.low, high=interval.high)
