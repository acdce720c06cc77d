"""Classifiers that belong to no one method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ercbench import FloatArray, LabelSet, PluginError, Prototypes, Representation
from ercbench_stock.settings import LinearHeadSettings


class LinearHead:
    """The logits of the linear head that was trained with the encoder.

    **Reference**: none; the usual decision of a classifier.

    **Differs from the paper**: does not apply.
    """

    def __init__(self, settings: LinearHeadSettings, labels: LabelSet) -> None:
        pass

    def fit(self, train: Representation | None, prototypes: Prototypes | None, seed: int) -> Sequence[LinearHead]:
        """Nothing to fit."""
        return [self]

    def score(self, representation: Representation) -> FloatArray:
        """Representation -> its logits (N, C)."""
        if representation.logits is None:
            raise PluginError(
                "linear-head needs logits, and this recipe's encoder makes none. Choose another classifier."
            )
        return representation.logits

    def tensors(self) -> Mapping[str, FloatArray]:
        """Nothing was fitted."""
        return {}

    def restore(self, tensors: Mapping[str, FloatArray]) -> LinearHead:
        """Nothing to restore."""
        return self
