"""Whether the numbers beside predictions can be taken for probabilities, and where they mislead most."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ercbench.report.blocks import Beside, Figure, Mistake, Mistakes, Paragraph, Part, Table, Turn
from ercbench.report.calibration import BINS, of_system
from ercbench.report.gather import Section, System
from ercbench.report.plots import reliability
from ercbench.report.text import several, share
from ercbench.types import Corpus

MOST = 20
"""Mistakes shown of a system."""
EARLIER = 2
"""Turns shown before the one in question."""


def calibration(section: Section, system: System, name: str) -> Part:
    """A system -> its reliability diagram and expected calibration error."""
    if section.gold is None:
        return Part("Calibration", [Paragraph("How often probabilities are right needs the gold labels.", "note")])
    found = of_system(system, section.gold.test)
    rows = tuple(
        (share(confidence), share(right), f"{count:,}")
        for confidence, right, count in zip(found.confidence, found.right, found.counts, strict=True)
    )
    pooled = ", all seeds together" if len(system.runs) > 1 else ""
    caption = f"How often predictions of each probability are right{pooled}; the small numbers count predictions"
    header = (">Mean probability", ">Right", ">Predictions")
    table = Table(f"Predictions in {BINS} bins of their probability", header, rows)
    said, right = (float(values @ found.counts / found.counts.sum()) for values in (found.confidence, found.right))
    text = (
        f"Expected calibration error: {share(found.error)}. On the whole the system is "
        f"{'too sure' if said > right else 'not sure enough'}: its predictions have a mean probability of "
        f"{share(said)}, and {share(right)} are right. Probabilities here are the softmax of the scores in the "
        "predictions file, which no training made to be probabilities."
    )
    figure = Figure(reliability(f"{name}-reliability", caption, found), caption, table)
    return Part("Calibration", [Paragraph(text), Beside(figure, (table,))])


def mistakes(section: Section, system: System, text: bool) -> Part:
    """A system -> its most confident mistakes, with dialogue text only where `text` says so."""
    title = "Most confident mistakes"
    if section.gold is None:
        return Part(title, [Paragraph("Which predictions are mistakes needs the gold labels.", "note")])
    gold, words, first = section.gold.test, section.words, system.runs[0]
    mean = np.mean(
        [_in_order(run.probabilities, run.predictions.uids, first.predictions.uids) for run in system.runs], axis=0
    )
    guess = mean.argmax(axis=1)  # (N,)
    rows = [
        (-float(mean[n, guess[n]]), uid, int(guess[n]))
        for n, uid in enumerate(first.predictions.uids)
        if guess[n] != gold[uid]
    ]
    wrong = _wrong(system, gold)
    shown = tuple(
        Mistake(
            uid,
            words[predicted],
            share(-probability),
            words[gold[uid]],
            f"{wrong[uid]} of {len(system.runs)} seeds" if len(system.runs) > 1 else "",
            _turns(section.gold.corpus, uid) if text else (),
        )
        for probability, uid, predicted in sorted(rows)[:MOST]
    )
    if not shown:
        return Part(title, [Paragraph("There are none: every prediction is right.")])
    mean_of = "; probabilities are means over seeds" if len(system.runs) > 1 else ""
    return Part(
        title, [Mistakes(f"{len(shown)} of {several(len(rows), 'mistake')}, the most confident first{mean_of}", shown)]
    )


def _in_order(array: np.ndarray, uids: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """Rows of `array`, one per uid, in another order."""
    if uids == wanted:
        return array
    place = {uid: n for n, uid in enumerate(uids)}
    return array[[place[uid] for uid in wanted]]


def _wrong(system: System, gold: Mapping[str, int]) -> dict[str, int]:
    """How many seeds got each utterance wrong."""
    found = dict.fromkeys(gold, 0)
    for run in system.runs:
        for uid, guess in zip(run.predictions.uids, run.predictions.scores.argmax(axis=1), strict=True):
            found[uid] += int(guess != gold[uid])
    return found


def _turns(corpus: Corpus, uid: str) -> tuple[Turn, ...]:
    """The utterance and the turns before it."""
    for dialogue in corpus.test:
        for number, utterance in enumerate(dialogue.utterances):
            if utterance.uid == uid:
                before = dialogue.utterances[max(0, number - EARLIER) : number]
                return (
                    *(Turn(u.speaker, u.text) for u in before),
                    Turn(utterance.speaker, utterance.text, target=True),
                )
    return ()
