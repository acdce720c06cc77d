"""``evidence.json`` against the records and the data: every entry computed again, and nothing taken on trust."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from ercbench.gold import GoldLabels
from ercbench.leaderboard.evidence import Evidence, read_evidence
from ercbench.leaderboard.gathering import gather
from ercbench.leaderboard.seeds import groups
from ercbench.records import read_records


@dataclass(frozen=True)
class Doubt:
    """One entry that does not hold.

    Attributes:
        kind: ``fault``: it is wrong, missing or needed by no row. ``unverified``: its data are not here.
        field: dotted path in the file.
        what: what is wrong with it, a sentence.
        recorded: what stands there, None for nothing.
        found: what it was found to be, None for nothing.
    """

    kind: Literal["fault", "unverified"]
    field: str
    what: str
    recorded: str | None = None
    found: str | None = None


def recheck(results: Path, gold: GoldLabels) -> list[Doubt]:
    """A results folder -> what is to be said against its ``evidence.json``, with zero tolerance.

    Args:
        results: the folder that holds ``records/``.
        gold: finds the gold labels.

    Raises:
        RecordError: the file or a record cannot be read.

    Before: gathering.py. After: ``ercbench verify``.
    """
    found = groups(read_records(results), lambda *_: ())
    names = {group.key: f"{group.shared.dataset}, {group.name}" for group in found}
    known, new = read_evidence(results), gather(results, found, Evidence(), gold).evidence
    return [*_rows(known, new, names), *_pairs(known, new, names)]


def _rows(known: Evidence, new: Evidence, names: Mapping[str, str]) -> Iterator[Doubt]:
    """Entries of rows, by key."""
    for key in sorted(known.rows.keys() | new.rows.keys()):
        yield from _doubt(f"rows.{key}", names.get(key), known.rows.get(key), new.rows.get(key))


def _pairs(known: Evidence, new: Evidence, names: Mapping[str, str]) -> Iterator[Doubt]:
    """Entries of pairs, by key. One is out of place only where both of its rows could be scored."""
    for first in sorted(known.pairs.keys() | new.pairs.keys()):
        ours, theirs = known.pairs.get(first, {}), new.pairs.get(first, {})
        for other in sorted(ours.keys() | theirs.keys()):
            scored = first in new.rows and other in new.rows
            here = None if scored or not {first, other} <= names.keys() else f"{names[first]} and {names[other]}"
            named = f"{names[first]} and {names[other]}" if other in theirs else here
            yield from _doubt(f"pairs.{first}.{other}", named, ours.get(other), theirs.get(other))


def _doubt(field: str, name: str | None, known: BaseModel | None, new: BaseModel | None) -> Iterator[Doubt]:
    """An entry as it stands and as it was computed again; `name` is None where no row needs it."""
    recorded, found = (None if one is None else one.model_dump_json() for one in (known, new))
    if recorded == found:
        return
    if name is None:
        yield Doubt("fault", field, "No row needs this entry.", recorded)
    elif found is None:
        yield Doubt("unverified", field, f"It could not be computed again ({name}).", recorded)
    else:
        what = "is missing" if recorded is None else "is another one when computed again"
        yield Doubt("fault", field, f"The entry {what} ({name}).", recorded, found)
