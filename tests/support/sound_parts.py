"""One small part of every kind that keeps every promise. The broken stand-ins differ from these in one thing each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ercbench import (
    MASK,
    Batch,
    EncodedBatch,
    EpochInfo,
    Example,
    LabelSet,
    LossOutput,
    PluginError,
    Problem,
    Prompt,
    Prototypes,
    RawTurn,
    Reading,
    Representation,
    Row,
    RunInfo,
    RunRecord,
    Tokens,
    group_rows,
    hookimpl,
    length_buckets,
    parse_rows,
    read_text,
)

LETTERS, H = 64, 8
"""Different letters that are told apart, and the width of their vectors."""


def read(path: Path) -> Reading:
    """A table with the columns dialogue, turn, speaker, text, label."""
    text = read_text(path)
    if isinstance(text, Problem):
        return Reading((), (text,))
    rows, problems = parse_rows(path.name, text, ("dialogue", "turn", "speaker", "text", "label"))
    return Reading(group_rows(rows, lambda row: row.cells["dialogue"], turn), tuple(problems))


def turn(row: Row) -> RawTurn:
    """One row."""
    cells = row.cells
    return RawTurn(cells["speaker"], cells["text"], cells["label"] or None, cells["turn"], f"line {row.line}")


class Renderer:
    """The earlier turns, then the target."""

    def __init__(self, settings: object) -> None:
        self.settings = settings

    def render(self, example: Example) -> Prompt:
        """Example -> Prompt."""
        past = tuple(self.written(turn) for turn in example.past)
        query = f"{self.written(example.target)} feels {MASK}"
        return Prompt(example.target.uid, (*past, query), len(past), self.written(example.target))

    def written(self, turn: Any) -> str:
        """One turn."""
        return f"{turn.speaker}: {turn.text}".replace(MASK, "")


class Encoder:
    """The letters of the last segments."""

    budget = 200

    def __init__(self, settings: object, labels: LabelSet, checkpoint: object) -> None:
        self.labels = labels

    def tokenize(self, prompts: Sequence[Prompt]) -> list[Tokens]:
        """Prompts -> Tokens."""
        return [Tokens(p.uid, self.letters(" ".join(p.segments[: p.query + 1])), 0) for p in prompts]

    def letters(self, text: str) -> tuple[int, ...]:
        """The last letters of a text, from 1 on; 0 is padding."""
        return tuple(1 + ord(letter) % (LETTERS - 1) for letter in text)[-self.budget :] or (1,)

    def plan(self, tokens: Sequence[Tokens], batch_size: int, seed: int | None) -> list[list[int]]:
        """By length."""
        return length_buckets([len(token.input_ids) for token in tokens], batch_size, seed)

    def collate(self, tokens: Sequence[Tokens]) -> Batch:
        """Tokens -> Batch."""
        longest = max(len(token.input_ids) for token in tokens)
        rows = [[*token.input_ids, *[0] * (longest - len(token.input_ids))] for token in tokens]
        return Batch(tuple(token.uid for token in tokens), {"ids": torch.tensor(rows)})

    def words(self) -> Sequence[str]:
        """What the label vectors are made from."""
        return self.labels.texts

    def load(self) -> Model:
        """The model."""
        return Model([self.letters(word) for word in self.words()])


class Model(nn.Module):
    """The mean of the letters' vectors, a layer, a head."""

    def __init__(self, words: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.words = [list(word) for word in words]
        self.backbone, self.dropout = nn.Embedding(LETTERS, H), nn.Dropout(0.1)
        self.layer, self.head, self.dimension = nn.Linear(H, H), nn.Linear(H, len(words)), H

    def forward(self, batch: Batch) -> EncodedBatch:
        """Batch -> EncodedBatch."""
        hidden = self.mean(batch.inputs["ids"])
        vectors = self.layer(self.dropout(hidden))
        return EncodedBatch(batch.uids, hidden, vectors, self.head(vectors), self.prototypes(), batch.labels)

    def mean(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, H), without padding."""
        there = (ids > 0).float()[:, :, None]
        return (self.backbone(ids) * there).sum(1) / there.sum(1).clamp_min(1)

    def prototypes(self) -> Tensor | None:
        """(C, D)."""
        return self.layer(
            torch.cat([self.mean(torch.tensor([word], device=self.layer.weight.device)) for word in self.words])
        )


class Loss(nn.Module):
    """Cross-entropy and a small penalty, with a scale that is learned."""

    def __init__(self, settings: object, labels: LabelSet, dimension: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput."""
        parts = {"cross-entropy": self.entropy(batch), "size": batch.vectors.float().square().mean() * 0.01}
        return LossOutput(torch.stack(list(parts.values())).sum(), parts)

    def entropy(self, batch: EncodedBatch) -> Tensor:
        """A scalar."""
        return nn.functional.cross_entropy(batch.logits.float() * self.scale, batch.labels)


class RememberingLoss(Loss):
    """Cross-entropy, and the distance from a running mean of all vectors, which is a buffer."""

    def __init__(self, settings: object, labels: LabelSet, dimension: int) -> None:
        super().__init__(settings, labels, dimension)
        self.register_buffer("mean", torch.zeros(dimension))

    def entropy(self, batch: EncodedBatch) -> Tensor:
        """A scalar."""
        self.mean = 0.9 * self.mean + 0.1 * batch.vectors.detach().float().mean(0)
        return super().entropy(batch) + (batch.vectors.float() - self.mean).square().mean()


class Tracker:
    """A line per event, in a file of its own."""

    def __init__(self, settings: object) -> None:
        self.settings = settings

    @hookimpl
    def ercbench_run_started(self, run: RunInfo) -> None:
        """A new file."""
        self.path = run.results / "lines.txt"
        self.path.write_text(f"{run.name}\n", encoding="utf-8")

    @hookimpl
    def ercbench_epoch_finished(self, epoch: EpochInfo) -> None:
        """A line."""
        self.write(f"{epoch.epoch} {epoch.dev_weighted_f1}")

    @hookimpl
    def ercbench_stage_finished(self, stage: str, seconds: float) -> None:
        """A line."""
        self.write(f"{stage} {seconds}")

    @hookimpl
    def ercbench_run_finished(self, record: RunRecord) -> None:
        """A line."""
        self.write(str(record.scores.test.weighted_f1))

    @hookimpl
    def ercbench_run_failed(self, error: str) -> None:
        """A line."""
        self.write(error)

    def write(self, line: str) -> None:
        """Add it."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


class State:
    """A point per class."""

    def __init__(self, means: Any) -> None:
        self.means = means

    def score(self, representation: Representation) -> Any:
        """(N, C), minus the distances."""
        return -((representation.vectors[:, None] - self.means[None]) ** 2).sum(-1)

    def tensors(self) -> Mapping[str, Any]:
        """The points."""
        return {"means": self.means}


class Classifier:
    """The nearest class mean."""

    state = State

    def __init__(self, settings: object, labels: LabelSet) -> None:
        self.labels = labels

    def fit(self, train: Representation | None, prototypes: Prototypes | None, seed: int) -> list[State]:
        """One state."""
        if train is None:
            raise PluginError("It needs the training split.")
        return [self.state(self.means(train, np.random.default_rng(seed)))]

    def means(self, train: Representation, noise: Any) -> Any:
        """(C, D); a class that is not there is far away."""
        rows = [train.vectors[train.labels == k] for k in range(len(self.labels))]
        far = np.full(train.vectors.shape[1], 100.0)
        return np.array([row.mean(0) if len(row) else far for row in rows], dtype=np.float32)

    def restore(self, tensors: Mapping[str, Any]) -> State:
        """The same."""
        return self.state(tensors["means"])
