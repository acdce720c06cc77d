"""A whole folder: every record in it, what lies there beside the records, and records that contradict each other."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from ercbench.errors import ErcbenchError, UsageError
from ercbench.verification.findings import Finding, fault, few, note
from ercbench.verification.submitted import MANIFEST, Found, check_submission
from ercbench.verification.untrusted import TABLE_BYTES, Entry, Unreadable, read_bytes, walk
from ercbench.verification.verifier import Checked, Status, Verifier

EVIDENCE = "evidence.json"
EVIDENCE_FIX = "Make it again, with the data at hand: ercbench leaderboard build."
RECORD = re.compile(r"seed-[^/]*\.json")
STRAY = "Remove it: beside a record lie its predictions and what it sealed, and nothing else."

EvidenceCheck = Callable[[Path], Iterable[Finding]]
"""A results folder -> what is wrong with its ``evidence.json``, computed again; an `ErcbenchError` is one fault."""


@dataclass(frozen=True)
class FolderReport:
    """What came of a folder.

    Attributes:
        records: in the order of their paths.
        others: what is about no single record.
    """

    records: tuple[Checked, ...]
    others: tuple[Finding, ...]

    @property
    def findings(self) -> list[Finding]:
        """Everything that was found."""
        return [finding for checked in self.records for finding in checked.findings] + list(self.others)

    def of(self, kind: str) -> list[Finding]:
        """The findings of one kind."""
        return [finding for finding in self.findings if finding.kind == kind]

    def count(self, status: Status) -> int:
        """How many records came to this."""
        return sum(checked.status == status for checked in self.records)


def verify_folder(
    results: Path,
    verifier: Verifier,
    evidence: EvidenceCheck | None = None,
    watch: Callable[[int, int], None] = lambda done, of: None,
) -> FolderReport:
    """A results folder or a submission -> what is to be said of it. Nothing in it is executed, and no link followed.

    Args:
        results: the folder that holds ``records/``.
        verifier: what all records share.
        evidence: checks ``evidence.json`` where there is one; None only says that it is there.
        watch: told how many records are done, and of how many.

    Raises:
        UsageError: there is no such folder.

    Before: records.py. After: leaderboard/, and whoever takes the folder in.
    """
    if not results.is_dir():
        raise UsageError(f"There is no folder to verify. Got {str(results)!r}. Name one that holds records/.")
    others: list[Finding] = []
    entries = _entries(results, others)
    files = [entry.path for entry in entries if entry.kind == "file"]
    records = [file for file in files if RECORD.fullmatch(PurePosixPath(file).name)]
    submission = (results / MANIFEST).exists() or (results / MANIFEST).is_symlink()
    checked = []
    for file in records:
        checked.append(verifier.check(results, file))
        watch(len(checked), len(records))
    if not records:
        fix = (
            "Name a folder that holds records/; each variant of a grid or an ablation has one, below grid/ or ablate/."
        )
        others.append(fault("records", "the folder", "It holds no records.", fix))
    others += _strays(entries, checked, submission)
    others += _twice(checked)
    if submission:
        given = [Found(one.file, one.record) for one in checked if one.record is not None]
        others += check_submission(results, files, given, verifier.catalog)
    others += _evidence(results, checked, verifier, evidence)
    return FolderReport(tuple(checked), tuple(others))


def _evidence(
    results: Path, checked: Sequence[Checked], verifier: Verifier, check: EvidenceCheck | None
) -> Iterator[Finding]:
    """What was computed from the gold labels and kept, computed again."""
    if not (results / EVIDENCE).exists() and not (results / EVIDENCE).is_symlink():
        return
    try:
        read_bytes(results, EVIDENCE, TABLE_BYTES)
        found = list(check(results)) if check and all(one.record for one in checked) else None
    except Unreadable as error:
        yield fault(EVIDENCE, "the file", f"It {error}.", EVIDENCE_FIX)
        return
    except ErcbenchError as error:
        yield fault(EVIDENCE, "the file", " ".join(str(error).split()), EVIDENCE_FIX)
        return
    if found is None:
        what = "It is not looked at here." if check is None else "It is not looked at while a record cannot be read."
        yield note(EVIDENCE, "the file", what)
    for finding in found or ():
        open_ = finding.kind == "unverified" and not verifier.with_data
        yield replace(finding, kind="note") if open_ else finding


def _entries(results: Path, others: list[Finding]) -> list[Entry]:
    """Everything below ``records/``."""
    top = results / "records"
    if top.is_symlink():
        others.append(fault("records", "the folder", "It is a symbolic link.", "Put the folder itself there."))
        return []
    return list(walk(results, "records")) if top.is_dir() else []


def _strays(entries: Sequence[Entry], checked: Sequence[Checked], submission: bool) -> Iterator[Finding]:
    """What no record names, and what is no file. A kept model is no part of a submission, and no fault elsewhere."""
    named = {one.file for one in checked}
    models = set()
    for one in checked:
        folder = PurePosixPath(one.file).parent
        if one.record is not None:
            sealed = one.record.training.sealed
            beside = [one.record.predictions.file, *([sealed.file] if sealed else [])]
            named |= {str(folder / name) for name in beside if "/" not in name}
        models.add(str(folder / PurePosixPath(one.file).stem) + ".model")
    kept = set() if submission else models
    yield from few(
        fault(entry.path, "the file", "No record names it.", STRAY)
        for entry in entries
        if entry.kind == "file" and entry.path not in named and str(PurePosixPath(entry.path).parent) not in kept
    )
    for entry in entries:
        if entry.kind == "link":
            yield fault(
                entry.path, "the file", "It is a symbolic link, which may lead anywhere.", "Put the file there."
            )
        elif entry.kind != "file":
            yield fault(entry.path, "the file", f"It is not looked into: {entry.kind}.", STRAY)


def _twice(checked: Sequence[Checked]) -> Iterator[Finding]:
    """Two records of one cell, and the same predictions under two names."""
    cells, predictions = defaultdict(list), defaultdict(list)
    for one in checked:
        if one.record is not None:
            record = one.record
            recipe = f"{record.recipe.name}@{record.recipe.version}"
            cells[(record.dataset.name, record.track, record.protocol.context, recipe, record.seed)].append(one.file)
            if record.training.epochs:
                predictions[record.predictions.sha256].append(one.file)
    for files in cells.values():
        for file in files[1:]:
            fix = "Remove all but one, or give each the seed it ran with."
            yield fault(file, "seed", f"{files[0]} is of the same recipe, data set, track and seed.", fix)
    for files in predictions.values():
        for file in files[1:]:
            what = f"{files[0]} has the very same predictions, which two runs that train hardly ever have."
            yield note(file, "predictions.sha256", what)
