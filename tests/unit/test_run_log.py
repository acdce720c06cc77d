"""The log of a command: what is written, what a reader makes of it, and that it stands in nobody's way."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import unlucky

from ercbench import run_log
from ercbench.catalog import load_with_files
from ercbench.cells import CellName
from ercbench.errors import WriteError
from ercbench.executing import execute
from ercbench.grid import Request, plan
from ercbench.log_events import EVENTS
from ercbench.progress import NOTHING, Silent
from ercbench.run_log import GridState, Logged, RunLog, is_running, lock_of, read_log
from ercbench.types import Epoch

CELL = CellName("method@2", "talk", "mini", "past", 3)
EPOCH = Epoch(1, {"total": 1.5}, 0.25, 0.75, 2.0, 10.0)


def written(log: RunLog) -> list[dict[str, Any]]:
    """The events of its file."""
    return [dict(event) for event in read_log(log.path)]


def test_every_event_is_a_line_and_the_state_is_what_they_come_to(tmp_path: Path) -> None:
    """Whoever reads the file comes to the same state as the command itself."""
    with RunLog(tmp_path) as log:
        log.start([(CELL, "queued", 2)], "serial")
        told = Logged(CELL, log.write, Silent())
        told.begin("title", 10)
        assert log.state.cells[CELL].state == "running"
        told.epoch_finished(EPOCH)
        assert (log.state.cells[CELL].epoch, log.state.cells[CELL].dev_weighted_f1) == (1, 0.25)
        told.event("cell_finished", dev_weighted_f1=0.5, test_weighted_f1=0.75, seconds=1.0)
    assert log.path.parent == tmp_path / "logs"
    events = written(log)
    assert [event["event"] for event in events] == [
        "grid_started", "cell_started", "epoch_finished", "cell_finished", "grid_finished",
    ]  # fmt: skip
    assert (events[0]["pid"], events[-1]["ended"], events[-1]["done"]) == (os.getpid(), "finished", 1)
    state = GridState()
    for event in events:
        state.apply(event)
    assert state == log.state
    assert (state.cells[CELL].state, state.cells[CELL].test_weighted_f1) == ("done", 0.75)
    assert state.about["ended"] == "finished"


def test_a_score_on_test_that_chooses_an_epoch_is_not_told(tmp_path: Path) -> None:
    """While a run goes on its log says nothing of test."""
    with RunLog(tmp_path) as log:
        log.start([(CELL, "queued", 2)], "serial")
        Logged(CELL, log.write, Silent()).epoch_finished(EPOCH)
    assert "0.75" not in log.path.read_text()


def test_everything_is_handed_on(tmp_path: Path) -> None:
    """Whoever shows the progress hears what there is, in order."""
    heard: list[tuple[Any, ...]] = []

    class Hears(Silent):
        def __getattribute__(self, name: str) -> Any:
            return lambda *given: heard.append((name, *given))

    told = Logged(CELL, lambda *_, **__: None, Hears())
    calls: list[tuple[Any, ...]] = [
        ("begin", "title", 10), ("stage_started", "training"), ("advance", 3, "epoch 1/2", {"total": 1.0}),
        ("adjust", 4), ("say", "hello"), ("epoch_finished", EPOCH, True), ("stage_finished", "training", 1.0), ("end",),
    ]  # fmt: skip
    for name, *given in calls:
        getattr(told, name)(*given)
    assert heard == calls
    assert (told.stage, told.epoch) == ("training", 1)


def test_progress_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a step loop speaks: at most one event in five seconds, so a long epoch writes few lines."""
    clock, told = [0.0], []
    monkeypatch.setattr(run_log.time, "monotonic", lambda: clock[0])
    logged = Logged(CELL, lambda event, **fields: told.append((event, fields)), Silent())
    logged.begin("title", 1000)
    for _ in range(1000):
        clock[0] += 0.02
        logged.advance(1, "epoch 1/1", {"total": 1.0, "odd": float("nan")})
    assert [event for event, _ in told] == ["cell_started", "progress", "progress", "progress"]
    shares = [fields["share"] for event, fields in told if event == "progress"]
    assert shares == pytest.approx([0.25, 0.5, 0.75], abs=0.01)
    assert told[2][1]["left"] == pytest.approx(10, abs=0.2)
    assert told[2][1]["figures"] == {"total": 1.0}


