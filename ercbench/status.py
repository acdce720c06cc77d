"""What runs, what ran last, what is unfinished and what failed: read from the logs below a results folder. No torch.

Before: run_log.py, which writes them. After: ``ercbench status``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ercbench.cells import FAILURES
from ercbench.failures import Failure, read_failure
from ercbench.log_events import EVENTS
from ercbench.run_log import LOGS, GridState, events_in, is_running
from ercbench.unfinished import UnfinishedRun, results_folders, unfinished_runs

SOON = timedelta(minutes=1)
"""A process that goes on with another combination of a grid begins its log within this time."""


@dataclass(eq=False)
class Command:
    """A command that runs cells or ran some, as its log tells it; of a grid, one of its combinations.

    Attributes:
        log: the file.
        results: the results folder of its cells.
        running: whether its process lives.
        went_on: whether its process went on with another combination.
        told: time of its last event, None before the first.
    """

    log: Path
    results: Path
    running: bool = False
    went_on: bool = False
    state: GridState = field(default_factory=GridState)
    told: datetime | None = None
    _read: int = 0

    @property
    def started(self) -> datetime | None:
        """When it began, as the machine that it runs on had it."""
        began = self.state.about.get("time")
        return datetime.fromisoformat(began) if began else None

    @property
    def ended(self) -> str | None:
        """How it ended: ``finished``, or the class of what stopped it; None where it did not say so."""
        return self.state.about.get("ended")

    @property
    def killed(self) -> bool:
        """Whether it ended without saying so."""
        return not self.running and self.ended is None

    @property
    def seconds(self) -> float:
        """How long it runs, or ran as far as it told."""
        if self.started is None or self.told is None:
            return 0.0
        until = datetime.now(UTC) if self.running else self.told
        return max(0.0, (until - self.started).total_seconds())

    def precedes(self, other: Command) -> bool:
        """Whether the same process went on with another one, in another results folder; both were looked at."""
        if self.results == other.results or self.told is None or other.started is None:
            return False
        process, of_other = (tuple(one.state.about.get(key) for key in ("host", "pid")) for one in (self, other))
        return process == of_other and timedelta() <= other.started - self.told < SOON

    def look(self, lives: bool) -> None:
        """Read what was added to the log; `lives` says whether its process was there just before."""
        try:
            with self.log.open("rb") as file:
                file.seek(self._read)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:  # removed meanwhile
            return
        self._read += len(whole) + len(newline)
        for event in events_in(whole.split(b"\n")):
            self.state.apply(event)
            if event["event"] in EVENTS:
                self.told = datetime.fromisoformat(event["time"])
        self.running = lives and self.ended is None


@dataclass(frozen=True)
class Status:
    """What is to be known of a results folder.

    Attributes:
        running: commands whose process lives, the first to have begun first.
        ended: those that were killed since a command last ended by itself, that one, and the combinations of a grid
            that the same process had done before what is running or ended; the newest first.
        unfinished: runs that go on where they were left, and that no process is at.
        failed: cells that wait for ``--retry-failed``.
    """

    running: tuple[Command, ...]
    ended: tuple[Command, ...]
    unfinished: tuple[UnfinishedRun, ...]
    failed: tuple[tuple[Path, Failure], ...]


class Watch:
    """Looks at a results folder, again and again; of a log it reads only what is new."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self._commands: dict[Path, Command] = {}

    def look(self) -> Status:
        """How things are now."""
        folders = results_folders(self.results)
        found = [(log, folder) for folder in folders for log in (folder / LOGS).glob("*.jsonl")]
        logs = sorted(found, key=lambda one: _told(one[0]))
        commands = [self._commands.setdefault(log, Command(log, folder)) for log, folder in logs]
        running: list[Command] = []
        ended: list[Command] = []
        history = False
        for one in reversed(commands):
            lives = is_running(one.log)
            if history and not lives:
                continue
            one.look(lives)
            one.went_on = any(one.precedes(later) for later in (*running, *ended))
            if one.running:
                running.append(one)
            elif one.went_on or not ended or ended[-1].killed:
                ended.append(one)
            else:
                history = True
        failed = _failures(folders)
        left = _left(folders, {failure.identity for _, failure in failed})
        running.sort(key=lambda one: one.log.name)
        return Status(tuple(running), tuple(ended), tuple(left), tuple(failed))


def _told(log: Path) -> tuple[float, str]:
    """When something was last written to a log, which is when its command ended; then when it began, its name."""
    try:
        return log.stat().st_mtime, log.name
    except FileNotFoundError:  # removed meanwhile
        return 0.0, log.name


def _left(folders: list[Path], failed: set[str]) -> Iterator[UnfinishedRun]:
    """Runs that kept something, have no record, did not fail, and that nobody is at."""
    for folder in folders:
        for run in unfinished_runs(folder):
            left = run.description and run.folder.is_dir() and run.identity not in failed and not run.is_running
            if left and run.description and not run.description.is_done(folder) and not run.is_superseded:
                yield run


def _failures(folders: list[Path]) -> list[tuple[Path, Failure]]:
    """Every failure record, with its results folder."""
    files = [(folder, path) for folder in folders for path in sorted((folder / FAILURES).glob("*/*/*/seed-*.json"))]
    return [(folder, found) for folder, path in files if (found := read_failure(path))]
