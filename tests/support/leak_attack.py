"""A plugin that looks for the labels of test wherever a plugin's code can look while it runs.

Every part calls `look`, once per place. What it finds goes to `FOUND`: a test uid, or the text of a turn, with the
label that was lying there.
"""

from __future__ import annotations

import gc
import os
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ercbench import Batch, EncodedBatch, Example, LossOutput, Prompt, Prototypes, Representation, Tokens, hookimpl

FOUND: dict[str, set[tuple[str, object]]] = {}
"""By place: pairs of a test uid (or a text) and the label found with it."""

PLACES: set[str] | None = None
"""Where to look; None for everywhere."""

RESULTS = "ERCBENCH_LEAK_RESULTS"
"""Environment variable with the results folder, which a plugin could guess."""


HOLDERS = (dict, list, tuple, types.CellType, types.FrameType, types.GeneratorType)
"""Types that may hold a dict; so may an instance of any class of ercbench."""


def look(place: str, *arguments: object) -> None:
    """Search everything that can be reached from here, once per place."""
    if place not in FOUND and (PLACES is None or place in PLACES):
        FOUND[place] = set()
        FOUND[place].update(pair for thing in _reachable(arguments) for pair in _labels_in(thing))
        FOUND[place].update(labels_in_files(Path(os.environ[RESULTS])))


def _reachable(arguments: object) -> Iterator[object]:
    """The arguments, the variables of all callers, the globals of all modules, and all that the collector knows."""
    frame = sys._getframe(1)
    while frame is not None:
        yield from frame.f_locals.values()
        frame = frame.f_back
    for module in list(sys.modules.values()):
        if (getattr(module, "__name__", "") or "").startswith("ercbench"):
            yield from list(vars(module).values())
    yield arguments
    for thing in gc.get_objects():
        yield thing
        # A dict of strings and numbers is not known to the collector itself; whoever holds it is.
        if type(thing) in HOLDERS or str(type(thing).__module__).startswith(("ercbench", "leak_attack")):
            yield from (held for held in gc.get_referents(thing) if type(held) is dict)


def _labels_in(thing: object) -> Iterator[tuple[str, object]]:
    if type(thing) is dict:
        yield from _labels_in_mapping(thing)
    elif type(thing).__name__ == "Utterance" and thing.label is not None and "/test/" in thing.uid:
        yield thing.uid, thing.label
    elif type(thing).__name__ == "RawTurn" and thing.label is not None:
        yield thing.text, thing.label
    elif type(thing).__name__ in ("Batch", "EncodedBatch", "Representation") and thing.labels is not None:
        yield from ((uid, int(label)) for uid, label in zip(thing.uids, thing.labels, strict=True) if "/test/" in uid)


def _labels_in_mapping(mapping: Mapping[Any, Any]) -> Iterator[tuple[str, object]]:
    first = next(iter(mapping), None)
    if isinstance(first, str) and "/test/" in first:
        yield from ((uid, value) for uid, value in list(mapping.items()) if isinstance(value, int | str))


def labels_in_files(folder: Path) -> Iterator[tuple[str, object]]:
    """Every cell of a table, and every word of other text, that stands behind a test uid in a line."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in (".csv", ".json", ".jsonl", ".txt", ".md"):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                uid, *cells = line.split(",")
                if "/test/" in uid:
                    yield from ((uid, cell) for cell in cells)


# ------------------------------------------------------------------------------------------------- the parts


class Renderer:
    """Writes the utterance as it is."""

    def __init__(self, settings: object) -> None:
        look("renderer: made", settings)

    def render(self, example: Example) -> Prompt:
        """Example -> Prompt."""
        look("renderer: render", example, *gc.get_referrers(example))
        return Prompt(example.target.uid, (example.target.text,), 0, example.target.text)


class Encoder:
    """Counts the letters of an utterance."""

    def __init__(self, settings: object, labels: Any, checkpoint: object) -> None:
        look("encoder: made", settings, labels, checkpoint)
        self.labels = labels

    def tokenize(self, prompts: list[Prompt]) -> list[Tokens]:
        """Prompts -> Tokens."""
        look("encoder: tokenize", prompts)
        return [Tokens(p.uid, tuple(ord(letter) % 64 for letter in p.segments[0]) or (0,), 0) for p in prompts]

    def plan(self, tokens: list[Tokens], batch_size: int, seed: int | None) -> list[list[int]]:
        """In the order of the file."""
        look("encoder: plan", tokens)
        return [list(range(i, min(i + batch_size, len(tokens)))) for i in range(0, len(tokens), batch_size)]

    def collate(self, tokens: list[Tokens]) -> Batch:
        """Tokens -> Batch."""
        look("encoder: collate", tokens)
        counts = torch.from_numpy(np.stack([np.bincount(t.input_ids, minlength=64) for t in tokens])).float()
        return Batch(tuple(t.uid for t in tokens), {"counts": counts})

    def load(self) -> Model:
        """The model."""
        look("encoder: load")
        return Model(len(self.labels))


class Model(nn.Module):
    """One layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.backbone, self.head, self.dimension = nn.Linear(64, 8), nn.Linear(8, classes), 8

    def forward(self, batch: Batch) -> EncodedBatch:
        """Batch -> EncodedBatch."""
        look(f"model: forward, {batch.uids[0].split('/')[1]}", batch, *gc.get_referrers(batch))
        hidden = self.backbone(batch.inputs["counts"])
        return EncodedBatch(batch.uids, hidden, hidden, self.head(hidden), None, batch.labels)

    def prototypes(self) -> Tensor | None:
        """None."""
        look("model: prototypes")
        return None


class Loss(nn.Module):
    """Cross-entropy."""

    def __init__(self, settings: object, labels: object, dimension: int) -> None:
        super().__init__()
        look("loss: made", settings, labels)

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput."""
        look("loss: forward", batch, *gc.get_referrers(batch))
        return LossOutput(nn.functional.cross_entropy(batch.logits, batch.labels))


class Classifier:
    """What the head says."""

    def __init__(self, settings: object, labels: object) -> None:
        look("classifier: made", settings, labels)

    def fit(self, train: Representation | None, prototypes: Prototypes | None, seed: int) -> Iterable[Classifier]:
        """Two states."""
        look("classifier: fit", train, prototypes, *gc.get_referrers(self))
        return [self, self]

    def restore(self, tensors: object) -> Classifier:
        """The same."""
        return self

    def tensors(self) -> dict[str, Any]:
        """Nothing."""
        look("classifier: tensors")
        return {}

    def score(self, representation: Representation) -> Any:
        """Representation -> scores (N, C)."""
        look(f"classifier: score, {representation.uids[0].split('/')[1]}", representation)
        return representation.logits


class Tracker:
    """Looks whenever it is told anything."""

    @hookimpl
    def ercbench_run_started(self, run: object) -> None:
        """Looks."""
        look("observer: run started", run)

    @hookimpl
    def ercbench_stage_started(self, stage: str) -> None:
        """Looks where there could be something."""
        if stage == "scoring":
            look("observer: scoring started")

    @hookimpl
    def ercbench_epoch_finished(self, epoch: object) -> None:
        """Looks."""
        look("observer: epoch finished", epoch)

    @hookimpl
    def ercbench_stage_finished(self, stage: str) -> None:
        """Looks where there could be something."""
        if stage == "scoring":
            look("observer: scoring finished")

    @hookimpl
    def ercbench_run_finished(self, record: object) -> None:
        """Looks."""
        look("observer: run finished", record)

    @hookimpl
    def ercbench_run_failed(self, error: str) -> None:
        """Looks."""
        look("observer: run failed", error)
