"""The supervised prototypical contrastive loss, and the memory that its prototypes come from."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ercbench import EncodedBatch, LabelSet, LossOutput
from ercbench_stock.settings import SpclSettings


class SpclLoss(nn.Module):
    """Contrasts the vectors of a batch with each other and with a prototype per class, made of earlier vectors.

    A pool per class holds past vectors without gradients; a new one drives out one at random when the pool is full. At
    each step the batch joins the pools first, then the prototype of a class is the mean of vectors drawn from its pool.

    Everything remembered is in the state of the module, the place in the sequence of random numbers too, so that a run
    that is taken up again goes on as an undisturbed one.

    **Reference**: Song, Huang, Xue, Hu, EMNLP 2022, arXiv 2210.08713, section on the SPCL loss.

    **Differs from the paper**: pools live on from epoch to epoch. A prototype from a pool with too few vectors to draw
    is the mean of those there are, and a class that was not met yet has none; in the released code each epoch begins
    with pools of one vector, the mean of the class over train, which also stands in for a short one. Like that code, an
    utterance whose loss is small does not count.
    """

    def __init__(self, settings: SpclSettings, labels: LabelSet, dimension: int) -> None:
        super().__init__()
        self.settings = settings
        self.pool: Tensor
        self.counts: Tensor
        self.steps: Tensor
        self.seed: Tensor
        self.register_buffer("pool", torch.zeros(len(labels), settings.pool_size, dimension))  # (C, P, D)
        self.register_buffer("counts", torch.zeros(len(labels), dtype=torch.long))  # (C,), vectors in each pool
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("seed", torch.randint(2**31, ()))

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput."""
        assert batch.labels is not None
        vectors = batch.vectors.to(torch.promote_types(batch.vectors.dtype, torch.float32))  # (B, D)
        random = np.random.default_rng((int(self.seed), int(self.steps)))
        self.steps += 1
        self._remember(vectors.detach(), batch.labels, random)
        prototypes, classes = self._prototypes(random)
        others = torch.cat([vectors, prototypes.to(vectors.dtype)]), torch.cat([batch.labels, classes])
        return LossOutput(prototypical(vectors, batch.labels, others, self.settings))

    def _remember(self, vectors: Tensor, labels: Tensor, random: np.random.Generator) -> None:
        """Put vectors (B, D) into the pools, one after the other."""
        size, counts = self.settings.pool_size, self.counts.tolist()
        places: dict[tuple[int, int], int] = {}
        for row, label in enumerate(labels.tolist()):
            place = counts[label]
            if place == size:
                place = int(random.integers(size + 1))  # driven out: whatever is there, or at `size` the new one
            else:
                counts[label] += 1
            if place < size:
                places[label, place] = row
        if places:
            pools, slots = torch.tensor(list(places), device=self.pool.device).unbind(1)
            self.pool[pools, slots] = vectors[list(places.values())].to(self.pool.dtype)
        self.counts.copy_(torch.tensor(counts))

    def _prototypes(self, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """The prototypes of the classes that were met, (at most C, D), and which classes those are."""
        drawn = self.settings.support_size
        weights = np.zeros(self.pool.shape[:2])  # (C, P)
        counts = self.counts.tolist()
        for label, count in enumerate(counts):
            chosen = random.choice(count, drawn, replace=False) if count > drawn else np.arange(count)
            weights[label, chosen] = 1 / max(len(chosen), 1)
        known = torch.tensor([label for label, count in enumerate(counts) if count], device=self.pool.device)
        means = torch.einsum("cp,cpd->cd", torch.from_numpy(weights).to(self.pool), self.pool)  # (C, D)
        return means[known], known


def prototypical(vectors: Tensor, labels: Tensor, others: tuple[Tensor, Tensor], settings: SpclSettings) -> Tensor:
    """The loss over a batch, a scalar.

    Of an utterance i with P(i), the others of its class, prototype included, and A(i), all others:
    log |P(i)| - log(sum over P(i) of exp(s / tau) / sum over A(i) of exp(s / tau)), s = (1 + cosine) / 2. The mean is
    over the utterances for which it is more than ``settings.least``.

    Args:
        vectors: (B, D).
        labels: (B,).
        others: what is compared with, the batch itself first, and its labels; every class of the batch has a prototype.
        settings: temperature and least loss.
    """
    compared, classes = others
    units = nn.functional.normalize(vectors, dim=1), nn.functional.normalize(compared, dim=1)
    scores = (1 + units[0] @ units[1].T) / 2 / settings.temperature  # (B, B + C)
    itself = torch.eye(*scores.shape, dtype=torch.bool, device=scores.device)
    same = (labels[:, None] == classes[None]) & ~itself
    everything = scores.masked_fill(itself, -torch.inf).logsumexp(1)  # (B,)
    terms = same.sum(1).log() + everything - scores.masked_fill(~same, -torch.inf).logsumexp(1)  # (B,)
    kept = terms > settings.least
    return (terms * kept).sum() / kept.sum().clamp_min(1)
