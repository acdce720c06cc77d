"""Parts of a split that are scored beside the whole. They are cut with gold labels, so no plugin ever sees them.

Every data set has these (`GENERAL_SLICES`):

``shift``
    the speaker's previous labelled turn in the dialogue carries another label.
``no-shift``
    it carries the same label. A speaker's first labelled turn is neither a shift nor none.
``first-turn``
    the dialogue's first turn.
``short``
    fewer than five words, a word being a run of a-z and 0-9 in the lower-cased text.

A data set adds its own by the dialogue's key in the files (`DatasetSpec.slices`). Slices may overlap and need not cover
the split. They hold labelled utterances only. No torch here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ercbench.specs import GENERAL_SLICES
from ercbench.types import Corpus, Dialogue, Split

SHORT = 5
"""Words from which on an utterance is not short."""

_WORD = re.compile(r"[a-z0-9]+")


def slices(corpus: Corpus, split: Split, own: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Corpus -> the uids of each slice of a split, those of the data set first; a slice may be empty.

    Args:
        corpus: a checked corpus, with its labels.
        split: which of its splits.
        own: the data set's own slices: name to a regular expression that is searched for in a dialogue's key.

    Before: ``data.py``. After: ``scoring.py``.
    """
    found: dict[str, set[str]] = {name: set() for name in (*own, *GENERAL_SLICES)}
    for dialogue in corpus.split(split):
        for name, uid in (*_own(dialogue, own), *_general(dialogue)):
            found[name].add(uid)
    return {name: frozenset(uids) for name, uids in found.items()}


def _own(dialogue: Dialogue, own: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The data set's slices that a dialogue is in, with each of its labelled utterances."""
    for name, pattern in own.items():
        if re.search(pattern, dialogue.key):
            for utterance in dialogue.utterances:
                if utterance.label is not None:
                    yield name, utterance.uid


def _general(dialogue: Dialogue) -> Iterator[tuple[str, str]]:
    """The general slices of each labelled utterance of a dialogue."""
    previous: dict[str, str] = {}  # speaker to the label of their latest labelled turn
    for utterance in dialogue.utterances:
        if utterance.label is None:
            continue
        before = previous.get(utterance.speaker)
        if before is not None:
            yield ("no-shift" if before == utterance.label else "shift"), utterance.uid
        previous[utterance.speaker] = utterance.label
        if utterance.turn == 0:
            yield "first-turn", utterance.uid
        if len(_WORD.findall(utterance.text.lower())) < SHORT:
            yield "short", utterance.uid
