"""Weights & Biases. Offline by default: ``wandb sync FOLDER/wandb/offline-run-*`` uploads what was written."""

from __future__ import annotations

import os

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when it is imported; reports would go to its makers

import wandb

from ercbench import EpochInfo, RunInfo, RunRecord, hookimpl
from ercbench_stock.settings import WandbSettings
from ercbench_stock.trackers import figures


class WeightsAndBiases:
    """Logs figures by epoch; the final ones are the run's summary. It watches neither code, console nor machine."""

    def __init__(self, settings: WandbSettings) -> None:
        self._settings = settings

    @hookimpl
    def ercbench_run_started(self, run: RunInfo) -> None:
        """Begin a run of its own."""
        folder = figures.folder(self._settings.folder, run, "wandb")
        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=self._settings.project,
            entity=self._settings.entity or None,
            name=run.name,
            group=f"{run.dataset}/{run.recipe}@{run.version}",
            dir=str(folder),
            mode=self._settings.mode,
            config=dict(run.config) | {"seed": run.seed, "track": run.track, "context": run.context},
            reinit="create_new",
            settings=wandb.Settings(
                console="off",
                silent=True,
                disable_git=True,
                disable_code=True,
                x_disable_stats=True,
                x_disable_meta=True,
            ),
        )

    @hookimpl
    def ercbench_epoch_finished(self, epoch: EpochInfo) -> None:
        """A step."""
        self._run.log(figures.of_epoch(epoch), step=epoch.epoch)

    @hookimpl
    def ercbench_run_finished(self, record: RunRecord) -> None:
        """The summary."""
        self._run.summary.update(figures.of_record(record))
        self._run.finish(exit_code=0)

    @hookimpl
    def ercbench_run_failed(self, error: str) -> None:
        """The error, and a run that counts as failed."""
        self._run.summary["error"] = error
        self._run.finish(exit_code=1)
