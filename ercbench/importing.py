"""Brings the files of a data set into the folder where `data.load` finds them.

The files come from a folder that holds them under their known names, or are made by the data set's own importer from
what its owners give out. They are checked as `load` checks them before anything is written.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ercbench.catalog import load_target
from ercbench.data import check_files, statistics
from ercbench.data_files import data_folder, file_names, old_copies
from ercbench.errors import DataError, PluginError, UsageError, WriteError
from ercbench.reading import Imported, Problem
from ercbench.specs import DatasetSpec, SplitFile
from ercbench.types import SPLITS, Split
from ercbench.whole_files import write_atomically

SHOWN_NOTES = 20
LARGEST = 2**28
"""Bytes of a file that is copied; the largest one known is a fiftieth of it."""

_PICKLE_NAMES = (".pkl", ".pickle", ".pkl.gz", ".p")
_PICKLE = re.compile(
    rb"\x80[\x02-\x05]|\([dl]p\d+\n|[\]}]p\d+\n|[\]})]q[\x00-\xff]|\([dlt]\.|c\w[\w.]*\n\w+\n", re.ASCII
)
"""How pickles of protocols 2 to 5, 0 and 1 begin."""


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes:
        name: of the data set.
        folder: where the files are now.
        written: names of files that were written.
        unchanged: names of files that were there already, byte for byte.
        fingerprint: of the content.
        counts: per split, dialogues, turns and labelled utterances.
        notes: what was left out or read in another way than usual, and why.
    """

    name: str
    folder: Path
    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    fingerprint: str
    counts: Mapping[Split, Mapping[str, int]]
    notes: tuple[Problem, ...]


def import_data(spec: DatasetSpec, path: Path, data_dir: Path | None = None, force: bool = False) -> ImportReport:
    """A user's folder -> the files of a data set, checked, in its data folder.

    Before: the catalog. After: ``data.load``.

    Args:
        spec: the data set.
        path: what the user has: a folder with the files, one of the files, or what the owners give out.
        data_dir: the folder that holds one folder per data set; see ``data_files.data_root``.
        force: replace files of the same name whose content differs.

    Raises:
        UsageError: the data set comes with a package, or the path does not exist.
        DataError: there is nothing to import, it is broken or of another version, or other files are in the way.
    """
    if spec.bundled is not None:
        raise UsageError(
            f"Data set {spec.name!r} comes with its package and cannot be imported. Nothing is to be done."
        )
    if not path.exists():
        raise UsageError(f"There is no such file or folder. Got {str(path)!r}. Name the folder with the data.")
    try:
        return _import(spec, path.resolve(), data_folder(spec, data_dir), force)
    except WriteError as error:
        raise DataError(f"{error} Then import again; what was written is whole.") from error
    except OSError as error:
        raise DataError(f"{error.filename or path}: {error.strerror}. Mend that and import again.") from error


def _import(spec: DatasetSpec, path: Path, folder: Path, force: bool) -> ImportReport:
    imported = _imported(spec, path)
    if imported.problems:
        raise DataError(_cannot(spec, path, imported))
    report = _checked(spec, path, imported, folder)
    _refuse_conflicts(spec, report, imported.files, force)
    for name in report.written:
        write_atomically(report.folder / name, imported.files[name])
    return report


def _imported(spec: DatasetSpec, path: Path) -> Imported:
    """The files under their known names, or what the data set's importer makes of the path."""
    if not path.is_dir():
        if problem := _unusable_file(spec, path):
            return Imported(problems=(problem,))
        path = path.parent
    known = _known_files(spec, path)
    if len(known) == len(SPLITS):
        return _copied(spec, known, path)
    if spec.importer is None:
        return Imported(problems=(_missing(spec, path, known),))
    made: Imported = load_target(spec.importer)(path)
    if not made.problems and _split_files(spec, made.files).keys() != set(SPLITS):
        raise PluginError(
            f"The importer of {spec.name!r} must make one file per split, under a name that the data set reads. "
            f"Got {sorted(made.files)!r}. Report it to the author of the plugin."
        )
    return made


def _unusable_file(spec: DatasetSpec, path: Path) -> Problem | None:
    """A problem unless the path is a file that stands beside its like under a known name."""
    if problem := pickle_problem(path):
        return problem
    if any(path.name == file.name for files in spec.files.values() for file in files) and path.is_file():
        return None
    fix = "Name the folder that holds the data; unpack an archive first."
    return Problem(path.name, f"is no folder, and no file that {spec.name!r} is read from.", fix)


def _known_files(spec: DatasetSpec, folder: Path) -> dict[Split, SplitFile]:
    """Per split the first known name under which the folder holds a file, with all that belong to it."""
    found = {
        split: [
            file for file in spec.files.get(split, ()) if all((folder / name).is_file() for name in file_names(file))
        ]
        for split in SPLITS
    }
    return {split: files[0] for split, files in found.items() if files}


def _split_files(spec: DatasetSpec, files: Mapping[str, str]) -> dict[Split, SplitFile]:
    """Which of the files is whose; a name that the data set does not read belongs to no split."""
    found: dict[Split, SplitFile] = {}
    for split in SPLITS:
        whole = [file for file in spec.files.get(split, ()) if set(file_names(file)) <= files.keys()]
        if len(whole) == 1:
            found[split] = whole[0]
    return found if {name for file in found.values() for name in file_names(file)} == files.keys() else {}


