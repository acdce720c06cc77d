"""Emotions that are easily taken for each other, known by the words of the labels, whatever the data set is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from ercbench.report.gather import Floats

WORDS = {
    "happiness": ("happy", "happiness", "joy", "joyful", "amusement", "amused"),
    "excitement": ("excited", "excitement"),
    "anger": ("anger", "angry", "mad", "rage"),
    "frustration": ("frustrated", "frustration", "annoyed", "annoyance"),
    "disgust": ("disgust", "disgusted"),
    "fear": ("fear", "afraid", "scared", "fearful", "nervousness"),
    "sadness": ("sad", "sadness", "grief", "disappointment"),
    "surprise": ("surprise", "surprised", "astonished"),
    "calm": ("peaceful", "calm", "relaxed", "content"),
    "pride": ("powerful", "proud", "pride"),
    "neutral": ("neutral", "other", "none", "no emotion"),
}
"""The words under which an emotion goes in data sets."""

SIMILAR = (
    ("happiness", "excitement"),
    ("anger", "frustration"),
    ("anger", "disgust"),
    ("anger", "fear"),
    ("fear", "surprise"),
    ("happiness", "surprise"),
    ("sadness", "frustration"),
    ("sadness", "neutral"),
    ("calm", "neutral"),
    ("happiness", "calm"),
    ("happiness", "pride"),
    ("frustration", "neutral"),
)
"""Pairs that papers on the task report as confused, or that differ in strength more than in kind."""

SHOWN = 4
"""Most confused pairs."""

_CONCEPT = {word: concept for concept, words in WORDS.items() for word in words}


@dataclass(frozen=True)
class Confused:
    """Two emotions: counts (means over seeds) of each taken for the other, and the share of its utterances."""

    one: int
    other: int
    count: float
    share: float | None
    back_count: float
    back_share: float | None


def similar_pairs(words: Sequence[str]) -> list[tuple[int, int]]:
    """Label words -> the pairs of labels that are similar, in the order of `SIMILAR`."""
    concepts = [_CONCEPT.get(word.strip().lower()) for word in words]
    return [
        (one, other)
        for first, second in SIMILAR
        for one, a in enumerate(concepts)
        for other, b in enumerate(concepts)
        if (a, b) == (first, second)
    ]


def confused(confusion: Floats, one: int, other: int) -> Confused:
    """Confusion counts (C, C) and two labels -> how often one is taken for the other."""
    support = confusion.sum(axis=1)  # (C,)

    def share(gold: int, guess: int) -> float | None:
        return float(confusion[gold, guess] / support[gold]) if support[gold] else None

    return Confused(
        one, other, float(confusion[one, other]), share(one, other), float(confusion[other, one]), share(other, one)
    )


def most_confused(confusion: Floats) -> list[Confused]:
    """Confusion counts (C, C) -> the pairs that are confused most, by the share of the utterances of both."""
    support = confusion.sum(axis=1)  # (C,)
    pairs = []
    for one, other in combinations(range(len(confusion)), 2):
        wrong, total = confusion[one, other] + confusion[other, one], support[one] + support[other]
        if wrong:
            pairs.append((-wrong / total, one, other))
    return [confused(confusion, one, other) for _, one, other in sorted(pairs)[:SHOWN]]
