"""An encoder that is no Transformer, and a recipe with it: what this plugin offers. No torch is imported here."""

from typing import Annotated

from pydantic import Field

from ercbench import EncoderSpec, Recipe, Settings, hookimpl

ERCBENCH_API = 1
PAPER = "Kim, Jernite, Sontag, Rush: Character-Aware Neural Language Models, AAAI 2016, arXiv 1508.06615"
SAMPLES = ("meld-sample", "emorynlp-sample", "iemocap-sample")
Count = Annotated[int, Field(ge=1)]


class CharConvSettings(Settings):
    """What can be set as encoder.*: there is no checkpoint among it, so the tracks' checkpoint is not for this one."""

    max_characters: Count = Field(1024, description="characters of a sequence; the last ones are kept")
    embedding: Count = Field(16, description="width of the vector of a character")
    widths: Annotated[tuple[Count, ...], Field(min_length=1)] = Field(
        (2, 3, 4, 5), description="characters that a filter looks at, for each group of filters"
    )
    filters: Count = Field(64, description="filters of each width")
    dropout: float = Field(0.3, ge=0, lt=1, description="on the vector before the linear head")


@hookimpl
def ercbench_encoders():
    """The encoder."""
    return [
        EncoderSpec(
            name="char-conv",
            summary="Convolutions over characters, the largest answer of each filter, and a highway layer",
            target="ercbench_char_conv.encoders:CharConv",
            settings=CharConvSettings,
            reference=f"{PAPER}: character-level convolution and highway network",
        )
    ]


@hookimpl
def ercbench_recipes():
    """It, trained with cross-entropy. The other parts are those of ercbench, by name."""
    # Whoever begins with nothing needs more passes than the three or eight that a pre-trained encoder is given.
    longer = {"training.epochs": 20}
    return [
        Recipe(
            name="char-conv",
            version="1",
            summary="Character convolution trained from nothing with cross-entropy, earlier turns in view",
            reference=PAPER,
            differs="Turns instead of words, a classifier instead of a language model. 20 epochs on every track.",
            values={
                "renderer.name": "turns",
                "encoder.name": "char-conv",
                "losses.cross-entropy.weight": 1.0,
                "classifier.name": "linear-head",
                # The model's `backbone` has a rate of its own, for those whose weights are pre-trained.
                "training.encoder_lr": 1e-3,
                "training.lr": 1e-3,
                "training.lr_decay": 0.95,
            },
            for_track={"mini": longer, "full": longer},
            for_dataset={name: {"training.batch_size": 8} for name in SAMPLES},
        )
    ]
