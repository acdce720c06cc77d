"""Any loss of pytorch-metric-learning, with its distance, reducer, miner and regularisers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ercbench import BadSetting, EncodedBatch, LabelSet, LossOutput
from ercbench_stock.metric_parts import Fault, build, faults, name_and_parameters
from ercbench_stock.metric_settings import MetricSettings

TRIAL = ((0, 0, 0, 1, 1, 2), (0, 1, 1, 1, 1, 2, 2))
"""Labels of two batches on which a loss must work; real batches are as uneven."""
TRIAL_WIDTH, TRIAL_CLASSES = 8, 3
SHOWN = 200
"""Characters of an error of the library that are shown."""


class MetricLoss(nn.Module):
    """A loss of pytorch-metric-learning over the vectors of a batch.

    Its parameters, such as proxies of the classes, are trained. What it remembers of earlier batches is part of its
    state, so that an interrupted run goes on as it was; a new run has a new loss, which remembers nothing.

    **Reference**: Musgrave, Belongie, Lim, PyTorch Metric Learning, arXiv 2008.09164; each loss has a paper of its own.

    **Differs from the paper**: nothing. A batch in which no two utterances share a label counts as zero where a loss is
    not finite on it.
    """

    def __init__(self, settings: MetricSettings, labels: LabelSet, dimension: int) -> None:
        super().__init__()
        self.classes = len(labels)
        sizes = _sizes(len(labels), dimension)
        _check_sizes(settings.loss, sizes)
        self.loss = build("loss", settings.loss, sizes)
        self.miner = None if settings.miner is None else build("miner", settings.miner, sizes)
        self.remembered = [
            (module, name)
            for part in self.children()
            for module in part.modules()
            for name, value in vars(module).items()
            if isinstance(value, bool | int | float | Tensor) and name != "training"
        ]

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput."""
        assert batch.labels is not None
        room = getattr(self.loss, "memory_size", len(batch.uids))
        if len(batch.uids) > room:
            raise BadSetting(
                f"memory_size must hold a batch. Got {room}, and a batch of {len(batch.uids)}. Raise it, or lower "
                "training.batch_size."
            )
        total = _loss(self.loss, self.miner, batch.vectors.float(), batch.labels)
        if len(batch.uids) <= self.classes and len(batch.labels.unique()) == len(batch.uids) and not total.isfinite():
            total = batch.vectors.sum() * 0
        return LossOutput(total)

    def get_extra_state(self) -> Tensor:
        """What the parts remember beside parameters and buffers: the place in a memory, running means."""
        values = [getattr(module, name) for module, name in self.remembered]
        return torch.cat([torch.as_tensor(value, dtype=torch.float64).flatten().cpu() for value in values])

    def set_extra_state(self, state: Tensor) -> None:
        """What `get_extra_state` gave."""
        begin = 0
        for module, name in self.remembered:
            value = getattr(module, name)
            size = value.numel() if isinstance(value, Tensor) else 1
            found, begin = state[begin : begin + size], begin + size
            setattr(module, name, found.view_as(value).to(value) if isinstance(value, Tensor) else type(value)(found))


def problems(loss: object, miner: object, batch_size: object) -> list[Fault]:
    """What is wrong with a loss and its miner: names first; if they are right, what happens on a small batch.

    Args:
        loss: as ``metric_parts.py`` takes it.
        miner: the same, or None.
        batch_size: of the run, as it was set; anything but a number where it is not known.
    """
    found = [*faults("loss", loss, ()), *(() if miner is None else faults("miner", miner, ("miner",)))]
    if found:
        return found
    name, given = name_and_parameters(loss)
    room = given.get("memory_size")
    if isinstance(room, int) and isinstance(batch_size, int) and room < batch_size:
        return [Fault(("memory_size",), f"must hold a batch, and training.batch_size is {batch_size}", room)]
    width, classes = given.get("embedding_size", TRIAL_WIDTH), given.get("num_classes", TRIAL_CLASSES)
    with torch.random.fork_rng(devices=[]):
        try:
            _try(loss, miner, width, classes)
        # Whatever a constructor or a loss of the library raises says that it cannot be used so; it is told, not hidden.
        except Exception as error:
            first = next(iter(str(error).splitlines()), "")[:SHOWN].rstrip(".") or "it says no more"
            return [Fault(("name",), f"it cannot be used as it is set. {type(error).__name__}: {first}", name)]
    return []


def _try(loss: object, miner: object, width: int, classes: int) -> None:
    """Two steps on batches of random vectors.

    Raises:
        ValueError: the loss is not finite. Anything else comes from the library.
    """
    sizes = _sizes(max(classes, TRIAL_CLASSES), width)
    built, mining = build("loss", loss, sizes), None if miner is None else build("miner", miner, sizes)
    for labels in TRIAL:
        vectors = torch.randn(len(labels), width, requires_grad=True)
        total = _loss(built, mining, vectors, torch.tensor(labels))
        if total.ndim or not total.isfinite():
            raise ValueError(f"the loss of a small batch must be one finite number. Got {total.tolist()}")
        total.backward()


def _loss(loss: nn.Module, miner: nn.Module | None, vectors: Tensor, labels: Tensor) -> Tensor:
    """Vectors (B, D) and labels (B,) -> a scalar."""
    total: Tensor = loss(vectors, labels) if miner is None else loss(vectors, labels, miner(vectors, labels))
    return total


def _sizes(classes: int, width: int) -> dict[str, int]:
    """Parameters that the run knows, by the names that the library has for them."""
    return {"num_classes": classes, "embedding_size": width, "descriptors_dim": width}


def _check_sizes(given: dict[str, Any], sizes: dict[str, int]) -> None:
    """A size that was set must be the one that there is.

    Raises:
        BadSetting: it is not.
    """
    for name, size in sizes.items():
        if given.get(name, size) != size:
            raise BadSetting(f"{given['name']}: {name} is {size} in this run. Got {given[name]!r}. Leave it out.")
