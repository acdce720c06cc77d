"""``ercbench status``: what runs, how the last command ended, what is unfinished and what failed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import left_runs
import pytest
from click.testing import CliRunner, Result
from left_runs import CELLS, begin, described, unfinished

from ercbench.cli import cli
from ercbench.cli import status as command
from ercbench.errors import TrainingError, UsageError
from ercbench.failures import failure_of, write_failure
from ercbench.run_log import RunLog
from ercbench.status import Watch


def status(*arguments: object) -> Result:
    """The command."""
    return CliRunner().invoke(cli, ["status", *map(str, arguments)])


def printed(results: Path) -> str:
    """What it prints, blanks made one."""
    found = status(results)
    assert found.exit_code == 0, found.exception
    return " ".join(found.stdout.split())


LIVES = """
import pathlib, sys
sys.path.insert(0, sys.argv[2])
import left_runs
from ercbench.run_log import RunLog
with RunLog(pathlib.Path(sys.argv[1])) as log:
    left_runs.begin(log)
    print("begun", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A command in another process."""
    arguments = [sys.executable, "-c", LIVES, str(tmp_path), str(Path(left_runs.__file__).parent)]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    yield process
    process.kill()
    process.communicate()


def test_a_command_that_lives_is_shown_with_its_cells(tmp_path: Path, alive: subprocess.Popen[str]) -> None:
    """How long, where, and the table; when it is killed, that is said, and what was running waits."""
    told = printed(tmp_path)
    assert re.search(rf"Running for 0:\d\d on \S+, process {alive.pid}, {re.escape(str(tmp_path))}\.", told)
    assert "method@2 talk mini 1 running 2/3 43.21 #####----- 50 % 1:05 epoch 3/3" in told
    assert "3 cells: 1 running, 2 queued, 0 done, 0 failed" in told
    assert "Nothing is running" not in told
    [live] = json.loads(status(tmp_path, "--json").stdout)["running"]
    assert (live["pid"], live["executor"], live["ended"], live["killed"]) == (alive.pid, "serial", None, False)
    assert [cell["state"] for cell in live["cells"]] == ["queued", "running", "queued"]
    alive.kill()
    alive.wait()
    told = printed(tmp_path)
    assert "Ended without saying so, last heard of 20" in told
    assert f"process {alive.pid}" in told
    assert "Start the same command again." in told
    assert "method@2 talk mini 1 queued 2/3 43.21 was running" in told
    assert f"Nothing is running in {tmp_path}." in told
    [killed] = json.loads(status(tmp_path, "--json").stdout)["ended"]
    assert killed["killed"]


def test_the_last_command_is_shown_and_those_killed_since(tmp_path: Path) -> None:
    """How it ended: by itself, by Ctrl-C, or killed; what ended before is history."""
    logs = []
    for ending in ("finished", "killed", "KeyboardInterrupt", "killed", "killed"):
        log = RunLog(tmp_path)
        try:
            with log:
                begin(log)
                if ending == "KeyboardInterrupt":
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        if ending == "killed":
            lines = log.path.read_bytes().splitlines(keepends=True)
            log.path.write_bytes(b"".join(lines[:-1]) + lines[-1][:10])
        logs.append(log.path)
    found = Watch(tmp_path).look()
    assert [one.log for one in found.ended] == [logs[4], logs[3], logs[2]]
    assert [one.killed for one in found.ended] == [True, True, False]
    told = printed(tmp_path)
    assert told.count("Ended without saying so") == 2
    assert "Ended by KeyboardInterrupt 20" in told


def test_the_last_to_end_is_shown_whenever_it_began(tmp_path: Path) -> None:
    """A command that another one refused meanwhile, for it was at the same run, is history."""
    with RunLog(tmp_path) as first:
        begin(first)
        with RunLog(tmp_path) as second:
            begin(second)
        os.utime(second.path, (1, 1))
    found = Watch(tmp_path).look()
    assert [one.log for one in found.ended] == [first.path]


def test_every_combination_of_a_grid_is_shown(tmp_path: Path) -> None:
    """While the last one runs and when it has ended; not those of an earlier command, or of another process."""

    def combination(name: str, pid: int) -> RunLog:
        log = RunLog(tmp_path / "grid" / "method" / name)
        with log:
            log.start([(cell, "queued", 3) for cell in CELLS], "serial", pid)
        return log

    combination("earlier-0", 7)
    with RunLog(tmp_path) as between:
        between.start([], "serial", 9)
    logs = [combination(name, 7) for name in ("a-1", "b-2")]
    with RunLog(tmp_path / "grid" / "method" / "c-3") as last:
        last.start([(cell, "queued", 3) for cell in CELLS], "serial", 7)
        found = Watch(tmp_path).look()
        assert [one.log for one in found.running] == [last.path]
        assert [one.log for one in found.ended] == [logs[1].path, logs[0].path]
        assert all(one.went_on for one in found.ended)
        told = printed(tmp_path)
        assert told.count("Running for") == 1
        assert told.count("Finished 20") == 2
    found = Watch(tmp_path).look()
    assert [one.log for one in found.ended] == [last.path, logs[1].path, logs[0].path]
    assert [one.went_on for one in found.ended] == [False, True, True]
    assert printed(tmp_path).count("Finished 20") == 3


def test_a_command_that_finished_is_shown_as_that(tmp_path: Path) -> None:
    """With the table as it was at the end."""
    with RunLog(tmp_path) as log:
        begin(log)
        log.write("cell_finished", cell=asdict(CELLS[1]), dev_weighted_f1=0.5, test_weighted_f1=0.6, seconds=3.0)
    told = printed(tmp_path)
    assert re.match(r"Finished 20\S+ \S+ UTC after 0:00 on ", told)
    assert "method@2 talk mini 1 done 2/3 50.00" in told


def test_what_is_unfinished_and_what_failed_is_told(tmp_path: Path) -> None:
    """With the epoch after which it goes on, the command, and where the failure record is; also of variants."""
    variant = tmp_path / "grid" / "method" / "without-x-1234"
    unfinished(tmp_path, "abc-1", "method@2", epochs=2, command="ercbench run method --seed 0")
    unfinished(variant, "abc-2", "method@2", epochs=1)
    unfinished(tmp_path, "kept-nothing", "method@2", epochs=0)
    unfinished(tmp_path, "failed", "method@2", epochs=1, seed=2)
    error = TrainingError("The loss is nan. [bold]Lower it.[/bold]\x1b[2J")
    write_failure(tmp_path, failure_of(CELLS[2], "failed", "ercbench run method --seed 2", error, ("training", 1)))
    told = printed(tmp_path)
    assert f"Nothing is running in {tmp_path}." in told
    assert f"- method@2 on talk, track mini, context past, seed 0: after epoch 2, in {tmp_path} ercbench run" in told
    assert f"after epoch 1, in {variant}" in told
    assert told.count("after epoch") == 3
    assert "seed 2: The loss is nan. [bold]Lower it.[/bold][2J (training, after epoch 1;" in told
    found = json.loads(status(tmp_path, "--json").stdout)
    assert [(one["epochs"], one["seed"]) for one in found["unfinished"]] == [(2, 0), (1, 0)]
    assert [one["message"] for one in found["failed"]] == [str(error)]


def test_a_run_whose_record_is_there_is_not_unfinished(tmp_path: Path) -> None:
    """What a kill left of it is for `ercbench gc`."""
    from recorded import Cell, record

    path = record(tmp_path, Cell())
    unfinished(tmp_path, "abc", **described(path))
    assert Watch(tmp_path).look().unfinished == ()


def test_an_empty_folder_has_nothing_to_tell(tmp_path: Path) -> None:
    """And says so."""
    assert printed(tmp_path) == f"Nothing is running in {tmp_path}."
    assert json.loads(status(tmp_path, "--json").stdout) == {"running": [], "ended": [], "unfinished": [], "failed": []}


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Nothing that runs is taken for not running because of a name that was mistyped."""
    for name in ("status", "gc"):
        found = CliRunner().invoke(cli, [name, str(tmp_path / "nowhere")])
        assert isinstance(found.exception, UsageError)
        assert "There is no results folder there. Got " in str(found.exception)


@pytest.mark.parametrize("content", [b"", b"\xff\x00\n", b"null\n{}\n", b'{"event": "grid_started"}\n', b"[" * 9999])
def test_a_log_that_is_none_tells_nothing(tmp_path: Path, content: bytes) -> None:
    """It is taken for one that was killed before its first event."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "20260101T000000.000000-1.jsonl").write_bytes(content)
    assert "before its first event" in printed(tmp_path)


def test_of_a_log_only_what_is_new_is_read(tmp_path: Path) -> None:
    """A line that is being written is read when it is whole."""
    with RunLog(tmp_path) as log:
        begin(log)
        watch = Watch(tmp_path)
        [live] = watch.look().running
        assert live.state == log.state
        content = log.path.read_bytes()
        log.path.write_bytes(content[:-5])
        assert watch.look().running[0].state == log.state
        log.path.write_bytes(b"x" * len(content))  # it is not read again
        log.write("cell_finished", cell=asdict(CELLS[1]), dev_weighted_f1=0.5, test_weighted_f1=0.6, seconds=1.0)
        [again] = watch.look().running
        assert again is live
        assert again.state.cells[CELLS[1]].state == "done"
    assert watch.look().running == ()


def test_watching_ends_with_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 0; until then it looks again and again."""
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(command.time, "sleep", sleep)
    with RunLog(tmp_path) as log:
        begin(log)
        found = status(tmp_path, "--watch")
    assert found.exit_code == 0, found.exception
    assert looks == [command.EVERY] * 3
    assert "method@2 talk mini 1" in found.stdout


def test_watching_and_json_exclude_each_other(tmp_path: Path) -> None:
    """One is for a person, the other for a program."""
    found: Any = status(tmp_path, "--watch", "--json")
    assert isinstance(found.exception, UsageError)
