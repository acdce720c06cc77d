"""Cells that fail: the others are done, the failure is written down, and it is not run again unasked."""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import unlucky
from click.testing import CliRunner, Result

import ercbench
from ercbench import cell_runs, executing, launching, runner
from ercbench.catalog import load_with_files
from ercbench.cell_runs import Outcome
from ercbench.cells import CellName, cell_of
from ercbench.cli import cli, main
from ercbench.errors import Busy, DataError, PluginError, RunsFailed, TrainingError, UsageError
from ercbench.failures import Failure, failure_of, read_failure, write_failure
from ercbench.grid import Request, plan
from ercbench.progress import Silent
from ercbench.records import read_record
from ercbench.resume import Unfinished
from ercbench.unfinished import unfinished_runs

pytestmark = pytest.mark.usefixtures("one_thread")
CELL = CellName("method@2", "talk", "mini", "past", 3)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin of unlucky runs, in the folder where commands are run."""
    monkeypatch.chdir(tmp_path)
    return unlucky.write(tmp_path, monkeypatch)[0]


@pytest.fixture
def run(plugin: Path) -> Callable[..., Result]:
    """``ercbench run`` with that plugin, results in ``r``."""

    def go(*arguments: str) -> Result:
        words = [*arguments, "--plugin", str(plugin), *unlucky.OPTIONS, "--results", "r"]
        return CliRunner().invoke(cli, words if arguments[0] in ("grid", "ablate") else ["run", *words])

    return go


def failed(recipe: str, results: str = "r") -> Failure | None:
    """What is written down of a recipe's cell."""
    return read_failure(CellName(f"{recipe}@1", "meld-sample", "mini", "past", 0).failure(Path(results)))


def done(recipe: str) -> bool:
    """Whether its cell has a record."""
    return CellName(f"{recipe}@1", "meld-sample", "mini", "past", 0).record(Path("r")).exists()


# One error -> a failure record


def test_a_failure_says_what_happened_and_where(tmp_path: Path) -> None:
    """All of it is found again in its file, which lies where the record would."""
    failure = failure_of(CELL, "abc-seed-3", "ercbench run method", TrainingError("The loss is nan.\nMore"), ("x", 4))
    path = write_failure(tmp_path, failure)
    assert path == tmp_path / "failures" / "talk" / "mini" / "method@2" / "seed-3.json"
    assert read_failure(path) == failure
    assert (failure.cell, failure.exit_code, failure.traceback) == (CELL, TrainingError.exit_code, None)
    assert (failure.what, failure.where) == ("The loss is nan.", "x, after epoch 4")


@pytest.mark.parametrize(
    ("reached", "where"),
    [((None, 0), "before the first stage, no epoch finished"), (("training", 0), "training, no epoch finished")],
)
def test_where_is_said_in_words(reached: tuple[str | None, int], where: str) -> None:
    """Also of a run that did not come far."""
    assert failure_of(CELL, "i", "c", DataError("gone"), reached).where == where


def test_an_error_of_a_plugins_code_has_a_traceback(tmp_path: Path) -> None:
    """It is nobody's to mend but its author's; a message is not needed, nor that it is UTF-8."""
    try:
        raise ZeroDivisionError
    except ZeroDivisionError as error:
        failure = failure_of(CELL, "i", "c", error, (None, 0))
    assert (failure.message, failure.exit_code) == ("ZeroDivisionError", 1)
    assert "raise ZeroDivisionError" in str(failure.traceback)
    assert failure.what.startswith("ZeroDivisionError: ZeroDivisionError. Its traceback is in")
    odd = failure_of(CELL, "i", "c", OSError(b"caf\xe9".decode("utf-8", "surrogateescape")), (None, 0))
    assert read_failure(write_failure(tmp_path, odd)) == odd
    assert odd.message == "caf\\udce9"


