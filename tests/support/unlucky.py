"""A local plugin whose runs end badly where they are told to, small enough to train in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

OPTIONS = ["--dataset", "meld-sample", "--track", "mini", "--limit", "4", "--device", "cpu"]
"""Of the command line, beside recipe and plugin; an epoch is two batches."""
SOURCE = '''
import os
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from ercbench import (
    Batch, EncodedBatch, EncoderSpec, LossOutput, LossSpec, Recipe, Settings, Tokens, hookimpl, length_buckets,
)

ERCBENCH_API = 1


class LettersSettings(Settings):
    finite: bool = True


class Letters:
    """The first letter of the last segment."""

    def __init__(self, settings, labels, checkpoint):
        self.settings, self.labels = settings, labels

    def tokenize(self, prompts):
        return [Tokens(p.uid, (1 + ord((p.segments[p.query] + " ")[0]) % 63,), 0) for p in prompts]

    def plan(self, tokens, batch_size, seed):
        return length_buckets([1 for _ in tokens], batch_size, seed)

    def collate(self, tokens):
        return Batch(tuple(t.uid for t in tokens), {"ids": torch.tensor([t.input_ids[0] for t in tokens])})

    def load(self):
        return Model(self.settings, len(self.labels))


class Model(nn.Module):
    dimension = 8

    def __init__(self, settings, classes):
        super().__init__()
        self.finite = settings.finite
        self.backbone, self.head = nn.Embedding(64, 8), nn.Linear(8, classes)

    def forward(self, batch):
        hidden = self.backbone(batch.inputs["ids"])
        vectors = hidden if self.finite or self.training else hidden / 0
        return EncodedBatch(batch.uids, hidden, vectors, self.head(hidden), None, batch.labels)

    def prototypes(self):
        return None


class UnluckySettings(Settings):
    happens: Literal["nothing", "nan", "raises"] = "nothing"


class Unlucky(nn.Module):
    """Cross-entropy; its second epoch is the unlucky one while the file that UNLUCKY names is there."""

    def __init__(self, settings, labels, dimension):
        super().__init__()
        self.happens, self.calls = settings.happens, 0

    def forward(self, batch):
        self.calls += 1
        loss = nn.functional.cross_entropy(batch.logits, batch.labels)
        if self.calls == 3 and Path(os.environ["UNLUCKY"]).exists():
            if self.happens == "raises":
                raise ValueError("no such luck")
            if self.happens == "nan":
                loss = loss * float("nan")
        return LossOutput(loss)


@hookimpl
def ercbench_encoders():
    return [EncoderSpec(name="letters", summary="Letters", target=f"{__name__}:Letters", settings=LettersSettings)]


@hookimpl
def ercbench_losses():
    return [LossSpec(name="unlucky", summary="Luck", target=f"{__name__}:Unlucky", settings=UnluckySettings)]


@hookimpl
def ercbench_recipes():
    values = {
        "renderer.name": "utterance", "encoder.name": "letters", "losses.unlucky.weight": 1.0,
        "classifier.name": "linear-head", "training.lr": 0.01,
        "training.encoder_lr": 0.01, "training.lr_decay": 1.0, "training.weight_decay": 0.0,
        "training.clip_norm": 1.0, "training.epochs": 3,
    }

    def recipe(name, **more):
        more = {path.replace("__", "."): value for path, value in more.items()}
        return Recipe(name=name, summary=name, version="1", reference="ours", values=values | more)

    return [
        recipe("lucky"),
        recipe("nan", losses__unlucky__happens="nan"),
        recipe("raises", losses__unlucky__happens="raises"),
        recipe("endless", encoder__finite=False),
        recipe("both", losses__unlucky__happens="nan", **{"losses__cross-entropy__weight": 0.5}),
    ]
'''


def write(folder: Path, patch: Any) -> tuple[Path, Path]:
    """The plugin's file, and the file whose being there makes runs of it end badly.

    Args:
        folder: of both.
        patch: pytest's ``monkeypatch``, which tells the plugin where the second is.
    """
    plugin, switch = folder / "unlucky_parts.py", folder / "bad-day"
    plugin.write_text(SOURCE)
    switch.touch()
    patch.setenv("UNLUCKY", str(switch))
    return plugin, switch
