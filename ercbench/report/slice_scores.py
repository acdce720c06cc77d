"""How a system does on parts of test: where the data are at hand cut anew, else as its records say."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

import numpy as np

from ercbench.report.blocks import Beside, Figure, Paragraph, Part, Table
from ercbench.report.gather import Section, System
from ercbench.report.plots import Line, forest
from ercbench.report.text import interval, over, score, spread
from ercbench.resampling import margins, weighted_f1
from ercbench.statistics import Interval, dialogue_counts, over_dialogues, over_seeds
from ercbench.types import IntArray, Predictions

FEW = 30
"""Utterances below which a slice says little."""

_MEANING = (
    "shift and no-shift: the speaker's previous labelled turn carried another label, or the same; first-turn: of the "
    f"dialogue; short: fewer than five words. Slices may overlap. Below {FEW} utterances a slice says little."
)


@dataclass(frozen=True)
class Cut:
    """A slice: how many utterances are in it, weighted F1 of each seed, and the interval where it is known."""

    name: str
    utterances: int
    values: list[float]
    interval: Interval | None = None


def slices(section: Section, system: System, name: str) -> Part:
    """A system -> its scores on parts of test, with intervals where the data are at hand."""
    cuts = list(_cut(section, system) if section.gold else _recorded(system))
    if not cuts:
        why = "The records hold no slices: they were written before slices were scored, or no utterance is in any."
        return Part("Slices", [Paragraph(why, "note")])
    rows, lines = [], []
    for cut in cuts:
        found = over_seeds(cut.values)
        rows.append((cut.name, f"{cut.utterances:,}", spread(found), interval(cut.interval)))
        seeds = cut.values if len(cut.values) > 1 else ()
        lines.append(Line(f"{cut.name} ({cut.utterances:,})", found.mean, cut.interval, seeds))
    whole = system.mean(lambda test: test.weighted_f1)
    header = ("Slice", ">Utterances", ">Weighted F1", ">95% over dialogues")
    table = Table("Slices of test, x 100" + over(len(system.runs)), header, tuple(rows))
    caption = f"Weighted F1 on slices of test; the dashed line is all of test, {score(whole)}"
    figure = Figure(forest(f"{name}-slices", caption, lines, whole), caption, table)
    return Part("Slices", [Paragraph(_MEANING), Beside(figure, (table,))])


def _recorded(system: System) -> Iterator[Cut]:
    """The slices that the records of all seeds have."""
    first, *others = system.tests
    for name, part in first.slices.items():
        found = [part, *(other.slices[name] for other in others if name in other.slices)]
        values = [one.weighted_f1 for one in found if one.weighted_f1 is not None]
        if len(values) == len(system.tests):
            yield Cut(name, part.utterances, values)


def _cut(section: Section, system: System) -> Iterator[Cut]:
    """The slices of the data set, scored again."""
    assert section.gold is not None
    for name, uids in section.gold.slices.items():
        if uids:
            counts = np.stack([_counts(section, run.predictions, uids) for run in system.runs])  # (S, G, C, C)
            values = weighted_f1(margins(counts).sum(axis=1))  # (S,)
            yield Cut(name, len(uids), values.tolist(), over_dialogues(counts))


def _counts(section: Section, predictions: Predictions, uids: Set[str]) -> IntArray:
    """Confusion counts (G, C, C) over the utterances of a slice."""
    assert section.gold is not None
    inside = np.array([uid in uids for uid in predictions.uids])  # (N,)
    part = Predictions(tuple(uid for uid in predictions.uids if uid in uids), predictions.scores[inside])
    gold = {uid: label for uid, label in section.gold.test.items() if uid in uids}
    return dialogue_counts(part, gold, section.labels)[1]