def test_the_time_left_leaves_out_what_an_earlier_process_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half was done before; the speed is that of this process."""
    clock, told = [0.0], []
    monkeypatch.setattr(run_log.time, "monotonic", lambda: clock[0])
    logged = Logged(CELL, lambda event, **fields: told.append(fields), Silent())
    logged.begin("title", 100)
    logged.advance(50, "resuming")
    clock[0] = 10.0
    logged.advance(10, "epoch 3/4")
    assert (told[-1]["share"], told[-1]["left"]) == (0.6, pytest.approx(40))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("nan")]}])
def test_a_number_that_is_not_finite_is_none(tmp_path: Path, value: Any) -> None:
    """Neither is a log of other than JSON written, nor does a run end because of it."""
    with RunLog(tmp_path) as log:
        log.start([], "serial")
        log.write("of a later version", value=value)
        log.write("of a later version", value="caf\udce9")
    [first, second] = [event["value"] for event in written(log) if event["event"] == "of a later version"]
    assert first in (None, {"a": [None]})
    assert second == "caf?"
    assert "NaN" not in log.path.read_text()


# A log and its process


def test_a_log_tells_whether_its_command_lives(tmp_path: Path) -> None:
    """Also to another process; a kill lets go of the lock, and leaves the file."""
    code = (
        "import os, sys, pathlib\n"
        "from ercbench.run_log import RunLog\n"
        "with RunLog(pathlib.Path(sys.argv[1])) as log:\n"
        "    log.start([], 'serial')\n"
        "    print(log.path, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdin
    path = Path(process.stdout.readline().strip())
    assert is_running(path)
    process.kill()
    process.wait()
    process.stdout.close()
    process.stdin.close()
    assert lock_of(path).exists()
    assert not is_running(path)
    assert [event["event"] for event in read_log(path)] == ["grid_started"]


def test_a_command_that_ends_leaves_no_lock_and_says_how(tmp_path: Path) -> None:
    """Ctrl-C too."""
    log = RunLog(tmp_path)

    def stopped() -> None:
        with log:
            log.start([], "serial")
            assert is_running(log.path)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert written(log)[-1]["ended"] == "KeyboardInterrupt"
    assert not is_running(log.path)
    assert [path.suffix for path in log.path.parent.iterdir()] == [".jsonl"]


def test_two_commands_have_two_logs(tmp_path: Path) -> None:
    """At the same time in the same folder."""
    with RunLog(tmp_path) as one, RunLog(tmp_path) as other:
        assert one.path != other.path


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """One message, like any other results folder that cannot be written."""
    (tmp_path / "logs").write_text("in the way")
    with pytest.raises(WriteError, match="cannot be written"), RunLog(tmp_path):
        pass


class FullDisk:
    """A file with room for so many bytes."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room = file, room

    def write(self, content: bytes) -> int:
        """What fits."""
        if not self.room:
            raise OSError(28, "No space left on device")
        fits = content[: self.room]
        self.room -= len(fits)
        self.file.write(fits)
        return len(fits)

    def close(self) -> None:
        """The file."""
        self.file.close()


