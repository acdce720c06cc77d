"""How much of one set of dialogues stands in another, by the text of its utterances. Pure functions; no file is read.

A text is compared as it stands, and normalised: in lower case, only its runs of ``a-z0-9``, with one space between
them. "Long" means five such runs or more: a short "yes" or "I know" is in both halves of any split.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ercbench.reading import RawDialogue, RawTurn

LONG = 5
"""Runs of letters and digits from which a text counts as long."""

_RUN = re.compile("[a-z0-9]+")


@dataclass(frozen=True)
class Amount:
    """A number of utterances, and how many of them are long."""

    all: int
    long: int


@dataclass(frozen=True)
class Overlap:
    """How many labelled utterances of one side have the text of a turn of the other side.

    Attributes:
        utterances: labelled utterances of the side that is looked up.
        exact: with exactly the text of a turn of the other side, labelled or not.
        normalised: the same for normalised text.
        normalised_against_labelled: the same, against the labelled turns of the other side alone.
    """

    utterances: Amount
    exact: Amount
    normalised: Amount
    normalised_against_labelled: Amount


@dataclass(frozen=True)
class Repeats:
    """What stands in one split more than once; the first time is not counted.

    Attributes:
        exact: turns whose text stood before, as it is.
        normalised: turns whose normalised text stood before.
        dialogues: dialogues in which every speaker and text is that of an earlier one.
        longer_dialogues: those of them that have two turns or more.
    """

    exact: Amount
    normalised: Amount
    dialogues: int
    longer_dialogues: int


@dataclass(frozen=True)
class Shared:
    """One utterance that stands on both sides: where it is on the first, and the text itself."""

    where: str
    text: str


def normalised(text: str) -> str:
    """Text -> lower case, only the runs of ``a-z0-9``, one space between them."""
    return " ".join(_RUN.findall(text.lower()))


def is_long(text: str) -> bool:
    """Whether a text has `LONG` runs of letters and digits or more."""
    return len(_RUN.findall(text.lower())) >= LONG


def overlap(looked_up: Sequence[RawDialogue], other: Sequence[RawDialogue]) -> Overlap:
    """Two sets of dialogues -> how many labelled utterances of the first have the text of a turn of the second.

    Before: readers. After: ``data_report.py``.

    Args:
        looked_up: usually test.
        other: usually train.
    """
    targets = [turn.text for turn in _turns(looked_up) if turn.label is not None]
    exact = {turn.text for turn in _turns(other)}
    loose = {normalised(text) for text in exact}
    labelled = {normalised(turn.text) for turn in _turns(other) if turn.label is not None}
    return Overlap(
        utterances=_amount(targets),
        exact=_amount(text for text in targets if text in exact),
        normalised=_amount(text for text in targets if normalised(text) in loose),
        normalised_against_labelled=_amount(text for text in targets if normalised(text) in labelled),
    )


def shared_texts(looked_up: Sequence[RawDialogue], other: Sequence[RawDialogue], most: int) -> list[Shared]:
    """Two sets of dialogues -> the longest utterances that `overlap` counts as normalised, each text once.

    Args:
        looked_up: usually test.
        other: usually train.
        most: how many to return.
    """
    loose = {normalised(turn.text) for turn in _turns(other)}
    found: dict[str, Shared] = {}
    for dialogue in looked_up:
        for turn in dialogue.turns:
            if turn.label is not None and normalised(turn.text) in loose:
                found.setdefault(normalised(turn.text), Shared(f"dialogue {dialogue.key}, {turn.row}", turn.text))
    return [found[text] for text in sorted(found, key=lambda text: (-len(text), text))[:most]]


def repeats(dialogues: Sequence[RawDialogue]) -> Repeats:
    """Dialogues of one split -> what stands in it more than once."""
    whole = Counter(tuple((turn.speaker, turn.text) for turn in dialogue.turns) for dialogue in dialogues)
    again = {content: times - 1 for content, times in whole.items()}
    return Repeats(
        exact=_amount(_seen_before(dialogues, str)),
        normalised=_amount(_seen_before(dialogues, normalised)),
        dialogues=sum(again.values()),
        longer_dialogues=sum(times for content, times in again.items() if len(content) > 1),
    )


def _seen_before(dialogues: Sequence[RawDialogue], key: Callable[[str], str]) -> Iterator[str]:
    """Texts of the turns whose key an earlier turn has."""
    seen: set[str] = set()
    for turn in _turns(dialogues):
        if key(turn.text) in seen:
            yield turn.text
        seen.add(key(turn.text))


def _turns(dialogues: Sequence[RawDialogue]) -> Iterator[RawTurn]:
    return (turn for dialogue in dialogues for turn in dialogue.turns)


def _amount(texts: Iterable[str]) -> Amount:
    long = [is_long(text) for text in texts]
    return Amount(len(long), sum(long))
