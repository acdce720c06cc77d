"""Several systems on one data set against the first of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ercbench.report.blocks import Beside, Block, Figure, Paragraph, Part, Table
from ercbench.report.gather import Floats, Section, System
from ercbench.report.overview import weighted_f1
from ercbench.report.plots import differences
from ercbench.report.text import count, interval, probability, score, signed
from ercbench.statistics import compare, holm, over_seeds


def versus(section: Section, name: str) -> Part:
    """A data set with two systems or more -> the part that sets them against the first."""
    first, *others = section.systems
    blocks: list[Block] = [Paragraph(f"Each system against {first.name}, the first one given.")]
    if mixed := _mixed(section):
        blocks.append(
            Paragraph(f"They do not share a board: {mixed} differs. A difference may be due to that.", "note")
        )
    blocks += [_tests(first, others), *_right_and_wrong(section)] if section.gold else [_plain(first, others)]
    return Part("Against each other", [*blocks, _emotions(section, name)])


def _mixed(section: Section) -> str:
    """What systems that share a board have in common, and these have not."""
    records = [system.record for system in section.systems]
    of: dict[str, set[str]] = {
        "the track": {record.track for record in records},
        "the context": {record.protocol.context for record in records},
        "the split that choices were made on": {record.protocol.selection_split for record in records},
    }
    return " and ".join(name for name, values in of.items() if len(values) > 1)


def _tests(first: System, others: Sequence[System]) -> Table:
    """Differences with their intervals, and p-values."""
    assert first.counts is not None
    found = [compare(other.counts, first.counts) for other in others if other.counts is not None]
    adjusted = holm([one.p for one in found])
    rows = tuple(
        (
            other.name, signed(one.effect.estimate), interval(one.effect, sign=True), probability(one.p_bootstrap),
            probability(one.p_randomisation), "-" if one.p_seeds is None else probability(one.p_seeds), probability(p),
        )
        for other, one, p in zip(others, found, adjusted, strict=True)
    )  # fmt: skip
    header = (
        "System",
        ">Difference",
        ">95% over dialogues",
        ">p bootstrap",
        ">p randomisation",
        ">p seeds",
        ">p adjusted",
    )
    return Table(
        f"Weighted F1 minus that of {first.name}, x 100; the last p is the largest of each row after Holm's correction "
        "over this table",
        header,
        rows,
    )


def _plain(first: System, others: Sequence[System]) -> Table:
    """Differences without the data."""
    start = over_seeds(weighted_f1(first)).mean
    rows = tuple((other.name, signed(over_seeds(weighted_f1(other)).mean - start)) for other in others)
    return Table(
        f"Weighted F1 minus that of {first.name}, x 100; intervals and tests need the gold labels",
        ("System", ">Difference"),
        rows,
    )


def right(system: System, gold: Mapping[str, int]) -> Floats:
    """The share of seeds that predict each utterance right (N,), in the order of `gold`."""
    shares = []
    for run in system.runs:
        guess = dict(zip(run.predictions.uids, run.predictions.scores.argmax(axis=1).tolist(), strict=True))
        shares.append([guess[uid] == label for uid, label in gold.items()])
    found: Floats = np.mean(shares, axis=0)
    return found


def _right_and_wrong(section: Section) -> list[Block]:
    """How many utterances one gets right and the other wrong, the mean over all pairs of seeds."""
    assert section.gold is not None
    first, *others = section.systems
    base = right(first, section.gold.test)
    rows = []
    for other in others:
        theirs = right(other, section.gold.test)
        cells = (base * theirs, (1 - base) * theirs, base * (1 - theirs), (1 - base) * (1 - theirs))
        rows.append((other.name, *(count(round(float(cell.sum()), 6)) for cell in cells)))
    header = ("System", ">Both right", ">Only this one right", f">Only {first.name} right", ">Both wrong")
    several = any(len(system.runs) > 1 for system in section.systems)
    note = ", the mean over all pairs of a seed of one with a seed of the other" if several else ""
    return [Table(f"Test utterances that both, one or neither got right{note}", header, tuple(rows))]


def _emotions(section: Section, name: str) -> Beside:
    """F1 per emotion of every system, and how far it lies from the first one's."""
    keys = tuple(section.systems[0].record.scores.test.per_class)
    f1 = {system.name: [system.f1(key) for key in keys] for system in section.systems}
    first, *others = f1
    series = {other: [b - a for a, b in zip(f1[first], f1[other], strict=True)] for other in others}
    header = ("Emotion", f">{first}", *(column for other in others for column in (f">{other}", ">difference")))
    rows = tuple(
        (
            word,
            score(f1[first][i]),
            *(cell for other in others for cell in (score(f1[other][i]), signed(series[other][i]))),
        )
        for i, word in enumerate(section.words)
    )
    caption = f"F1 of each emotion minus that of {first}, x 100"
    plot = differences(f"{name}-versus", caption, section.words, series)
    table = Table("F1 of each emotion, x 100", header, rows)
    return Beside(Figure(plot, caption, table), (table,))
