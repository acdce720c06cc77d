"""Losses that belong to no one method. The tests hold a loop version of each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ercbench import EncodedBatch, LabelSet, LossOutput, PluginError
from ercbench_stock.settings import CrossEntropySettings, FocalSettings, SupConSettings, WeightedCrossEntropySettings


class CrossEntropyLoss(nn.Module):
    """Mean cross-entropy of the logits of the encoder's linear head.

    **Reference**: none; the usual loss of a classifier.

    **Differs from the paper**: does not apply.
    """

    def __init__(self, settings: CrossEntropySettings, labels: LabelSet, dimension: int) -> None:
        super().__init__()

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput."""
        return LossOutput(nn.functional.cross_entropy(*_logits_and_labels(batch, "cross-entropy")))


class WeightedCrossEntropyLoss(nn.Module):
    """Cross-entropy in which an utterance counts the more, the rarer its label is in train.

    The weight of class c is (N / (C n_c)) to the given power, n_c of N utterances of train carrying it; the mean over
    a batch is weighted too.

    **Reference**: King and Zeng, Political Analysis 9(2), 2001; weights as ``class_weight="balanced"`` of scikit-learn.

    **Differs from the paper**: does not apply.
    """

    def __init__(
        self, settings: WeightedCrossEntropySettings, labels: LabelSet, dimension: int, counts: Sequence[int]
    ) -> None:
        super().__init__()
        carried = torch.tensor(counts, dtype=torch.float64)  # (C,)
        shares = carried.sum() / (len(counts) * carried.clamp_min(1))
        weights = torch.where(carried > 0, shares**settings.power, 0).float()
        self.weights: Tensor
        self.register_buffer("weights", weights, persistent=False)  # (C,)

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput."""
        logits, labels = _logits_and_labels(batch, "weighted-cross-entropy")
        return LossOutput(nn.functional.cross_entropy(logits, labels, weight=self.weights.to(logits.dtype)))


class FocalLoss(nn.Module):
    """Mean over a batch of cross-entropy times (1 - p) to the power gamma, p the probability given to the right label.

    **Reference**: Lin, Goyal, Girshick, He, Dollar, ICCV 2017, arXiv 1708.02002, equation 4.

    **Differs from the paper**: softmax over classes in the place of sigmoids; classes have no weights (no alpha).
    """

    def __init__(self, settings: FocalSettings, labels: LabelSet, dimension: int) -> None:
        super().__init__()
        self.gamma = settings.gamma

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput."""
        logits, labels = _logits_and_labels(batch, "focal")
        right = nn.functional.log_softmax(logits, dim=1).gather(1, labels[:, None])[:, 0]  # (B,)
        # 1 - p from log p, without the cancellation near p = 1; at exactly 1 a power below 1 would have no gradient.
        doubt = -torch.expm1(right.clamp_max(-1e-12))  # (B,)
        return LossOutput(-(doubt**self.gamma * right).mean())


class SupConLoss(nn.Module):
    """The supervised contrastive loss of pytorch-metric-learning over the vectors of a batch, by cosine.

    **Reference**: Khosla et al., NeurIPS 2020, arXiv 2004.11362, equation 2.

    **Differs from the paper**: there is one view of each utterance, so a class seen once in a batch has no positive and
    does not count; the mean is over utterances whose loss is not zero, as in the library.
    """

    def __init__(self, settings: SupConSettings, labels: LabelSet, dimension: int) -> None:
        from pytorch_metric_learning.losses import SupConLoss as Loss

        super().__init__()
        self.loss = Loss(temperature=settings.temperature)

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput."""
        assert batch.labels is not None
        return LossOutput(self.loss(batch.vectors, batch.labels))


def _logits_and_labels(batch: EncodedBatch, name: str) -> tuple[Tensor, Tensor]:
    """What a loss on the linear head needs, (B, C) and (B,).

    Raises:
        PluginError: the encoder makes no logits.
    """
    if batch.logits is None:
        raise PluginError(f"{name} needs logits, and this recipe's encoder makes none. Choose another loss.")
    assert batch.labels is not None
    return batch.logits, batch.labels
