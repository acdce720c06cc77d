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
    Context,
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
    Subset,
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


def read_beside(path: Path) -> Reading:
    """As `read`, with the labels of the rows in a file beside it, a line each."""
    text, labels = read_text(path), read_text(path.with_name("labels.txt"))
    if isinstance(text, Problem) or isinstance(labels, Problem):
        return Reading((), tuple(found for found in (text, labels) if isinstance(found, Problem)))
    rows, problems = parse_rows(path.name, text, ("dialogue", "turn", "speaker", "text"))
    if len(rows) != len(labels.splitlines()):
        problems.append(Problem("labels.txt", f"has {len(labels.splitlines())} lines for {len(rows)} rows."))
    by_row = dict(zip([row.line for row in rows], labels.splitlines(), strict=False))
    labelled = [Row(row.line, {**row.cells, "label": by_row.get(row.line, "")}) for row in rows]
    return Reading(group_rows(labelled, lambda row: row.cells["dialogue"], turn), tuple(problems))


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


class Curriculum:
    """The utterances nearest to zero, more of them in every epoch."""

    def __init__(self, settings: object, labels: LabelSet) -> None:
        self.labels = labels

    def choose(self, epoch: int, epochs: int, train: Representation, seed: int) -> Subset:
        """The first share of them."""
        far = self.distances(train)
        order = np.argsort(far + 1e-6 * np.random.default_rng(seed).random(len(far)))
        rows = order[: self.many(epoch, epochs, len(far))]
        return Subset(rows, float(far[rows].sum() / max(len(rows), 1)))

    def distances(self, train: Representation) -> Any:
        """(N,)."""
        return np.linalg.norm(train.vectors, axis=1)

    def many(self, epoch: int, epochs: int, there: int) -> int:
        """How many an epoch gets."""
        return max(1, there * epoch // epochs)


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


class DialogueState:
    """A point per class, and a share of what the turns that may be read say."""

    def __init__(self, means: Any, later: bool) -> None:
        self.means, self.later = means, later

    def score(self, representation: Representation) -> Any:
        """(N, C)."""
        alone = State(self.means).score(representation)
        places = [uid.rpartition("/") for uid in representation.uids]
        read = [
            [j for j, (other, _, t) in enumerate(places) if other == dialogue and self.reads(int(turn), int(t))]
            for dialogue, _, turn in places
        ]
        return alone + 0.01 * np.array([alone[rows].sum(0) for rows in read])

    def reads(self, turn: int, other: int) -> bool:
        """Whether the score of a turn depends on another one."""
        return self.later or other <= turn

    def tensors(self) -> Mapping[str, Any]:
        """The points."""
        return {"means": self.means}


class DialogueClassifier(Classifier):
    """The nearest class mean, moved a little towards what else is said in the dialogue."""

    def __init__(self, settings: object, labels: LabelSet, context: Context) -> None:
        super().__init__(settings, labels)
        self.context = context

    def state(self, means: Any) -> Any:
        """One that reads what the protocol allows."""
        return DialogueState(means, self.context.protocol == "full")
