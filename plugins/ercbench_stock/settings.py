"""What can be set on the stock parts. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ercbench import Settings

Positive = Annotated[float, Field(gt=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class PlainTextSettings(Settings):
    """What becomes of the text of a turn."""

    replace: dict[str, str] = Field({}, description="text replaced in utterances, in this order")


class NoEncoderSettings(Settings):
    """Without an encoder there is nothing to set."""


class TfidfSettings(Settings):
    """TF-IDF of words and runs of words."""

    longest: Count = Field(2, description="words of the longest run that is counted")
    fewest: Count = Field(1, description="training utterances in which a run must occur to be counted")
    windows: tuple[Count, ...] = Field(
        (),
        description="earlier turns whose TF-IDF stands beside the utterance's, a set of features each; () for none",
    )


class TransformerSettings(Settings):
    """A pre-trained encoder, and what is read from it."""

    checkpoint: str = Field(
        "princeton-nlp/sup-simcse-roberta-large", min_length=1, description="Hugging Face hub id, or a local folder"
    )
    max_tokens: Annotated[int, Field(ge=16)] = Field(256, description="token budget of a sequence")
    read: Literal["first", "mean", "mask"] = Field(
        "first", description="h is the last state of the first token, the mean over tokens, or that of the last mask"
    )
    head: bool = Field(True, description="a linear head on h makes logits")
    detach_head: bool = Field(
        False, description="the head learns from h and h nothing from the head; another loss must train the encoder"
    )
    dropout: Rate = Field(0.1, description="on h before the linear head")
    attention_dropout: Rate | None = Field(None, description="None keeps the checkpoint's own rate")


class CrossEntropySettings(Settings):
    """Cross-entropy has nothing to set."""


class WeightedCrossEntropySettings(Settings):
    """How much rare classes count."""

    power: Annotated[float, Field(ge=0)] = Field(
        1.0, description="weights go with the frequency in train to minus this; 0 is plain cross-entropy"
    )


class FocalSettings(Settings):
    """How little easy utterances count."""

    gamma: Annotated[float, Field(ge=0)] = Field(2.0, description="focusing parameter; 0 is plain cross-entropy")


class SupConSettings(Settings):
    """The supervised contrastive loss."""

    temperature: Positive = Field(0.1, description="tau")


class SpclSettings(Settings):
    """The supervised prototypical contrastive loss."""

    temperature: Positive = Field(0.05, description="tau")
    pool_size: Count = Field(256, description="past vectors kept per class")
    support_size: Count = Field(64, description="vectors drawn from a pool for the prototype of its class")
    least: Annotated[float, Field(ge=0)] = Field(0.3, description="utterances with no more than this loss do not count")

    @model_validator(mode="after")
    def _can_be_drawn(self) -> SpclSettings:
        if self.support_size > self.pool_size:
            raise ValueError(f"support_size must be at most pool_size, which is {self.pool_size}")
        return self


class DifficultySettings(Settings):
    """The curriculum from easy to hard has nothing to set."""


class NearestCentroidSettings(Settings):
    """The nearest class mean."""

    temperature: Positive = Field(
        0.05, description="divides the similarities; it changes probabilities and no decision"
    )


class LinearHeadSettings(Settings):
    """The linear head has nothing to set."""


class FloorSettings(Settings):
    """A floor has nothing to set."""


class LogisticRegressionSettings(Settings):
    """The states that dev chooses from: every set of features with every weighting of classes with every C."""

    reads: Literal["vectors", "hidden"] = Field(
        "vectors", description="what is classified, where the encoder makes no sparse features"
    )
    standardise: bool = Field(False, description="bring every dimension to mean 0 and deviation 1 over train first")
    c: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        (0.3, 1.0, 3.0, 10.0), description="inverse strengths of regularisation to try"
    )
    class_weight: Annotated[tuple[Literal["none", "balanced"], ...], Field(min_length=1)] = Field(
        ("none", "balanced"), description="weightings of the classes to try"
    )
    tolerance: Positive = Field(1e-6, description="the solver has converged where no slope of the loss is above it")
    most_iterations: Count = Field(2000, description="of the solver, which ends earlier where it has converged")


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
