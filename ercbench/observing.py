"""Tells observers what a run does: the trackers it was asked for, and plugins that implement observer hooks themselves.

An observer cannot change a number: it is given frozen values and copies, the random numbers are put back after it was
called, and when it raises it is left out of the rest of the run. ``ERCBENCH_STRICT_PLUGINS=1`` ends the run instead.
"""

from __future__ import annotations

import copy
import logging
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pluggy
from pydantic import JsonValue, ValidationError

from ercbench.catalog import Catalog, load_target
from ercbench.errors import BadSetting, ErcbenchError, PluginError, Problems
from ercbench.events import EpochInfo, RunInfo
from ercbench.hookspecs import OBSERVER_HOOKS
from ercbench.plugin_loading import described, register, strict
from ercbench.progress import NOTHING, Reporter
from ercbench.specs import Settings, TrackerSpec
from ercbench.types import Epoch

if TYPE_CHECKING:
    from ercbench.devices import Device
    from ercbench.preparing import Prepared
    from ercbench.records import RunRecord
    from ercbench.run_log import GridState

log = logging.getLogger("ercbench")
Asked = Mapping[str, Mapping[str, JsonValue]]
"""The trackers a run is asked for: name to settings."""


@dataclass(frozen=True)
class Observer:
    """Somebody to tell, by name; `make` builds it, once per run."""

    name: str
    make: Callable[[], object]


def find_observers(catalog: Catalog, trackers: Asked, errors: list[ErcbenchError]) -> list[Observer]:
    """Plugins that observe every run, then the trackers asked for, whose code is loaded and whose settings are checked.

    Whatever is wrong goes to `errors`: a name that no tracker has, code that cannot be loaded (where a package is
    missing, the message says what to install), a setting that is not acceptable.

    Before: `load_catalog`. After: `observe`.
    """
    found = [Observer(f"Plugin {plugin.distribution}", partial(_same, module)) for plugin, module in catalog.observers]
    for name, values in trackers.items():
        try:
            spec = catalog.get(TrackerSpec, name)
            target = load_target(spec.target, spec.install)
            found.append(Observer(f"Tracker {name}", partial(target, _settings(spec, values))))
        except Problems as problems:
            errors += problems.errors
        except ErcbenchError as error:
            errors.append(error)
    return found


def _same(module: object) -> object:
    """A plugin's module is there already."""
    return module


def _settings(spec: TrackerSpec, values: Mapping[str, JsonValue]) -> Settings:
    """Checked settings of a tracker."""
    try:
        return spec.settings(**values)
    except ValidationError as error:
        known = ", ".join(spec.settings.model_fields) or "none"
        raise Problems(
            [
                BadSetting(
                    f"Tracker {spec.name}, setting {'.'.join(map(str, e['loc']))}: {e['msg']}. Got {e['input']!r}. "
                    f"Settings it has: {known}."
                )
                for e in error.errors()
            ]
        ) from error


def run_info(prepared: Prepared, seed: int, device: Device, results: Path, record: Path) -> RunInfo:
    """What observers are told about a run."""
    config = prepared.config
    return RunInfo(
        recipe=config.recipe.name,
        version=config.recipe.version,
        dataset=config.dataset.name,
        track=config.track.name,
        context=config.context.protocol,
        seed=seed,
        config=MappingProxyType(copy.deepcopy(dict(config.values))),
        utterances=MappingProxyType({str(split): len(tokens) for split, tokens in prepared.tokens.items()}),
        device=device.name,
        precision=device.precision,
        results=results,
        record=record,
    )