def _copied(spec: DatasetSpec, known: Mapping[Split, SplitFile], folder: Path) -> Imported:
    files: dict[str, str] = {}
    problems = old_copies(spec, {split: (folder / file.name, file) for split, file in known.items()})
    for name, part in [(name, file) for file in known.values() for name in file_names(file)]:
        data = _read_inside(folder / name, folder)
        if isinstance(data, Problem):
            problems.append(data)
            continue
        try:
            files[name] = data.decode("utf-8")
        except UnicodeDecodeError as error:  # the reader says which line it is, and may know the file
            plain = Problem(name, f"is not UTF-8 text (byte {error.start}).", "Get the file again.")
            problems += load_target(part.reader)(folder / part.name).problems or [plain]
    return Imported(files, problems=tuple(problems))


def _read_inside(path: Path, folder: Path) -> bytes | Problem:
    """A file of a folder -> its bytes. A link that leads out of the folder, a pickle and a huge file are refused.

    An `OSError` is the caller's.
    """
    if problem := pickle_problem(path):
        return problem
    if not path.resolve().is_relative_to(folder.resolve()):
        return Problem(path.name, "is a link that leads out of the folder.", "Put the file itself there.")
    if path.stat().st_size > LARGEST:
        return Problem(path.name, f"is larger than {LARGEST} bytes.", "Check that this is the file it is named after.")
    return path.read_bytes()


def pickle_problem(path: Path) -> Problem | None:
    """A problem if a file is a pickle, by its name or by its first bytes; it is never loaded."""
    fix = "Bring the files named in `ercbench data list`, or what the owners give out."
    what = "is a pickle, which can run code hidden in it and is never opened."
    if path.name.lower().endswith(_PICKLE_NAMES):
        return Problem(path.name, what, fix)
    if not path.is_file():  # opening what is no file, such as a pipe, may never return
        return None
    try:
        with path.open("rb") as file:
            return Problem(path.name, what, fix) if _PICKLE.match(file.read(200)) else None
    except OSError:  # whoever reads the file reports it
        return None


def _missing(spec: DatasetSpec, folder: Path, known: Mapping[Split, SplitFile]) -> Problem:
    names = [" or ".join(" with ".join(file_names(file)) for file in spec.files.get(split, ())) for split in SPLITS]
    there = ", ".join(file.name for file in known.values())
    what = f"does not hold the files of {spec.name!r}. Found: {there or 'none of them'}."
    return Problem(folder.name or str(folder), what, f"Wanted, one per split: {'; '.join(names)}.")


def _cannot(spec: DatasetSpec, path: Path, imported: Imported) -> str:
    lines = [f"Data set {spec.name!r} cannot be imported from {path}; nothing was written."]
    lines += [f"- {problem}" for problem in imported.problems] + _note_lines(imported.notes)
    pickles = sorted(f.name for f in path.iterdir() if f.name.lower().endswith(_PICKLE_NAMES)) if path.is_dir() else []
    if pickles:
        lines.append(f"Found {', '.join(pickles)}: pickles are never opened, because that can run code hidden in them.")
    return "\n".join([*lines, f"Where the data come from: {spec.source}"])


def _checked(spec: DatasetSpec, path: Path, imported: Imported, folder: Path) -> ImportReport:
    """Check the files as `data.load` does, in a folder that is removed again."""
    with tempfile.TemporaryDirectory() as staged:
        for name, text in imported.files.items():
            (Path(staged) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(staged) / name).write_text(text, encoding="utf-8", newline="")
        files = {s: (Path(staged) / file.name, file) for s, file in _split_files(spec, imported.files).items()}
        try:
            corpus = check_files(spec, files, path)
        except DataError as error:
            raise DataError("\n".join([str(error), *_note_lines(imported.notes), "Nothing was written."])) from error
    same = [name for name, text in imported.files.items() if _holds(folder / name, text)]
    counts = {
        split: {"dialogues": found.dialogues, "turns": found.turns, "labelled": found.labelled}
        for split, found in statistics(corpus).items()
    }
    written = tuple(name for name in imported.files if name not in same)
    return ImportReport(spec.name, folder, written, tuple(same), corpus.fingerprint, counts, imported.notes)


def _note_lines(notes: Sequence[Problem]) -> list[str]:
    lines = [f"Left out or read in another way: {len(notes)}", *(f"- {note}" for note in notes[:SHOWN_NOTES])]
    more = [f"and {len(notes) - SHOWN_NOTES} more"] if len(notes) > SHOWN_NOTES else []
    return [*lines, *more] if notes else []


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode("utf-8")


def _refuse_conflicts(spec: DatasetSpec, report: ImportReport, files: Mapping[str, str], force: bool) -> None:
    """Raise where files of the user's would be replaced, or would be read instead of the new ones."""
    lines: list[str] = []
    in_the_way = [name for name in report.written if (report.folder / name).exists()]
    if in_the_way and not force:
        lines.append(f"{', '.join(in_the_way)}: already there, with other content. Replace with --force.")
    for split, file in _split_files(spec, files).items():
        names = [known.name for known in spec.files[split]]
        earlier = [name for name in names[: names.index(file.name)] if (report.folder / name).exists()]
        if earlier:
            lines.append(f"{', '.join(earlier)}: would be read instead of {file.name}. Move the file away.")
    if lines:
        raise DataError("\n".join([f"Files are in the way in {report.folder}; nothing was written.", *lines]))
