"""What is not trained, or not pre-trained: a recipe without losses, an encoder that is fitted or begins with nothing.

The values of a track are made for pre-trained encoders that are trained. Here is what becomes of them elsewhere. Part
of ``config.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ercbench.errors import BadSetting
from ercbench.specs import ClassifierSpec, CurriculumSpec, EncoderSpec, Values

EPOCHS = "training.epochs"
NO_LOSSES = "no losses"
"""The origin of 0 epochs where there is nothing to train for."""


def leave_untrained(recipe: str, values: Values, origins: dict[str, str]) -> list[BadSetting]:
    """Lay 0 epochs over the values of a recipe without losses, in place, whatever its track says.

    Epochs asked for with ``--set`` would be without effect: they are an error, and returned.
    """
    if origins.get(EPOCHS) == "--set" and values[EPOCHS] != 0:
        return [
            BadSetting(
                f"{EPOCHS} must be 0 for {recipe}, which has no losses. Got {values[EPOCHS]!r}, set by: --set. "
                f"Leave it out, leave {recipe} out, or give it a loss: --set losses.NAME.weight=1"
            )
        ]
    values[EPOCHS], origins[EPOCHS] = 0, NO_LOSSES
    return []


def forget_track(values: Values, origins: dict[str, str], prefix: str, encoder: EncoderSpec) -> None:
    """Remove what a track says below a prefix and is not for an encoder, in place: it speaks of pre-trained ones.

    Of an encoder that is fitted nothing is kept; of one without a checkpoint, what it has a setting for, such as a
    token budget; of a pre-trained one everything.
    """
    known = encoder.settings.model_fields
    if "checkpoint" in known and not encoder.fitted:
        return
    for path in [path for path in values if path.startswith(f"{prefix}.") and origins[path].startswith("track ")]:
        if encoder.fitted or path.split(".")[1] not in known:
            del values[path], origins[path]


def nothing_to_choose_for(curriculum: CurriculumSpec) -> BadSetting:
    """What is wrong with a curriculum in a recipe without losses."""
    return BadSetting(
        "A curriculum has no effect in a recipe without losses, which is not trained. Got curriculum.name="
        f"{curriculum.name}. Remove it (--set curriculum=null), or give the recipe a loss: --set losses.NAME.weight=1"
    )


def faults(
    encoder: EncoderSpec, classifier: ClassifierSpec, losses: Iterable[str], known: Iterable[ClassifierSpec]
) -> Iterator[BadSetting]:
    """What is wrong with an encoder beside the losses and the classifier of a recipe.

    Args:
        encoder: of the recipe.
        classifier: of the recipe.
        losses: names, as the recipe gives them.
        known: all classifiers.
    """
    if encoder.fitted and (names := ", ".join(losses)):
        yield BadSetting(
            f"The encoder {encoder.name!r} is fitted, not trained, so no loss can train it. Got losses: {names}. "
            "Remove them with --set losses.NAME=null, or choose another encoder."
        )
    if encoder.sparse and not classifier.sparse:
        able = sorted(spec.name for spec in known if spec.sparse)
        yield BadSetting(
            f"classifier.name: {classifier.name!r} cannot read the sparse features of the encoder {encoder.name!r}. "
            f"Those that can: {', '.join(able) or 'none'}. Choose one of them."
        )
