"""One record: every check, in order: itself, the plugins, its files, and the gold labels where they are here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from ercbench import data, scoring
from ercbench.catalog import Catalog
from ercbench.contamination import contamination
from ercbench.errors import ErcbenchError, UsageError
from ercbench.fingerprints import Fingerprints
from ercbench.gold import Gold, GoldLabels
from ercbench.records import RunRecord
from ercbench.slices import slices
from ercbench.types import SPLITS, Scores
from ercbench.verification.claims import claims, sound_names
from ercbench.verification.findings import AGAIN, Finding, fault, few, note, unverified
from ercbench.verification.installed import installed, labels_of
from ercbench.verification.outputs import Outputs, outputs
from ercbench.verification.reading import Subject, read_subject
from ercbench.verification.scores import compare, consistent, metric, predicted_counts

Status = Literal["verified", "checked without data", "not verified", "faulty"]
WITHOUT = "--without-data checks everything else."


@dataclass(frozen=True)
class Checked:
    """What came of one record.

    Attributes:
        file: its path from the folder that was given.
        record: None where the file holds none.
        status: ``verified`` where its scores were computed again from the gold labels and nothing is wrong.
        findings: in the order of the checks.
    """

    file: str
    record: RunRecord | None
    status: Status
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Here:
    """The data set of a record as it is here."""

    gold: Gold
    fingerprints: Fingerprints
    dev_slices: dict[str, int]

    @classmethod
    def of(cls, golds: GoldLabels, record: RunRecord, data_dir: Path | None) -> Here:
        """Read it.

        Raises:
            ErcbenchError: it is not here, or not acceptable.
        """
        gold, spec = golds.here(record), golds.spec(record)
        parts = slices(gold.corpus, "dev", spec.slices)
        prints = data.corpus_fingerprints(gold.corpus, spec, data_dir)
        return cls(gold, prints, {name: len(uids) for name, uids in parts.items()})


class Verifier:
    """Checks records; each data set is read once."""

    def __init__(self, catalog: Catalog, data_dir: Path | None = None, with_data: bool = True) -> None:
        """Keep what all checks share.

        Args:
            catalog: of the installed plugins.
            data_dir: folder with one folder per data set; None looks in the usual places.
            with_data: whether gold labels are looked for at all.
        """
        self.catalog, self.with_data = catalog, with_data
        self._data_dir = data_dir
        self.golds = GoldLabels(catalog, data_dir)
        self._here: dict[tuple[str, int | None, bool], Here | str] = {}

    def check(self, results: Path, file: str) -> Checked:
        """Check the record at ``results/file``. Nothing is raised for what a stranger's file may hold."""
        subject, findings = read_subject(results, file)
        if subject is None:
            return Checked(file, None, "faulty", tuple(findings))
        found = tuple(_first_of_each(chain(findings, self._all(subject))))
        kinds = {finding.kind for finding in found}
        status: Status = "verified" if self.with_data else "checked without data"
        if "unverified" in kinds:
            status = "not verified"
        return Checked(file, subject.record, "faulty" if "fault" in kinds else status, found)

    def _all(self, subject: Subject) -> Iterator[Finding]:
        """Every check, cheapest first."""
        record = subject.record
        yield from claims(subject)
        yield from installed(subject, self.catalog)
        for sentence in contamination(record, self.catalog):
            yield note(subject.file, "encoder.checkpoint", sentence)
        labels = labels_of(record, self.catalog)
        yield from metric(subject, labels)
        found = outputs(subject, labels)
        yield from found.findings
        here = self._data(subject)
        again: Scores | None = None
        if isinstance(here, Finding):
            yield here
        elif here is not None:
            yield from _same_data(subject, here)
            if _same_test(subject, here):
                yield from _dev(subject, here)
                wrong, again = _again(subject, here, found)
                yield from wrong
        yield from consistent(subject, "dev", labels)
        if again is not None:
            yield from compare(subject, "test", again)
            return
        yield from consistent(subject, "test", labels)
        if found.predictions is not None:
            yield from predicted_counts(subject, found.predictions)

    def _data(self, subject: Subject) -> Here | Finding | None:
        """The data set of a record; a finding where it is not here; None where it is not asked for."""
        wanted = subject.record.dataset
        if not self.with_data or not sound_names(subject.record):
            return None
        key = wanted.name, wanted.limit, wanted.own is None
        if key not in self._here:
            try:
                self._here[key] = Here.of(self.golds, subject.record, self._data_dir)
            except ErcbenchError as error:
                self._here[key] = str(error).strip().partition("\n")[0]
        here = self._here[key]
        if isinstance(here, str):
            what = f"The scores could not be computed again. {here}"
            return unverified(
                subject.file, "dataset.name", what, f"Bring the data, or name them with --data-dir. {WITHOUT}"
            )
        other = here.gold.corpus
        if other.fingerprint != wanted.fingerprint and other.version != wanted.version:
            what = f"The scores could not be computed again: version {other.version!r} is here, not {wanted.version!r}."
            return unverified(subject.file, "dataset.version", what, f"Bring that version. {WITHOUT}")
        return here


