"""The stock plugin: data sets and their readers, the sample corpora, tracks, trackers, and parts of no one method.

Reading order: ``datasets.py`` and ``readers/``, ``checkpoints.py``, ``tracks.py``, ``renderers.py``, ``floors.py``,
``tfidf.py``, ``transformer.py``, ``losses.py``, ``spcl.py``, ``metric.py``, ``centroids.py``, ``curricula.py``,
``classifiers.py``, ``logistic.py``, ``recipes.py``, which makes baselines of them, and ``trackers/``. What can be set
stands in ``settings.py`` and ``metric_settings.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

from ercbench import (
    CheckpointFacts,
    ClassifierSpec,
    CurriculumSpec,
    DatasetSpec,
    EncoderSpec,
    LossSpec,
    Recipe,
    RendererSpec,
    TrackerSpec,
    TrackSpec,
    hookimpl,
)

ERCBENCH_API = 1


@hookimpl
def ercbench_datasets() -> Sequence[DatasetSpec]:
    """MELD, EmoryNLP in two versions, IEMOCAP, and the bundled samples."""
    from ercbench_stock.datasets import DATASETS

    return DATASETS


@hookimpl
def ercbench_renderers() -> Sequence[RendererSpec]:
    """The text of an utterance, alone and after the turns before it."""
    from ercbench_stock.parts import RENDERERS

    return RENDERERS


@hookimpl
def ercbench_encoders() -> Sequence[EncoderSpec]:
    """None, TF-IDF, and any Hugging Face encoder."""
    from ercbench_stock.parts import ENCODERS

    return ENCODERS


@hookimpl
def ercbench_losses() -> Sequence[LossSpec]:
    """Cross-entropy and its variants, supervised and prototypical contrast, any loss of pytorch-metric-learning."""
    from ercbench_stock.parts import LOSSES

    return LOSSES


@hookimpl
def ercbench_curricula() -> Sequence[CurriculumSpec]:
    """From easy to hard."""
    from ercbench_stock.parts import CURRICULA

    return CURRICULA


@hookimpl
def ercbench_classifiers() -> Sequence[ClassifierSpec]:
    """The linear head trained beside the representation, class means, logistic regression, and the floors."""
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
def ercbench_recipes() -> Sequence[Recipe]:
    """Baselines: floors, TF-IDF, frozen encoders, cross-entropy and its variants, supervised contrast, SPCL."""
    from ercbench_stock.recipes import RECIPES

    return RECIPES


@hookimpl
def ercbench_trackers() -> Sequence[TrackerSpec]:
    """JSON lines, TensorBoard, Weights & Biases, MLflow, Trackio."""
    from ercbench_stock.trackers import TRACKERS

    return TRACKERS
