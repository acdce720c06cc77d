"""The JSON readers: every value of the wrong type is a problem at its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ercbench_stock.datasets import DATASETS
from ercbench_stock.readers.emorynlp import read_emorynlp_json
from ercbench_stock.readers.iemocap import read_iemocap

from ercbench.data_checks import file_problems
from ercbench.ports import Reader
from ercbench.reading import Problem, Reading

STOCK = {spec.name: spec for spec in DATASETS}


def utterance(number: int, **changes: Any) -> dict[str, Any]:
    """One utterance of the official JSON."""
    made: dict[str, Any] = {"utterance_id": f"s01_e02_c03_u{number:03}", "speakers": ["Ada Byron", "Bob"]}
    return made | {"transcript": "The kettle is on.", "tokens": [["The"]], "emotion": "Neutral"} | changes


def emory(*utterances: Any, **changes: Any) -> dict[str, Any]:
    """The official JSON with one scene."""
    scene = {"scene_id": "s01_e02_c03", "utterances": list(utterances)} | changes
    return {"season_id": "dev", "episodes": [{"episode_id": "s01_e02", "scenes": [scene]}]}


def read(tmp_path: Path, reader: Reader, content: Any) -> Reading:
    """What a reader makes of a file with this content (text, bytes, or what JSON can say)."""
    path = tmp_path / "file.txt"
    if not isinstance(content, (str, bytes)):
        content = json.dumps(content)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return reader(path)


def only(reading: Reading) -> Problem:
    """The one problem of a reading."""
    (problem,) = reading.problems
    return problem


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        ({"episodes": 1}, "file.txt", "'episodes' must be a list. Got 1."),
        ({"episodes": [[]]}, "file.txt, episode 0", "must be an object"),
        ({"episodes": [{"scenes": [3]}]}, "file.txt, episode 0, scene 0", "must be an object"),
        (emory(scene_id=4), "file.txt, episode 0, scene 0", "'scene_id' must be a string. Got 4."),
        (emory(utterances={}), "file.txt, episode 0, scene 0", "'utterances' must be a list. Got {}."),
        (emory(5), "file.txt, episode 0, scene 0, utterance 0", "must be an object. Got 5."),
        (emory(utterance(1, transcript=["a"])), "file.txt, episode 0, scene 0, utterance 0", "'transcript' must be"),
        (emory(utterance(1, emotion=None)), "file.txt, episode 0, scene 0, utterance 0", "'emotion' must be"),
        (emory(utterance(1, speakers="Ada")), "file.txt, episode 0, scene 0, utterance 0", "'speakers' must be a list"),
        (emory(utterance(1, speakers=[])), "file.txt, episode 0, scene 0, utterance 0", "name of a speaker. Got []."),
        (emory(utterance(1, speakers=[["A"]])), "file.txt, episode 0, scene 0, utterance 0", "Got [['A']]."),
    ],
)
def test_wrong_types_in_emorynlp_json_are_reported_at_their_place(
    tmp_path: Path, content: Any, where: str, what: str
) -> None:
    """One problem, where it is, with the value."""
    problem = only(read(tmp_path, read_emorynlp_json, content))
    assert problem.where == where
    assert what in problem.what


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        ({"a": 1}, "file.txt", "must be a list of dialogues"),
        ([3], "file.txt, dialogue 0", "must be a list of turns. Got 3."),
        ([["Oh."]], "file.txt, dialogue 0, turn 0", "must be an object. Got 'Oh.'."),
        ([[{"speaker": "A"}]], "file.txt, dialogue 0, turn 0", "lacks 'text'"),
        ([[{"speaker": ["A"], "text": "Oh."}]], "file.txt, dialogue 0, turn 0", "'speaker' must be a string"),
        ([[{"speaker": "A", "text": "Oh.", "label": 3}]], "file.txt, dialogue 0, turn 0", "'label' must be a string"),
    ],
)
def test_wrong_types_in_iemocap_json_are_reported_at_their_place(
    tmp_path: Path, content: Any, where: str, what: str
) -> None:
    """One problem, where it is, with the value."""
    problem = only(read(tmp_path, read_iemocap, content))
    assert problem.where == where
    assert what in problem.what


def test_several_wrong_places_give_several_problems(tmp_path: Path) -> None:
    """Nothing hides behind the first mistake."""
    reading = read(tmp_path, read_emorynlp_json, emory(utterance(1, emotion=1, transcript=2), 3, utterance(4)))
    assert len(reading.problems) == 3
    assert len(reading.dialogues[0].turns) == 1


def test_a_hostile_id_cannot_reach_the_terminal(tmp_path: Path) -> None:
    """Escape sequences in ids and labels are shown, not sent."""
    escape = "\x1b[31m"
    content = emory(utterance(1, utterance_id=escape, emotion=escape), utterance(2, utterance_id=escape))
    reading = read(tmp_path, read_emorynlp_json, content)
    problems = file_problems(reading, STOCK["emorynlp"].labels, "file.txt")
    assert len(problems) == 2
    assert "\x1b" not in "".join(map(str, problems))
