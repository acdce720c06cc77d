"""What observers of a run are told. Frozen values: no label, no prediction, no tensor is among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ercbench.types import ContextProtocol


@dataclass(frozen=True)
class RunInfo:
    """Which run it is.

    Attributes:
        recipe: its name.
        version: the recipe's.
        dataset: its name.
        track: its name.
        context: the context protocol.
        seed: of every random number.
        config: every resolved value by dotted path.
        utterances: labelled utterances per split.
        device: ``cpu``, ``cuda`` or ``mps``.
        precision: of the forward pass, ``bf16`` or ``fp32``.
        results: the folder of all records.
        record: the file that the record of this run will be.
    """

    recipe: str
    version: str
    dataset: str
    track: str
    context: ContextProtocol
    seed: int
    config: Mapping[str, Any]
    utterances: Mapping[str, int]
    device: str
    precision: str
    results: Path
    record: Path

    @property
    def name(self) -> str:
        """One name per cell, such as ``meld/mini/eacl@2/seed-0``: where its record lies, for names and folders."""
        return "/".join((*self.record.parts[-4:-1], self.record.stem))


@dataclass(frozen=True)
class EpochInfo:
    """One finished epoch: mean losses, the dev score as a fraction, training time in seconds.

    Attributes:
        epoch: from 1.
        losses: mean over the epoch, by name; ``total`` is the weighted sum.
        dev_weighted_f1: after the epoch.
        seconds: of training, without the scoring after it.
        utterances_per_second: while training.
        resumed: it was finished by an earlier process, from which this one took over.
        utterances: trained on, where a curriculum chose them; None for all of train.
        difficulty: their mean, as the curriculum measures it; None where none does.
        difficulty_of_train: the mean of all of train by the same measure.
        chunk: utterances encoded at once at the end of the epoch; None for all that go together.
        processes: that shared it.
    """

    epoch: int
    losses: Mapping[str, float]
    dev_weighted_f1: float
    seconds: float
    utterances_per_second: float
    resumed: bool
    utterances: int | None = None
    difficulty: float | None = None
    difficulty_of_train: float | None = None
    chunk: int | None = None
    processes: int = 1
