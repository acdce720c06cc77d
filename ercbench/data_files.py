"""Where the files of a data set lie, and what their readers make of them. Nothing is checked here.

Part of ``data.py``, which checks what was read.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from ercbench.catalog import load_target
from ercbench.errors import DataError
from ercbench.fetching import how_to_get
from ercbench.fingerprints import file_fingerprint, named_copy
from ercbench.reading import Problem, RawDialogue, RawTurn, Reading
from ercbench.specs import DatasetSpec, SplitFile
from ercbench.types import SPLITS, Corpus, Dialogue, Split

ENVIRONMENT = "ERCBENCH_DATA"

Found = Mapping[Split, tuple[Path, SplitFile]]
"""Per split the file that was found; where it is in several, the first of them."""
Readings = Mapping[Split, tuple[str, Reading]]
"""Per split what it is called in messages, a file's name as a rule, and what was read of it."""


def file_names(file: SplitFile) -> tuple[str, ...]:
    """The names of all files that a split is read from, this one first."""
    return (file.name, *file.beside, *(name for part in file.more for name in file_names(part)))


def data_root(data_dir: Path | None) -> Path:
    """The folder that holds one folder per data set: `data_dir`, else ``ERCBENCH_DATA``, else the user's own."""
    if data_dir is not None:
        return data_dir.expanduser()
    if named := os.environ.get(ENVIRONMENT):
        return Path(named).expanduser()
    return _default_root()


def data_folder(spec: DatasetSpec, data_dir: Path | None = None) -> Path:
    """The folder of one data set: its own, inside the package that bundles it, or below `data_root`."""
    if spec.folder is not None:
        return spec.folder
    if spec.bundled is None:
        return (data_root(data_dir) / spec.name).absolute()
    package, _, folder = spec.bundled.partition(":")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise DataError(f"The package {package!r}, which bundles the data set {spec.name!r}, is not installed.")
    return Path(found.submodule_search_locations[0]) / folder


def find_files(spec: DatasetSpec, data_dir: Path | None = None) -> dict[Split, tuple[Path, SplitFile]]:
    """DatasetSpec -> files: per split the first of the known file names that exists.

    Before: the catalog. After: `load`.

    Raises:
        DataError: a split has no file. The message says where the files come from and where they go.
    """
    files, missing = find_split_files(spec, data_dir)
    if missing:
        raise DataError(missing)
    return files


def find_split_files(
    spec: DatasetSpec, data_dir: Path | None = None
) -> tuple[dict[Split, tuple[Path, SplitFile]], str]:
    """DatasetSpec -> the files that are there, and what to say of those that are not, or nothing."""
    folder = data_folder(spec, data_dir)
    files: dict[Split, tuple[Path, SplitFile]] = {}
    for split in SPLITS:
        for file in spec.files.get(split, ()):
            if all((folder / name).is_file() for name in file_names(file)):
                files[split] = (folder / file.name, file)
                break
    missing = [split for split in SPLITS if split not in files]
    return files, _missing_files(spec, folder, missing, data_dir) if missing else ""


def _missing_files(spec: DatasetSpec, folder: Path, missing: Sequence[Split], data_dir: Path | None) -> str:
    lines = [f"Data set {spec.name!r} lacks its files for {', '.join(missing)}."]
    lines.append(f"Looked in: {folder}{'' if folder.is_dir() else ' (no such folder)'}")
    for split in missing:
        names = (" with ".join(file_names(file)) for file in spec.files.get(split, ()))
        lines.append(f"  {split}: {' or '.join(names) or 'no known name'}")
    pickles = sorted(path.name for path in folder.glob("*.pkl")) + sorted(path.name for path in folder.glob("*.pickle"))
    if pickles:
        lines.append(f"Found {', '.join(pickles)}: pickles are never opened, because that can run code hidden in them.")
        lines.append("Bring the files named above instead.")
    if spec.folder is not None:
        return "\n".join([*lines, f"Where they come from: {spec.source}"])
    lines.append(how_to_get(spec, data_dir))
    lines.append(
        f"Or put the files into that folder, or name the one that holds {spec.name + os.sep!r}: with --data-dir, with "
        f"the environment variable {ENVIRONMENT}, or by using the default, {_default_root()}."
    )
    return "\n".join(lines)


def _default_root() -> Path:
    import platformdirs

    return platformdirs.user_data_path("ercbench")


def read_files(found: Found) -> dict[Split, tuple[str, Reading]]:
    """Found files -> what the reader of each makes of it, problems included.

    Before: `find_files`. After: the checks of ``data.py``.
    """
    return {split: _read(split, _folder(path, file), file) for split, (path, file) in found.items()}


def _folder(path: Path, file: SplitFile) -> Path:
    """The data set's folder, from where a file of it was found: the file may lie in a folder below."""
    return path.parents[len(PurePath(file.name).parts) - 1]


def _read(split: Split, folder: Path, file: SplitFile) -> tuple[str, Reading]:
    """The file of a split, or all its files as one; then every place begins with the name of its file."""
    paths = [(folder / part.name, part) for part in (file, *file.more)]
    parts = [(path.name, _read_file(path, part)) for path, part in paths]
    if len(parts) == 1:
        return parts[0]
    dialogues = tuple(_placed(dialogue, name) for name, reading in parts for dialogue in reading.dialogues)
    return split, Reading(dialogues, tuple(problem for _, reading in parts for problem in reading.problems))


def _read_file(path: Path, file: SplitFile) -> Reading:
    reader = load_target(file.reader)
    reading: Reading = reader(path) if file.columns is None else reader(path, file.columns)
    return reading


def _placed(dialogue: RawDialogue, name: str) -> RawDialogue:
    return RawDialogue(dialogue.key, tuple(replace(turn, row=f"{name}, {turn.row}") for turn in dialogue.turns))


def read_corpus(corpus: Corpus) -> Readings:
    """A corpus as if it had just been read, so that one somebody put together is checked as files are."""
    return {
        split: (split, Reading(tuple(_raw(dialogue, d) for d, dialogue in enumerate(corpus.split(split)))))
        for split in SPLITS
    }


def _raw(dialogue: Dialogue, position: int) -> RawDialogue:
    place = f"dialogue {position}, turn"
    turns = (RawTurn(u.speaker, u.text, u.label, "", f"{place} {t}") for t, u in enumerate(dialogue.utterances))
    return RawDialogue(dialogue.key, tuple(turns))


def all_paths(found: Found) -> dict[Split, list[Path]]:
    """Every file of every split."""
    return {split: [_folder(path, file) / name for name in file_names(file)] for split, (path, file) in found.items()}


def old_copies(spec: DatasetSpec, found: Found) -> list[Problem]:
    """Found files -> one problem per file that is known to be of another version, told by its sha256."""
    if not spec.known_copies:
        return []
    copies: list[Problem] = []
    for path in [path for paths in all_paths(found).values() for path in paths]:
        try:
            name = named_copy(file_fingerprint(path).sha256, spec.known_copies)
        except OSError:  # the file's reader reports it
            continue
        if name is not None:
            copies.append(Problem(path.name, f"is {name}.", f"The right files: {spec.source}."))
    return copies
