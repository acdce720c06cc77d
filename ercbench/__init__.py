"""ercbench: emotion recognition in conversation, measured so that a stranger can believe the number and run it again.

To follow one utterance from its data file to its leaderboard cell, read in this order: ``types.py`` (the values that
flow), ``ports.py`` and ``specs.py`` (what plugins bring), ``config.py`` (what a recipe comes to), then the stages
``data.py``, ``rendering.py``, ``encoding.py``, ``training.py``, ``classifying.py``, ``scoring.py``, ``records.py``,
``leaderboard/``, and ``runner.py``, which calls them in that order.

The names below are public: a plugin needs no others. They are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ercbench.api import run
    from ercbench.checkpoints import load_backbone, load_tokenizer
    from ercbench.encoding import length_buckets, pad
    from ercbench.errors import BadSetting, CheckpointError, DataError, ErcbenchError, PluginError, TrainingError
    from ercbench.hookspecs import API_LEVEL, hookimpl
    from ercbench.ports import Candidate, Classifier, Encoder, EncoderModel, Loss, Reader, Renderer
    from ercbench.records import RunRecord
    from ercbench.specs import (
        ClassifierSpec,
        DatasetSpec,
        EncoderSpec,
        LossSpec,
        PackagedCheckpoint,
        Recipe,
        RendererSpec,
        Settings,
        SplitCounts,
        SplitFile,
        TrackSpec,
    )
    from ercbench.types import (
        MASK,
        Batch,
        Checkpoint,
        EncodedBatch,
        Example,
        FloatArray,
        LabelSet,
        LossOutput,
        Problem,
        Prompt,
        Prototypes,
        RawDialogue,
        RawTurn,
        Reading,
        Representation,
        Tokens,
        Utterance,
    )

_HOMES = {
    "api": ("run",),
    "checkpoints": ("load_backbone", "load_tokenizer"),
    "encoding": ("length_buckets", "pad"),
    "errors": ("BadSetting", "CheckpointError", "DataError", "ErcbenchError", "PluginError", "TrainingError"),
    "hookspecs": ("API_LEVEL", "hookimpl"),
    "ports": ("Candidate", "Classifier", "Encoder", "EncoderModel", "Loss", "Reader", "Renderer"),
    "records": ("RunRecord",),
    "specs": (
        "ClassifierSpec",
        "DatasetSpec",
        "EncoderSpec",
        "LossSpec",
        "PackagedCheckpoint",
        "Recipe",
        "RendererSpec",
        "Settings",
        "SplitCounts",
        "SplitFile",
        "TrackSpec",
    ),
    "types": (
        "MASK",
        "Batch",
        "Checkpoint",
        "EncodedBatch",
        "Example",
        "FloatArray",
        "LabelSet",
        "LossOutput",
        "Problem",
        "Prompt",
        "Prototypes",
        "RawDialogue",
        "RawTurn",
        "Reading",
        "Representation",
        "Tokens",
        "Utterance",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__version__ = "0.1.0"
__all__ = [  # noqa: PLE0604 - computed from the table above, and held by a test
    *sorted(_HOME_OF)
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ercbench' has no attribute {name!r}")
    return getattr(import_module(f"ercbench.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
