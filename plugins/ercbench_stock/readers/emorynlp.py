"""EmoryNLP in its three formats: the official JSON, the TSV of the official train split, the CSV of declare-lab.

Where an utterance has several speakers, the first is taken. Names are kept as they stand in the file.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from ercbench import Problem, RawDialogue, RawTurn, Reading
from ercbench_stock.readers.files import Row, group_rows, list_in, parse_rows, read_json, read_text, shown, text_in

COLUMNS = ("Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode")


def read_emorynlp_json(path: Path) -> Reading:
    """Path -> Reading: every scene of every episode is one dialogue.

    Before: a file that ``data.py`` found. After: the checks of ``data.py``.
    """
    data = read_json(path)
    if isinstance(data, Problem):
        return Reading((), (data,))
    problems: list[Problem] = []
    dialogues: list[RawDialogue] = []
    for e, episode in enumerate(list_in(data, "episodes", path.name, problems)):
        for s, scene in enumerate(list_in(episode, "scenes", f"{path.name}, episode {e}", problems)):
            found, wrong = _scene(scene, path.name, f"episode {e}, scene {s}")
            problems += wrong
            if found.turns or not wrong:
                dialogues.append(found)
    return Reading(tuple(dialogues), tuple(problems))


def _scene(scene: Any, name: str, place: str) -> tuple[RawDialogue, list[Problem]]:
    problems: list[Problem] = []
    key = text_in(scene, "scene_id", f"{name}, {place}", problems)
    if key is None:
        return RawDialogue("", ()), problems
    turns: list[RawTurn] = []
    for u, utterance in enumerate(list_in(scene, "utterances", f"{name}, {place}", problems)):
        turn, wrong = _utterance(utterance, name, f"{place}, utterance {u}")
        problems += wrong
        if turn is not None:
            turns.append(turn)
    return RawDialogue(key, tuple(turns)), problems


def _utterance(utterance: Any, name: str, place: str) -> tuple[RawTurn | None, list[Problem]]:
    where = f"{name}, {place}"
    if not isinstance(utterance, dict):
        return None, [Problem(where, f"must be an object. Got {shown(utterance)}.")]
    problems: list[Problem] = []
    key = text_in(utterance, "utterance_id", where, problems)
    text = text_in(utterance, "transcript", where, problems)
    label = text_in(utterance, "emotion", where, problems)
    speaker = _first_speaker(list_in(utterance, "speakers", where, problems), where, problems)
    if key is None or text is None or label is None or speaker is None:
        return None, problems
    row = f"utterance {key}" if re.fullmatch(r"[\w.-]{1,40}", key) else place
    return RawTurn(speaker, text, label.lower(), key, row), problems


def _first_speaker(speakers: list[Any], where: str, problems: list[Problem]) -> str | None:
    if speakers and isinstance(speakers[0], str):
        return speakers[0]
    if not problems:
        problems.append(Problem(where, f"must have the name of a speaker. Got {shown(speakers)}."))
    return None


def read_emorynlp_tsv(path: Path) -> Reading:
    """Path -> Reading: lines of speaker, text and label between tabs; a blank line ends a scene.

    Before: a file that ``data.py`` found. After: the checks of ``data.py``.
    """
    text = read_text(path)
    if isinstance(text, Problem):
        return Reading((), (text,))
    problems: list[Problem] = []
    scenes: list[list[RawTurn]] = [[]]
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        cells = line.split("\t")
        if not line.strip():
            scenes.append([])
        elif len(cells) == 3:
            scenes[-1].append(RawTurn(cells[0], cells[1], cells[2].lower(), "", f"line {number}"))
        else:
            what = f"must be speaker, text and label between tabs. Got {shown(line)}."
            problems.append(Problem(f"{path.name}, line {number}", what, "Mend the line, or get the file again."))
    turns = [tuple(scene) for scene in scenes if scene]
    dialogues = tuple(RawDialogue(str(number), scene) for number, scene in enumerate(turns))
    return Reading(dialogues, tuple(problems))


def read_emorynlp_csv(path: Path) -> Reading:
    """Path -> Reading: consecutive rows of the same season, episode and scene are one dialogue.

    Before: a file that ``data.py`` found. After: the checks of ``data.py``.
    """
    text = read_text(path)
    if isinstance(text, Problem):
        return Reading((), (text,))
    rows, problems = parse_rows(path.name, text, COLUMNS)
    dialogues = group_rows(rows, _scene_key, lambda row: _csv_turn(row, path.name, problems))
    return Reading(dialogues, tuple(problems))


def _scene_key(row: Row) -> str:
    season, episode, scene = (row.cells[column].zfill(2) for column in ("Season", "Episode", "Scene_ID"))
    return f"s{season}_e{episode}_c{scene}"


def _csv_turn(row: Row, name: str, problems: list[Problem]) -> RawTurn | None:
    cells = row.cells
    try:
        speakers = ast.literal_eval(cells["Speaker"])
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        speakers = None
    if not isinstance(speakers, list) or not speakers or not isinstance(speakers[0], str):
        what = f"the column Speaker must be a list of names such as ['Ada Byron']. Got {shown(cells['Speaker'])}."
        problems.append(Problem(f"{name}, line {row.line}", what, "Mend the cell, or get the file again."))
        return None
    label = cells["Emotion"].lower()
    return RawTurn(speakers[0], cells["Utterance"], label, cells["Utterance_ID"], f"line {row.line}")
