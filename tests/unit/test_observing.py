"""Observers are told of a run in order, and cannot change it."""

from __future__ import annotations

import dataclasses
import logging
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import observed
import pytest
import torch

from ercbench import grid, hookimpl, observing, training
from ercbench.catalog import Catalog, Entry, Plugin, load_catalog
from ercbench.errors import ErcbenchError, PluginError, TrainingError
from ercbench.events import EpochInfo, RunInfo
from ercbench.executing import execute
from ercbench.grid import Request
from ercbench.hookspecs import OBSERVER_HOOKS, STAGES
from ercbench.observing import Observer, find_observers
from ercbench.progress import Silent
from ercbench.records import RunRecord
from ercbench.specs import TrackerSpec

pytestmark = pytest.mark.usefixtures("one_thread")

TOLD: list[tuple[Any, ...]] = []
"""What `Listener` heard."""


class Listener:
    """Hears everything, and keeps it."""

    @hookimpl
    def ercbench_run_started(self, run: RunInfo) -> None:
        """Keeps it."""
        TOLD.append(("run_started", run))

    @hookimpl
    def ercbench_stage_started(self, run: RunInfo, stage: str) -> None:
        """Keeps it."""
        TOLD.append(("stage_started", stage))

    @hookimpl
    def ercbench_epoch_finished(self, epoch: EpochInfo) -> None:
        """Keeps it."""
        TOLD.append(("epoch_finished", epoch))

    @hookimpl
    def ercbench_stage_finished(self, stage: str, seconds: float) -> None:
        """Keeps it."""
        TOLD.append(("stage_finished", stage, seconds))

    @hookimpl
    def ercbench_run_finished(self, record: RunRecord) -> None:
        """Keeps it."""
        TOLD.append(("run_finished", record))

    @hookimpl
    def ercbench_run_failed(self, run: RunInfo, error: str) -> None:
        """Keeps it."""
        TOLD.append(("run_failed", error))


def meddle() -> None:
    """Sets and draws the random numbers of every global generator."""
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    random.random(), np.random.rand(), torch.rand(1)


class Meddler:
    """Tries to change what it can reach."""

    ercbench_stage_started = hookimpl(lambda self, stage: meddle())
    ercbench_stage_finished = hookimpl(lambda self: meddle())
    ercbench_epoch_finished = hookimpl(lambda self: meddle())

    @hookimpl
    def ercbench_run_finished(self, record: RunRecord) -> None:
        """Changes its copy of the record."""
        meddle()
        record.config.clear()
        record.training.epochs.clear()


class Stop(Silent):
    """Interrupts a run when it comes to something."""

    def __init__(self, at: str) -> None:
        self.at = at

    def advance(self, work: int, doing: str, figures: Mapping[str, float] | None = None) -> None:
        """Stop there."""
        if doing.startswith(self.at):
            raise KeyboardInterrupt


def tracker(kind: type) -> Observer:
    """An observer that is built from a class."""
    return Observer(f"Tracker {kind.__name__.lower()}", kind)


@pytest.fixture(autouse=True)
def _nothing_told() -> None:
    TOLD.clear()


