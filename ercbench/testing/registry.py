"""Every check there is, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ercbench.specs import (
    ClassifierSpec,
    CurriculumSpec,
    DatasetSpec,
    EncoderSpec,
    LossSpec,
    Recipe,
    RendererSpec,
    Spec,
    TrackerSpec,
    TrackSpec,
)
from ercbench.testing import classifier, curriculum, dataset, encoder, loss, plugin, recipe, renderer, track, tracker
from ercbench.testing.checks import Check

SUBJECTS: Mapping[type[Spec], type[Any]] = {
    DatasetSpec: dataset.DatasetSubject,
    RendererSpec: renderer.RendererSubject,
    EncoderSpec: encoder.EncoderSubject,
    LossSpec: loss.LossSubject,
    CurriculumSpec: curriculum.CurriculumSubject,
    ClassifierSpec: classifier.ClassifierSubject,
    TrackSpec: track.TrackSubject,
    Recipe: recipe.RecipeSubject,
    TrackerSpec: tracker.TrackerSubject,
}
"""What is checked for each type of spec."""

CHECKS: Mapping[str, tuple[Check, ...]] = {
    "plugin": plugin.CHECKS,
    "dataset": dataset.CHECKS,
    "renderer": renderer.CHECKS,
    "encoder": encoder.CHECKS,
    "loss": loss.CHECKS,
    "curriculum": curriculum.CHECKS,
    "classifier": classifier.CHECKS,
    "track": track.CHECKS,
    "recipe": recipe.CHECKS,
    "tracker": tracker.CHECKS,
}
"""The checks of each kind, in the order in which they are run."""


def all_checks() -> list[Check]:
    """Every check, in the order of a run."""
    return [check for checks in CHECKS.values() for check in checks]
