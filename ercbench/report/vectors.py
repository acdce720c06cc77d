"""The vectors of a kept model: read, checked, compared with the label vectors, and laid out in a plane."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ercbench.errors import RecordError
from ercbench.report.gather import Floats, Run
from ercbench.types import FloatArray, IntArray

FILE, DESCRIPTION = "vectors.safetensors", "model.json"
"""As ``models.py`` calls them, which loads torch."""

PERPLEXITY = 30.0
"""Of t-SNE, or a third of the vectors where these are few."""

FEWEST = 5
"""Vectors without which there is no picture."""


@dataclass(frozen=True)
class Vectors:
    """`test` (N, D), in the order of the predictions; `prototypes` (C, D), None where the model has none."""

    test: FloatArray
    prototypes: FloatArray | None


@dataclass(frozen=True)
class Layout:
    """Points (N + C, 2), the label vectors last, and for PCA the share of the variance on each axis."""

    points: Floats
    variance: tuple[float, float] | None = None


def read_vectors(run: Run) -> Vectors | None:
    """A run -> its vectors; None where no model was kept, or one without vectors.

    Raises:
        RecordError: they are damaged, or another run's.
    """
    folder = run.path.with_suffix(".model")
    if not (folder / FILE).is_file():
        return None
    tensors = _verified(folder, run)
    found = Vectors(tensors["vectors"], tensors.get("prototypes"))
    rows, classes = run.predictions.scores.shape
    shapes = [found.test.shape[:1], *([] if found.prototypes is None else [found.prototypes.shape[:1]])]
    wanted = [(rows,), *([] if found.prototypes is None else [(classes,)])]
    if shapes != wanted or not all(np.isfinite(array).all() for array in tensors.values()):
        raise RecordError(
            f"{folder / FILE}: expected {rows} finite vectors, and one per label where there are label vectors. Got "
            f"shapes {', '.join(str(array.shape) for array in tensors.values())}. Run it again with --force."
        )
    return found


def _verified(folder: Path, run: Run) -> dict[str, FloatArray]:
    """The file's arrays, after its checksum and that of the predictions it belongs to."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        content = (folder / FILE).read_bytes()
        wanted = description["files"][FILE], description["predictions_sha256"]
        got = hashlib.sha256(content).hexdigest(), run.record.predictions.sha256
        if wanted != got:
            raise RecordError(
                f"{folder / FILE} is damaged, or of another run: sha256 of the file and of the predictions should be "
                f"{' and '.join(map(str, wanted))}. Got {' and '.join(got)}. Run it again with --force."
            )
        arrays: dict[str, FloatArray] = load(content)
        arrays["vectors"].shape[1], *(array.shape[1] for array in arrays.values())
    except (OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError) as error:
        raise RecordError(f"{folder}: cannot read the vectors: {error!r}. Run it again with --force.") from error
    return arrays


def directions(vectors: FloatArray) -> Floats:
    """Vectors (N, D) -> the same with length 1; one of length 0 stays."""
    found = vectors.astype(np.float64)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)  # (N, 1)
    unit: Floats = found / np.where(lengths > 0, lengths, 1)
    return unit


def anchors(vectors: Vectors, group: IntArray, classes: int) -> tuple[Floats, bool]:
    """Directions (C, D) that stand for the labels: those of the label vectors, else of the means of each group.

    Args:
        vectors: of a run.
        group: label index of each test vector (N,).
        classes: how many labels there are.

    Returns:
        The directions, zeros for a label without any; and whether they are the model's own.
    """
    if vectors.prototypes is not None:
        return directions(vectors.prototypes), True
    unit = directions(vectors.test)
    means = [unit[group == label].mean(axis=0) if (group == label).any() else 0 * unit[0] for label in range(classes)]
    return directions(np.stack(means)), False


def layouts(vectors: Vectors) -> dict[str, Layout]:
    """Vectors -> where their directions lie in a plane, by method; nothing where there are too few, or all are equal.

    Only the angle between vectors matters to a cosine, so all are given length 1 first. One thread and fixed starts
    make it the same every time on one machine.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    together = [vectors.test] if vectors.prototypes is None else [vectors.test, vectors.prototypes]
    unit = directions(np.concatenate(together))  # (N + C, D)
    if len(vectors.test) < FEWEST or unit.shape[1] < 2 or not np.ptp(unit, axis=0).any():
        return {}
    with threadpool_limits(1):
        pca = PCA(2, svd_solver="full").fit(unit[: len(vectors.test)])
        perplexity = min(PERPLEXITY, (len(unit) - 1) / 3)
        tsne = TSNE(2, perplexity=perplexity, init="pca", random_state=0, n_jobs=1).fit_transform(unit)
        first, second = (float(share) for share in pca.explained_variance_ratio_)
        return {"PCA": Layout(pca.transform(unit), (first, second)), "t-SNE": Layout(tsne.astype(np.float64))}
