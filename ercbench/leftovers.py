"""What killed and failed runs left in a results folder, and which of it nobody needs any more. No torch here.

Whatever a process that lives may be at is let be: a run's folder is removed under its lock, and while a command runs
in a results folder, its temporary files and its models without a record are its own.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ercbench.catalog import Catalog
from ercbench.cells import FAILURES
from ercbench.locks import is_held
from ercbench.run_log import LOGS, SERIAL, is_running, lock_of, read_log
from ercbench.specs import Recipe
from ercbench.unfinished import UNFINISHED, UnfinishedRun, last_written, results_folders, unfinished_runs

KEPT_LOGS = 20
"""Logs of finished commands that are kept, the newest."""
STRAY = 60.0
"""Seconds without a write after which a temporary file is nobody's; its text is written in far less."""
DAY = 86400.0
RECORDS = "records"
TEMPORARY = re.compile(r"\..+\.tmp|.+\.tmp|tmp[a-z0-9_]{8}")
"""Names of temporary files, those of earlier versions too."""


@dataclass(frozen=True)
class Leftover:
    """Something that lies about.

    Attributes:
        path: the file or folder.
        why: it can go, or is kept.
        size: in bytes, of everything below it.
        needed: whether it is kept.
        lock: what to hold while it is removed, None where nobody can be at it.
        written: when something in it was last written; it is not removed if that has changed.
    """

    path: Path
    why: str
    size: int
    needed: bool = False
    lock: Path | None = None
    written: float = 0.0


def find_leftovers(results: Path, catalog: Catalog, older_than: float | None = None) -> list[Leftover]:
    """What lies about in a results folder and in those of samples and variants in it. Nothing is removed.

    Args:
        results: the folder.
        catalog: which recipes are installed.
        older_than: seconds; unfinished runs that nobody can go on with here can go, if nothing was written to them for
            so long. None: they are kept.

    Before: status.py, which shows unfinished runs. After: `remove`.
    """
    installed = {f"{recipe.name}@{recipe.version}" for recipe in catalog.all(Recipe)}
    found: list[Leftover] = []
    for folder in results_folders(results):
        runs, commands = list(unfinished_runs(folder)), _commands(folder)
        if commands <= {SERIAL}:  # whoever collects runs from elsewhere writes without holding their locks
            found += [one for run in runs for one in _of_run(run, installed, older_than)]
        found += _logs(folder)
        if not commands and not any(run.is_running for run in runs):
            found += _models(folder)
            going = {one.path for one in found if not one.needed}
            found += [one for one in _temporary(folder) if going.isdisjoint((one.path, *one.path.parents))]
    return found


def remove(leftovers: Iterable[Leftover]) -> list[Leftover]:
    """Remove those that are not needed -> what was removed. What a process has taken up meanwhile stays."""
    return [one for one in leftovers if not one.needed and _remove(one)]


def _remove(one: Leftover) -> bool:
    if one.lock is None:
        return _delete(one)
    try:
        with FileLock(one.lock, timeout=0):
            removed = _delete(one)
            one.lock.unlink(missing_ok=True)  # whoever waits for it notices that it is gone, and makes another
    except Timeout:
        return False
    return removed


def _delete(one: Leftover) -> bool:
    if not one.path.is_dir() or one.path.is_symlink():
        one.path.unlink(missing_ok=True)
    elif last_written(one.path) != one.written:
        return False
    else:
        shutil.rmtree(one.path)
    return True


def _commands(folder: Path) -> set[str]:
    """Who runs cells there now: the executors of the commands that live."""
    live = [path for path in (folder / LOGS).glob("*.jsonl") if is_running(path)]
    return {next(read_log(path), {}).get("executor", "") for path in live}


def _of_run(run: UnfinishedRun, installed: set[str], older_than: float | None) -> Iterator[Leftover]:
    """The folder of an unfinished run with its description and lock."""
    if run.is_running:
        return
    there = sorted(run.folder.parent.glob(f"{run.identity}.*"))
    beside = [path for path in there if path.suffix in (".json", ".lock")]
    for path in there:
        if path not in beside and not TEMPORARY.fullmatch(path.name):
            written = last_written(path) if path.is_dir() else 0.0
            yield Leftover(path, "of a run, and not taken in", size_of(path), lock=run.lock, written=written)
    if not run.folder.is_dir():
        yield from (Leftover(path, "of a run that kept nothing", size_of(path), lock=run.lock) for path in beside)
        return
    written = last_written(run.folder)
    needed, why = _verdict(run, installed, older_than)
    yield Leftover(run.folder, why, size_of(run.folder), needed, run.lock, written)
    if not needed:
        yield from (Leftover(path, why, size_of(path), lock=run.lock) for path in beside)


def _verdict(run: UnfinishedRun, installed: set[str], older_than: float | None) -> tuple[bool, str]:
    """Whether a run's folder is needed, and why."""
    epochs, description = run.epochs(verify=True), run.description
    if not epochs:
        return False, "holds nothing whole to go on from"
    if description and description.is_done(run.results):
        return False, f"{description.cell}: its record is there"
    if description and run.is_superseded:
        return False, f"{description.cell}: a later record is there, with another version of a local plugin"
    if description and description.recipe in installed:
        return True, f"{description.cell}: goes on after epoch {epochs}"
    why = f"{description.cell}: {description.recipe} is not installed" if description else "no one knows of which cell"
    age = abs(time.time() - last_written(run.folder))
    if older_than is None or age < older_than:
        return True, f"{why}; goes with --older-than DAYS"
    return False, f"{why}, and nothing was written to it for {age / DAY:.0f} days"


def _logs(folder: Path) -> Iterator[Leftover]:
    """All logs but the newest and those of commands that run; locks that a kill left."""
    logs = sorted((folder / LOGS).glob("*.jsonl"), reverse=True)
    ended = [path for path in logs if not is_running(path)]
    for path in ended[KEPT_LOGS:]:
        yield Leftover(path, f"a log, and not one of the newest {KEPT_LOGS}", size_of(path))
    strays = {lock_of(path) for path in ended} | {
        lock for lock in (folder / LOGS).glob("*.lock") if not lock.with_suffix(".jsonl").exists()
    }
    for lock in sorted(lock for lock in strays if lock.exists() and not is_held(lock)):
        yield Leftover(lock, "the lock of a command that was killed", size_of(lock), lock=lock)


def _models(folder: Path) -> Iterator[Leftover]:
    """Trained models without a record: a kill came between the two."""
    for model in sorted((folder / RECORDS).glob("*/*/*/seed-*.model")):
        if not model.with_suffix(".json").exists():
            yield Leftover(model, "a trained model without a record", size_of(model), written=last_written(model))


def _temporary(folder: Path) -> Iterator[Leftover]:
    """Temporary files that a kill left."""
    below = (path for name in (RECORDS, FAILURES, LOGS, UNFINISHED) for path in (folder / name).rglob("*"))
    for path in sorted([*below, *folder.glob(".*.tmp")]):
        if TEMPORARY.fullmatch(path.name) and path.is_file() and abs(time.time() - path.stat().st_mtime) > STRAY:
            yield Leftover(path, "a temporary file", size_of(path))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.lstat().st_size for file in files if file.is_file() or file.is_symlink())
