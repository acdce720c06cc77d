"""The checks of stage 1: what may be wrong with a dialogue file that a reader could read. Nothing here raises.

Part of ``data.py``, which calls these and reports everything they find in one go.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence

from ercbench.reading import Problem, RawDialogue, RawTurn, Reading, shown
from ercbench.specs import SplitCounts
from ercbench.types import LabelSet, Split


def file_problems(reading: Reading, labels: LabelSet, name: str) -> list[Problem]:
    """Reading -> problems of one file: the reader's own, then those of its dialogues and turns.

    Args:
        reading: what the reader made of the file.
        labels: the labels that may occur.
        name: the file's name, for the problems.

    Before: a reader. After: `shared_problems`.
    """
    problems = list(reading.problems)
    seen: set[str] = set()
    for dialogue in reading.dialogues:
        if dialogue.key in seen:
            fix = "Its turns must stand together; mend the ids, or get the file again."
            what = f"dialogue {shown(dialogue.key)} begins a second time."
            problems.append(Problem(_place(name, dialogue), what, fix))
        seen.add(dialogue.key)
        problems += _dialogue_problems(dialogue, labels, name)
    if not problems and not any(turn.label is not None for d in reading.dialogues for turn in d.turns):
        fix = "Check that this is the file it is named after."
        problems.append(Problem(name, f"holds no labelled utterance, in {len(reading.dialogues)} dialogues.", fix))
    return problems


def _place(name: str, dialogue: RawDialogue) -> str:
    return f"{name}, {dialogue.turns[0].row}" if dialogue.turns else name


def _dialogue_problems(dialogue: RawDialogue, labels: LabelSet, name: str) -> Iterator[Problem]:
    if not dialogue.turns:
        yield Problem(name, f"dialogue {shown(dialogue.key)} has no turn.", "Remove it, or get the file again.")
    keys: set[str] = set()
    for turn in dialogue.turns:
        where = f"{name}, {turn.row}"
        if turn.key and turn.key in keys:
            what = f"dialogue {shown(dialogue.key)} has two turns with the id {shown(turn.key)}."
            yield Problem(where, what, "Remove one of them, or mend the ids.")
        keys.add(turn.key)
        for what, fix in _turn_problems(turn, labels):
            yield Problem(where, what, fix)


def _turn_problems(turn: RawTurn, labels: LabelSet) -> Iterator[tuple[str, str]]:
    fix = "Remove it, or get the file again."
    for kind, value in (("text", turn.text), ("speaker", turn.speaker)):
        if not isinstance(value, str):
            yield f"the {kind} must be a string. Got {shown(value)}.", "Put quotes around it, or get the file again."
        elif "\0" in value:
            yield f"the {kind} holds a NUL character. Got {shown(value)}.", fix
        elif not _is_unicode(value):
            yield f"the {kind} holds half of a surrogate pair. Got {shown(value)}.", fix
    if turn.label is None:
        return
    if turn.label not in labels:
        yield f"unknown label. Got {shown(turn.label)}.", _known(turn.label, labels)
    if isinstance(turn.text, str) and not turn.text.strip():
        fix = "Write what was said, or remove the label, which makes the turn context only."
        label = turn.label if turn.label in labels else shown(turn.label)
        yield f"the text of an utterance with the label {label} is empty. Got {shown(turn.text)}.", fix


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _known(label: str, labels: LabelSet) -> str:
    near = difflib.get_close_matches(str(label), labels.keys, n=2)
    return (f"Did you mean {' or '.join(near)}? " if near else "") + f"Known: {', '.join(labels.keys)}."


def shared_problems(readings: Sequence[tuple[str, Reading]]) -> list[Problem]:
    """Readings -> problems: a dialogue of two turns or more that stands, word for word, in two files of one data set.

    Args:
        readings: per split the file's name and what was read from it.

    Before: `file_problems`. After: `count_problems`.
    """
    problems: list[Problem] = []
    first: dict[tuple[tuple[str, str], ...], tuple[int, RawDialogue]] = {}
    for split, (name, reading) in enumerate(readings):
        for dialogue in reading.dialogues:
            content = tuple((turn.speaker, turn.text) for turn in dialogue.turns)
            other, twin = first.setdefault(content, (split, dialogue))
            if len(content) > 1 and other != split:
                what = f"dialogue {shown(dialogue.key)} is the same as {shown(twin.key)} in {readings[other][0]}."
                fix = "No dialogue may be in two splits: remove one of them, or get the files again."
                problems.append(Problem(_place(name, dialogue), what, fix))
    return problems


def count(dialogues: Sequence[RawDialogue]) -> SplitCounts:
    """Dialogues -> what they contain, to be compared with what they should."""
    found = Counter(turn.label for dialogue in dialogues for turn in dialogue.turns if turn.label is not None)
    return SplitCounts(dialogues=len(dialogues), turns=sum(len(d.turns) for d in dialogues), labels=found)


def count_problems(split: Split, found: SplitCounts, expected: SplitCounts) -> list[str]:
    """Counts -> one sentence that names every number that differs, or nothing.

    Before: `shared_problems`. After: ``data.py`` makes the corpus.
    """
    pairs = [
        ("dialogues", found.dialogues, expected.dialogues),
        ("turns", found.turns, expected.turns),
        ("labelled utterances", found.labelled, expected.labelled),
    ]
    keys = dict.fromkeys([*expected.labels, *found.labels])
    pairs += [(f"label {key}", found.labels.get(key, 0), expected.labels.get(key, 0)) for key in keys]
    differences = [f"{what} {got}, expected {wanted}" for what, got, wanted in pairs if got != wanted]
    return [f"{split}: {'; '.join(differences)}"] if differences else []
