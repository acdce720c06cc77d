"""Every hook of ercbench, in the order in which a run needs what it returns. Each is called once per plugin.

A plugin is a module (or object) named under the entry-point group ``ercbench``. It sets ``ERCBENCH_API = 1`` and
implements any of these hooks, marked with `hookimpl`. A hook returns light specs and imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from ercbench.specs import (
    CheckpointFacts,
    ClassifierSpec,
    DatasetSpec,
    EncoderSpec,
    LossSpec,
    Recipe,
    RendererSpec,
    TrackSpec,
)

API_LEVEL = 1
"""The level of the plugin interface. A plugin made for another level is not loaded, and `plugin list` says so."""

GROUP = "ercbench"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def ercbench_datasets() -> Sequence[DatasetSpec]:  # type: ignore[empty-body]
    """Data sets: labels, files and readers. Since API level 1."""


@hookspec
def ercbench_renderers() -> Sequence[RendererSpec]:  # type: ignore[empty-body]
    """Renderers: how an utterance and its context become text. Since API level 1."""


@hookspec
def ercbench_encoders() -> Sequence[EncoderSpec]:  # type: ignore[empty-body]
    """Encoders: how text becomes vectors. Since API level 1."""


@hookspec
def ercbench_losses() -> Sequence[LossSpec]:  # type: ignore[empty-body]
    """Losses: what an encoder is trained for. Since API level 1."""


@hookspec
def ercbench_classifiers() -> Sequence[ClassifierSpec]:  # type: ignore[empty-body]
    """Classifiers: how vectors become emotions. Since API level 1."""


@hookspec
def ercbench_checkpoints() -> Sequence[CheckpointFacts]:  # type: ignore[empty-body]
    """What is known of encoders' weights, such as the data sets they were trained on. Since API level 1."""


@hookspec
def ercbench_tracks() -> Sequence[TrackSpec]:  # type: ignore[empty-body]
    """Tracks: the standardised runners. Since API level 1."""


@hookspec
def ercbench_recipes() -> Sequence[Recipe]:  # type: ignore[empty-body]
    """Recipes: methods as named parts with settings. Since API level 1."""
