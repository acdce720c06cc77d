"""Where the weights of encoders come from, and the data that they had seen. Importing this loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ercbench.specs import Name, Spec
from ercbench.types import Split


@dataclass(frozen=True)
class Checkpoint:
    """Where an encoder's weights and tokenizer come from.

    Attributes:
        name: what the user asked for: a hub id or a local path.
        path: the folder to read, or the hub id when it is to be fetched from the hub.
        origin: in words, for the record: a package and its version, ``local folder``, the hub and its revision.
        sha256: of ``model.safetensors`` where it is a local file, else None.
        revision: the commit on the hub, else None.
    """

    name: str
    path: str | Path
    origin: str
    sha256: str | None = None
    revision: str | None = None


class TrainingData(BaseModel):
    """A data set that a checkpoint's weights were trained on before any run of ours.

    Attributes:
        dataset: name or family of the data set, as `DatasetSpec` has it.
        splits: whose utterances were trained on; empty where the source does not tell, so that test may be among them.
        source: where the makers of the weights say so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Name
    splits: tuple[Split, ...] = ()
    source: Annotated[str, Field(min_length=1)]


class CheckpointFacts(Spec):
    """What is known of encoders' weights: the data sets of ours that they were trained on.

    Attributes:
        checkpoints: hub ids; ``*`` and ``?`` stand for any characters and for one. Upper and lower case are the same.
        trained_on: by data set.
    """

    checkpoints: Annotated[tuple[str, ...], Field(min_length=1)]
    trained_on: Annotated[tuple[TrainingData, ...], Field(min_length=1)]
