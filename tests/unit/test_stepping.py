"""A step in pieces is the step on the whole batch: gradients, parameters, dropout, memories; and memory that runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ercbench_stock.transformer import TransformerModel
from torch import Tensor, nn

from ercbench import encoding, runner
from ercbench.catalog import load_catalog
from ercbench.choosing import TrainingSplit
from ercbench.config import Training, resolve
from ercbench.devices import Device
from ercbench.errors import PluginError, TrainingError
from ercbench.pieces import Chunk, deal
from ercbench.preparing import Prepared, prepare
from ercbench.progress import Silent
from ercbench.resume import Unfinished
from ercbench.runner import Cell
from ercbench.stepping import Stepper
from ercbench.training import Objective, Surroundings, make_optimizer, train
from ercbench.types import Batch, EncodedBatch, LossOutput, Tokens

pytestmark = pytest.mark.usefixtures("one_thread")

NO_DROPOUT = {"encoder.dropout": 0.0, "encoder.attention_dropout": 0.0}
SHARED = {"encoder.stretch_tokens": 256, "encoder.stretch_targets": 4}


@pytest.fixture
def small(tiny_checkpoint: Callable[..., Path]) -> Callable[..., Prepared]:
    """A recipe on a few dialogues, with a tiny encoder."""

    def make(recipe: str = "eacl", **values: Any) -> Prepared:
        catalog = load_catalog()
        overrides = {"encoder.checkpoint": str(tiny_checkpoint()), "training.batch_size": 12, "training.lr": 1e-2}
        overrides |= values
        return prepare(catalog, resolve(catalog, recipe, "mini", "meld-sample", overrides), None, 4)  # type: ignore[arg-type]

    return make


def without_dropout(model: nn.Module) -> None:
    """No part of it draws."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def cell_of(prepared: Prepared, folder: Path, chunk: int | None, dtype: torch.dtype = torch.float64) -> Cell:
    """Model and losses as a run has them. In float64, for AdamW makes a whole step of a gradient that is rounding."""
    cell = Cell(prepared, 0, Device("cpu", "fp32", chunk), Silent(), Unfinished(folder / "run"))
    cell.model.to(dtype)
    return cell


Followed = tuple[list[dict[str, float]], dict[str, Tensor], dict[str, Tensor]]


def follow(cell: Cell, steps: int = 3, dropout: bool = False) -> Followed:
    """The losses of a few steps, the gradients of the first, and all parameters and memories after them."""
    if not dropout:
        without_dropout(cell.model)  # type: ignore[arg-type]
    torch.manual_seed(5)
    stepper = Stepper(cell.model, cell.objective, cell.device)
    optimizer = make_optimizer(cell.model, cell.objective, cell.prepared.config.training)
    split, named = cell.split(), [*cell.model.named_parameters(), *cell.objective.named_parameters()]
    told: list[dict[str, float]] = []
    first: dict[str, Tensor] = {}
    cell.model.train()
    for number, batch in enumerate(list(split.batches(1))[:steps]):
        output = stepper.gradients(batch, split, 100 * number)
        told.append({name: float(loss.detach()) for name, loss in {"total": output.total, **output.parts}.items()})
        if not first:
            first = {name: parameter.grad.clone() for name, parameter in named if parameter.grad is not None}
        optimizer.step()
        optimizer.zero_grad()
    states = cell.model.state_dict() | {f"losses/{n}": t for n, t in cell.objective.state_dict().items()}
    return told, first, {name: tensor.clone() for name, tensor in states.items()}


def assert_close(one: Followed, other: Followed, within: float = 1e-5) -> None:
    """Losses, gradients and what was learnt; the same parameters have gradients."""
    assert len(one[0]) == len(other[0]) > 0
    for losses, others in zip(one[0], other[0], strict=True):
        assert losses == pytest.approx(others, abs=within)
    for table, others in zip(one[1:], other[1:], strict=True):
        assert table.keys() == others.keys()
        for name, tensor in table.items():
            torch.testing.assert_close(tensor, others[name], atol=within, rtol=0, msg=lambda m, name=name: f"{name}: {m}")


RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "eacl": ("eacl", {}),
    "trainable labels": ("eacl", {"encoder.label_encoding": "trainable"}),
    "shared context": ("eacl-shared", {}),
    "supervised contrast": ("supcon-ce", {}),
    "memory": ("spcl", {}),
    "parameters": ("ce-context", {"losses.metric": "pml:ArcFaceLoss"}),
    "memory of a library": (
        "ce-context",
        {"losses.metric": "pml:CrossBatchMemory", "losses.metric.loss.name": "ContrastiveLoss",
         "losses.metric.memory_size": 64},
    ),
}  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 5, 11])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_step_in_pieces_is_the_step_on_the_whole_batch(
    small: Callable[..., Prepared], tmp_path: Path, recipe: str, chunk: int
) -> None:
    """Losses, gradients and parameters after three steps to 1e-5, memories too, whatever the size of the pieces."""
    name, values = RECIPES[recipe]
    prepared = small(name, **values)
    whole, pieces = (follow(cell_of(prepared, tmp_path, size)) for size in (None, chunk))
    assert_close(whole, pieces)
