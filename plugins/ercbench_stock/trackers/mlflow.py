"""MLflow: a local file store. ``MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri FOLDER`` shows it."""

from __future__ import annotations

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported

from mlflow.tracking import MlflowClient

from ercbench import EpochInfo, RunInfo, RunRecord, hookimpl
from ercbench_stock.settings import MlflowSettings
from ercbench_stock.trackers import figures

LONGEST = 500
"""Characters of a parameter that every kind of store takes."""


class Mlflow:
    """Logs values as parameters and figures as metrics by epoch, the final ones at the last."""

    def __init__(self, settings: MlflowSettings) -> None:
        self._settings, self._step = settings, 0

    @hookimpl
    def ercbench_run_started(self, run: RunInfo) -> None:
        """Begin a run in the experiment."""
        uri = self._settings.uri
        if not uri:
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow wants to be told that this is meant
            uri = figures.folder(self._settings.folder, run, "mlflow").resolve().as_uri()
        self._client = MlflowClient(tracking_uri=uri)
        found = self._client.get_experiment_by_name(self._settings.experiment)
        experiment = found.experiment_id if found else self._client.create_experiment(self._settings.experiment)
        self._id = self._client.create_run(experiment, run_name=run.name).info.run_id
        for name, value in (dict(run.config) | {"seed": run.seed}).items():
            self._client.log_param(self._id, name, str(value)[:LONGEST])

    @hookimpl
    def ercbench_epoch_finished(self, epoch: EpochInfo) -> None:
        """A step."""
        self._step = epoch.epoch
        self._log(figures.of_epoch(epoch))

    @hookimpl
    def ercbench_run_finished(self, record: RunRecord) -> None:
        """The final figures."""
        self._log(figures.of_record(record))
        self._client.set_terminated(self._id, "FINISHED")

    @hookimpl
    def ercbench_run_failed(self, error: str) -> None:
        """The error as a tag, and a run that counts as failed."""
        self._client.set_tag(self._id, "error", error)
        self._client.set_terminated(self._id, "FAILED")

    def _log(self, found: dict[str, float]) -> None:
        for name, value in found.items():
            self._client.log_metric(self._id, name, value, step=self._step)