def verify_record(path: Path, verifier: Verifier) -> list[Finding]:
    """The record at ``RESULTS/records/.../seed-<n>.json`` -> what is to be said of it.

    No fault and nothing unverified among it means that its scores were computed again and are right, unless the
    verifier works without data.

    Raises:
        UsageError: the path has no results folder above it.
    """
    if len(path.absolute().parents) < 6 or path.absolute().parents[3].name != "records":
        raise UsageError(
            f"A record lies in a results folder, as records/DATA/TRACK/RECIPE/seed-N.json. Got {str(path)!r}. "
            "Name one that does."
        )
    results = path.absolute().parents[4]
    return list(verifier.check(results, path.absolute().relative_to(results).as_posix()).findings)


def _same_data(subject: Subject, here: Here) -> Iterator[Finding]:
    """The data set that is here is that of the record, at every level that the record tells."""
    wanted, corpus, prints = subject.record.dataset, here.gold.corpus, here.fingerprints
    same = wanted.fingerprint == corpus.fingerprint
    fix = "Bring the data that the record names, or run its command again on these."
    labelled = {split: len(data.gold(corpus, split)) for split in SPLITS}
    content: dict[str, tuple[object, object]] = {
        "fingerprint": (wanted.fingerprint, corpus.fingerprint),
        "version": (wanted.version, corpus.version),
        "utterances": (dict(sorted(wanted.utterances.items())), dict(sorted(labelled.items()))),
    }
    if wanted.split_fingerprints:
        recorded = wanted.split_fingerprints
        here_of = {str(split): print_ for split, print_ in prints.splits.items()}
        both = dict.fromkeys((*recorded, *here_of))
        content |= {f"split_fingerprints.{split}": (recorded.get(split), here_of.get(split)) for split in both}
    if wanted.own is not None:
        of_record = [list(wanted.own.labels), wanted.own.neutral]
        content["own.labels"] = of_record, [list(corpus.labels.keys), corpus.labels.neutral]
    for field, (recorded_value, found) in content.items():
        if recorded_value != found:
            what = "The data set that is here has another."
            yield fault(subject.file, f"dataset.{field}", what, fix, recorded_value, found)
    files = {file.name: file.sha256 for found in prints.files.values() for file in found}
    for name, sha256 in wanted.files.items():
        if files.get(name) != sha256:
            what = "The file that is here has another content" + (", which holds the same dialogues." if same else ".")
            yield note(subject.file, f"dataset.files.{name}", what, sha256, files.get(name, "no such file"))


def _same_test(subject: Subject, here: Here) -> bool:
    """Whether the test split that is here is the record's, so that scoring its predictions tells something."""
    wanted = subject.record.dataset
    whole = wanted.fingerprint == here.gold.corpus.fingerprint
    return whole or wanted.split_fingerprints.get("test") == here.fingerprints.splits["test"]


def _again(subject: Subject, here: Here, found: Outputs) -> tuple[list[Finding], Scores | None]:
    """The predictions against the gold labels -> the scores, or why they do not fit each other."""
    predictions, gold = found.predictions, here.gold
    if predictions is None or not found.uids_are_sound:
        return [], None
    rows, wanted = set(predictions.uids), gold.test.keys()
    if rows == wanted:
        return [], scoring.score(predictions, gold.test, gold.labels, gold.slices)
    file = subject.beside(subject.record.predictions.file)
    missing = few(fault(file, "uid", "It has no row.", AGAIN, found=uid) for uid in sorted(wanted - rows))
    surplus = few(fault(file, "uid", "It is no labelled utterance.", AGAIN, uid) for uid in sorted(rows - wanted))
    return [*missing, *surplus], None


def _dev(subject: Subject, here: Here) -> Iterator[Finding]:
    """What can be told of dev, whose predictions no record has: utterances per label and per slice."""
    dev, gold = subject.record.scores.dev, here.gold
    labelled = data.gold(gold.corpus, "dev")
    for label in gold.labels:
        support = sum(index == label.index for index in labelled.values())
        recorded = dev.per_class[label.key].support if label.key in dev.per_class else None
        if recorded != support:
            what = "The data set has another number of utterances with this label."
            field = f"scores.dev.per_class.{label.key}.support"
            yield fault(subject.file, field, what, AGAIN, recorded, support)
    sizes = {name: part.utterances for name, part in dev.slices.items()}
    if sizes and sizes != here.dev_slices:
        what = "The data set has other slices, or other numbers of utterances in them."
        yield fault(subject.file, "scores.dev.slices", what, AGAIN, sizes, here.dev_slices)


def _first_of_each(findings: Iterable[Finding]) -> Iterator[Finding]:
    """One finding per score: a number that is wrong in two ways is told in the first."""
    seen = set()
    for finding in findings:
        if finding.field not in seen:
            yield finding
        if finding.field.startswith("scores."):
            seen.add(finding.field)
