"""Stage 5. Representation -> Predictions: fit a classifier on the training split, score others with its states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ercbench.catalog import load_target
from ercbench.config import Part
from ercbench.context import Context
from ercbench.errors import PluginError
from ercbench.ports import Candidate, Classifier
from ercbench.specs import ClassifierSpec
from ercbench.types import LabelSet, Predictions, Prototypes, Representation


def build(part: Part[ClassifierSpec], labels: LabelSet, context: Context) -> Classifier:
    """A part of a recipe -> the classifier; the context goes to one that reads whole dialogues."""
    more = (context,) if part.spec.dialogues else ()
    classifier: Classifier = load_target(part.spec.target)(part.settings, labels, *more)
    return classifier


def fit(
    classifier: Classifier, train: Representation | None, prototypes: Prototypes | None, seed: int
) -> Sequence[Candidate]:
    """Representation (labelled) -> the classifier's states worth choosing from, at least one.

    Raises:
        PluginError: there is none.

    Before: encoding.py. After: `predict` on dev, and the runner's choice.
    """
    candidates = classifier.fit(train, prototypes, seed)
    if not candidates:
        raise PluginError(f"The classifier {type(classifier).__name__} returned no state. Report it to its author.")
    return candidates


def predict(candidate: Candidate, representation: Representation, classes: int) -> Predictions:
    """Representation -> Predictions.

    Raises:
        PluginError: the scores are not one finite row of C numbers per utterance.

    Before: `fit`. After: scoring.py.
    """
    scores = np.asarray(candidate.score(representation), dtype=np.float32)  # (N, C)
    wanted = (len(representation.uids), classes)
    if scores.shape != wanted or not np.isfinite(scores).all():
        raise PluginError(
            f"{type(candidate).__name__} must return finite scores of shape {wanted}. Got shape {scores.shape}, "
            f"{int((~np.isfinite(scores)).sum())} of them not finite. Report it to its author."
        )
    return Predictions(representation.uids, scores)
