"""Runs -> a folder that can be handed in: records, predictions, what was sealed, a manifest, a page that says how.

The folder is made beside its place, verified there as ``ercbench verify`` does it, and then given its name, so that a
submission that exists is whole and was right when it was made. No model and no text of the data goes in.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ercbench import __version__
from ercbench.errors import DataError, ErcbenchError, Problems, RecordError, UsageError
from ercbench.gold import sibling
from ercbench.leaderboard.markdown import code_block, joined, points, render, table
from ercbench.verification import Finding, FolderReport, Verifier, verify_folder
from ercbench.verification.folder import RECORD
from ercbench.verification.reading import read_subject
from ercbench.verification.submitted import (
    MANIFEST,
    README,
    TOP,
    Found,
    Manifest,
    Submitter,
    listed,
    measured,
    plugins_of,
    read_manifest,
)
from ercbench.verification.untrusted import TABLE_BYTES, Unreadable, read_bytes, walk
from ercbench.whole_files import write_atomically, writing


@dataclass(frozen=True)
class Submission:
    """What was packed, where, and what a reader should know of it."""

    folder: Path
    manifest: Manifest
    notes: tuple[Finding, ...]


def submit(
    runs: Sequence[Path], folder: Path, verifier: Verifier, submitter: Submitter | None = None, force: bool = False
) -> Submission:
    """Records -> a submission.

    Args:
        runs: records, and folders that hold records.
        folder: where to; made when it is not there.
        verifier: checks everything before the folder gets its name.
        submitter: who sends it.
        force: replace an earlier submission.

    Raises:
        UsageError: the folder holds something that may not be replaced; a run is not there.
        RecordError: a record is not what it says; all faults are listed.
        DataError: the data of a record are not here, so that it could not be verified.

    Before: records.py. After: ``ercbench verify``, and whoever takes the folder in.
    """
    _check_place(folder, force)
    records = _records(runs)
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as undo:
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.absolute().parent))
        undo.callback(shutil.rmtree, made, ignore_errors=True)
        made.chmod(0o755)  # a temporary folder is private by default
        found = [copied for results, file in records for copied in _copy(results, file, made)]
        manifest = _manifest(made, found, verifier, submitter or Submitter())
        write_atomically(made / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
        write_atomically(made / README, page(manifest))
        report = verify_folder(made, verifier)
        _refuse(report)
        _put(made, folder)
    return Submission(folder, manifest, tuple(report.of("note")))


def page(manifest: Manifest) -> str:
    """Manifest -> the text of ``README.md``; everything in it that comes from outside is escaped."""
    records = [
        (r.recipe, r.dataset, r.track, r.context, r.seed, points(r.weighted_f1), "; ".join(r.reasons_not_to_rank))
        for r in manifest.records
    ]
    header = ("Recipe", "Data set", "Track", "Context", ">Seed", ">Test weighted F1", "Not ranked, because")
    plugins = [(plugin.distribution, plugin.version) for plugin in manifest.plugins]
    contaminated = dict.fromkeys(sentence for record in manifest.records for sentence in record.contamination)
    submitter = [value for value in (manifest.submitter.name, manifest.submitter.contact) if value]
    values = {
        "submitter": joined(submitter),
        "made_with": manifest.made_with,
        "records": table(header, records),
        "plugins": table(("Distribution", "Version"), plugins),
        "contamination": list(contaminated),
        "signatures": code_block(dict.fromkeys(record.signature for record in manifest.records)),
        "commands": code_block(record.command for record in manifest.records),
    }
    return render("submission.md.j2", values)


def _check_place(folder: Path, force: bool) -> None:
    """The place is free, or holds a submission that may be replaced."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"A submission is a folder. Got --to {folder}, which is something else. Name another place.")
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if not there:
        return
    if set(there) - set(TOP) or read_manifest(folder)[0] is None:
        raise UsageError(
            f"The folder for the submission is not empty and holds no earlier one. Got --to {folder}, with "
            f"{', '.join(there[:5])}{' and more' if len(there) > 5 else ''}. Name another place."
        )
    if not force:
        raise UsageError(f"A submission is there already. Got --to {folder}. Replace it with --force.")


