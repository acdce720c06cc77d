"""What can be set on classifiers that read whole dialogues. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ercbench import Settings
from ercbench_stock.settings import Count, Positive, Rate


class DialogueSettings(Settings):
    """What a network reads, and how it is trained: a state per epoch, of which dev chooses one."""

    reads: Literal["vectors", "hidden"] = Field("vectors", description="what the network reads of an utterance")
    standardise: bool = Field(False, description="bring every dimension to mean 0 and deviation 1 over train first")
    epochs: Count = Field(40, description="passes over train; each gives a state")
    batch_size: Count = Field(8, description="dialogues per step")
    lr: Positive = Field(1e-3, description="learning rate of Adam")
    l2: Annotated[float, Field(ge=0)] = Field(0.0, description="L2 penalty, as Adam adds it to the gradient")
    clip_norm: Positive | None = Field(None, description="largest gradient norm; None for any")
    class_weight: Literal["none", "balanced"] = Field(
        "none", description="balanced: a label counts in the loss the more, the rarer it is in train"
    )
    width: Count = Field(100, description="of the hidden layer that decides")
    dropout: Rate = Field(0.5, description="see the classifier for where")


class BiLstmSettings(DialogueSettings):
    """An LSTM over the utterances of a dialogue."""

    state: Count = Field(100, description="width of the LSTM's state, per direction")
    layers: Count = Field(1, description="LSTMs on top of each other")


class DialogueRnnSettings(DialogueSettings):
    """DialogueRNN."""

    global_state: Count = Field(150, description="width of the state of the conversation")
    party_state: Count = Field(150, description="width of the state of a speaker")
    emotion_state: Count = Field(100, description="width of the emotion's state")


class DagSettings(DialogueSettings):
    """DAG-ERC."""

    width: Count = Field(100, description="of the layers of the graph, and of the hidden layers that decide")
    layers: Count = Field(2, description="layers of the graph, L")
    omega: Count = Field(1, description="turns of the same speaker at which the edges of an utterance end")
    deciding_layers: Count = Field(2, description="hidden layers that decide")
