"""``evidence.json``: what it took gold labels to find out, kept so that boards can be built without them.

Of a row: whether its predictions, scored again, give exactly its scores, and the interval over test dialogues. Of two
rows: how they differ. An entry is named after the content it is about, that is the data, the predictions and the
scores of the records, so that a changed record has none. ``gathering.py`` makes entries, ``ercbench verify`` makes
all of them again and compares. Nothing in it tells a gold label.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ercbench.errors import RecordError
from ercbench.records import RunRecord
from ercbench.statistics import Comparison, Interval

SCHEMA_VERSION: Literal[2] = 2
"""Raised whenever the numbers of an entry could change, so that older ones are not taken for them."""
EVIDENCE_FILE = "evidence.json"

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Probability = Annotated[float, Field(ge=0, le=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Estimate(_Frozen):
    """A number and its 95 % interval, fractions."""

    estimate: Annotated[float, Field(ge=-1, le=1)]
    low: Annotated[float, Field(ge=-1, le=1)]
    high: Annotated[float, Field(ge=-1, le=1)]

    @model_validator(mode="after")
    def _in_order(self) -> Estimate:
        if not self.low <= self.estimate <= self.high:
            raise ValueError("the estimate must be within its interval")
        return self


class RowEvidence(_Frozen):
    """What was found of one row.

    Attributes:
        fingerprint: of the data it was scored on.
        predictions: sha256 of the predictions files of its seeds, sorted.
        verified: every seed's predictions, scored again, gave exactly the scores of its record.
        over_dialogues: weighted F1 on test averaged over seeds, and its interval; null for a row that is not verified.
    """

    fingerprint: str
    predictions: list[Digest]
    verified: bool
    over_dialogues: Estimate | None

    @model_validator(mode="after")
    def _only_verified(self) -> RowEvidence:
        if self.verified != (self.over_dialogues is not None):
            raise ValueError("a row has an interval if it is verified, and only then")
        return self


class PairEvidence(_Frozen):
    """How two rows differ: weighted F1 of the one whose key is smaller minus that of the other."""

    effect: Estimate
    p_bootstrap: Probability
    p_randomisation: Probability
    p_seeds: Probability | None


class Evidence(_Frozen):
    """The whole file. Both keys of a pair are keys of rows, and the first is the smaller one."""

    schema_version: Literal[2] = SCHEMA_VERSION
    rows: dict[Digest, RowEvidence] = {}
    pairs: dict[Digest, dict[Digest, PairEvidence]] = {}

    @model_validator(mode="after")
    def _pairs_of_rows(self) -> Evidence:
        for first, others in self.pairs.items():
            for other in others:
                if first >= other or not {first, other} <= self.rows.keys():
                    raise ValueError(f"pairs.{first}.{other} must name two rows, the smaller key first")
        return self

    def comparison(self, a: str, b: str) -> Comparison | None:
        """How the row with key `a` differs from that with key `b`; None where nobody has compared them yet.

        Rows of one key have the same predictions, and do not differ.
        """
        if a == b:
            return Comparison(Interval(0.0, 0.0, 0.0), 1.0, 1.0, 1.0)
        found = self.pairs.get(min(a, b), {}).get(max(a, b))
        if found is None:
            return None
        effect = Interval(found.effect.estimate, found.effect.low, found.effect.high)
        if a > b:
            effect = Interval(0.0 - effect.estimate, 0.0 - effect.high, 0.0 - effect.low)  # never -0.0
        return Comparison(effect, found.p_bootstrap, found.p_randomisation, found.p_seeds)


def seed_key(record: RunRecord) -> str:
    """RunRecord -> digest of its predictions and of its scores on test."""
    return _digest([record.predictions.sha256, record.scores.test.model_dump_json()])


def row_key(fingerprint: str, seeds: Iterable[str]) -> str:
    """The data and the keys of seeds -> what their row is called, in whatever order they are."""
    return _digest([fingerprint, *sorted(seeds)])


def _digest(parts: list[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def read_evidence(results: Path) -> Evidence:
    """``evidence.json`` of a results folder, or nothing where there is no such file.

    Raises:
        RecordError: the file cannot be read, or holds something else.
    """
    path = results / EVIDENCE_FILE
    try:
        return Evidence.model_validate_json(path.read_bytes()) if path.is_file() else Evidence()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise RecordError(
            f"{path}: {field} is not acceptable: {first['msg']}. Got {first['input']!r:.80}. "
            "Delete the file, and run: ercbench leaderboard build, where the data sets are."
        ) from error


def evidence_text(evidence: Evidence) -> str:
    """Evidence -> the text of its file, the same bytes for the same entries."""
    return json.dumps(evidence.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def pruned(evidence: Evidence, rows: set[str], pairs: Iterable[tuple[str, str]]) -> Evidence:
    """Without entries that no row needs any more.

    Args:
        evidence: what there is.
        rows: keys of rows that are wanted.
        pairs: keys of pairs that are wanted, in either order.
    """
    kept: dict[str, dict[str, PairEvidence]] = {}
    for a, b in pairs:
        first, other = min(a, b), max(a, b)
        found = evidence.pairs.get(first, {}).get(other)
        if found is not None:
            kept.setdefault(first, {})[other] = found
    return Evidence(rows={key: row for key, row in evidence.rows.items() if key in rows}, pairs=kept)
