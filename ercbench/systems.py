"""Which records a name or a path stands for, so that systems can be compared on the same task. No torch here.

A system is one version of a recipe with one configuration, over its seeds. A task is what must be the same for two
scores to mean the same: the exact content of a data set, a track, a context protocol.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path

from ercbench.errors import RecordError, UnknownName, UsageError
from ercbench.records import RunRecord, read_record, record_files
from ercbench.types import ContextProtocol

Found = tuple[Path, RunRecord]
"""A record, and where it lies."""


@dataclass(frozen=True)
class Task:
    """What the records of systems that are compared have in common."""

    dataset: str
    version: str
    fingerprint: str
    track: str
    context: ContextProtocol

    @classmethod
    def of(cls, record: RunRecord) -> Task:
        """The task of a record."""
        data = record.dataset
        return cls(data.name, data.version, data.fingerprint, record.track, record.protocol.context)

    def __str__(self) -> str:
        return f"{self.dataset}, {self.track}, context {self.context}"


@dataclass(frozen=True)
class System:
    """Records that differ in nothing but seed and task.

    Attributes:
        asked: what stood on the command line.
        name: recipe@version, followed by what was asked for where two systems would have the same name.
        tasks: its records by task, in the order of seeds.
        notes: what was chosen among others, in words.
    """

    asked: str
    name: str
    tasks: Mapping[Task, tuple[Found, ...]]
    notes: tuple[str, ...] = ()

    @property
    def paths(self) -> set[Path]:
        """Where its records lie."""
        return {path.resolve() for found in self.tasks.values() for path, _ in found}


def find_systems(asked: Sequence[str], results: Path, datasets: Sequence[str] = ()) -> list[System]:
    """Names of recipes, and paths of records and of folders of records -> the systems that they stand for.

    Args:
        asked: a recipe with records, ``eacl`` (its newest version) or ``eacl@2``; a path has a slash or ends in
            ``.json``.
        results: the folder that holds ``records/``, for names.
        datasets: keep only records on these data sets; empty for all.

    Raises:
        UnknownName: there are no records of a recipe of this name.
        UsageError: a record is named twice, or none is left on the data sets.
        RecordError: a path holds no records, or records that are not seeds of one system.
    """
    systems = [_system(one, results, datasets) for one in asked]
    for one, other in combinations(systems, 2):
        if twice := sorted(one.paths & other.paths):
            raise UsageError(
                f"A record cannot stand for two systems. Got {twice[0]} for {one.asked!r} and for {other.asked!r}. "
                "Name different ones."
            )
    names = Counter(system.name for system in systems)
    return [
        replace(system, name=f"{system.name} ({system.asked})") if names[system.name] > 1 else system
        for system in systems
    ]


def shared_tasks(systems: Sequence[System]) -> list[Task]:
    """The tasks that at least two systems have records of, sorted.

    Raises:
        RecordError: there is none; the message says in what the systems differ.
    """
    counts = Counter(task for system in systems for task in system.tasks)
    shared = sorted((task for task, many in counts.items() if many > 1), key=_sorted_by)
    if not shared:
        raise RecordError(
            "Only records on the same content of a data set, the same track and the same context protocol can be "
            f"compared. Got {_differences(systems)}. Run the missing ones, or name others."
        )
    return shared


def _system(asked: str, results: Path, datasets: Sequence[str]) -> System:
    """One system, from a path or from the results folder."""
    named = not ("/" in asked or "\\" in asked or asked.endswith(".json"))
    paths, notes = _named(asked, results, datasets) if named else (record_files(Path(asked)), ())
    read = [(path, read_record(path)) for path in paths]
    found = [one for one in read if not datasets or one[1].dataset.name in datasets]
    if not found:
        raise UsageError(_nothing_on(asked, datasets, (record.dataset.name for _, record in read)))
    names = sorted({f"{record.recipe.name}@{record.recipe.version}" for _, record in found})
    if len(names) > 1:
        raise RecordError(
            f"{asked}: a system is one version of one recipe. Got records of {', '.join(names)}. "
            "Name the folder of one of them."
        )
    tasks: defaultdict[Task, list[Found]] = defaultdict(list)
    for one in found:
        tasks[Task.of(one[1])].append(one)
    return System(asked, names[0], {task: _seeds(asked, task, of) for task, of in tasks.items()}, notes)


def _nothing_on(asked: str, datasets: Iterable[str], has: Iterable[str]) -> str:
    return (
        f"There are no records of {asked!r} on {' or '.join(datasets)}. Got records on {', '.join(sorted(set(has)))}. "
        "Name one of those with --dataset, or leave it out."
    )


def _named(asked: str, results: Path, datasets: Sequence[str]) -> tuple[list[Path], tuple[str, ...]]:
    """The records of a recipe in the version that was asked for, or the newest; and a note where there are others."""
    recipe, _, version = asked.partition("@")
    every = sorted(folder for folder in (results / "records").glob("*/*/*@*") if folder.is_dir())
    folders = [one for one in every if one.name == asked or (not version and one.name.partition("@")[0] == recipe)]
    if not folders:
        known = {one.name for one in every} | {one.name.partition("@")[0] for one in every}
        hint = f"Those have records in {results}. A path needs a slash, such as ./{asked}."
        raise UnknownName("system", asked, known, hint)
    on = [one for one in folders if not datasets or one.parts[-3] in datasets]
    if not on:
        raise UsageError(_nothing_on(asked, datasets, (one.parts[-3] for one in folders)))
    *older, newest = sorted({one.name.partition("@")[2] for one in on}, key=_parts)
    note = f"{recipe} has records of the versions {', '.join((*older, newest))}; the newest is compared."
    chosen = [one for one in on if one.name == f"{recipe}@{newest}"]
    return [path for one in chosen for path in sorted(one.glob("seed-*.json"))], (note,) if older else ()


def _parts(version: str) -> tuple[tuple[int, ...], str]:
    """The order of versions: by their numbers, so that 10 comes after 9."""
    return tuple(int(number) for number in re.findall(r"\d+", version)), version


def _seeds(asked: str, task: Task, found: Sequence[Found]) -> tuple[Found, ...]:
    """The records of a system on a task, in the order of seeds; each seed once, and nothing else that differs."""
    ordered = sorted(found, key=lambda one: one[1].seed)
    first_path, first = ordered[0]
    for (path, record), (_, before) in zip(ordered[1:], ordered, strict=False):
        if record.seed == before.seed:
            raise RecordError(
                f"{path}: a seed counts once. Got seed {record.seed} twice for {asked!r} on {task}. "
                "Name the folder of one of them."
            )
        mine, others = record.method, first.method
        if differing := sorted(key for key in mine.keys() | others.keys() if mine.get(key) != others.get(key)):
            raise RecordError(
                f"{path}: the records of a system differ in nothing but the seed. Got another value than in "
                f"{first_path} for {', '.join(differing)}. Name the records that belong together by their paths."
            )
    return tuple(ordered)


def _sorted_by(task: Task) -> tuple[str, ...]:
    return tuple(asdict(task).values())


def _differences(systems: Sequence[System]) -> str:
    """In what systems with one task each differ, or else which tasks each has."""
    tasks = [sorted(system.tasks, key=_sorted_by) for system in systems]
    words = {"dataset": "data set", "version": "data version", "context": "context protocol"}
    if all(len(of) == 1 for of in tasks):
        fields = [asdict(of[0]) for of in tasks]
        return "; ".join(
            f"{words.get(name, name)} "
            + ", ".join(f"{value[name]} ({system.name})" for system, value in zip(systems, fields, strict=True))
            for name in fields[0]
            if len({value[name] for value in fields}) > 1
        )
    return "; ".join(
        f"{system.name}: " + " / ".join(f"{task}, fingerprint {task.fingerprint[:19]}" for task in of)
        for system, of in zip(systems, tasks, strict=True)
    )
