"""How EACL decides: by the nearest anchor, or by anchors adapted to the stored vectors of the training split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ercbench import FloatArray, LabelSet, PluginError, Prototypes, Representation
from ercbench_eacl.losses import similarity
from ercbench_eacl.settings import AnchorAdaptationSettings, NearestAnchorSettings


@dataclass(frozen=True)
class Anchors:
    """Anchors (C, D) ready to score; `temperature` divides the similarities."""

    vectors: FloatArray
    temperature: float = 1.0

    def score(self, representation: Representation) -> FloatArray:
        """Representation -> scores (N, C): s(z, a_k) / temperature."""
        z, anchors = torch.from_numpy(representation.vectors), torch.from_numpy(self.vectors)
        scores: FloatArray = (similarity(z, anchors) / self.temperature).numpy()
        return scores

    def tensors(self) -> Mapping[str, FloatArray]:
        """The anchors."""
        return {"anchors": self.vectors}


class NearestAnchor:
    """argmax_k s(z, a_k), the prediction of stage 1.

    **Reference**: Yu et al., Findings of NAACL 2024, section 3.3.

    **Differs from the paper**: nothing.
    """

    def __init__(self, settings: NearestAnchorSettings, labels: LabelSet) -> None:
        pass

    def fit(self, train: Representation | None, prototypes: Prototypes | None, seed: int) -> Sequence[Anchors]:
        """Take the anchors as they are."""
        return [Anchors(_require(prototypes).vectors)]

    def restore(self, tensors: Mapping[str, FloatArray]) -> Anchors:
        """The anchors as they were."""
        return Anchors(tensors["anchors"])


class AnchorAdaptation:
    """Stage 2: the anchors are the only parameters of a classifier with logits s(z, a_k) / tau, trained on stored z.

    **Reference**: Yu et al., Findings of NAACL 2024, section 3.4.

    **Differs from the paper**: nothing.
    """

    def __init__(self, settings: AnchorAdaptationSettings, labels: LabelSet) -> None:
        self.settings = settings

    def fit(self, train: Representation | None, prototypes: Prototypes | None, seed: int) -> Sequence[Anchors]:
        """Train, and return the anchors as they were after each epoch."""
        if train is None or train.labels is None:
            raise PluginError("anchor-adaptation needs the training split with its labels. Got none.")
        z, labels = torch.from_numpy(train.vectors), torch.from_numpy(train.labels)  # (N, D), (N,)
        anchors = nn.Parameter(torch.from_numpy(_require(prototypes).vectors.copy()))  # (C, D)
        optimizer = torch.optim.Adam([anchors], lr=self.settings.lr)
        order = torch.Generator().manual_seed(seed)
        states = []
        for _ in range(self.settings.epochs):
            for rows in torch.randperm(len(z), generator=order).split(self.settings.batch_size):
                logits = similarity(z[rows], anchors) / self.settings.temperature  # (B, C)
                optimizer.zero_grad()
                nn.functional.cross_entropy(logits, labels[rows]).backward()
                optimizer.step()
            states.append(Anchors(anchors.detach().numpy().copy(), self.settings.temperature))
        return states

    def restore(self, tensors: Mapping[str, FloatArray]) -> Anchors:
        """The anchors as they were."""
        return Anchors(tensors["anchors"], self.settings.temperature)


def _require(prototypes: Prototypes | None) -> Prototypes:
    if prototypes is None:
        raise PluginError(
            "The classifiers of EACL need anchors, and this recipe's encoder makes none. Set encoder.name=eacl."
        )
    return prototypes
