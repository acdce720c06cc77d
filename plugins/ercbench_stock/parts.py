"""The stock parts as specs."""

from __future__ import annotations

from ercbench import ClassifierSpec, LossSpec
from ercbench_stock import settings

LOSSES = (
    LossSpec(
        name="cross-entropy",
        summary="Cross-entropy of the linear head's logits",
        target="ercbench_stock.losses:CrossEntropyLoss",
        settings=settings.CrossEntropySettings,
    ),
)

CLASSIFIERS = (
    ClassifierSpec(
        name="linear-head",
        summary="The linear head that was trained beside the representation",
        target="ercbench_stock.classifiers:LinearHead",
        settings=settings.LinearHeadSettings,
        needs_training=False,
    ),
)
