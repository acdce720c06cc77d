"""Trackers: a module each, which imports the library it is for and is loaded when a run asks for it."""

from __future__ import annotations

from ercbench import TrackerSpec
from ercbench_stock import settings

TRACKERS = (
    TrackerSpec(
        name="jsonl",
        summary="JSON lines, one file per run and one line per event",
        target="ercbench_stock.trackers.jsonl:JsonLines",
        settings=settings.JsonLinesSettings,
    ),
    TrackerSpec(
        name="mlflow",
        summary="MLflow: a local file store, or a tracking server",
        target="ercbench_stock.trackers.mlflow:Mlflow",
        settings=settings.MlflowSettings,
        install="ercbench[mlflow]",
    ),
    TrackerSpec(
        name="tensorboard",
        summary="TensorBoard event files, one folder per run",
        target="ercbench_stock.trackers.tensorboard:TensorBoard",
        settings=settings.TensorBoardSettings,
        install="ercbench[tensorboard]",
    ),
    TrackerSpec(
        name="trackio",
        summary="Trackio: its local database, which `trackio show` displays",
        target="ercbench_stock.trackers.trackio:Trackio",
        settings=settings.TrackioSettings,
        install="ercbench[trackio]",
    ),
    TrackerSpec(
        name="wandb",
        summary="Weights & Biases, offline unless told otherwise",
        target="ercbench_stock.trackers.wandb:WeightsAndBiases",
        settings=settings.WandbSettings,
        install="ercbench[wandb]",
    ),
)