@pytest.mark.parametrize("content", ["", "{}", "[]", "\x00", '{"schema_version": 2}'])
def test_a_failure_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    """The cell is then run again; so it is where there is no file."""
    path = tmp_path / "seed-0.json"
    assert read_failure(path) is None
    path.write_text(content)
    assert read_failure(path) is None


# What a command comes to


def test_one_failure_is_raised_as_it_was() -> None:
    """Several, or one of an earlier command, are told together, with the exit code of the first."""
    error, failure = KeyError("x"), failure_of(CELL, "i", "c", DataError("The data\nare gone."), ("training", 1))
    Outcome().check()
    with pytest.raises(KeyError) as raised:
        Outcome(failures=[failure], errors=[error]).check()
    assert raised.value is error
    with pytest.raises(RunsFailed, match=r"^1 run failed; .* Try again with --retry-failed") as told:
        Outcome(failures=[failure]).check()
    assert told.value.exit_code == DataError.exit_code
    both = Outcome(failures=[failure, failure], errors=[error, error])
    with pytest.raises(RunsFailed) as told:
        both.check(["without x", "without y"])
    assert str(told.value).splitlines()[1:] == [
        f"- without {name}, {CELL}: The data (training, after epoch 1)" for name in "xy"
    ]


def test_the_others_are_done_and_the_command_says_what_failed(run: Callable[..., Result]) -> None:
    """A loss that is NaN, a loss that raises, vectors that are not finite: three failure records and one record."""
    found = run("nan", "raises", "endless", "lucky")
    assert isinstance(found.exception, RunsFailed)
    assert found.exception.exit_code == TrainingError.exit_code
    assert done("lucky")
    assert not any(map(done, ("nan", "raises", "endless")))
    nan, raises, endless = map(failed, ("nan", "raises", "endless"))
    assert nan
    assert raises
    assert endless
    assert (nan.error, nan.last_epoch, nan.stage, nan.traceback) == ("TrainingError", 1, "training", None)
    assert (raises.error, raises.message, raises.last_epoch, raises.exit_code) == ("ValueError", "no such luck", 1, 1)
    assert str(raises.traceback).endswith('raise ValueError("no such luck")\nValueError: no such luck\n')
    assert (endless.error, endless.last_epoch) == ("PluginError", 0)
    assert "vectors that are not finite" in endless.message
    table = found.stdout[found.stdout.index("failed") :]
    assert [line.split()[0] for line in table.splitlines()[2:5]] == ["nan@1", "raises@1", "endless@1"]
    for name, where in (("nan", "training, after epoch 1"), ("endless", "training, no epoch finished")):
        assert where in table
        assert f"r/failures/meld-sample/mini/{name}@1/seed-0.json" in table
    assert str(found.exception).startswith("3 runs failed; the others are done.")


