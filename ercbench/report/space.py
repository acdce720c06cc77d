"""Where label vectors and test vectors lie: similarities before and after training, and pictures in a plane."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ercbench.report.blocks import Block, Commands, Figure, Figures, Paragraph, Part, Table
from ercbench.report.gather import Floats, Run, Section, System
from ercbench.report.plots import Heat, heat_map, plane
from ercbench.report.text import NOTHING, several, share
from ercbench.report.vectors import Vectors, anchors, directions, layouts, read_vectors
from ercbench.types import IntArray


def label_vectors(section: Section, system: System, name: str) -> Part:
    """A system -> how similar its label vectors are, before and after training."""
    for run in system.runs:
        found = run.record.training.prototype_similarity
        if found:
            figures = tuple(
                _similarities(
                    section.words,
                    np.array(matrix),
                    f"{name}-{when}",
                    f"Cosine similarity of the label vectors {when} training",
                )
                for when, matrix in (("before", found.before), ("after", found.after))
            )
            mean = [_off_diagonal(np.array(matrix)) for matrix in (found.before, found.after)]
            text = (
                f"Of seed {run.record.seed}. Two different label vectors have a mean cosine of {mean[0]:.2f} before "
                f"training and {mean[1]:.2f} after the chosen epoch. Cells below zero are hatched."
            )
            return Part("Label vectors", [Paragraph(text), Figures(figures)])
    why = "The record holds no similarities: the model has no label vectors, or it was run before they were kept."
    return Part("Label vectors", [Paragraph(why, "note")])


def _off_diagonal(matrix: Floats) -> float:
    size = len(matrix)
    return float((matrix.sum() - np.trace(matrix)) / max(size * (size - 1), 1))


def _similarities(words: Sequence[str], matrix: Floats, name: str, caption: str) -> Figure:
    """A matrix (C, C) of cosines -> its heat map."""
    cells = [[f"{cosine:.2f}" for cosine in row] for row in matrix]
    table = Table(
        caption,
        ("", *(f">{word}" for word in words)),
        tuple((word, *row) for word, row in zip(words, cells, strict=True)),
    )
    return Figure(heat_map(name, caption, Heat(matrix, cells, words, words)), caption, table)


def test_vectors(section: Section, system: System, name: str, tell: Callable[[str], None]) -> Part:
    """A system -> its test vectors and label vectors in a plane; `tell` hears of what takes its time."""
    for run in system.runs:
        vectors = read_vectors(run)
        if vectors is not None:
            rows = several(len(vectors.test), "vector")
            tell(f"{section.name}, {system.name}: laying out {rows} of seed {run.record.seed} in a plane")
            return Part("Test vectors", _pictures(section, run, vectors, name))
    why = "No vectors were kept beside the records; a model's folder is not part of what is committed."
    again = Commands("What runs it again and keeps them", (f"{system.record.command} --force",))
    return Part("Test vectors", [Paragraph(why, "note"), again])


def _pictures(section: Section, run: Run, vectors: Vectors, name: str) -> list[Block]:
    """The pictures, and what they show in numbers."""
    gold = section.gold
    if gold is not None:
        group = np.array([gold.test[uid] for uid in run.predictions.uids])  # (N,)
    else:
        group = run.predictions.scores.argmax(axis=1)  # (N,)
    by = "gold emotion" if gold else "predicted emotion, since the gold labels are not at hand"
    table = _nearness(section.words, vectors, group)
    blocks: list[Block] = [Paragraph(f"Of seed {run.record.seed}, by {by}. {_READING}")]
    figures = []
    for method, layout in layouts(vectors).items():
        own = "; label vectors are large and named" if vectors.prototypes is not None else ""
        caption = f"{method} of {several(len(vectors.test), 'test vector')} by {by.partition(',')[0]}{own}"
        picture = plane(f"{name}-{method.lower()}", caption, layout, group, section.words)
        figures.append(Figure(picture, caption, table))
    if figures:
        return [*blocks, Figures(tuple(figures)), table]
    return [*blocks, Paragraph("There are too few vectors, or all are equal: there is no picture.", "note"), table]


_READING = (
    "PCA keeps as much of all distances as two axes can. t-SNE keeps neighbours together; how far its groups lie "
    "apart, and how large they are, means little. The table says what holds in all dimensions."
)


def _nearness(words: Sequence[str], vectors: Vectors, group: IntArray) -> Table:
    """For each emotion (C,): how near its vectors are to its own anchor, and to the nearest other."""
    marks, own = anchors(vectors, group, len(words))
    cosines = directions(vectors.test) @ marks.T  # (N, C)
    what = "label vector" if own else "mean vector"
    rows = []
    for label, word in enumerate(words):
        here = cosines[group == label]  # (n, C)
        if not len(here):
            rows.append((word, "0", *[NOTHING] * 4))
            continue
        mean = here.mean(axis=0)  # (C,)
        others = np.where(np.arange(len(words)) == label, -np.inf, mean)
        other = int(others.argmax())
        nearest = float((here.argmax(axis=1) == label).mean())
        rows.append((word, f"{len(here):,}", f"{mean[label]:.2f}", words[other], f"{mean[other]:.2f}", share(nearest)))
    header = (
        "Emotion",
        ">Vectors",
        f">Cosine to its {what}",
        "Nearest other",
        ">Cosine to that",
        ">Nearest to its own",
    )
    return Table(f"Mean cosine of the vectors of each emotion to the {what}s", header, tuple(rows))