class Observed:
    """A `Reporter` that also tells observers, and hands everything on to `reporter`."""

    def __init__(self, reporter: Reporter, observers: Sequence[Observer], info: RunInfo) -> None:
        self._reporter, self._info = reporter, info
        self._hooks: dict[str, pluggy.HookRelay] = {}
        for observer in observers:
            with self._kept_apart(observer.name, strict()):
                self._hooks[observer.name] = _hooks(observer)

    def begin(self, title: str, work: int) -> None:
        """Handed on."""
        self._reporter.begin(title, work)

    def advance(self, work: int, doing: str, figures: Mapping[str, float] = NOTHING) -> None:
        """Handed on."""
        self._reporter.advance(work, doing, figures)

    def adjust(self, work: int) -> None:
        """Handed on."""
        self._reporter.adjust(work)

    def say(self, message: str) -> None:
        """Handed on."""
        self._reporter.say(message)

    def end(self) -> None:
        """Handed on."""
        self._reporter.end()

    def cells(self, state: GridState) -> None:
        """Handed on."""
        self._reporter.cells(state)

    def run_started(self) -> None:
        """The run begins."""
        self._tell("ercbench_run_started")

    def stage_started(self, stage: str) -> None:
        """A stage begins."""
        self._reporter.stage_started(stage)
        self._tell("ercbench_stage_started", {"stage": stage})

    def stage_finished(self, stage: str, seconds: float) -> None:
        """A stage is done."""
        self._reporter.stage_finished(stage, seconds)
        self._tell("ercbench_stage_finished", {"stage": stage, "seconds": seconds})

    def epoch_finished(self, epoch: Epoch, resumed: bool = False) -> None:
        """An epoch is trained and scored. The score that chooses the epoch is not told, it may be one on test."""
        self._reporter.epoch_finished(epoch, resumed)
        losses = MappingProxyType(dict(epoch.losses))
        speed = epoch.seconds, epoch.utterances_per_second
        hard = epoch.difficulty, epoch.difficulty_of_train
        shares = epoch.chunk, epoch.processes
        told = EpochInfo(epoch.epoch, losses, epoch.dev_weighted_f1, *speed, resumed, epoch.utterances, *hard, *shares)
        self._tell("ercbench_epoch_finished", {"epoch": told})

    def run_finished(self, record: RunRecord) -> None:
        """The record is on disk."""
        self._tell("ercbench_run_finished", {"record": record.model_copy(deep=True)})

    def run_failed(self, error: BaseException) -> None:
        """The run ends without a record. What its functions held is let go first: gold labels may be among it."""
        if self._hooks:
            traceback.clear_frames(error.__traceback__)
        # Never fatal: the error of the run must not give way to one of an observer.
        self._tell("ercbench_run_failed", {"error": f"{type(error).__name__}: {error}".rstrip(": ")}, fatal=False)

    def _tell(self, hook: str, values: Mapping[str, Any] = MappingProxyType({}), fatal: bool | None = None) -> None:
        """Call a hook of every observer that is still there."""
        for name, hooks in list(self._hooks.items()):
            with self._kept_apart(name, strict() if fatal is None else fatal):
                getattr(hooks, hook)(run=self._info, **values)

    @contextmanager
    def _kept_apart(self, name: str, fatal: bool) -> Iterator[None]:
        """Whatever an observer does, the run goes on without it, unless that is to be `fatal`."""
        try:
            with _same_random_numbers(), redirect_stdout(sys.stderr):  # standard output may be read by a program
                yield
        # Anything may go wrong inside somebody else's code; whatever it is must not stop the run.
        except (Exception, SystemExit) as error:
            self._hooks.pop(name, None)
            if fatal:
                raise PluginError(f"{name} failed, and ERCBENCH_STRICT_PLUGINS is set: {described(error)}.") from error
            log.warning("%s failed and is left out from here on: %s. The run goes on.", name, described(error))


def _hooks(observer: Observer) -> pluggy.HookRelay:
    """The hooks of one observer, built here, apart from those of any other.

    Raises:
        PluginError: it has none. See also `register`.
    """
    made = observer.make()
    if not any(hasattr(made, hook) for hook in OBSERVER_HOOKS):
        raise PluginError(f"it has none of the observer hooks: {', '.join(OBSERVER_HOOKS)}")
    return register(made, observer.name)


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    """Put the random numbers of Python, numpy and torch back to where they were."""
    import torch

    python, legacy = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)


def observe(
    run: Callable[[Observed], RunRecord], reporter: Reporter, observers: Sequence[Observer], info: RunInfo
) -> RunRecord:
    """Run a cell, and tell observers that it begins, what it does, and how it ended.

    Args:
        run: makes the record, given a `Reporter` that tells observers too.
        reporter: who shows how far the run is.
        observers: see `find_observers`.
        info: which run it is.
    """
    told = Observed(reporter, observers, info)
    told.run_started()
    try:
        record = run(told)
    except BaseException as error:  # Ctrl-C ends a run too; it is told, and raised again
        told.run_failed(error)
        raise
    told.run_finished(record)
    return record
