"""What can be set on the stock parts. No torch here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ercbench import Settings


class CrossEntropySettings(Settings):
    """Cross-entropy has nothing to set."""


class LinearHeadSettings(Settings):
    """The linear head has nothing to set."""


class JsonLinesSettings(Settings):
    """Where the files go."""

    folder: str = Field("", description="where to write; default: tracking/jsonl below the folder of the records")


class TensorBoardSettings(Settings):
    """Where the event files go."""

    folder: str = Field("", description="where to write; default: tracking/tensorboard below the folder of the records")


class WandbSettings(Settings):
    """Project and mode."""

    project: str = Field("ercbench", description="project of the runs")
    entity: str = Field("", description="user or team; default: that of the login")
    mode: Literal["offline", "online"] = Field("offline", description="online needs a login, and uploads while it runs")
    folder: str = Field("", description="where to write; default: tracking/wandb below the folder of the records")


class MlflowSettings(Settings):
    """Store and experiment."""

    experiment: str = Field("ercbench", description="experiment of the runs")
    uri: str = Field("", description="of a tracking server; default: a file store in the folder")
    folder: str = Field("", description="of the file store; default: tracking/mlflow below the folder of the records")


class TrackioSettings(Settings):
    """Project. Trackio's folder is the environment's: TRACKIO_DIR."""

    project: str = Field("ercbench", description="project of the runs")
