"""The class means of a labelled split, and how similar vectors are to them. Without torch."""

from __future__ import annotations

import numpy as np

from ercbench import FloatArray, Representation


def class_means(train: Representation, classes: int) -> tuple[FloatArray, FloatArray]:
    """Representation (labelled) -> the mean vector of each class (C, D), and 1 for a class that occurs, else 0 (C,).

    The row of a class that does not occur is zeros.
    """
    member = np.eye(classes)[train.labels]  # (N, C)
    counts = member.sum(axis=0)  # (C,)
    means = member.T @ train.vectors.astype(np.float64) / np.maximum(counts, 1)[:, None]  # (C, D)
    return means.astype(np.float32), (counts > 0).astype(np.float32)


def similarities(vectors: FloatArray, means: FloatArray) -> FloatArray:
    """(1 + cosine) / 2 of each vector with each mean, (N, C), in [0, 1]."""
    units = [
        rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
        for rows in (vectors.astype(np.float64), means.astype(np.float64))
    ]
    similar: FloatArray = (1 + (units[0] @ units[1].T).clip(-1, 1)) / 2
    return similar
