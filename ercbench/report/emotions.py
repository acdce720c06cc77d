"""How a system does on each emotion, which it takes for which, and how it does on parts of test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

import numpy as np

from ercbench.report.blocks import Beside, Figure, Paragraph, Part, Table
from ercbench.report.gather import Floats, Section, System
from ercbench.report.plots import Heat, Line, emotion_bars, forest, heat_map
from ercbench.report.similar import Confused, confused, most_confused, similar_pairs
from ercbench.report.text import count, interval, score, share, spread
from ercbench.statistics import Interval, dialogue_counts, over_dialogues, over_seeds
from ercbench.types import IntArray, Predictions

FEW = 30
"""Utterances below which a slice says little."""


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
        rows.append((word, spread(precision), spread(recall), spread(f1), support, score(on_dev.mean)))
    header = ("Emotion", ">Precision", ">Recall", ">F1", ">Test utterances", ">F1 on dev")
    table = Table("Emotions, x 100" + _seeds(system), header, tuple(rows))
    caption = "F1 of each emotion on test, with precision and recall, x 100"
    plot = emotion_bars(f"{name}-emotions", caption, section.words, scores)
    return Part("Emotions", [Beside(Figure(plot, caption, table), (table,))])


def _seeds(system: System) -> str:
    return "; mean and standard deviation over seeds" if len(system.runs) > 1 else ""


def confusion(section: Section, system: System, name: str) -> Part:
    """A system -> its confusion matrix, and the emotions that it confuses."""
    counts = system.confusion  # (C, C)
    support = counts.sum(axis=1, keepdims=True)  # (C, 1)
    shares = counts / np.where(support > 0, support, 1)  # (C, C)
    table = Table(
        "Rows are gold labels, columns predictions: count and per cent of the row",
        ("Gold", *(f">{word}" for word in section.words), ">all"),
        tuple(
            (word, *(f"{count(n)} ({100 * part:.0f}%)" for n, part in zip(counts[i], shares[i], strict=True)), count(support[i, 0]))
            for i, word in enumerate(section.words)
        ),
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


def slices(section: Section, system: System, name: str) -> Part:
    """A system -> its scores on parts of test, with intervals where the data are at hand."""
    tests = system.tests
    known = [key for key, part in tests[0].slices.items() if all(key in test.slices for test in tests) and part.utterances]
    if not known:
        why = "The records hold no slices: they were written before slices were scored, or no utterance is in any."
        return Part("Slices", [Paragraph(why, "note")])
    rows, lines = [], []
    for key in known:
        values = [test.slices[key].weighted_f1 or 0.0 for test in tests]
        over = _slice_interval(section, system, key)
        mean, size = over_seeds(values), tests[0].slices[key].utterances
        accuracy = over_seeds([test.slices[key].accuracy or 0.0 for test in tests]).mean
        rows.append((key, f"{size:,}", spread(mean), interval(over), score(accuracy)))
        lines.append(Line(f"{key} ({size:,})", mean.mean, over, values if len(values) > 1 else ()))
    whole = over_seeds([test.weighted_f1 for test in tests]).mean
    header = ("Slice", ">Utterances", ">Weighted F1", ">95% over dialogues", ">Accuracy")
    table = Table("Slices of test, x 100" + _seeds(system), header, tuple(rows))
    caption = f"Weighted F1 on slices of test; the dashed line is all of test, {score(whole)}"
    figure = Figure(forest(f"{name}-slices", caption, lines, whole), caption, table)
    text = (
        "shift and no-shift: the speaker's previous labelled turn carried another label, or the same; first-turn: of the "
        f"dialogue; short: fewer than five words. Slices may overlap. Below {FEW} utterances a slice says little."
    )
    return Part("Slices", [Paragraph(text), Beside(figure, (table,))])


def _slice_interval(section: Section, system: System, name: str) -> Interval | None:
    """Over the dialogues that have an utterance in the slice; None without gold labels, or for an unknown slice."""
    if section.gold is None or not (uids := section.gold.slices.get(name)):
        return None
    return over_dialogues(np.stack([_slice_counts(section, run.predictions, uids) for run in system.runs]))


def _slice_counts(section: Section, predictions: Predictions, uids: Set[str]) -> IntArray:
    """Confusion counts (G, C, C) over the utterances of a slice."""
    assert section.gold is not None
    inside = np.array([uid in uids for uid in predictions.uids])  # (N,)
    part = Predictions(tuple(uid for uid in predictions.uids if uid in uids), predictions.scores[inside])
    gold = {uid: label for uid, label in section.gold.test.items() if uid in uids}
    return dialogue_counts(part, gold, section.labels)[1]
