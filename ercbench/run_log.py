"""The log of a command that runs cells: one JSON line per event, in ``logs/`` of the results folder.

People watch the progress on the terminal; programs, and ``ercbench status`` in another terminal, read this. `GridState`
is what the events so far come to, and what the live table of a grid is drawn from.
"""

from __future__ import annotations

import json
import logging
import math
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from ercbench import log_events
from ercbench.cells import CellName, NamedCell
from ercbench.errors import WriteError
from ercbench.locks import is_held
from ercbench.log_events import EVENTS, is_sound
from ercbench.progress import NOTHING, Reporter, Silent
from ercbench.types import Epoch
from ercbench.whole_files import writing

log = logging.getLogger("ercbench")
State = log_events.State
LOGS = "logs"
"""The folder of the logs in a results folder."""
SERIAL = "serial"
"""The executor that runs cells one after the other in the command's own process."""
PROGRESS_EVERY = 5.0
"""Seconds between two events of a cell that say how far it is."""
Event = Mapping[str, Any]
Write = Callable[..., None]
"""``write(event, **fields)``: what a `RunLog` has, and whatever hands events on to one."""


@dataclass
class CellState:
    """What is known of one cell.

    `share` of its work is done (0 to 1), `left` is the time to come in seconds, None where not known; `node` is the
    machine that runs it, empty where it is the one that the command was given on.
    """

    cell: CellName
    state: State = "queued"
    epoch: int = 0
    epochs: int = 0
    dev_weighted_f1: float | None = None
    test_weighted_f1: float | None = None
    doing: str = ""
    share: float = 0.0
    left: float | None = None
    message: str = ""
    node: str = ""


