"""What a tracker must keep to: it takes the events of any run, and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ercbench.catalog import load_target
from ercbench.config import Config
from ercbench.devices import Device
from ercbench.errors import PluginError
from ercbench.events import EpochInfo, RunInfo
from ercbench.hookspecs import OBSERVER_HOOKS, STAGES
from ercbench.observing import Observer, observe, run_info
from ercbench.plugin_loading import STRICT, register
from ercbench.preparing import prepare
from ercbench.progress import Silent
from ercbench.records import RunRecord
from ercbench.runner import cell_path, run
from ercbench.specs import Recipe, TrackerSpec
from ercbench.testing.checks import CheckSkipped, Subject, checks_of, need
from ercbench.testing.recipe import DIALOGUES, RecipeSubject

EPOCH = EpochInfo(1, {"total": 0.5}, 0.25, 2.0, 40.0, True)


@dataclass(frozen=True)
class Ended:
    """A tiny run that ended: which one, its record, the text of its predictions."""

    info: RunInfo
    record: RunRecord
    predictions: str


class TrackerSubject(Subject[TrackerSpec]):
    """A tracker that is built anew for every run."""

    kind = "tracker"

    def build(self) -> Any:
        """A new one; where a package is missing that it says it needs, a check does not apply."""
        try:
            target = load_target(self.spec.target, self.spec.install)
        except PluginError as error:
            if self.spec.install and isinstance(error.__cause__, ModuleNotFoundError):
                raise CheckSkipped(f"It needs more than is installed: pip install '{self.spec.install}'.") from error
            raise
        return target(self.spec.settings(**self.options.settings.get(f"{self.kind}/{self.name}", {})))

    def hooks(self) -> Any:
        """The hooks of a new one, which raise what it raises."""
        return register(self.build(), self.name)

    def ended(self, *observers: Observer) -> Ended:
        """A tiny run of a recipe that is trained, told to observers; without any, it is run once for all checks."""
        if not observers and "ended" in self.memo:
            found: Ended = self.memo["ended"]
            return found
        with quiet_folder() as folder:
            ended = _run(self._config(), self, folder, observers)
        if not observers:
            self.memo["ended"] = ended
        return ended

    def _config(self) -> Config:
        """The first recipe that is trained, made small."""
        for entry in self.catalog.entries(Recipe):
            assert isinstance(entry.spec, Recipe)
            config = RecipeSubject(entry.spec, entry.plugin, self.catalog).small()
            if config.losses and config.training.epochs:
                return config
        raise CheckSkipped("No installed recipe is trained.")


@contextmanager
def quiet_folder() -> Iterator[Path]:
    """A folder that is the current one within, and goes afterwards."""
    with TemporaryDirectory(prefix="ercbench-check-") as folder, chdir(folder):
        yield Path(folder)


def _run(config: Config, subject: TrackerSubject, results: Path, observers: tuple[Observer, ...]) -> Ended:
    device, path = Device("cpu", "fp32"), cell_path(config, 0, results)
    prepared = prepare(subject.catalog, config, None, DIALOGUES)
    info = run_info(prepared, 0, device, results, path)
    record = observe(lambda told: run(prepared, 0, device, results, told), Silent(), observers, info)
    return Ended(info, record, (path.parent / record.predictions.file).read_text(encoding="utf-8"))


def observes(subject: TrackerSubject) -> None:
    """It is built from its settings, and every method called ercbench_... is a marked observer hook.

    Name methods after observer hooks, put @hookimpl above each, and take only arguments that the hook has.
    """
    made = subject.build()
    named = [name for name in dir(made) if name.startswith("ercbench_")]
    need(named, f"It has none of the observer hooks: {', '.join(OBSERVER_HOOKS)}.")
    bare = [name for name in named if not hasattr(getattr(made, name), "ercbench_impl")]
    need(not bare, f"Not marked: {', '.join(bare)}.")
    subject.hooks()


def whole_runs(subject: TrackerSubject) -> None:
    """It takes the events of a whole run in the documented order, one after another, taken-over epochs too.

    Build up in run_started what later events need, expect no stage and no epoch to be the first, and let a second run
    begin afresh.
    """
    ended = subject.ended()
    for _ in range(2):
        with quiet_folder() as folder:
            hooks, info = subject.hooks(), _moved(ended.info, folder)
            hooks.ercbench_run_started(run=info)
            for stage in STAGES:
                hooks.ercbench_stage_started(run=info, stage=stage)
                for number in (1, 2) if stage == STAGES[0] else ():
                    epoch = replace(EPOCH, epoch=number, resumed=number == 1)
                    hooks.ercbench_epoch_finished(run=info, epoch=epoch)
                hooks.ercbench_stage_finished(run=info, stage=stage, seconds=1.5)
            hooks.ercbench_run_finished(run=info, record=ended.record.model_copy(deep=True))


def _moved(info: RunInfo, results: Path) -> RunInfo:
    """The same run with its files in another folder."""
    return replace(info, results=results, record=results / info.record.relative_to(info.results))


def failed_runs(subject: TrackerSubject) -> None:
    """It takes the failure of a run, right after its start and in the midst of training.

    Close in run_failed what run_started opened, and use nothing there that only run_finished has.
    """
    ended = subject.ended()
    for begun in (False, True):
        with quiet_folder() as folder:
            hooks, info = subject.hooks(), _moved(ended.info, folder)
            hooks.ercbench_run_started(run=info)
            if begun:
                hooks.ercbench_stage_started(run=info, stage=STAGES[0])
                hooks.ercbench_epoch_finished(run=info, epoch=EPOCH)
            hooks.ercbench_run_failed(run=info, error="TrainingError: The loss total is not finite.")


def values_kept(subject: TrackerSubject) -> None:
    """It does not change what it is told.

    Copy the record and the dicts in it before anything is added, renamed or removed.
    """
    ended = subject.ended()
    told = ended.record.model_copy(deep=True)
    with quiet_folder() as folder:
        hooks, info = subject.hooks(), _moved(ended.info, folder)
        hooks.ercbench_run_started(run=info)
        hooks.ercbench_run_finished(run=info, record=told)
    need(told == ended.record, "It changed the record.")


def same_predictions(subject: TrackerSubject) -> None:
    """A run makes the same predictions with it and without it.

    Change no setting of torch, numpy or Python for the whole process, and write to no file of the results but your own.
    """
    made = subject.build  # looked at first, so that a missing package is no failure
    made()
    kept = os.environ.get(STRICT)
    os.environ[STRICT] = "1"  # one that fails would be left out, and change nothing
    try:
        watched = subject.ended(Observer(f"Tracker {subject.name}", made))
    finally:
        os.environ.pop(STRICT)
        os.environ |= {STRICT: kept} if kept is not None else {}
    need(watched.predictions == subject.ended().predictions, "With it, a run predicts otherwise.")


CHECKS = checks_of("tracker", observes, whole_runs, failed_runs, values_kept, same_predictions)