@pytest.fixture
def run(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> Callable[..., list[RunRecord]]:
    """EACL on a few dialogues with a tiny encoder, two epochs, watched by observers."""

    def go(*observers: Observer, results: str = "out", reporter: Silent | None = None) -> list[RunRecord]:
        overrides: dict[str, Any] = {
            "encoder.checkpoint": str(tiny_checkpoint("bert")), "encoder.width": 16, "training.epochs": 2,
            "training.lr": 1e-2,
        }  # fmt: skip
        request = Request(
            ["eacl"], ["meld-sample"], "mini", [0], overrides, limit=3, results=tmp_path / results, device="cpu",
            keep_model=False,
        )  # fmt: skip
        plan = grid.plan(load_catalog(), request)
        plan = dataclasses.replace(plan, observers=observers)
        outcome = execute(plan, request, reporter or Silent())
        outcome.check()
        return outcome.records

    return go


def test_the_order_of_a_real_run(run: Callable[..., list[RunRecord]], tmp_path: Path) -> None:
    """Run started, then stage by stage, the epochs within training, and run finished at the end, with the record."""
    [record] = run(tracker(Listener))
    events = [(name, *(value if isinstance(value, str) else () for value in rest[:1])) for name, *rest in TOLD]
    expected: list[tuple[Any, ...]] = [("run_started", ())]
    for stage in STAGES:
        epochs = [("epoch_finished", ())] * 2 if stage == "training" else []
        expected += [("stage_started", stage), *epochs, ("stage_finished", stage)]
    assert events == [*expected, ("run_finished", ())]
    started: RunInfo = TOLD[0][1]
    assert (started.name, started.seed, started.device) == ("meld-sample/mini/eacl@2/seed-0", 0, "cpu")
    assert (started.record, dict(started.config)) == (tmp_path / "out/records" / f"{started.name}.json", record.config)
    assert dict(started.utterances) == record.dataset.utterances
    epochs = [event[1] for event in TOLD if event[0] == "epoch_finished"]
    told = [(e.epoch, e.losses, e.dev_weighted_f1, e.seconds, e.utterances_per_second) for e in epochs]
    kept = record.training.epochs
    assert told == [(e.epoch, e.losses, e.dev_weighted_f1, e.seconds, e.utterances_per_second) for e in kept]
    assert not any(e.resumed for e in epochs)
    seconds = {event[1]: event[2] for event in TOLD if event[0] == "stage_finished"}
    assert seconds == {stage: record.seconds[stage] for stage in STAGES}
    assert TOLD[-1][1] == record
    assert TOLD[-1][1] is not record


def test_what_a_curriculum_chose_is_told(tmp_path: Path) -> None:
    """How many utterances an epoch was trained on and how hard they were; neither without a curriculum."""
    told = observing.Observed(Silent(), [tracker(Listener)], observed.info(tmp_path))
    told.epoch_finished(dataclasses.replace(observed.epoch(1), utterances=40, difficulty=0.25, difficulty_of_train=0.5))
    told.epoch_finished(observed.epoch(2))
    heard = [(event[1].utterances, event[1].difficulty, event[1].difficulty_of_train) for event in TOLD]
    assert heard == [(40, 0.25, 0.5), (None, None, None)]


def test_a_resumed_run_tells_the_earlier_epochs_first(run: Callable[..., list[RunRecord]]) -> None:
    """Whoever listens hears of every epoch, and which of them an earlier process finished; the interruption too."""
    with pytest.raises(KeyboardInterrupt):
        run(tracker(Listener), reporter=Stop("epoch 2/2"))
    assert TOLD[-1] == ("run_failed", "KeyboardInterrupt")
    TOLD.clear()
    run(tracker(Listener))
    assert [(e[1].epoch, e[1].resumed) for e in TOLD if e[0] == "epoch_finished"] == [(1, True), (2, False)]
    assert TOLD[-1][0] == "run_finished"


def test_a_failure_is_told_once_and_goes_on_as_it_was(
    run: Callable[..., list[RunRecord]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage that fails is not told as finished, and the error is that of the run."""

    def bad(*_: object) -> None:
        raise TrainingError("The loss total is not finite.")

    monkeypatch.setattr(training, "_means", bad)
    with pytest.raises(TrainingError, match="not finite"):
        run(tracker(Listener))
    assert [event[0] for event in TOLD] == ["run_started", "stage_started", "run_failed"]
    assert TOLD[-1][1] == "TrainingError: The loss total is not finite."


def test_no_observer_can_change_a_number(run: Callable[..., list[RunRecord]], tmp_path: Path) -> None:
    """Predictions and scores are the same, byte for byte, without observers and with some that meddle."""
    [alone] = run(results="alone")
    [watched] = run(tracker(Meddler), tracker(Listener), results="watched")
    files = [next((tmp_path / name).rglob("*.predictions.csv")).read_bytes() for name in ("alone", "watched")]
    assert files[0] == files[1]
    assert (alone.scores, alone.training.sealed) == (watched.scores, watched.training.sealed)
    assert [e.losses for e in alone.training.epochs] == [e.losses for e in watched.training.epochs]
    assert watched.config


def test_random_numbers_stay_what_they_were(tmp_path: Path) -> None:
    """Those of Python, numpy and torch."""

    def draw() -> tuple[float, ...]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    drawn = []
    for observers in ((), (tracker(Meddler),)):
        random.seed(7), np.random.seed(7), torch.manual_seed(7)
        observed.play(list(observers), tmp_path)
        drawn.append(draw())
    assert drawn[0] == drawn[1]


def test_values_are_frozen(tmp_path: Path) -> None:
    """Nothing that is told can be changed."""
    run, epochs = observed.info(tmp_path), []

    class Keeps:
        @hookimpl
        def ercbench_epoch_finished(self, epoch: EpochInfo) -> None:
            epochs.append(epoch)

    observed.play([tracker(Keeps)], tmp_path)
    for mapping in (run.config, run.utterances, epochs[0].losses):
        with pytest.raises(TypeError):
            mapping["x"] = 1
    with pytest.raises(AttributeError):
        epochs[0].dev_weighted_f1 = 1.0
    assert "selection_score" not in EpochInfo.__annotations__  # it is a score on test where a recipe chooses on test


def broken_at(hook: str) -> type:
    """A tracker that raises in one hook and counts how often it is called."""

    def method(self: Any) -> None:
        TOLD.append((hook,))
        raise ZeroDivisionError("in the middle of a hook")

    method.__name__ = hook
    return type("Broken", (), {hook: hookimpl(method)})


@pytest.mark.parametrize("hook", [hook for hook in OBSERVER_HOOKS if hook != "ercbench_run_failed"])
def test_an_observer_that_raises_is_reported_once_and_left_out(
    hook: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The others, before and after it, hear everything; it hears nothing more."""
    with caplog.at_level(logging.WARNING, "ercbench"):
        observed.play([tracker(broken_at(hook)), tracker(Listener)], tmp_path)
    [line] = [entry.getMessage() for entry in caplog.records]
    assert line.startswith("Tracker broken failed and is left out from here on: ZeroDivisionError: in the middle of a")
    assert "test_observing.py, line" in line
    assert TOLD.count((hook,)) == 1
    assert [event[0] for event in TOLD if len(event) > 1][-1] == "run_finished"


@pytest.mark.parametrize("ending", [SystemExit(3), ZeroDivisionError("at birth")])
def test_an_observer_that_cannot_be_built_is_left_out(
    ending: BaseException, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even `sys.exit` in its constructor ends the run."""

    def build() -> object:
        raise ending

    observed.play([Observer("Tracker stillborn", build), tracker(Listener)], tmp_path)
    assert "Tracker stillborn failed" in caplog.text
    assert TOLD[-1][0] == "run_finished"


def test_strict_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under ERCBENCH_STRICT_PLUGINS=1 a failing observer is an error that names it."""
    monkeypatch.setenv("ERCBENCH_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match="Tracker broken failed, and ERCBENCH_STRICT_PLUGINS is set: ZeroDivision"):
        observed.play([tracker(broken_at("ercbench_epoch_finished"))], tmp_path)


def test_the_error_of_a_run_never_gives_way_to_one_of_an_observer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Even under ERCBENCH_STRICT_PLUGINS=1 an observer that fails over a failure is only reported."""
    monkeypatch.setenv("ERCBENCH_STRICT_PLUGINS", "1")
    observed.play([tracker(broken_at("ercbench_run_failed"))], tmp_path, TrainingError("no"))
    assert "Tracker broken failed" in caplog.text


class Unmarked:
    """Forgot a mark."""

    @hookimpl
    def ercbench_run_started(self) -> None:
        """Marked."""

    def ercbench_run_finished(self) -> None:
        """Not marked."""


class Misspelt:
    """Has a hook that there is not."""

    @hookimpl
    def ercbench_epoch_finish(self) -> None:
        """Misspelt."""

    ercbench_run_started = hookimpl(lambda self: None)


class Greedy:
    """Wants what there is not."""

    @hookimpl
    def ercbench_run_started(self, labels: object) -> None:
        """Asks for labels."""


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Unmarked, "ercbench_run_finished is not marked with @hookimpl"),
        (Misspelt, "unknown hook 'ercbench_epoch_finish'"),
        (Greedy, "labels"),
        (dict, "it has none of the observer hooks"),
    ],
)
def test_a_tracker_that_would_never_be_called_is_reported(
    kind: type, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A misspelt or unmarked hook is no silence."""
    observed.play([tracker(kind)], tmp_path)
    assert reason in caplog.text


def test_what_observers_print_does_not_reach_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output may be JSON that a program reads."""

    class Loud:
        @hookimpl
        def ercbench_run_started(self) -> None:
            print("hello")  # noqa: T201

    observed.play([tracker(Loud)], tmp_path)
    assert capsys.readouterr() == ("", "hello\n")


def catalog_of(*specs: TrackerSpec, module: object = None) -> Catalog:
    """A catalog of one plugin."""
    plugin = Plugin("theirs", "1.0", "main", "theirs")
    return Catalog([plugin], [Entry(plugin, spec) for spec in specs], [] if module is None else [(plugin, module)])


def test_a_plugin_may_observe_every_run(tmp_path: Path) -> None:
    """A plugin whose module implements observer hooks is told without being asked for, before the trackers."""
    module = ModuleType("theirs")
    module.ercbench_run_finished = hookimpl(lambda record: TOLD.append(("module", record.seed)))  # type: ignore[attr-defined]
    module.ercbench_run_finished.__name__ = "ercbench_run_finished"
    errors: list[ErcbenchError] = []
    found = find_observers(catalog_of(module=module), {}, errors)
    observed.play(found, tmp_path)
    assert (errors, [one.name for one in found], TOLD) == ([], ["Plugin theirs"], [("module", 7)])


def test_every_problem_with_trackers_is_found_before_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name, a missing package with what installs it, and settings that are not acceptable, all at once."""
    missing = TrackerSpec(name="gone", summary="", target="no_such_module_anywhere:T", install="theirs[gone]")
    errors: list[ErcbenchError] = []
    installed = load_catalog()
    catalog = Catalog(installed.plugins, [*installed.entries(TrackerSpec), Entry(Plugin("t", "1", "m", "t"), missing)])
    find_observers(catalog, {"jsnol": {}, "gone": {}, "jsonl": {"folder": 3, "colour": "red"}}, errors)
    assert [str(error).partition(".")[0] for error in errors[:1]] == ["Unknown tracker"]
    assert "Did you mean jsonl?" in str(errors[0])
    assert str(errors[1]).endswith("No module named 'no_such_module_anywhere'. "
                                   "Install what it needs: pip install 'theirs[gone]'.")  # fmt: skip
    assert str(errors[2]) == (
        "Tracker jsonl, setting folder: Input should be a valid string. Got 3. Settings it has: folder."
    )
    assert str(errors[3]).startswith("Tracker jsonl, setting colour: Extra inputs are not permitted. Got 'red'.")
