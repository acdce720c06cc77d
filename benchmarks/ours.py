"""What ercbench does in a training step, with the very parts that a run uses, and the work it is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ercbench import Batch
from ercbench.catalog import load_catalog, load_target
from ercbench.choosing import TrainingSplit
from ercbench.config import resolve
from ercbench.devices import Device
from ercbench.encoding import batches
from ercbench.preparing import Prepared, prepare
from ercbench.stepping import Stepper
from ercbench.training import Objective, make_optimizer

BATCH = 64
SEED = 1


def prepared(recipe: str, dataset: str, data_dir: Path | None, limit: int | None = None, **values: object) -> Prepared:
    """A recipe on the track mini, with batches of 64."""
    catalog = load_catalog()
    overrides = {"training.batch_size": BATCH} | {path.replace("__", "."): value for path, value in values.items()}
    return prepare(catalog, resolve(catalog, recipe, "mini", dataset, overrides), data_dir, limit)  # type: ignore[arg-type]


class OurLoop:
    """Model, losses, optimizer and one training step, as ``runner.py`` and ``training.py`` put them together."""

    def __init__(self, ready: Prepared) -> None:
        config, labels = ready.config, ready.corpus.labels
        self.ready = ready
        self.device = Device("cpu", config.training.precision)
        torch.manual_seed(SEED)
        self.model = ready.encoder.load()
        losses = {
            name: (loss.weight, load_target(loss.part.spec.target)(loss.part.settings, labels, self.model.dimension))
            for name, loss in config.losses.items()
        }
        self.objective, self.clip_norm = Objective(losses), config.training.clip_norm
        self.optimizer = make_optimizer(self.model, self.objective, config.training)
        self.parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self.stepper = Stepper(self.model, self.objective, self.device)
        tokens, gold = ready.tokens["train"], ready.gold["train"]
        self.source = TrainingSplit(ready.encoder, tokens, gold, config.training.batch_size, None)
        self.model.train()

    def plan(self) -> list[list[int]]:
        """The batches of one epoch."""
        return self.ready.encoder.plan(self.ready.tokens["train"], self.ready.config.training.batch_size, SEED)

    def batch(self, indices: Sequence[int]) -> Batch:
        """Padded, with labels."""
        tokens = self.ready.tokens["train"]
        return next(iter(batches(self.ready.encoder, tokens, [indices], self.ready.gold["train"])))

    def step(self, indices: Sequence[int]) -> float:
        """One training step, collating included; returns the loss."""
        output = self.stepper.gradients(self.batch(indices), self.source, SEED)
        self.device.clip(self.parameters, self.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(output.total.detach())


def sample(plan: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """Some batches of an epoch, the same ones every time."""
    return [list(indices) for indices in random.Random(SEED).sample(list(plan), min(count, len(plan)))]


@dataclass(frozen=True)
class Work:
    """Of a batch: real tokens, all tokens, and multiply-adds of matrices that real tokens need, times two."""

    tokens: int
    padded: int
    flops: float


def work(batch: Batch, backbone: nn.Module) -> Work:
    """What a training step must do for the real tokens of a batch, forward and backward (three times the forward).

    Dense layers take 2 operations per weight and token; attention takes 4 T H per token and layer, T being the real
    tokens it may attend to. The last layer's dense half runs at the positions read. Embeddings, normalisation, losses
    and the optimizer are left out.
    """
    config = backbone.config
    hidden, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers  # type: ignore[union-attr]
    real, attended = _real(batch)
    projections = 2 * 3 * hidden * hidden  # query, key, value: per token
    half = 2 * (hidden * hidden + 2 * hidden * inner)  # attention's output and the feed-forward part: per token
    forward = layers * (real * projections + 4 * attended * hidden) + half * (
        (layers - 1) * real + len(batch.uids)  # type: ignore[operator]
    )
    return Work(real, batch.inputs["input_ids"].numel(), 3.0 * float(forward))  # type: ignore[arg-type]


def _real(batch: Batch) -> tuple[int, int]:
    """Real tokens, and pairs of real tokens of which one attends to the other."""
    if "about" not in batch.inputs:
        lengths = batch.inputs["attention_mask"].sum(1)
        return int(lengths.sum()), int((lengths**2).sum())
    mask: Tensor = load_target("ercbench_eacl.masks:attention_mask")(batch.inputs["about"])
    # Padding attends to the first token alone, and nothing to padding.
    attended_to = mask[:, 0].any(1)  # (R, T)
    return int(attended_to.sum()), int((mask[:, 0] & attended_to[:, :, None]).sum())