def test_a_full_disk_ends_no_run_for_the_sake_of_its_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, the state is kept, and when there is room again whole lines are written."""
    with caplog.at_level(logging.WARNING, "ercbench"), RunLog(tmp_path) as log:
        log.start([(CELL, "queued", 1)], "serial")
        whole, log._file = log._file, FullDisk(log._file, 30)  # type: ignore[assignment]
        told = Logged(CELL, log.write, Silent())
        told.begin("title", 1)
        told.say("lost")
        log._file = whole
        told.say("kept")
        assert log.state.cells[CELL].state == "running"
    assert len(caplog.records) == 1
    assert "cannot be written: there is no room. The runs go on" in caplog.text
    events = written(log)
    assert [event["event"] for event in events] == ["grid_started", "said", "grid_finished"]
    assert events[1]["message"] == "kept"


LINE = {"time": "2026-01-01T00:00:00+00:00", "event": "cell_started", "work": 1, "cell": vars(CELL)}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"\xff\xfe\n",
        b"null\n",
        b"[" * 100_000 + b"\n",
        b'{"event": 3}\n',
        b'{"event": "progress"}\n',
        json.dumps({**LINE, "work": "much"}).encode() + b"\n",
        json.dumps({**LINE, "cell": {**vars(CELL), "seed": -1}}).encode() + b"\n",
        json.dumps({**LINE, "time": "yesterday"}).encode() + b"\n",
        json.dumps(LINE).encode()[:-9],
    ],
)
def test_lines_that_nobody_could_have_meant_are_left_out(tmp_path: Path, line: bytes) -> None:
    """Cut off by a kill, or of another program; those around are read, and so is what a later version adds."""
    path = tmp_path / "log.jsonl"
    sound = [LINE, {"event": "of a later version", "cell": 3}, {**LINE, "cell": {**vars(CELL), "more": 1}, "more": 2}]
    path.write_bytes(b"".join(json.dumps(event).encode() + b"\n" for event in sound) + line)
    assert list(read_log(path)) == sound
    state = GridState()
    for event in sound:
        state.apply(event)  # skips what it does not know


def test_a_real_command_writes_what_the_reference_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event of a sample run with a failure and a resumption has exactly the fields that are documented."""
    file, switch = unlucky.write(tmp_path, monkeypatch)
    monkeypatch.setattr(run_log, "PROGRESS_EVERY", 0.0)
    request = Request(["raises", "lucky"], ["meld-sample"], "mini", [0], {}, limit=4, results=tmp_path, device="cpu")
    for retry in (False, True):
        request = Request(**{**vars(request), "retry_failed": retry})
        execute(plan(load_with_files([file]), request), request, Silent())
        switch.unlink(missing_ok=True)
    events = [event for path in sorted((tmp_path / "logs").iterdir()) for event in read_log(path)]
    assert {event["event"] for event in events} == EVENTS.keys() - {"cell_requeued"}  # of a worker that died
    for event in events:
        fields = EVENTS[event["event"]].model_fields
        required = {name for name, field in fields.items() if field.is_required()}
        assert required <= event.keys() - {"event"} <= fields.keys()
        for name, value in event.items():
            if isinstance(value, Mapping) and name in ("cell", "epoch"):
                assert value.keys() == fields[name].annotation.model_fields.keys()  # type: ignore[union-attr]
    assert [event["resumed"] for event in events if event["event"] == "epoch_finished"].count(True) == 1
    order = [event["event"] for event in events if event["event"] in ("grid_started", "grid_finished")]
    assert order == ["grid_started", "grid_finished"] * 2


def test_a_command_with_nothing_to_run_writes_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked a hundred times whether all is done, it leaves nothing behind."""
    file, _ = unlucky.write(tmp_path, monkeypatch)
    request = Request(["lucky"], ["meld-sample"], "mini", [0], {}, limit=4, results=tmp_path, device="cpu")
    for _ in range(2):
        execute(plan(load_with_files([file]), request), request, Silent())
    assert len(list((tmp_path / "logs").iterdir())) == 1


def test_nothing_is_told_where_nothing_is_known() -> None:
    """An event of a cell that the command did not list changes nothing."""
    state = GridState()
    state.apply(LINE)
    state.apply({"event": "of a later version"})
    assert state == GridState()
    assert NOTHING == {}
