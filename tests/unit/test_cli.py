"""The command line itself: exit codes, messages, progress."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from ercbench import catalog, executing, grid
from ercbench.cli import COMMANDS, cli, main
from ercbench.cli.progress import Bar, Lines, reporter, written
from ercbench.errors import DataError
from ercbench.grid import Plan, Request
from ercbench.progress import NOTHING, Reporter, Silent, Whole


@pytest.fixture
def nothing_to_prepare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan without cells, so that the command alone is tested."""
    monkeypatch.setattr(grid, "plan", lambda catalog, request: Plan([], [], [], "mini", Path("r")))


def test_ctrl_c_says_how_to_go_on(nothing_to_prepare: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted run ends with 130 and says that the same command goes on."""

    def interrupted(plan: Plan, request: Request, reporter: Reporter) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(executing, "execute", interrupted)
    found = CliRunner().invoke(cli, ["run", "eacl", "--dataset", "meld-sample"])
    assert found.exit_code == 130
    assert "The same command goes on after the last finished epoch." in found.stderr


@pytest.mark.parametrize("command", ["run eacl", "grid --loss cross-entropy,focal", "ablate eacl"])
def test_ctrl_c_counts_from_the_first_moment(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While plugins are loaded and data prepared too; a script that starts it again asks for 130."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(catalog, "load_with_files", interrupted)
    found = CliRunner().invoke(cli, [*command.split(), "--dataset", "meld-sample"])
    assert found.exit_code == 130
    assert found.stderr.startswith("Interrupted.")


def test_our_errors_print_one_message_and_their_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of ours ends the program with its own code and no traceback."""

    def broken(catalog: object, request: Request) -> Plan:
        raise DataError("row 3 is broken.")

    monkeypatch.setattr(grid, "plan", broken)
    with pytest.raises(SystemExit) as ended:
        main(["run", "eacl", "--dataset", "meld-sample"])
    assert ended.value.code == DataError.exit_code
    assert capsys.readouterr().err == "ercbench: row 3 is broken.\n"


def test_other_errors_are_bugs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is not an error of ours surfaces as it is."""

    def bug(catalog: object, request: Request) -> Plan:
        raise ZeroDivisionError

    monkeypatch.setattr(grid, "plan", bug)
    with pytest.raises(ZeroDivisionError):
        main(["run", "eacl", "--dataset", "meld-sample"])


def test_unknown_command_suggests_a_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt command is met with the nearest one."""
    with pytest.raises(SystemExit) as ended:
        main(["leaderbord"])
    assert ended.value.code == 2
    assert "Did you mean leaderboard" in capsys.readouterr().err


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_with_an_example(name: str) -> None:
    """`--help` works for every command and shows how to call it."""
    found = CliRunner().invoke(cli, [name, "--help"])
    assert found.exit_code == 0
    assert "Example" in found.output
    assert f"ercbench {name}" in found.output


@pytest.mark.parametrize("value", ["x", "-1", "0,", "1.5"])
def test_bad_seeds_are_refused(value: str) -> None:
    """Seeds that are no whole numbers from 0 are refused with what was given."""
    found = CliRunner().invoke(cli, ["run", "eacl", "--seed", value])
    assert found.exit_code == 2
    assert repr(value) in found.output


def test_plain_lines_say_how_far_and_how_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Away from a terminal, progress is a line now and then with the share done, the time left and the losses."""
    now = iter([0.0, 10.0, 60.0])
    monkeypatch.setattr("ercbench.cli.progress.time.monotonic", lambda: next(now))
    lines = Lines()
    lines.begin("eacl on meld", 100)
    lines.advance(10, "epoch 1/3", {"total": 3.456})
    lines.advance(40, "epoch 1/3", {"total": 3.456})
    assert capsys.readouterr().err == "eacl on meld\nepoch 1/3: 50 %, 1.0 min left; total 3.46\n"


def test_several_runs_are_shown_as_one() -> None:
    """A line for each, one bar for all, which is full when the last is over though a run did less than was thought."""
    told: list[tuple[object, ...]] = []

    class Told(Silent):
        def begin(self, title: str, work: int) -> None:
            told.append(("begin", title, work))

        def advance(self, work: int, doing: str, figures: Mapping[str, float] = NOTHING) -> None:
            told.append(("advance", work))

        def say(self, message: str) -> None:
            told.append(("say", message))

        def end(self) -> None:
            told.append(("end",))

    whole = Whole(Told(), 2, 30)
    for about, done in (("loss=a", 10), ("loss=b", 15)):
        whole.about = about
        whole.begin("method on talk", done + 2 if about == "loss=b" else done)
        whole.advance(done, "epoch 1")
        whole.end()
    whole.close()
    assert told == [
        ("begin", "2 runs", 30),
        ("say", "Run 1 of 2, loss=a: method on talk"),
        ("advance", 10),
        ("say", "Run 2 of 2, loss=b: method on talk"),
        ("advance", 15),
        ("advance", 2),
        ("end",),
    ]
    Whole(Told(), 0, 0).close()
    assert told.count(("end",)) == 1


def test_the_time_left_follows_when_less_is_to_be_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line counts with the whole as it is now, and a bar is as long; a bar that is full says so."""
    now = iter([0.0, 60.0])
    monkeypatch.setattr("ercbench.cli.progress.time.monotonic", lambda: next(now))
    lines = Lines()
    lines.begin("spcl on meld", 200)
    lines.adjust(-100)
    lines.advance(50, "epoch 1/3")
    assert capsys.readouterr().err == "spcl on meld\nepoch 1/3: 50 %, 1.0 min left\n"
    monkeypatch.undo()
    bar = Bar()
    bar.begin("spcl on meld", 200)
    bar.adjust(-150)
    bar.adjust(10)
    bar.advance(60, "epoch 1/3")
    [task] = bar._progress.tasks
    assert (task.total, task.completed, task.finished) == (60, 60, True)
    bar.end()


def test_quiet_is_silent() -> None:
    """`--quiet` watches nothing."""
    assert isinstance(reporter(quiet=True), Silent)
    assert written({}) == ""


def test_list_without_a_kind_lists_all() -> None:
    """Every kind has its section, and in JSON its list; one kind alone is printed without a heading."""
    printed = CliRunner().invoke(cli, ["list"]).output
    whole = json.loads(CliRunner().invoke(cli, ["list", "--json"]).output)
    alone = json.loads(CliRunner().invoke(cli, ["list", "recipes", "--json"]).output)
    assert alone == whole["recipes"]
    assert {"datasets", "losses", "trackers"} <= set(whole)
    assert all(f"{kind}\n\nname" in printed for kind in whole)
