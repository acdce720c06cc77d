"""TensorBoard: an event file per run. Look at them with ``tensorboard --logdir FOLDER``."""

from __future__ import annotations

import json

from torch.utils.tensorboard import SummaryWriter

from ercbench import EpochInfo, RunInfo, RunRecord, hookimpl
from ercbench_stock.settings import TensorBoardSettings
from ercbench_stock.trackers import figures


class TensorBoard:
    """Writes figures by epoch, the final ones at the last epoch, and the values of the run as text."""

    def __init__(self, settings: TensorBoardSettings) -> None:
        self._folder, self._step = settings.folder, 0

    @hookimpl
    def ercbench_run_started(self, run: RunInfo) -> None:
        """Begin an event file; what an earlier run of the same cell wrote is hidden from here on."""
        folder = figures.folder(self._folder, run, "tensorboard") / run.name
        self._writer = SummaryWriter(str(folder), purge_step=0)
        self._writer.add_text("config", f"```json\n{json.dumps(dict(run.config), indent=2)}\n```", 0)

    @hookimpl
    def ercbench_epoch_finished(self, epoch: EpochInfo) -> None:
        """A point per figure, on disk at once."""
        self._step = epoch.epoch
        self._add(figures.of_epoch(epoch))

    @hookimpl
    def ercbench_run_finished(self, record: RunRecord) -> None:
        """The final figures."""
        self._add(figures.of_record(record))
        self._writer.close()

    @hookimpl
    def ercbench_run_failed(self, error: str) -> None:
        """The error, as text."""
        self._writer.add_text("error", error, self._step)
        self._writer.close()

    def _add(self, found: dict[str, float]) -> None:
        for name, value in found.items():
            self._writer.add_scalar(name, value, self._step)
        self._writer.flush()