def test_what_failed_is_not_run_again_until_somebody_asks(
    run: Callable[..., Result], plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second call says so and ends as the first; a retry goes on after the last good epoch and mends it."""
    first = run("raises")
    assert isinstance(first.exception, ValueError)
    before = failed("raises")
    trained: list[str] = []
    train = runner.run
    monkeypatch.setattr(cell_runs, "run", lambda *given: trained.append(str(given[0].cell(given[1]))) or train(*given))
    again = run("raises", "lucky")
    assert [name.split("@")[0] for name in trained] == ["lucky"]
    assert "Failed before: raises@1 on meld-sample, track mini, context past, seed 0: ValueError: no" in again.stdout
    assert "Run it again with --retry-failed." in again.stdout
    assert "1 to run, 0 done, 1 failed before." in again.stdout
    assert isinstance(again.exception, RunsFailed)
    assert again.exception.exit_code == 1
    assert failed("raises") == before
    Path("bad-day").unlink()
    retried = run("raises", "lucky", "--retry-failed")
    assert retried.exit_code == 0, retried.output
    assert "Resuming after epoch 1 of 3." in retried.stderr
    assert not list(Path("r/failures").rglob("*.json"))
    [record] = [read_record(path) for path in Path("r").rglob("raises@1/seed-0.json")]
    assert record.training.resumed_after_epochs == [1]
    assert "Everything is done." in run("raises", "lucky").stdout


def test_a_retry_that_does_not_come_far_keeps_what_was_good(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last good epoch is that of the call before, and it is still there."""
    run("raises")

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(runner.Cell, "__init__", broken)
        assert isinstance(run("raises", "--retry-failed").exception, ZeroDivisionError)
    kept = failed("raises")
    assert kept
    assert (kept.error, kept.stage, kept.last_epoch) == ("ZeroDivisionError", None, 1)
    assert kept.where == "before the first stage, after epoch 1"


def test_other_settings_in_the_same_place_are_another_run(run: Callable[..., Result]) -> None:
    """Nobody knows yet whether they fail; neither does anybody where the plugin was changed."""
    assert isinstance(run("raises").exception, ValueError)
    found = run("raises", "--set", "losses.unlucky.happens=nothing")
    assert found.exit_code == 0, found.output
    assert failed("raises") is None


def test_force_runs_it_again(run: Callable[..., Result]) -> None:
    """As it runs everything again; it fails again, and that is written down anew."""
    run("raises")
    Path("r/failures/meld-sample/mini/raises@1/seed-0.json").touch()
    assert "0 done." in (found := run("raises", "--force")).stdout
    assert isinstance(found.exception, ValueError)


def test_the_message_of_a_single_failure_says_which_cell_it_was(
    run: Callable[..., Result], plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below the error's own message, also where nothing else is printed; the exit code is that of the error."""
    words = ["run", "nan", "lucky", "--plugin", str(plugin), *unlucky.OPTIONS, "--results", "r", "--quiet"]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == TrainingError.exit_code
    [message, where] = capsys.readouterr().err.splitlines()
    assert message.startswith("ercbench: The loss unlucky is not finite. Got nan in epoch 2")
    assert where == "This ended nan@1 on meld-sample, track mini, context past, seed 0: training, after epoch 1."


def test_one_busy_cell_is_left_to_the_other_process(run: Callable[..., Result], plugin: Path) -> None:
    """The others are done; nothing is written down, for it will pass, and the next call runs it."""
    request = Request(["raises"], ["meld-sample"], "mini", [0], {}, limit=4, results=Path("r"), device="cpu")
    [(prepared, _)] = plan(load_with_files([plugin]), request).groups
    Path("bad-day").unlink()
    with Unfinished(runner.unfinished_folder(prepared, 0, Path("r"))):
        found = run("raises", "lucky")
    assert isinstance(found.exception, Busy)
    assert "Another process is at this very run" in found.stdout
    assert done("lucky")
    assert not list(Path("r").rglob("failures/*"))
    assert run("raises").exit_code == 0


def test_a_cell_that_another_process_finished_meanwhile_is_done(plugin: Path) -> None:
    """It is not run again."""
    request = Request(["lucky"], ["meld-sample"], "mini", [0], {}, limit=4, results=Path("r"), device="cpu")
    made = plan(load_with_files([plugin]), request)
    [record] = executing.execute(made, request, Silent()).records
    again = executing.execute(made, request, Silent())
    assert again.records == [record]
    assert cell_of(record) == CellName("lucky@1", "meld-sample", "mini", "past", 0)


def test_from_python_an_error_is_raised_as_it_was(plugin: Path) -> None:
    """The plugin's own ValueError where it is the only failure; RunsFailed for several; the others are done first."""
    options: dict[str, Any] = {"dataset": "meld-sample", "track": "mini", "limit": 4, "device": "cpu"}
    options |= {"plugins": [plugin], "results": "r", "keep_model": False}
    with pytest.raises(ValueError, match="no such luck") as raised:
        ercbench.run(["raises", "lucky"], **options)
    assert (type(raised.value), str(raised.value)) == (ValueError, "no such luck")
    assert raised.value.__notes__ == [
        "This ended raises@1 on meld-sample, track mini, context past, seed 0: training, after epoch 1."
    ]
    assert done("lucky")
    with pytest.raises(RunsFailed, match=r"^2 runs failed"):
        ercbench.run(["raises", "endless"], retry_failed=True, **options)
    with pytest.raises(RunsFailed, match=r"^1 run failed"):
        ercbench.run(["raises", "lucky"], **options)
    Path("bad-day").unlink()
    assert [record.recipe.name for record in ercbench.run(["raises"], retry_failed=True, **options)] == ["raises"]


def test_a_failed_cell_leaves_no_model_in_memory(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the next cell begins, that of the failed one is gone, although its error is kept to be raised at the end."""
    request = Request(["raises", "lucky"], ["meld-sample"], "mini", [0], {}, limit=4, results=Path("r"), device="cpu")
    build = runner.Cell.__init__

    def watched(self: Any, *given: Any) -> None:
        gc.collect()
        alive.append([one() is not None for one in kept])
        build(self, *given)
        kept.append(weakref.ref(self.model))

    kept: list[Any] = []
    alive: list[list[bool]] = []
    monkeypatch.setattr(runner.Cell, "__init__", watched)
    outcome = executing.execute(plan(load_with_files([plugin]), request), request, Silent())
    assert [str(error) for error in outcome.errors] == ["no such luck"]
    assert alive == [[], [False]]


def test_an_error_raised_from_itself_ends_like_any_other(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However errors led to each other, each is let go of once."""

    def odd(*_: object) -> None:
        error = ValueError("odd")
        raise error from error

    monkeypatch.setattr(executing, "run_cell", odd)
    request = Request(["lucky"], ["meld-sample"], "mini", [0], {}, limit=4, results=Path("r"), device="cpu")
    outcome = executing.execute(plan(load_with_files([plugin]), request), request, Silent())
    assert [one.message for one in outcome.failures] == ["odd"]


def test_where_the_failure_record_cannot_be_written_the_others_are_done(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and the command ends with the failure all the same."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cell_runs, "write_failure", full)
    found = run("raises", "lucky")
    assert isinstance(found.exception, ValueError)
    assert "Its failure record cannot be written: [Errno 28] No space left on device" in found.stderr
    assert done("lucky")


@pytest.mark.parametrize("name", ["logs", "failures"])
def test_a_results_folder_that_is_not_writable_in_part_is_told_before_anything_is_run(
    run: Callable[..., Result], name: str
) -> None:
    """Like any other that is not writable."""
    Path("r").mkdir()
    Path("r", name).write_text("in the way")
    found = run("lucky")
    assert isinstance(found.exception, UsageError)
    assert f"Got --results r, in which {name} is no folder you may write to." in str(found.exception)
    assert not done("lucky")


def test_an_unfinished_run_says_which_it_is_as_long_as_it_is_one(run: Callable[..., Result], plugin: Path) -> None:
    """So `gc` knows what is needed: the checkpoints of a run that failed, until its very record is there."""

    def cleaned() -> str:
        words = ["gc", "r", "--plugin", str(plugin)]
        return CliRunner().invoke(cli, words, catch_exceptions=False).stdout

    assert isinstance(run("raises").exception, ValueError)
    [left] = unfinished_runs(Path("r"))
    assert left.description
    assert left.description.cell == CellName("raises@1", "meld-sample", "mini", "past", 0)
    assert left.description.command.startswith("ercbench run raises --dataset meld-sample --track mini --seed 0")
    assert left.description.command.endswith(" --results r")  # the very command that goes on
    assert left.epochs(verify=True) == 1
    assert "raises@1 on meld-sample, track mini, context past, seed 0: goes on after epoch 1" in cleaned()
    shutil.copytree("r/.unfinished", "copy")
    Path("bad-day").unlink()
    assert run("raises", "--retry-failed").exit_code == 0
    assert [path.suffix for path in Path("r/.unfinished").iterdir()] == [".lock"]
    shutil.copytree("copy", "r/.unfinished", dirs_exist_ok=True)
    assert "seed 0: its record is there" in cleaned()
    assert not list(Path("r/.unfinished").iterdir())


# Grids and ablations


def test_of_a_grid_the_other_variants_are_run(run: Callable[..., Result]) -> None:
    """Then the command ends with the failure, which says of which variant; the next call runs nothing."""
    words = ["grid", "--recipe", "lucky", "--loss", "unlucky,cross-entropy", "--set", "training.epochs=2"]
    found = run(*words, "--set", "losses.unlucky.happens=raises")
    assert isinstance(found.exception, ValueError)
    [made] = Path("r/grid").rglob("seed-0.predictions.csv")
    assert "cross-entropy" in str(made)
    [failure] = Path("r/grid").rglob("failures/**/seed-0.json")
    assert "unlucky" in str(failure)
    assert "It is a run of loss=unlucky; its log is in r/grid/lucky/" in found.exception.__notes__[-1]
    again = run(*words, "--set", "losses.unlucky.happens=raises")
    assert isinstance(again.exception, RunsFailed)
    assert "- loss=unlucky, lucky@1 on meld-sample" in str(again.exception)
    assert "loss=unlucky on meld-sample: 0 to run, 0 done, 1 failed before; records in r/grid" in again.stdout
    assert "  Failed before: lucky@1 on meld-sample" in again.stdout
    assert "0 to run, 1 done, 1 failed before." in again.stdout
    Path("bad-day").unlink()
    retried = run(*words, "--set", "losses.unlucky.happens=raises", "--retry-failed")
    assert retried.exit_code == 0, retried.output


def test_of_an_ablation_the_other_variants_are_run(run: Callable[..., Result]) -> None:
    """The whole and one part fail; the third is done, and the exit code is that of the first failure."""
    words = ["ablate", "both", "--set", "training.epochs=2"]
    found = run(*words)
    assert isinstance(found.exception, RunsFailed), found.output
    assert found.exception.exit_code == TrainingError.exit_code
    assert "- the full method, both@1 on" in str(found.exception)
    assert "- without cross-entropy, both@1 on" in str(found.exception)
    [made] = Path("r").rglob("records/**/seed-0.json")
    assert "unlucky" in str(made)


def test_a_plugin_error_is_told_as_one(run: Callable[..., Result]) -> None:
    """It has a message that helps, so no traceback is kept."""
    found = run("endless")
    assert isinstance(found.exception, PluginError)
    kept = failed("endless")
    assert kept is not None
    assert kept.traceback is None
    assert kept.error == "PluginError"


@pytest.mark.parametrize(
    ("error", "last", "again"),
    [
        (ValueError("odd"), True, True),
        (Busy("Another is at it."), True, False),
        (Busy("Another is at it."), False, False),
    ],
)
def test_of_several_processes_what_is_not_kept_ends_the_command(
    plugin: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, last: bool, again: bool
) -> None:
    """Were they started again for the cells that are left, nobody would be told of it at the end."""

    def failing(*_: object) -> None:
        raise error

    folder = Path("processes")
    folder.mkdir()
    monkeypatch.setenv(launching.FOLDER, str(folder))
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(executing, "ENDING", 0)
    monkeypatch.setattr(executing, "run_cell", failing)
    request = Request(["lucky"], ["meld-sample"], "mini", [0, 1], {}, limit=4, results=Path("r"), device="cpu")
    with pytest.raises(type(error)):
        executing.execute(plan(load_with_files([plugin]), request), request, Silent(), last)
    assert (folder / launching.MORE).exists() == again
