"""What a plugin tells of the weights of encoders: the data that they had seen. Importing this loads no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ercbench.specs import Name, Spec
from ercbench.types import Split


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
