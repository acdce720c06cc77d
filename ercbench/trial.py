"""Tries the parts of a prepared run on a few training utterances, so that what does not go together is known at once.

Nothing is trained and nothing is kept. Specs cannot tell all that a part needs: whether a loss reads label vectors, and
whether an encoder makes logits, depends on their settings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ercbench import choosing, classifying, encoding
from ercbench.config import Part
from ercbench.devices import Device
from ercbench.errors import ErcbenchError, Problems
from ercbench.ports import FittedModel
from ercbench.preparing import Prepared
from ercbench.progress import Silent
from ercbench.resume import Unfinished
from ercbench.runner import Cell
from ercbench.specs import ClassifierSpec
from ercbench.stepping import in_float32
from ercbench.types import EncodedBatch, FloatArray, Representation, Tokens

BACKBONE = "backbone"
"""What of a model is pre-trained."""
LABELS, OF_EACH = 3, 2
"""Labels that are tried, and training utterances of each: a contrast needs a pair."""


def attempt(prepared: Prepared, device: Device) -> list[str]:
    """Prepared -> remarks: encode a few training utterances, compute the losses, fit and ask both classifiers.

    A remark is about what works and says little: a classifier or curriculum that reads what no loss trains, an encoder
    that no loss reaches.

    Raises:
        ErcbenchError: what a part has to say against the others; `Problems` for several.

    Before: preparing.py. After: runner.py.
    """
    small = replace(prepared, tokens={**prepared.tokens, "train": _few(prepared)})
    with TemporaryDirectory(prefix="ercbench-trial-") as folder:
        cell = Cell(small, 0, device, Silent(), Unfinished(Path(folder) / "trial"))
        if cell.fitted:
            few = small.tokens["train"]
            encoding.fit(small.encoder, cast(FittedModel, cell.model), few, len(few))
        train = cell.encode("train", "trying")
        batch = _encoded(cell) if prepared.config.losses else None
        errors = [error for one in _attempts(cell, batch, train) for error in _objections(one)]
    if errors:
        raise errors[0] if len(errors) == 1 else Problems(errors)
    return list(_remarks(cell, batch, train))


def _attempts(cell: Cell, batch: EncodedBatch | None, train: Representation) -> Iterator[Callable[[], object]]:
    """What a run will ask of its parts; of the classifier that chooses the epoch only where there are epochs."""
    config = cell.prepared.config
    if batch is not None:
        yield from (partial(loss, batch) for loss in cell.objective.losses.values())
    yield partial(_scores, cell, config.classifier, train)
    if config.training.epochs and config.selection_classifier.spec.name != config.classifier.spec.name:
        yield partial(_scores, cell, config.selection_classifier, train)


def _remarks(cell: Cell, batch: EncodedBatch | None, train: Representation) -> Iterator[str]:
    """An encoder without a gradient from any loss, and what reads something that has none."""
    config = cell.prepared.config
    untrained = ["logits"] if batch is None else _untrained(cell, batch)
    if BACKBONE in untrained and config.training.epochs:
        yield f"encoder.name: {config.encoder.spec.name} is not trained, for no loss reaches it."
    asked = {config.classifier.spec.name: ("classifier.name", config.classifier)}
    if config.training.epochs:
        asked.setdefault(config.selection_classifier.spec.name, ("selection.classifier", config.selection_classifier))
    others = {name: _with_noise(train, name) for name in untrained if getattr(train, name, None) is not None}
    measured = {} if BACKBONE in untrained else others  # pre-trained vectors as they are may well be read
    if config.curriculum:
        for name, other in measured.items():
            if _chosen(cell, train) != _chosen(cell, other):
                yield f"curriculum.name: {config.curriculum.spec.name} measures by {name}, which no loss trains."
    for path, part in asked.values():
        for name, other in (measured if part.spec.needs_training else others).items():
            if not np.array_equal(_scores(cell, part, train), _scores(cell, part, other)):
                how = "is fitted on" if part.spec.needs_training else "decides by"
                yield f"{path}: {part.spec.name} {how} {name}, which no loss trains."


def _with_noise(train: Representation, name: str) -> Representation:
    """The same with something else in one of its arrays."""
    noise = np.random.default_rng(0).normal(size=getattr(train, name).shape).astype(np.float32)
    return replace(train, **{name: noise})


def _chosen(cell: Cell, train: Representation) -> tuple[list[int], float | None]:
    """The rows of a curriculum's first epoch, and how hard they are."""
    assert cell.curriculum
    found = choosing.choose(cell.curriculum, 1, cell.prepared.config.training.epochs, train, 0)
    return found.rows.tolist(), found.difficulty


def _untrained(cell: Cell, batch: EncodedBatch) -> list[str]:
    """What no loss that counts has a gradient for: ``logits``, ``vectors``, ``backbone``."""
    losses = zip(cell.objective.weights.values(), cell.objective.losses.values(), strict=True)
    totals = [loss(batch).total for weight, loss in losses if weight]
    total = torch.stack(totals).sum() if totals else torch.zeros(())
    made = {name: [found] for name in ("logits", "vectors") if (found := getattr(batch, name)) is not None}
    if weights := [one for one in cell.model.backbone.parameters() if one.requires_grad]:  # it may be frozen for good
        made[BACKBONE] = weights
    return [name for name, of in made.items() if not _reaches(total, of)]


def _reaches(total: Tensor, made: Sequence[Tensor]) -> bool:
    """Whether a total has a gradient for any of these."""
    open_ones = [one for one in made if one.requires_grad]
    if not open_ones or not total.requires_grad:
        return False
    gradients = torch.autograd.grad(total, open_ones, retain_graph=True, allow_unused=True)
    return any(one is not None for one in gradients)


def _objections(attempt: Callable[[], object]) -> list[ErcbenchError]:
    """What is said against an attempt."""
    try:
        attempt()
    except Problems as problems:
        return list(problems.errors)
    except ErcbenchError as error:
        return [error]
    return []


def _few(prepared: Prepared) -> list[Tokens]:
    """The shortest training utterances of some labels, in their order."""
    tokens, gold = prepared.tokens["train"], prepared.gold["train"]
    found: defaultdict[int, list[int]] = defaultdict(list)
    for place in sorted(range(len(tokens)), key=lambda place: len(tokens[place].input_ids)):
        label = gold[tokens[place].uid]
        if (label in found or len(found) < LABELS) and len(found[label]) < OF_EACH:
            found[label].append(place)
    return [tokens[place] for place in sorted(place for places in found.values() for place in places)]


def _encoded(cell: Cell) -> EncodedBatch:
    """One training batch as the losses are given it."""
    encoder, tokens = cell.prepared.encoder, cell.prepared.tokens["train"]
    plan = encoder.plan(tokens, len(tokens), 0)
    [batch, *_] = encoding.batches(encoder, tokens, plan, cell.prepared.gold["train"])
    cell.model.train()
    with cell.device.autocast():
        return in_float32(cell.model(cell.device.move(batch)))


def _scores(cell: Cell, part: Part[ClassifierSpec], train: Representation) -> FloatArray:
    """Fit a classifier, and ask its first state about the same utterances without their labels: (N, C)."""
    config, labels = cell.prepared.config, cell.prepared.corpus.labels
    classifier = classifying.build(part, labels, config.context)
    given = train if part.spec.needs_training else None
    first, *_ = classifying.fit(classifier, given, cell.current_prototypes(), 0)
    return cell.predict(first, replace(train, labels=None)).scores
