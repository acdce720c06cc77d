"""EACL: emotion-anchored contrastive learning for emotion recognition in conversation.

**Reference**: Yu, Guo, Wu, Dai, Findings of NAACL 2024, pp. 4521-4534, arXiv 2403.20289.

Reading order: ``rendering.py``, ``encoder.py``, ``losses.py``, ``classifiers.py``, and ``recipes.py``, which puts them
together. ``settings.py`` holds what can be set, without torch.
"""

from __future__ import annotations

from collections.abc import Sequence

from ercbench import ClassifierSpec, EncoderSpec, LossSpec, Recipe, RendererSpec, hookimpl

ERCBENCH_API = 1


@hookimpl
def ercbench_renderers() -> Sequence[RendererSpec]:
    """The prompt of section 3.1."""
    from ercbench_eacl.parts import RENDERERS

    return RENDERERS


@hookimpl
def ercbench_encoders() -> Sequence[EncoderSpec]:
    """The encoder with its projection and label vectors."""
    from ercbench_eacl.parts import ENCODERS

    return ENCODERS


@hookimpl
def ercbench_losses() -> Sequence[LossSpec]:
    """The anchor-contrastive and the separation loss."""
    from ercbench_eacl.parts import LOSSES

    return LOSSES


@hookimpl
def ercbench_classifiers() -> Sequence[ClassifierSpec]:
    """The nearest anchor, and anchors adapted to the training split."""
    from ercbench_eacl.parts import CLASSIFIERS

    return CLASSIFIERS


@hookimpl
def ercbench_recipes() -> Sequence[Recipe]:
    """EACL, the released code's behaviour, and the ablations."""
    from ercbench_eacl.recipes import RECIPES

    return RECIPES
