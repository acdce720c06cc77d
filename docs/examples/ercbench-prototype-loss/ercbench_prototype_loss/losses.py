"""The loss."""

import torch
from torch import nn

from ercbench import EncodedBatch, LossOutput


class PrototypeLoss(nn.Module):
    """Every emotion has K prototypes m among the vectors z; they are learned together with the encoder.

    - DCE: -log p(y | z), where p(y | z) is the sum over the prototypes of y of p(m | z), and p(m | z) is the softmax
      over all prototypes of -gamma ||z - m||^2;
    - PL: ||z - m||^2 for the nearest prototype of y;
    - the loss is the mean over the batch of DCE + compactness * PL.

    **Reference**: Yang, Zhang, Yin, Liu, CVPR 2018, arXiv 1805.03438.

    **Differs from the paper**: prototypes begin as small random vectors, so that those of one emotion can part.
    """

    def __init__(self, settings, labels, dimension):
        super().__init__()
        self.settings = settings
        # A parameter is trained at training.lr, and is part of the state that a run keeps.
        self.prototypes = nn.Parameter(0.1 * torch.randn(len(labels), settings.per_emotion, dimension))  # (C, K, D)

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput, from vectors (B, D) and labels (B,)."""
        # In float32, whatever the encoder computes in: squares and exponentials of bfloat16 are too coarse.
        steps = batch.vectors.float()[:, None, None] - self.prototypes  # (B, C, K, D)
        distances = steps.square().sum(-1)  # (B, C, K)
        log_p = (-self.settings.gamma * distances).flatten(1).log_softmax(1).view_as(distances)  # (B, C, K)
        own = torch.arange(len(batch.labels), device=batch.labels.device), batch.labels
        dce = -log_p[own].logsumexp(1).mean()
        pull = self.settings.compactness * distances[own].amin(1).mean()
        # Named with the weight that they have in the total, the parts add up to it; a test can look at each.
        return LossOutput(dce + pull, {"dce": dce, "compactness": pull})
