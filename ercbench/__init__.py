"""ercbench: emotion recognition in conversation, measured so that a stranger can believe the number and run it again.

To follow one utterance from its data file to its leaderboard cell, read in this order: ``types.py`` (the values that
flow), ``ports.py`` and ``specs.py`` (what plugins bring), ``config.py`` (what a recipe comes to) with ``context.py``
(what the task lets it see), then the stages ``data.py``, ``rendering.py``, ``encoding.py``, ``training.py``,
``classifying.py``, ``scoring.py`` with ``slices.py``, ``records.py``, ``leaderboard/``, and ``runner.py``, which calls
them in that order.

The names below are public: a plugin needs no others. They are imported when they are first used.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ercbench.api import run
    from ercbench.checkpoint_specs import Checkpoint, CheckpointFacts, TrainingData
    from ercbench.checkpoints import load_backbone, load_tokenizer, token_ids
    from ercbench.context import Context
    from ercbench.encoding import length_buckets, pad
    from ercbench.errors import BadSetting, CheckpointError, DataError, ErcbenchError, PluginError, TrainingError
    from ercbench.events import EpochInfo, RunInfo
    from ercbench.grid import Ray
    from ercbench.hookspecs import API_LEVEL, hookimpl
    from ercbench.ports import (
        Candidate,
        Classifier,
        ColumnReader,
        Curriculum,
        Encoder,
        EncoderModel,
        FittedModel,
        Importer,
        Loss,
        Reader,
        Renderer,
    )
    from ercbench.reading import (
        Imported,
        Problem,
        RawDialogue,
        RawTurn,
        Reading,
        Row,
        group_rows,
        parse_rows,
        read_text,
        shown,
    )
    from ercbench.records import RunRecord
    from ercbench.specs import (
        ClassifierSpec,
        CurriculumSpec,
        DatasetSpec,
        EncoderSpec,
        LossSpec,
        PackagedCheckpoint,
        Recipe,
        RemoteFile,
        RendererSpec,
        Settings,
        SplitCounts,
        SplitFile,
        TrackerSpec,
        TrackSpec,
    )
    from ercbench.transformer import states_at
    from ercbench.types import (
        MASK,
        SPLITS,
        Batch,
        Corpus,
        Dialogue,
        EncodedBatch,
        Example,
        FloatArray,
        Label,
        LabelSet,
        LossOutput,
        Prompt,
        Prototypes,
        Representation,
        Split,
        Subset,
        Tokens,
        Utterance,
    )

__version__ = "0.1.0"
__all__ = [  # noqa: RUF022 - plainly sorted, which a test holds
    "API_LEVEL",
    "BadSetting",
    "Batch",
    "Candidate",
    "Checkpoint",
    "CheckpointError",
    "CheckpointFacts",
    "Classifier",
    "ClassifierSpec",
    "ColumnReader",
    "Context",
    "Corpus",
    "Curriculum",
    "CurriculumSpec",
    "DataError",
    "DatasetSpec",
    "Dialogue",
    "EncodedBatch",
    "Encoder",
    "EncoderModel",
    "EncoderSpec",
    "EpochInfo",
    "ErcbenchError",
    "Example",
    "FittedModel",
    "FloatArray",
    "Imported",
    "Importer",
    "Label",
    "LabelSet",
    "Loss",
    "LossOutput",
    "LossSpec",
    "MASK",
    "PackagedCheckpoint",
    "PluginError",
    "Problem",
    "Prompt",
    "Prototypes",
    "RawDialogue",
    "RawTurn",
    "Ray",
    "Reader",
    "Reading",
    "Recipe",
    "RemoteFile",
    "Renderer",
    "RendererSpec",
    "Representation",
    "Row",
    "RunInfo",
    "RunRecord",
    "SPLITS",
    "Settings",
    "Split",
    "SplitCounts",
    "SplitFile",
    "Subset",
    "Tokens",
    "TrackSpec",
    "TrackerSpec",
    "TrainingData",
    "TrainingError",
    "Utterance",
    "group_rows",
    "hookimpl",
    "length_buckets",
    "load_backbone",
    "load_tokenizer",
    "pad",
    "parse_rows",
    "read_text",
    "run",
    "shown",
    "states_at",
    "token_ids",
]

_HOMES = (
    "types", "events", "hookspecs", "specs", "checkpoint_specs", "context", "errors", "ports", "reading", "records",
    "checkpoints", "encoding", "transformer", "grid", "api",
)  # fmt: skip

_RETIRED: dict[str, tuple[str, str]] = {}
"""Public names on their way out: the public name to use instead, and the first release without the old one."""


def __getattr__(name: str) -> Any:
    if name in _RETIRED:
        instead, release = _RETIRED[name]
        warnings.warn(f"ercbench.{name} goes with ercbench {release}. Use {instead}.", DeprecationWarning, stacklevel=2)
        name = instead
    if name in __all__:
        for home in _HOMES:
            module = import_module(f"ercbench.{home}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module 'ercbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
