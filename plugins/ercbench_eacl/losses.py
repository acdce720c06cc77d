"""The two losses of EACL, in matrix form, float32 or float64. The tests hold a loop version of each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ercbench import EncodedBatch, LabelSet, LossOutput, PluginError
from ercbench_eacl.settings import AnchorContrastiveSettings, SeparationSettings

EPSILON = 1e-8


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """s(x, y) = (1 + cos(x, y)) / 2 + 1e-8, for every row of x (M, D) with every row of y (K, D): (M, K)."""
    return (1 + unit(x) @ unit(y).T) / 2 + EPSILON


def unit(x: Tensor) -> Tensor:
    """Rows of x (M, D) scaled to length one."""
    return nn.functional.normalize(x, dim=-1, eps=EPSILON)


def require_anchors(batch: EncodedBatch) -> Tensor:
    """The anchors (C, D) of a batch.

    Raises:
        PluginError: the encoder makes none.
    """
    if batch.prototypes is None:
        raise PluginError(
            "The losses of EACL need anchors, and this recipe's encoder makes none. Set encoder.name=eacl."
        )
    return batch.prototypes


class AnchorContrastiveLoss(nn.Module):
    """Supervised contrastive loss over the utterances of a batch and the anchors together.

    For row i, with P_i the other rows of its class, N_i the rows of other classes and e_ij = exp(s_ij / tau):
    l_i = -log([sum_P e / (sum_P e + sum_N e)] / abs(P_i) + 1e-8), averaged over the rows with l_i > 0. A row without
    positives contributes the constant -log(1e-8).

    **Reference**: Yu et al., Findings of NAACL 2024, section 3.3.

    **Differs from the paper**: nothing; as in the released code, the sum over positives is inside the logarithm.
    """

    def __init__(self, settings: AnchorContrastiveSettings, labels: LabelSet, dimension: int) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput."""
        assert batch.labels is not None
        rows, classes = batch.vectors, batch.labels  # (B, D), (B,)
        if self.settings.anchors:
            anchors = require_anchors(batch)
            rows = torch.cat([rows, anchors])  # (B + C, D)
            classes = torch.cat([classes, torch.arange(len(anchors), device=classes.device)])  # (B + C,)
        return LossOutput(self._contrast(rows, classes))

    def _contrast(self, rows: Tensor, classes: Tensor) -> Tensor:
        scaled = similarity(rows, rows) / self.settings.temperature  # (U, U)
        # Subtracting a constant changes no ratio and keeps exp in range.
        exponentials = torch.exp(scaled - scaled.max().detach())  # (U, U)
        others = ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)
        same = classes[:, None] == classes[None, :]
        positives = (exponentials * (same & others)).sum(1)  # (U,)
        negatives = (exponentials * ~same).sum(1)  # (U,)
        count = (same & others).sum(1).clamp_min(1)  # (U,)
        total = positives + negatives  # (U,)
        share = positives / torch.where(total > 0, total, 1)  # (U,), zero for a row that stands alone
        losses = -torch.log(share / count + EPSILON)  # (U,)
        kept = losses > 0
        # Without a kept row the sum is zero and still has a graph.
        return (losses * kept).sum() / kept.sum().clamp_min(1)


class SeparationLoss(nn.Module):
    """Widens the smallest angle between anchors, in radians.

    The anchors are centred on their mean; for each the largest cosine with another is taken; the loss is minus the
    mean angle. Its optimum is the simplex: -1.772 for 6 classes, -1.738 for 7.

    **Reference**: Yu et al., Findings of NAACL 2024, section 3.3.

    **Differs from the paper**: nothing; as in the released code, cosines are clamped to +-0.99999.
    """

    def __init__(self, settings: SeparationSettings, labels: LabelSet, dimension: int) -> None:
        super().__init__()

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput."""
        anchors = require_anchors(batch)  # (C, D)
        directions = unit(anchors - anchors.mean(0))  # (C, D)
        cosines = directions @ directions.T  # (C, C)
        itself = torch.eye(len(anchors), dtype=torch.bool, device=anchors.device)
        closest = cosines.masked_fill(itself, -torch.inf).amax(1).clamp(-0.99999, 0.99999)  # (C,)
        return LossOutput(-torch.arccos(closest).mean())
