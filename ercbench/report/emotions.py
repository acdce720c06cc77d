"""How a system does on each emotion, and which it takes for which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ercbench.report.blocks import Beside, Figure, Paragraph, Part, Table
from ercbench.report.gather import Floats, Section, System
from ercbench.report.plots import Heat, emotion_bars, heat_map
from ercbench.report.similar import Confused, confused, most_confused, similar_pairs
from ercbench.report.text import count, over, score, share, spread
from ercbench.statistics import over_seeds


def emotions(section: Section, system: System, name: str) -> Part:
    """A system -> precision, recall and F1 of each emotion."""
    tests, keys = system.tests, section.labels.keys
    dev = [run.record.scores.dev for run in system.runs]
    rows, scores = [], {"precision": [], "recall": [], "F1": []}  # type: ignore[var-annotated]
    for key, word in zip(keys, section.words, strict=True):
        precision, recall, f1 = (
            over_seeds([getattr(test.per_class[key], what) for test in tests]) for what in ("precision", "recall", "f1")
        )
        for what, found in (("precision", precision), ("recall", recall), ("F1", f1)):
            scores[what].append(found.mean)
        on_dev = over_seeds([one.per_class[key].f1 for one in dev])
        support = count(tests[0].per_class[key].support)
        rows.append((word, score(precision.mean), score(recall.mean), spread(f1), support, score(on_dev.mean)))
    header = ("Emotion", ">Precision", ">Recall", ">F1", ">Support", ">Dev F1")
    table = Table("Emotions, x 100" + over(len(system.runs)), header, tuple(rows))
    caption = "F1 of each emotion on test, with precision and recall, x 100"
    plot = emotion_bars(f"{name}-emotions", caption, section.words, scores)
    return Part("Emotions", [Beside(Figure(plot, caption, table), (table,))])


def confusion(section: Section, system: System, name: str) -> Part:
    """A system -> its confusion matrix, and the emotions that it confuses."""
    counts = system.confusion  # (C, C)
    support = counts.sum(axis=1, keepdims=True)  # (C, 1)
    shares = counts / np.where(support > 0, support, 1)  # (C, C)
    table = Table(
        "Rows are gold labels, columns predictions: count and per cent of the row",
        ("Gold", *(f">{word}" for word in section.words), ">all"),
        tuple((word, *_cells(counts[i], shares[i]), count(support[i, 0])) for i, word in enumerate(section.words)),
    )  # fmt: skip
    heat = Heat(
        shares,
        [[f"{100 * part:.0f}" for part in row] for row in shares],
        section.words,
        section.words,
        [[count(n) for n in row] for row in counts],
        ("gold", "predicted"),
    )
    mean = ", mean over seeds" if len(system.runs) > 1 else ""
    caption = f"Confusion matrix: per cent of each gold emotion, and below it the count{mean}"
    figure = Figure(heat_map(f"{name}-confusion", caption, heat), caption, table)
    return Part("Confusion", [Beside(figure, _confused(section.words, counts))])


def _cells(counts: Floats, shares: Floats) -> list[str]:
    """A row of a confusion matrix (C,), and its shares (C,) -> its cells."""
    return [f"{count(float(n))} ({100 * part:.0f}%)" for n, part in zip(counts, shares, strict=True)]


def _confused(words: Sequence[str], counts: Floats) -> tuple[Paragraph | Table, ...]:
    """Pairs of similar emotions, and the pairs that are confused most."""
    known = [confused(counts, *pair) for pair in similar_pairs(words)]
    found = most_confused(counts)
    return (
        _pairs("Similar emotions, known by their words", words, known)
        if known
        else Paragraph("No two labels of this data set are in the list of similar emotions.", "note"),
        _pairs("Most confused pairs, by their share of the utterances of both", words, found)
        if found
        else Paragraph("Nothing was confused."),
    )


def _pairs(caption: str, words: Sequence[str], pairs: Iterable[Confused]) -> Table:
    """Who is taken for whom, there and back."""
    rows = []
    for pair in pairs:
        rows.append((words[pair.one], words[pair.other], count(pair.count), share(pair.share)))
        rows.append((words[pair.other], words[pair.one], count(pair.back_count), share(pair.back_share)))
    return Table(caption, ("Gold", "Predicted", ">Utterances", ">Share of gold"), tuple(rows))
