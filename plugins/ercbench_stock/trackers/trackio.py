"""Trackio: its local database, in the folder TRACKIO_DIR. ``trackio show`` displays it."""

from __future__ import annotations

import trackio

from ercbench import EpochInfo, RunInfo, RunRecord, hookimpl
from ercbench_stock.settings import TrackioSettings
from ercbench_stock.trackers import figures


class Trackio:
    """Logs figures by epoch, the final ones at the last."""

    def __init__(self, settings: TrackioSettings) -> None:
        self._project, self._step = settings.project, 0

    @hookimpl
    def ercbench_run_started(self, run: RunInfo) -> None:
        """Begin a run in the project."""
        values = dict(run.config) | {"seed": run.seed, "track": run.track, "context": run.context}
        self._run = trackio.init(
            self._project, name=run.name, config=values, embed=False, auto_log_gpu=False, auto_log_cpu=False
        )

    @hookimpl
    def ercbench_epoch_finished(self, epoch: EpochInfo) -> None:
        """A step."""
        self._step = epoch.epoch
        self._run.log(figures.of_epoch(epoch), step=self._step)

    @hookimpl
    def ercbench_run_finished(self, record: RunRecord) -> None:
        """The final figures."""
        self._run.log(figures.of_record(record), step=self._step)
        trackio.finish()  # not `Run.finish`, after which it would be finished, and say so, once more at exit

    @hookimpl
    def ercbench_run_failed(self) -> None:
        """The run ends where it is; Trackio keeps no states of runs."""
        trackio.finish()
