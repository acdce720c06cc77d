"""Losses that belong to no one method."""

from __future__ import annotations

from torch import nn

from ercbench import EncodedBatch, LabelSet, LossOutput, PluginError
from ercbench_stock.settings import CrossEntropySettings


class CrossEntropyLoss(nn.Module):
    """Mean cross-entropy of the logits of the encoder's linear head.

    **Reference**: none; the usual loss of a classifier.

    **Differs from the paper**: does not apply.
    """

    def __init__(self, settings: CrossEntropySettings, labels: LabelSet, dimension: int) -> None:
        super().__init__()

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput."""
        if batch.logits is None:
            raise PluginError("cross-entropy needs logits, and this recipe's encoder makes none. Choose another loss.")
        assert batch.labels is not None
        return LossOutput(nn.functional.cross_entropy(batch.logits, batch.labels))