@dataclass
class GridState:
    """All cells of a command, as its events have told so far."""

    cells: dict[CellName, CellState] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Take an event in. One of a kind that is not known here changes nothing."""
        kind = event["event"]
        if kind == "grid_started":
            self.about = {key: value for key, value in event.items() if key not in ("event", "cells")}
            for one in event["cells"]:
                cell = _cell(one["cell"])
                self.cells[cell] = CellState(cell, one["state"], epochs=one["epochs"])
        elif kind == "grid_finished":
            self.about |= {"finished": event["time"], "ended": event["ended"]}
        elif kind in EVENTS and "cell" in event and (known := self.cells.get(_cell(event["cell"]))):
            _apply(known, event)

    def count(self, state: State) -> int:
        """Cells in a state."""
        return sum(cell.state == state for cell in self.cells.values())


def _cell(fields: Mapping[str, Any]) -> CellName:
    """Which cell an event is of; a later version may say more of it."""
    return NamedCell.model_validate(fields).cell


def _apply(cell: CellState, event: Event) -> None:
    """Take in an event of one cell."""
    match event["event"]:
        case "cell_started":
            cell.state, cell.doing, cell.message, cell.share = "running", "starting", "", 0.0
            cell.node = event.get("node", "")
        case "progress":
            cell.doing, cell.share, cell.left = event["doing"], event["share"], event["left"]
        case "epoch_finished":
            cell.epoch, cell.dev_weighted_f1 = event["epoch"]["epoch"], event["epoch"]["dev_weighted_f1"]
        case "cell_finished":
            cell.state, cell.doing, cell.share, cell.left = "done", "", 1.0, None
            cell.dev_weighted_f1, cell.test_weighted_f1 = event["dev_weighted_f1"], event["test_weighted_f1"]
        case "cell_failed":
            cell.state, cell.doing, cell.left, cell.message = "failed", "", None, event["message"]
        case "cell_requeued":
            cell.state, cell.left, cell.message = "queued", None, event["message"]


class RunLog:
    """Writes the events of one command, and keeps what they come to. A context manager.

    Its file is locked as long as the command lives, so that others can tell. It is not synced after each event: of a
    machine that loses power the last ones may be missing, and no run is taken up from them.
    """

    def __init__(self, results: Path) -> None:
        self.path = results / LOGS / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{os.getpid()}.jsonl"
        self.state = GridState()
        self._lock = FileLock(lock_of(self.path))
        self._torn = False

    def __enter__(self) -> RunLog:
        try:
            with writing(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._lock.acquire()
                self._file = self.path.open("ab", buffering=0)
        except WriteError:
            self._lock.release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        ended = "finished" if error is None else type(error).__name__
        self.write("grid_finished", ended=ended, done=self.state.count("done"), failed=self.state.count("failed"))
        self._file.close()
        self._lock.release()
        lock_of(self.path).unlink(missing_ok=True)

    def start(self, cells: Sequence[tuple[CellName, State, int]], executor: str, pid: int | None = None) -> None:
        """The first event: every cell with its state and number of epochs, who runs them, in which process."""
        listed = [{"cell": asdict(cell), "state": state, "epochs": epochs} for cell, state, epochs in cells]
        self.write(
            "grid_started",
            host=socket.gethostname(),
            pid=pid or os.getpid(),
            executor=executor,
            cells=listed,
        )

    def write(self, event: str, **fields: Any) -> None:
        """Add one event."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **_finite(fields)}
        self._append(json.dumps(line, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"))
        self.state.apply(line)

    def _append(self, line: bytes) -> None:
        """Write a line. Where there is no room for it, the runs go on all the same, and that is said once."""
        content = (b"\n" if self._torn else b"") + line + b"\n"
        try:
            whole = self._file.write(content) == len(content)
            reason = "there is no room"
        except OSError as error:
            whole, reason = False, error.strerror or str(error)
        if not whole and not self._torn:
            log.warning("The log %s cannot be written: %s. The runs go on, and it will lack events.", self.path, reason)
        self._torn = not whole


class Logged(Silent):
    """A `Reporter` of one cell that writes events, and hands everything on to another.

    Attributes:
        stage: the one that is running, None before the first.
        epoch: the last finished one.
    """

    def __init__(self, cell: CellName, write: Write, reporter: Reporter) -> None:
        self.stage: str | None = None
        self.epoch = 0
        self._cell, self._write, self._reporter = asdict(cell), write, reporter
        self._work = self._done = self._resumed = 0
        self._begun = self._told = time.monotonic()

    def event(self, event: str, **fields: Any) -> None:
        """Write an event of this cell."""
        self._write(event, cell=self._cell, **fields)

    def begin(self, title: str, work: int) -> None:
        """The cell begins."""
        self._work, self._begun = work, time.monotonic()
        self.event("cell_started", work=work)
        self._reporter.begin(title, work)

    def advance(self, work: int, doing: str, figures: Mapping[str, float] = NOTHING) -> None:
        """It is further; told now and then."""
        self._reporter.advance(work, doing, figures)
        self._done += work
        if doing == "resuming":
            self._resumed += work
        now = time.monotonic()
        if now - self._told < PROGRESS_EVERY:
            return
        self._told = now
        fresh = self._done - self._resumed
        left = (now - self._begun) * (self._work - self._done) / fresh if fresh else None
        share = min(1.0, self._done / self._work) if self._work else 0.0
        finite = {name: value for name, value in figures.items() if math.isfinite(value)}
        self.event("progress", doing=doing, share=share, left=left, figures=finite)

    def adjust(self, work: int) -> None:
        """It will take more or less."""
        self._work += work
        self._reporter.adjust(work)

    def say(self, message: str) -> None:
        """A line."""
        self.event("said", message=message)
        self._reporter.say(message)

    def end(self) -> None:
        """Handed on: how it ended is told by whoever knows."""
        self._reporter.end()

    def stage_started(self, stage: str) -> None:
        """A stage begins."""
        self.stage = stage
        self.event("stage_started", stage=stage)
        self._reporter.stage_started(stage)

    def stage_finished(self, stage: str, seconds: float) -> None:
        """A stage is done."""
        self.event("stage_finished", stage=stage, seconds=seconds)
        self._reporter.stage_finished(stage, seconds)

    def epoch_finished(self, epoch: Epoch, resumed: bool = False) -> None:
        """An epoch is trained and scored. The score that chooses the epoch is not told, it may be one on test."""
        self.epoch = epoch.epoch
        told = {name: value for name, value in asdict(epoch).items() if name != "selection_score"}
        self.event("epoch_finished", epoch=told, resumed=resumed)
        self._reporter.epoch_finished(epoch, resumed)


def lock_of(path: Path) -> Path:
    """The lock that the writer of a log holds while it lives."""
    return path.with_suffix(".lock")


def is_running(path: Path) -> bool:
    """Whether the command that writes a log is still there."""
    return is_held(lock_of(path))


def read_log(path: Path) -> Iterator[Event]:
    """The events of a log; a line that was cut off by a kill, or that nobody could have meant, is left out."""
    with path.open("rb") as file:
        yield from events_in(file)


def events_in(lines: Iterable[bytes]) -> Iterator[Event]:
    """Lines of a log -> the events that are whole."""
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if is_sound(event):
            yield event


def _finite(value: Any) -> Any:
    """A value as JSON has it: a number that is not finite is none."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {name: _finite(one) for name, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
    return value
