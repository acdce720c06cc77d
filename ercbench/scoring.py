"""Stage 6. Predictions -> Scores. The only place where predictions meet gold labels, by uid. No torch here.

Every number comes from scikit-learn. A label that is neither in the gold labels nor predicted counts with an F1 of 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from importlib.metadata import version

import numpy as np
import numpy.typing as npt

from ercbench.errors import PluginError
from ercbench.types import ClassScores, IntArray, LabelSet, Predictions, Scores, SliceScores

BoolArray = npt.NDArray[np.bool_]


def score(
    predictions: Predictions,
    gold: Mapping[str, int],
    labels: LabelSet,
    slices: Mapping[str, Set[str]] | None = None,
) -> Scores:
    """Predictions -> Scores: match by uid, take the largest score of each row, and count.

    Args:
        predictions: one row per labelled utterance, in any order.
        gold: label index by uid, for every labelled utterance of the split.
        labels: the label set; columns of the scores are in its order.
        slices: uids of the labelled utterances of each slice, see ``slices.py``; None for none.

    Returns:
        Unrounded fractions; ``confusion[i][j]`` counts utterances of label i predicted as j. Within a slice, an
        emotion's F1 is weighted by the utterances of the slice that carry it.

    Raises:
        PluginError: uids are missing, doubled or surplus, or the scores have a wrong shape or are not finite.

    Before: classifying.py. After: records.py.
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

    truth, guess = aligned(predictions, gold, labels)
    every = list(range(len(labels)))
    emotional = [label.index for label in labels if label.key != labels.neutral]
    per_class = precision_recall_fscore_support(truth, guess, labels=every, zero_division=0)  # 4 x (C,)
    return Scores(
        weighted_f1=float(f1_score(truth, guess, labels=every, average="weighted", zero_division=0)),
        macro_f1=float(f1_score(truth, guess, labels=every, average="macro", zero_division=0)),
        micro_f1_without_neutral=float(f1_score(truth, guess, labels=emotional, average="micro", zero_division=0)),
        accuracy=float(accuracy_score(truth, guess)),
        per_class={
            label.key: ClassScores(float(precision), float(recall), float(f1), int(support))
            for label, precision, recall, f1, support in zip(labels, *per_class, strict=True)
        },
        confusion=confusion_matrix(truth, guess, labels=every).tolist(),  # (C, C)
        slices={
            name: _slice(truth, guess, np.array([uid in uids for uid in predictions.uids]), labels)
            for name, uids in (slices or {}).items()
        },
    )


def _slice(truth: IntArray, guess: IntArray, inside: BoolArray, labels: LabelSet) -> SliceScores:
    """Gold and predicted label indices and who is in the slice, (N,) each -> its scores, None where nobody is."""
    from sklearn.metrics import accuracy_score, f1_score

    truth, guess = truth[inside], guess[inside]
    if not len(truth):
        return SliceScores(None, None, 0)
    every = list(range(len(labels)))
    weighted = f1_score(truth, guess, labels=every, average="weighted", zero_division=0)
    return SliceScores(float(weighted), float(accuracy_score(truth, guess)), len(truth))


def weighted_f1(predictions: Predictions, gold: Mapping[str, int], labels: LabelSet) -> float:
    """Predictions -> weighted F1 alone, equal to ``score(...).weighted_f1``; called after every epoch on dev.

    Raises:
        PluginError: as `score` does.

    Before: classifying.py. After: training.py chooses the epoch.
    """
    from sklearn.metrics import f1_score

    truth, guess = aligned(predictions, gold, labels)
    return float(f1_score(truth, guess, labels=list(range(len(labels))), average="weighted", zero_division=0))


def metric_signature(labels: LabelSet) -> str:
    """LabelSet -> what the headline number is, in one line, as sacreBLEU does it.

    For instance ``weighted_f1|classes:7|zero_division:0|sklearn:1.9``.
    """
    release = ".".join(version("scikit-learn").split(".")[:2])
    return f"weighted_f1|classes:{len(labels)}|zero_division:0|sklearn:{release}"


def aligned(predictions: Predictions, gold: Mapping[str, int], labels: LabelSet) -> tuple[IntArray, IntArray]:
    """Gold and predicted label indices, (N,) each, in the order of the predictions.

    Raises:
        PluginError: as `score` does.
    """
    _check_uids(predictions.uids, gold)
    _check_scores(predictions, labels)
    truth = np.array([gold[uid] for uid in predictions.uids], dtype=np.int64)  # (N,)
    return truth, np.asarray(predictions.scores).argmax(axis=1).astype(np.int64)  # (N,)


def _check_uids(uids: Sequence[str], gold: Mapping[str, int]) -> None:
    """Exactly one row per labelled utterance, or a `PluginError` that names those that are not."""
    counts = Counter(uids)
    faults = {
        "missing": gold.keys() - counts.keys(),
        "doubled": {uid for uid, count in counts.items() if count > 1},
        "surplus": counts.keys() - gold.keys(),
    }
    if not gold or any(faults.values()):
        found = "; ".join(f"{len(names)} {fault} ({_first(names)})" for fault, names in faults.items() if names)
        raise PluginError(
            f"Predictions do not cover the labelled utterances. Got {len(uids)} rows for {len(gold)} utterances"
            f"{': ' if found else ''}{found}. The classifier must return exactly one row per uid that it is given."
        )


def _check_scores(predictions: Predictions, labels: LabelSet) -> None:
    """Scores of shape (N, C), all finite."""
    scores = np.asarray(predictions.scores)
    expected = (len(predictions.uids), len(labels))
    if scores.shape != expected:
        raise PluginError(
            f"Scores have a wrong shape. Got {scores.shape}, expected {expected}: one row per utterance and one column "
            "per label. Mend the classifier."
        )
    names = {predictions.uids[row] for row in np.flatnonzero(~np.isfinite(scores).all(axis=1))}
    if names:
        raise PluginError(
            f"Scores are not finite in {len(names)} of {len(scores)} rows ({_first(names)}). "
            "Mend the classifier, or look for a loss that diverged."
        )


def _first(uids: Iterable[str], shown: int = 3) -> str:
    """The first few names, and whether there are more."""
    names = sorted(uids)
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")
