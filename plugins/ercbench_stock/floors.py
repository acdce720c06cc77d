"""Floors: no encoder, and decisions from how often a label occurs in train. Below them nothing was learnt."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ercbench import (
    Batch,
    Checkpoint,
    EncodedBatch,
    FloatArray,
    LabelSet,
    Prompt,
    Prototypes,
    Representation,
    Tokens,
    length_buckets,
)
from ercbench_stock.settings import FloorSettings, NoEncoderSettings

NEVER = -30.0
"""Score of what is not predicted; its softmax beside a 0 is a probability of 1e-13."""


class NoEncoder:
    """Nothing is encoded: vectors without dimensions, for classifiers that look at no utterance.

    **Reference**: none.

    **Differs from the paper**: does not apply.
    """

    def __init__(self, settings: NoEncoderSettings, labels: LabelSet, checkpoint: Checkpoint | None) -> None:
        pass

    def tokenize(self, prompts: Sequence[Prompt]) -> list[Tokens]:
        """Prompts -> Tokens that tell nothing but whose they are."""
        return [Tokens(prompt.uid, (0,), 0) for prompt in prompts]

    def plan(self, tokens: Sequence[Tokens], batch_size: int, seed: int | None) -> list[list[int]]:
        """The order of the split."""
        return length_buckets([1] * len(tokens), batch_size, seed)

    def collate(self, tokens: Sequence[Tokens]) -> Batch:
        """Tokens -> Batch without inputs."""
        return Batch(tuple(token.uid for token in tokens), {})

    def load(self) -> NoModel:
        """There are no weights."""
        return NoModel()


class NoModel(nn.Module):
    """Batch -> EncodedBatch whose vectors have no dimensions."""

    dimension = 0

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Identity()

    def fit(self, batches: object) -> None:
        """Nothing to fit."""

    def forward(self, batch: Batch) -> EncodedBatch:
        """Batch -> EncodedBatch."""
        nothing = torch.zeros(len(batch.uids), 0)  # (B, 0)
        return EncodedBatch(batch.uids, nothing, nothing, labels=batch.labels)

    def prototypes(self) -> Tensor | None:
        """None."""
        return None


@dataclass(frozen=True)
class Frequencies:
    """The same scores for every utterance: the logarithm of how often each label occurs in train, (C,)."""

    frequencies: FloatArray

    def score(self, representation: Representation) -> FloatArray:
        """Representation -> scores (N, C)."""
        scores = np.log(np.maximum(self.frequencies, np.exp(NEVER)))
        return np.tile(scores.astype(np.float32), (len(representation.uids), 1))

    def tensors(self) -> Mapping[str, FloatArray]:
        """The frequencies."""
        return {"frequencies": self.frequencies}


class Majority:
    """The label that most training utterances carry, the first in label order of several.

    **Reference**: none; the floor of any classifier.

    **Differs from the paper**: does not apply.
    """

    def __init__(self, settings: FloorSettings, labels: LabelSet) -> None:
        self.classes = len(labels)

    def fit(self, train: Representation | None, prototypes: Prototypes | None, seed: int) -> Sequence[Frequencies]:
        """Count labels."""
        return [Frequencies(_frequencies(train, self.classes))]

    def restore(self, tensors: Mapping[str, FloatArray]) -> Frequencies:
        """The same frequencies."""
        return Frequencies(tensors["frequencies"])


@dataclass(frozen=True)
class Draws:
    """A label per utterance, drawn with the frequencies (C,) of train.

    The draw depends on the seed and the uid alone, so that it is the same in whatever order utterances come.
    """

    frequencies: FloatArray
    seed: int

    def score(self, representation: Representation) -> FloatArray:
        """Representation -> scores (N, C): 0 for what was drawn, `NEVER` for the rest."""
        ends = np.cumsum(self.frequencies, dtype=np.float64)
        drawn = np.searchsorted(ends / ends[-1], [self._uniform(uid) for uid in representation.uids], side="right")
        scores = np.full((len(drawn), len(ends)), NEVER, dtype=np.float32)
        scores[np.arange(len(drawn)), drawn] = 0
        return scores

    def tensors(self) -> Mapping[str, FloatArray]:
        """Frequencies and seed; the seed in two halves, since a float32 holds 24 bits exactly."""
        halves = np.array(divmod(self.seed, 2**16), dtype=np.float32)
        return {"frequencies": self.frequencies, "seed": halves}

    def _uniform(self, uid: str) -> float:
        """A number in [0, 1)."""
        digest = hashlib.sha256(f"{self.seed}/{uid}".encode()).digest()
        return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


class Stratified:
    """A label drawn at random, as often as each occurs in train.

    **Reference**: none; ``DummyClassifier(strategy="stratified")`` of scikit-learn draws so.

    **Differs from the paper**: does not apply.
    """

    def __init__(self, settings: FloorSettings, labels: LabelSet) -> None:
        self.classes = len(labels)

    def fit(self, train: Representation | None, prototypes: Prototypes | None, seed: int) -> Sequence[Draws]:
        """Count labels."""
        return [Draws(_frequencies(train, self.classes), seed)]

    def restore(self, tensors: Mapping[str, FloatArray]) -> Draws:
        """The same draws."""
        high, low = (int(half) for half in tensors["seed"])
        return Draws(tensors["frequencies"], high * 2**16 + low)


def _frequencies(train: Representation | None, classes: int) -> FloatArray:
    """The share of training utterances that carry each label, (C,)."""
    assert train is not None
    assert train.labels is not None
    shares: FloatArray = (np.bincount(train.labels, minlength=classes) / len(train.labels)).astype(np.float32)
    return shares
