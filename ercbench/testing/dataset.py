"""What a data set must keep to: the same content every time, and a message for every file that is not right."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ercbench import data
from ercbench.catalog import load_target
from ercbench.data_checks import file_problems
from ercbench.data_files import Readings, data_folder, file_names, find_split_files, read_files
from ercbench.data_report import turn_order
from ercbench.reading import Reading
from ercbench.specs import DatasetSpec, SplitFile
from ercbench.testing.checks import CheckSkipped, Subject, checks_of, need
from ercbench.types import SPLITS, Corpus

DAMAGED = {
    "empty": b"",
    "binary": bytes(range(256)) * 4,
    "half a character": "déjà\n".encode("latin-1"),
    "unclosed": b'"{[<,\n\t1,2;"',
}
"""What may stand in a file that is not what it should be."""


class DatasetSubject(Subject[DatasetSpec]):
    """A data set whose files come with it, or lie in the data folder."""

    kind = "dataset"

    def found(self) -> dict[Any, tuple[Path, SplitFile]]:
        """The files of every split; without them a check does not apply."""
        files, missing = find_split_files(self.spec, self.options.data_dir)
        if missing and self.spec.bundled is None:
            raise CheckSkipped("Its files are not here. Name their folder with --data-dir or ERCBENCH_DATA.")
        need(not missing, missing)
        return files

    def copy(self, file: SplitFile, to: Path) -> None:
        """Copy a file, with all that its split is read from besides."""
        folder = data_folder(self.spec, self.options.data_dir)
        for name in file_names(file):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, to / name)

    def readings(self) -> Readings:
        """What its readers make of the files, read once for all checks."""
        if "readings" not in self.memo:
            self.memo["readings"] = read_files(self.found())
        found: Readings = self.memo["readings"]
        return found

    def corpus(self) -> Corpus:
        """All splits, read and checked anew."""
        self.found()
        return data.load(self.spec, self.options.data_dir)


def splits(subject: DatasetSubject) -> None:
    """All three splits can be read, and pass every check of the data.

    Do what the message says; `ercbench data check NAME` shows the same.
    """
    corpus = subject.corpus()
    for split in SPLITS:
        need(corpus.split(split), f"The split {split} is empty.")


def labels(subject: DatasetSubject) -> None:
    """Every label of every split is one of the label set, and every one of the label set occurs in train.

    Map what stands in the files to the keys of the LabelSet in the reader; take labels that never occur out of it.
    """
    keys = subject.spec.labels.keys
    for split, (name, reading) in subject.readings().items():
        found = {turn.label for dialogue in reading.dialogues for turn in dialogue.turns} - {None}
        unknown = sorted(str(label) for label in found - set(keys))
        need(not unknown, f"{name} holds labels that are not in the label set: {', '.join(unknown[:5])}.")
        absent = [key for key in keys if key not in found] if split == "train" else []
        need(not absent, f"No utterance of {name} has the label {', '.join(absent)}.")


def uids(subject: DatasetSubject) -> None:
    """Every turn has a uid of its own, and the same one each time the files are read.

    Read dialogues in the order of the file: iterate over no set, and draw no random numbers.
    """
    first, second = ([(u.uid, u.text) for u in _turns(subject.corpus())] for _ in range(2))
    need(len({uid for uid, _ in first}) == len(first), "Two turns have the same uid.")
    need(first == second, "Read twice, the same uid stands for another turn.")


def _turns(corpus: Corpus) -> Iterator[Any]:
    return (turn for split in SPLITS for dialogue in corpus.split(split) for turn in dialogue.utterances)


def time_order(subject: DatasetSubject) -> None:
    """The turns of a dialogue stand in the order of their numbers.

    Sort the turns of a dialogue by their number in the reader, or give RawTurn the key the file has.
    """
    order = {name: turn_order(reading.dialogues) for name, reading in subject.readings().values()}
    if not any(order.values()):
        raise CheckSkipped("Its files give turns no numbers.")
    for name, found in order.items():
        need(not (found and found.backwards), f"{name}: turns go backwards at {found and found.backwards} places.")


def fingerprint(subject: DatasetSubject) -> None:
    """The fingerprint is that of the content: the same for the same files in another folder.

    Take nothing from the path, the clock or the machine into speakers, texts and labels.
    """
    here = subject.corpus().fingerprint
    with TemporaryDirectory(prefix="ercbench-check-") as folder:
        for _, file in subject.found().values():
            subject.copy(file, Path(folder))
        moved = subject.spec.model_copy(update={"folder": Path(folder), "bundled": None})
        there = data.load(moved).fingerprint
    need(here == there, f"Here it is {here}, and after copying the files {there}.")


def missing_files(subject: DatasetSubject) -> None:
    """Files that are not there are named, with where they come from, and a reader raises nothing.

    Name a file for every split, say under source where a person gets them, and return a Problem from the reader where
    a file cannot be opened (ercbench.read_text does).
    """
    need(subject.spec.source.strip(), "source is empty.")
    with TemporaryDirectory(prefix="ercbench-check-") as folder:
        for split in SPLITS:
            need(subject.spec.files.get(split), f"The spec names no file for {split}.")
        for file in _files(subject.spec):
            need(_read(file, Path(folder) / file.name).problems, f"The reader says nothing of a missing {file.name}.")


def _files(spec: DatasetSpec) -> list[SplitFile]:
    """One file for every reader with its columns."""
    all_files = [file for files in spec.files.values() for one in files for file in (one, *one.more)]
    return list({(file.reader, str(file.columns)): file for file in all_files}.values())


def _read(file: SplitFile, path: Path) -> Reading:
    reader = load_target(file.reader)
    reading = reader(path) if file.columns is None else reader(path, file.columns)
    need(isinstance(reading, Reading), f"The reader {file.reader} returned {type(reading).__name__}, not a Reading.")
    assert isinstance(reading, Reading)
    return reading


def broken_files(subject: DatasetSubject) -> None:
    """A damaged file gives problems: nothing is raised, and nothing passes for sound.

    Return a Problem for whatever cannot be read: ercbench.read_text and parse_rows do it for text and for tables.
    """
    with TemporaryDirectory(prefix="ercbench-check-") as folder:
        for file in _files(subject.spec):
            path = Path(folder) / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            for what, content in DAMAGED.items():
                path.write_bytes(content)
                sound = not file_problems(_read(file, path), subject.spec.labels, path.name)
                need(not sound, f"The reader {file.reader} takes a file for sound that is damaged ({what}).")
        found, _ = find_split_files(subject.spec, subject.options.data_dir)
        for _, file in found.values():
            _damage_each(subject, file, Path(folder))


def _damage_each(subject: DatasetSubject, file: SplitFile, folder: Path) -> None:
    """A file and each that its reader opens besides: damaged in turn, while the others are sound."""
    for name in (file.name, *file.beside):
        subject.copy(file, folder)
        whole = (folder / name).read_bytes()
        for what, content in (DAMAGED if name in file.beside else {}).items():
            (folder / name).write_bytes(content)
            sound = not file_problems(_read(file, folder / file.name), subject.spec.labels, file.name)
            need(not sound, f"The reader {file.reader} takes a file for sound beside a damaged {name} ({what}).")
        (folder / name).write_bytes(whole[: len(whole) // 2] + b"\xff")
        cut = _read(file, folder / file.name).problems
        need(cut, f"The reader {file.reader} takes a file for sound where {name} is cut in half.")


CHECKS = checks_of("dataset", splits, labels, uids, time_order, fingerprint, missing_files, broken_files)
