"""A loss with learned prototypes, and a recipe with it: what this plugin offers. No torch is imported here."""

from pydantic import Field

from ercbench import LossSpec, Recipe, Settings, hookimpl

ERCBENCH_API = 1
PAPER = (
    "Yang, Zhang, Yin, Liu: Robust Classification with Convolutional Prototype Learning, CVPR 2018, arXiv 1805.03438"
)


class PrototypeSettings(Settings):
    """What can be set as losses.prototypes.*: the paper names K, gamma and lambda."""

    per_emotion: int = Field(2, ge=1, description="prototypes of each emotion")
    gamma: float = Field(0.1, gt=0, description="how fast the probability of a prototype falls with the distance")
    compactness: float = Field(0.01, ge=0, description="weight of the distance to the nearest prototype of one's own")


@hookimpl
def ercbench_losses():
    """The loss. `reference` and the class's docstring say what it follows, and where it differs."""
    return [
        LossSpec(
            name="prototypes",
            summary="Distance-based cross-entropy over learned prototypes, and the prototype loss",
            target="ercbench_prototype_loss.losses:PrototypeLoss",
            settings=PrototypeSettings,
            reference=f"{PAPER}: distance-based cross-entropy (DCE) and prototype loss (PL)",
        )
    ]


@hookimpl
def ercbench_recipes():
    """It beside cross-entropy. Everything that is not named here is as in ce-context, which it can be compared with."""
    return [
        Recipe(
            name="prototypes-ce",
            version="1",
            summary="As ce-context, with learned prototypes of emotions beside cross-entropy",
            reference=PAPER,
            differs="Made for images. The linear head trained beside it decides, not the nearest prototype.",
            base="ce-context",
            values={"losses.prototypes.weight": 0.5},
        )
    ]
