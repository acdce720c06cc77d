"""Every hook of ercbench: what a plugin offers, in the order in which a run needs it, then what a run tells observers.

A plugin is a module named under the entry-point group ``ercbench``. It sets ``ERCBENCH_API = 1`` and implements any of
these hooks, marked with `hookimpl`. A hook takes those of its arguments that it names, and gives none a default.

**What a plugin offers.** Each hook is called once per plugin, whenever the plugins are loaded. It returns light specs
and imports no torch.

**What a run tells.** Observers are the trackers that a run was asked for (``--tracker``), and every plugin whose module
implements one of these hooks itself. They are called in the order below, return nothing, and are given frozen values:
no label, no prediction, no tensor. An observer that raises is reported once and left out of the rest of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

from ercbench.checkpoint_specs import CheckpointFacts
from ercbench.events import EpochInfo, RunInfo
from ercbench.specs import (
    ClassifierSpec,
    CurriculumSpec,
    DatasetSpec,
    EncoderSpec,
    LossSpec,
    Recipe,
    RendererSpec,
    TrackerSpec,
    TrackSpec,
)

if TYPE_CHECKING:
    from ercbench.records import RunRecord

API_LEVEL = 1
"""The level of the plugin interface. A plugin made for another level is not loaded, and `plugin list` says so."""

GROUP = "ercbench"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)

STAGES = ("training", "encoding", "classifying", "scoring")
"""The stages of a run that observers are told of, in order."""

OBSERVER_HOOKS = (
    "ercbench_run_started",
    "ercbench_stage_started",
    "ercbench_epoch_finished",
    "ercbench_stage_finished",
    "ercbench_run_finished",
    "ercbench_run_failed",
)
"""What a run tells; the other hooks are asked what a plugin offers."""


@hookspec
def ercbench_datasets() -> Sequence[DatasetSpec]:  # type: ignore[empty-body]
    """Data sets: labels, files and readers. Since API level 1.

    Example::

        @hookimpl
        def ercbench_datasets():
            return [
                DatasetSpec(
                    name="phone-calls",
                    summary="Calls to a help desk",
                    family="phone-calls",
                    version="1",
                    labels=LabelSet((Label("calm", "calm", 0), Label("upset", "upset", 1)), neutral="calm"),
                    files={
                        split: (SplitFile(name=f"{split}.csv", reader="ercbench_calls.reading:read"),)
                        for split in ("train", "dev", "test")
                    },
                    licence="CC-BY-4.0",
                    source="https://example.org/calls",
                ),
            ]
    """


@hookspec
def ercbench_renderers() -> Sequence[RendererSpec]:  # type: ignore[empty-body]
    """Renderers: how an utterance and its context become text. Since API level 1.

    Example::

        @hookimpl
        def ercbench_renderers():
            return [
                RendererSpec(name="shouted", summary="In capitals", target="ercbench_shout.render:Shouted"),
            ]
    """


@hookspec
def ercbench_encoders() -> Sequence[EncoderSpec]:  # type: ignore[empty-body]
    """Encoders: how text becomes vectors. Since API level 1.

    Example::

        @hookimpl
        def ercbench_encoders():
            return [
                EncoderSpec(
                    name="letters",
                    summary="Counts of letters, one layer",
                    target="ercbench_letters.encoder:Letters",
                ),
            ]
    """


@hookspec
def ercbench_losses() -> Sequence[LossSpec]:  # type: ignore[empty-body]
    """Losses: what an encoder is trained for. Since API level 1.

    Example::

        @hookimpl
        def ercbench_losses():
            return [
                LossSpec(
                    name="focal",
                    summary="Cross-entropy that counts easy utterances less",
                    target="ercbench_focal.loss:FocalLoss",
                    reference="Lin et al. 2017, equation 4",
                ),
            ]
    """


@hookspec
def ercbench_curricula() -> Sequence[CurriculumSpec]:  # type: ignore[empty-body]
    """Curricula: which utterances of train each epoch is trained on. Since API level 1.

    Example::

        @hookimpl
        def ercbench_curricula():
            return [
                CurriculumSpec(
                    name="rare-first",
                    summary="Rare emotions before frequent ones",
                    target="ercbench_rare.curriculum:RareFirst",
                ),
            ]
    """


@hookspec
def ercbench_classifiers() -> Sequence[ClassifierSpec]:  # type: ignore[empty-body]
    """Classifiers: how vectors become emotions. Since API level 1.

    Example::

        @hookimpl
        def ercbench_classifiers():
            return [
                ClassifierSpec(
                    name="nearest-mean",
                    summary="Nearest class mean",
                    target="ercbench_mean.classifier:Nearest",
                ),
            ]
    """


@hookspec
def ercbench_checkpoints() -> Sequence[CheckpointFacts]:  # type: ignore[empty-body]
    """Checkpoints: what is known of encoders' weights, such as the data they had seen. Since API level 1.

    Example::

        @hookimpl
        def ercbench_checkpoints():
            return [
                CheckpointFacts(
                    name="call-bert",
                    summary="BERT fine-tuned on the calls to a help desk",
                    checkpoints=("somebody/call-bert-*",),
                    trained_on=(TrainingData(dataset="phone-calls", splits=("train",), source="its model card"),),
                ),
            ]
    """


@hookspec
def ercbench_tracks() -> Sequence[TrackSpec]:  # type: ignore[empty-body]
    """Tracks: the standardised runners. Since API level 1.

    Example::

        @hookimpl
        def ercbench_tracks():
            return [
                TrackSpec(
                    name="phone",
                    summary="Sized for a phone: short prompts, one epoch",
                    values={"encoder.max_tokens": 64, "context.past": 2, "training.epochs": 1},
                ),
            ]
    """


@hookspec
def ercbench_recipes() -> Sequence[Recipe]:  # type: ignore[empty-body]
    """Recipes: methods as named parts with settings. Since API level 1.

    Example::

        @hookimpl
        def ercbench_recipes():
            return [
                Recipe(
                    name="eacl-focal",
                    summary="EACL with a focal loss in place of cross-entropy",
                    version="1",
                    reference="ours; see the package's README",
                    base="eacl",
                    values={"losses.cross-entropy": None, "losses.focal.weight": 1.0},
                ),
            ]
    """


@hookspec
def ercbench_trackers() -> Sequence[TrackerSpec]:  # type: ignore[empty-body]
    """Trackers: observers that a run asks for by name (``--tracker``). Since API level 1.

    Example::

        @hookimpl
        def ercbench_trackers():
            return [
                TrackerSpec(name="bell", summary="Rings when a run is over", target="ercbench_bell.tracker:Bell"),
            ]
    """


@hookspec
def ercbench_run_started(run: RunInfo) -> None:
    """A run begins. Called once per run, before its model is built. Since API level 1.

    Example::

        @hookimpl
        def ercbench_run_started(run):
            print(f"{run.name}: {run.config['training.epochs']} epochs on {run.utterances['train']} utterances")
    """


@hookspec
def ercbench_stage_started(run: RunInfo, stage: str) -> None:
    """A stage begins: training, encoding, classifying, scoring, in this order. Since API level 1.

    Example::

        @hookimpl
        def ercbench_stage_started(run, stage):
            print(f"{run.name}: {stage} begins")
    """


@hookspec
def ercbench_epoch_finished(run: RunInfo, epoch: EpochInfo) -> None:
    """An epoch is trained and scored on dev. Called once per epoch, within the stage training. Since API level 1.

    A run that goes on after an interruption tells the epochs that were finished before first, as `EpochInfo.resumed`.

    Example::

        @hookimpl
        def ercbench_epoch_finished(run, epoch):
            print(f"{run.name}: epoch {epoch.epoch}, dev weighted F1 {100 * epoch.dev_weighted_f1:.2f}")
    """


@hookspec
def ercbench_stage_finished(run: RunInfo, stage: str, seconds: float) -> None:
    """A stage is done. Not called for a stage in which the run fails. Since API level 1.

    Example::

        @hookimpl
        def ercbench_stage_finished(stage, seconds):
            print(f"{stage} took {seconds:.1f} s")
    """


@hookspec
def ercbench_run_finished(run: RunInfo, record: RunRecord) -> None:
    """A run is done, and its record is on disk; `record` is a copy of it. Called once, last. Since API level 1.

    Example::

        @hookimpl
        def ercbench_run_finished(record):
            print(f"test weighted F1 {100 * record.scores.test.weighted_f1:.2f}")
    """


@hookspec
def ercbench_run_failed(run: RunInfo, error: str) -> None:
    """A run ends without a record, or is interrupted. Called once, last, in place of run finished. Since API level 1.

    `error` is the kind of the error and its message, such as ``TrainingError: The loss total is not finite. ...``.

    Example::

        @hookimpl
        def ercbench_run_failed(run, error):
            print(f"{run.name} failed: {error}")
    """
