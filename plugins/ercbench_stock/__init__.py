"""The stock plugin: data sets and their readers, the sample corpora, tracks, trackers, and parts of no one method.

Reading order: ``datasets.py`` and ``readers/``, ``checkpoints.py``, ``tracks.py``, ``losses.py``, ``classifiers.py``,
``trackers/``.
"""

from __future__ import annotations

from collections.abc import Sequence

from ercbench import CheckpointFacts, ClassifierSpec, DatasetSpec, LossSpec, TrackerSpec, TrackSpec, hookimpl

ERCBENCH_API = 1


@hookimpl
def ercbench_datasets() -> Sequence[DatasetSpec]:
    """MELD, EmoryNLP in two versions, IEMOCAP, and the bundled samples."""
    from ercbench_stock.datasets import DATASETS

    return DATASETS


@hookimpl
def ercbench_losses() -> Sequence[LossSpec]:
    """Cross-entropy."""
    from ercbench_stock.parts import LOSSES

    return LOSSES


@hookimpl
def ercbench_classifiers() -> Sequence[ClassifierSpec]:
    """The linear head that was trained beside the representation."""
    from ercbench_stock.parts import CLASSIFIERS

    return CLASSIFIERS


@hookimpl
def ercbench_checkpoints() -> Sequence[CheckpointFacts]:
    """Encoders on the hub whose weights have seen a data set of the benchmark."""
    from ercbench_stock.checkpoints import CHECKPOINTS

    return CHECKPOINTS


@hookimpl
def ercbench_tracks() -> Sequence[TrackSpec]:
    """``full`` and ``mini``."""
    from ercbench_stock.tracks import TRACKS

    return TRACKS


@hookimpl
def ercbench_trackers() -> Sequence[TrackerSpec]:
    """JSON lines, TensorBoard, Weights & Biases, MLflow, Trackio."""
    from ercbench_stock.trackers import TRACKERS

    return TRACKERS
