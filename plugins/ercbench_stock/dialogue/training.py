"""A network over dialogues as a classifier: it is fitted on train, a state per epoch, and the runner chooses on dev.

Everything is computed on the CPU in float32. Random numbers are drawn from the seed, and torch's own are left as they
were.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ercbench import Context, FloatArray, LabelSet, PluginError, Prototypes, Representation, length_buckets
from ercbench_stock.dialogue.sequences import Sequences, dialogues_of, padded, speakers_of
from ercbench_stock.dialogue.settings import DialogueSettings

SCORED = 64
"""Dialogues that are scored together."""
MEAN, SCALE = "scaler/mean", "scaler/scale"
"""Names of what features are standardised with, beside the parameters of the network."""


@dataclass(frozen=True)
class State:
    """A network as it was after an epoch: all that was fitted, by name."""

    classifier: DialogueClassifier
    arrays: Mapping[str, FloatArray]

    def score(self, representation: Representation) -> FloatArray:
        """Representation -> scores (N, C)."""
        return self.classifier.scores(self.arrays, representation)

    def tensors(self) -> Mapping[str, FloatArray]:
        """Parameters, and what features are standardised with."""
        return self.arrays


class DialogueClassifier(ABC):
    """What the classifiers over dialogues share. Each makes its network in `network`, and says so in its docstring."""

    name = ""
    settings: DialogueSettings

    def __init__(self, settings: DialogueSettings, labels: LabelSet, context: Context) -> None:
        self.settings, self.classes = settings, len(labels)
        self.both_ways = context.protocol == "full"

    @abstractmethod
    def network(self, dimension: int) -> nn.Module:
        """A new network on D features: `Sequences` -> logits (B, T, C)."""

    def fit(self, train: Representation | None, prototypes: Prototypes | None, seed: int) -> Sequence[State]:
        """Train a new network; the state after every epoch."""
        if train is None or train.labels is None:
            raise PluginError(f"{self.name} needs the training split with its labels. Got none.")
        found = self._read(train)
        scaler = _scaler(found, self.settings.standardise)
        features, speakers = _scaled(found, scaler), speakers_of(train, self.name)
        with drawn_from(seed):
            network = self.network(features.shape[1])
            trained = _epochs(network, self.settings, (features, speakers), train, self._weights(train.labels))
            return [State(self, {**_arrays(network), **scaler}) for _ in trained]

    def restore(self, tensors: Mapping[str, FloatArray]) -> State:
        """The same state."""
        return State(self, dict(tensors))

    def scores(self, arrays: Mapping[str, FloatArray], representation: Representation) -> FloatArray:
        """What a state makes of a split: scores (N, C)."""
        network = self._loaded(arrays)
        features = _scaled(self._read(representation), arrays)
        speakers, dialogues = speakers_of(representation, self.name), dialogues_of(representation)
        scores = np.zeros((len(representation.uids), self.classes), dtype=np.float32)
        with torch.inference_mode():
            for plan in length_buckets([len(rows) for rows in dialogues], SCORED, None):
                batch = padded([dialogues[i] for i in plan], features, speakers)
                scores[np.concatenate(batch.rows)] = network(batch)[batch.there].numpy()
        return scores

    def _loaded(self, arrays: Mapping[str, FloatArray]) -> nn.Module:
        """The network of a state, in evaluation."""
        with drawn_from(0):
            network = self.network(len(arrays[MEAN]))
        kept = {name: torch.from_numpy(found) for name, found in arrays.items() if name not in (MEAN, SCALE)}
        network.load_state_dict(kept)
        return network.eval()

    def _read(self, representation: Representation) -> FloatArray:
        """What is read of the utterances, (N, D)."""
        found = representation.vectors if self.settings.reads == "vectors" else representation.hidden
        if not found.shape[1]:
            raise PluginError(
                f"{self.name} needs vectors, and this recipe's encoder makes none. Choose another encoder: "
                "--set encoder.name=..."
            )
        return found

    def _weights(self, labels: np.ndarray) -> Tensor | None:
        """What a label counts in the loss, (C,): N / (C n) where n of the N utterances of train carry it."""
        if self.settings.class_weight == "none":
            return None
        counts = np.bincount(labels, minlength=self.classes)  # (C,)
        return torch.from_numpy(len(labels) / (self.classes * np.maximum(counts, 1))).float()


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Random numbers of torch from a seed within, and as they were after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def deciding(inputs: int, settings: DialogueSettings, classes: int, layers: int = 1) -> nn.Sequential:
    """Hidden layers with ReLU, dropout, and a layer that makes logits of them."""
    widths = [inputs, *[settings.width] * layers]
    hidden = [part for i in range(layers) for part in (nn.Linear(widths[i], widths[i + 1]), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Dropout(settings.dropout), nn.Linear(settings.width, classes))


def _epochs(
    network: nn.Module,
    settings: DialogueSettings,
    read: tuple[FloatArray, tuple[str, ...]],
    train: Representation,
    weights: Tensor | None,
) -> Iterator[None]:
    """Train in place; a step of the iterator is an epoch."""
    labels, dialogues = torch.from_numpy(np.asarray(train.labels)), dialogues_of(train)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.lr, weight_decay=settings.l2)
    for _ in range(settings.epochs):
        network.train()
        for places in torch.randperm(len(dialogues)).split(settings.batch_size):
            batch = padded([dialogues[i] for i in places.tolist()], *read)
            loss = batch_loss(network, batch, labels, weights)
            optimiser.zero_grad()
            loss.backward()
            if settings.clip_norm is not None:
                nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
            optimiser.step()
        yield


def batch_loss(network: nn.Module, batch: Sequences, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Cross-entropy, the mean over the utterances of a batch by their weights; `labels` (N,) are those of the split."""
    gold = labels[np.concatenate(batch.rows)]
    loss = nn.functional.cross_entropy(network(batch)[batch.there], gold, weights, reduction="sum")
    total: Tensor = loss / (len(gold) if weights is None else weights[gold].sum())
    return total


def _arrays(network: nn.Module) -> dict[str, FloatArray]:
    """A copy of the parameters."""
    return {name: tensor.detach().numpy().copy() for name, tensor in network.state_dict().items()}


def _scaler(features: FloatArray, standardise: bool) -> dict[str, FloatArray]:
    """Mean and deviation (D,) of features (N, D), 0 and 1 where they are left as they are."""
    if not standardise:
        return {MEAN: np.zeros(features.shape[1], np.float32), SCALE: np.ones(features.shape[1], np.float32)}
    deviation = features.std(axis=0)
    return {MEAN: features.mean(axis=0), SCALE: np.where(deviation > 0, deviation, 1).astype(np.float32)}


def _scaled(features: FloatArray, scaler: Mapping[str, FloatArray]) -> FloatArray:
    scaled: FloatArray = ((features - scaler[MEAN]) / scaler[SCALE]).astype(np.float32)
    return scaled
