"""Rows of a split -> dialogues: which rows follow each other, padded into batches, and backwards where asked.

Letters here: B dialogues of a batch, T turns of the longest, D width of what is read of a turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ercbench import FloatArray, PluginError, Representation


@dataclass(frozen=True)
class Sequences:
    """Dialogues of a batch, padded on the right.

    Attributes:
        features: (B, T, D), 0 where there is no turn.
        speakers: (B, T), a number per speaker of the dialogue in order of first appearance.
        lengths: (B,), turns of each dialogue.
        rows: of each dialogue in the representation, in the order of its turns.
    """

    features: Tensor
    speakers: Tensor
    lengths: Tensor
    rows: tuple[np.ndarray, ...]

    @property
    def there(self) -> Tensor:
        """Where there is a turn, (B, T)."""
        return torch.arange(self.speakers.shape[1]) < self.lengths[:, None]

    def reversed(self) -> Sequences:
        """The last turn first, padded on the right as before."""
        features, speakers = (backwards(given, self.lengths) for given in (self.features, self.speakers))
        return Sequences(features, speakers, self.lengths, self.rows)


def backwards(given: Tensor, lengths: Tensor) -> Tensor:
    """Turns (B, T, ...) in the opposite order within each dialogue; padding stays where it is."""
    place = torch.arange(given.shape[1]).expand(len(given), -1)  # (B, T)
    other = torch.where(place < lengths[:, None], lengths[:, None] - 1 - place, place)  # (B, T)
    index = other.reshape(*other.shape, *[1] * (given.dim() - 2)).expand_as(given)
    return given.gather(1, index)


def dialogues_of(representation: Representation) -> list[np.ndarray]:
    """The rows of each dialogue in the order of its turns, as the uids tell it."""
    found: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for row, uid in enumerate(representation.uids):
        dialogue, _, turn = uid.rpartition("/")
        found[dialogue].append((int(turn), row))
    return [np.array([row for _, row in sorted(turns)]) for turns in found.values()]


def padded(dialogues: Sequence[np.ndarray], features: FloatArray, speakers: Sequence[str]) -> Sequences:
    """Rows of dialogues, with the features (N, D) and the speaker of every row -> Sequences."""
    lengths = torch.tensor([len(rows) for rows in dialogues])  # (B,)
    longest = int(lengths.max())
    said = torch.zeros(len(dialogues), longest, features.shape[1])  # (B, T, D)
    who = torch.zeros(len(dialogues), longest, dtype=torch.long)  # (B, T)
    for place, rows in enumerate(dialogues):
        numbers: dict[str, int] = {}
        said[place, : len(rows)] = torch.from_numpy(features[rows])
        who[place, : len(rows)] = torch.tensor([numbers.setdefault(speakers[row], len(numbers)) for row in rows])
    return Sequences(said, who, lengths, tuple(dialogues))


def speakers_of(representation: Representation, name: str) -> tuple[str, ...]:
    """Who spoke each row.

    Raises:
        PluginError: it is not told.
    """
    if representation.speakers is None:
        raise PluginError(f"{name} needs to know who spoke. Got a representation without speakers.")
    return representation.speakers
