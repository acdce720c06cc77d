"""IEMOCAP as JSON: a list of dialogues, each a list of ``{"text", "speaker", "label"}``.

A turn without ``label`` (or with null) had no majority among the annotators: it is context only.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ercbench import Problem, RawDialogue, RawTurn, Reading
from ercbench_stock.readers.files import read_json, shown, text_in

_SPEAKER = re.compile(r"(?P<dialogue>Ses\d\d[FM]_\w+)_[FM]")


def read_iemocap(path: Path) -> Reading:
    """Path -> Reading: the dialogue's key is what its first speaker's name says (``Ses01F_impro01``), or its position.

    Before: a file that ``data.py`` found. After: the checks of ``data.py``.
    """
    data = read_json(path)
    if isinstance(data, Problem):
        return Reading((), (data,))
    if not isinstance(data, list):
        return Reading((), (Problem(path.name, f"must be a list of dialogues. Got {shown(data)}."),))
    problems: list[Problem] = []
    dialogues: list[RawDialogue] = []
    for d, dialogue in enumerate(data):
        if not isinstance(dialogue, list):
            problems.append(Problem(f"{path.name}, dialogue {d}", f"must be a list of turns. Got {shown(dialogue)}."))
            continue
        turns, wrong = _turns(dialogue, path.name, d)
        problems += wrong
        if turns or not wrong:
            dialogues.append(RawDialogue(_key(turns, d), tuple(turns)))
    return Reading(tuple(dialogues), tuple(problems))


def _turns(dialogue: list[Any], name: str, d: int) -> tuple[list[RawTurn], list[Problem]]:
    turns: list[RawTurn] = []
    problems: list[Problem] = []
    for t, turn in enumerate(dialogue):
        place = f"dialogue {d}, turn {t}"
        if not isinstance(turn, dict):
            problems.append(Problem(f"{name}, {place}", f"must be an object. Got {shown(turn)}."))
            continue
        text = text_in(turn, "text", f"{name}, {place}", problems)
        speaker = text_in(turn, "speaker", f"{name}, {place}", problems)
        label = None if turn.get("label") is None else text_in(turn, "label", f"{name}, {place}", problems)
        if text is not None and speaker is not None:
            turns.append(RawTurn(speaker, text, label, "", place))
    return turns, problems


def _key(turns: list[RawTurn], position: int) -> str:
    match = _SPEAKER.fullmatch(turns[0].speaker) if turns else None
    return match["dialogue"] if match else str(position)