def _records(runs: Sequence[Path]) -> list[tuple[Path, str]]:
    """Runs -> the results folder and the path in it of every record, each once, all that cannot be had at once."""
    found: dict[str, Path] = {}
    errors: list[ErcbenchError] = []
    for run in runs:
        try:
            for results, file in _records_of(run):
                if found.setdefault(file, results) != results:
                    raise UsageError(
                        f"Two records of one cell. Got {file} in {found[file]} and in {results}. Name one."
                    )
        except UsageError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else Problems(errors)
    return [(found[file], file) for file in sorted(found)]


def _records_of(run: Path) -> Iterator[tuple[Path, str]]:
    """One argument -> its records."""
    path = run.absolute()
    if path.is_dir():
        names = [
            entry.path for entry in walk(path.parent, path.name) if RECORD.fullmatch(entry.path.rpartition("/")[2])
        ]
        paths = [path.parent / name for name in names]
    else:
        paths = [path] if path.is_file() and RECORD.fullmatch(path.name) else []
    if not paths:
        raise UsageError(
            f"There is no record there. Got {str(run)!r}. Name a record, such as "
            "RESULTS/records/DATA/TRACK/RECIPE/seed-0.json, or a folder that holds some."
        )
    for record in paths:
        if len(record.parents) < 6 or record.parents[3].name != "records":
            raise UsageError(
                f"A record lies in a results folder, as records/DATA/TRACK/RECIPE/seed-N.json. Got {str(record)!r}. "
                "Name one that does."
            )
        yield record.parents[4], record.relative_to(record.parents[4]).as_posix()


def _copy(results: Path, file: str, to: Path) -> Iterator[Found]:
    """A record and the files beside it that it names. What is wrong with them, verification tells."""
    names = [file]
    subject, _ = read_subject(results, file)
    if subject is not None:
        record = subject.record
        beside = [record.predictions.file, *([record.training.sealed.file] if record.training.sealed else [])]
        for name in beside:
            try:
                names.append(subject.beside(sibling(results / file, name)))
            except RecordError:
                continue
        yield Found(file, record)
    for name in names:
        try:
            content = read_bytes(results, name, TABLE_BYTES)
        except Unreadable:
            continue
        path = to / PurePosixPath(name)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as copy:
                copy.write(content)
                copy.flush()
                os.fsync(copy.fileno())


def _manifest(made: Path, found: Sequence[Found], verifier: Verifier, submitter: Submitter) -> Manifest:
    paths = [entry.path for entry in walk(made, "records")]
    return Manifest(
        made_with=f"ercbench {__version__}",
        submitter=submitter,
        records=tuple(listed(one, verifier.catalog) for one in found),
        plugins=plugins_of(one.record for one in found),
        files=tuple(measured(made, path) for path in sorted(paths)),
    )


def _refuse(report: FolderReport) -> None:
    """Raise where a record is faulty, or could not be verified."""
    faults, open_ = report.of("fault"), report.of("unverified")
    if faults:
        lines = [f"Nothing was packed: {len(faults)} fault{'' if len(faults) == 1 else 's'}."]
        raise RecordError("\n".join([*lines, *(f"- {fault}" for fault in faults)]))
    if open_:
        lines = [f"Nothing was packed: the scores of {len(open_)} records could not be computed again."]
        raise DataError("\n".join([*lines, *(f"- {one}" for one in open_)]))


def _put(made: Path, folder: Path) -> None:
    """Give a finished folder its name; what was there before is removed when the new one is in its place."""
    if not folder.exists():
        made.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.absolute().parent)) / "old"
    folder.rename(old)
    try:
        made.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    finally:
        shutil.rmtree(old.parent, ignore_errors=True)
