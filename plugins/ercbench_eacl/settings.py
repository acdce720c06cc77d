"""What can be set on the parts of EACL. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ercbench import Settings

Positive = Annotated[float, Field(gt=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class RendererSettings(Settings):
    """How speakers are named and what is replaced in the text."""

    speaker: Literal["as-is", "first-word", "by-appearance"] = Field(
        "as-is", description="the speaker's name as in the file, its first word, or a name by order of appearance"
    )
    speaker_names: tuple[str, ...] = Field(("Roy", "Weldon"), description="names given by order of appearance")
    replace: dict[str, str] = Field({}, description="text replaced in utterances, in this order")


class EncoderSettings(Settings):
    """The pre-trained encoder, what is read from it, and the projection."""

    checkpoint: str = Field(
        "princeton-nlp/sup-simcse-roberta-large", min_length=1, description="Hugging Face hub id, or a local folder"
    )
    max_tokens: Annotated[int, Field(ge=16)] = Field(256, description="token budget of a sequence")
    read: Literal["mask", "first"] = Field("mask", description="position whose hidden state is h")
    width: Annotated[int, Field(ge=1)] = Field(1024, description="D, width of the projected vector")
    label_encoding: Literal["fixed", "trainable"] = Field(
        "fixed", description="'fixed': label words encoded once, before training; 'trainable': at every step"
    )
    dropout: Rate = Field(0.1, description="on h before the linear head")
    attention_dropout: Rate | None = Field(None, description="None keeps the checkpoint's own rate")


class SharedEncoderSettings(EncoderSettings):
    """The encoder of shared context: that of EACL, and how much of a dialogue is encoded at once."""

    stretch_tokens: Annotated[int, Field(ge=32)] = Field(
        384, description="positions of a stretch of dialogue; no more than the encoder has"
    )
    stretch_targets: Annotated[int, Field(ge=1)] = Field(
        3, description="utterances read in one stretch; more are faster, and bring fewer dialogues into a batch"
    )
    attention: Literal["mask", "block"] = Field(
        "mask", description="'block': FlexAttention's block mask on a CUDA GPU, which needs attention_dropout 0"
    )

    @model_validator(mode="after")
    def _prompt_fits(self) -> SharedEncoderSettings:
        if self.max_tokens >= self.stretch_tokens:
            raise ValueError(f"stretch_tokens must be more than max_tokens, which is {self.max_tokens}")
        return self


class AnchorContrastiveSettings(Settings):
    """The anchor-contrastive loss."""

    temperature: Positive = Field(0.1, description="tau")
    anchors: bool = Field(True, description="contrast with the anchors too; false leaves the batch alone")


class SeparationSettings(Settings):
    """The separation loss has nothing to set."""


class NearestAnchorSettings(Settings):
    """The nearest anchor has nothing to set."""


class AnchorAdaptationSettings(Settings):
    """Stage 2: anchors trained on stored vectors."""

    lr: Positive = Field(1e-4, description="learning rate of Adam")
    epochs: Annotated[int, Field(ge=1)] = Field(10, description="passes over the stored vectors")
    batch_size: Annotated[int, Field(ge=1)] = Field(64, description="vectors per step")
    temperature: Positive = Field(0.1, description="tau")
