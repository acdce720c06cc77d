"""What the reader makes of files in DailyDialog's form, whole and broken."""

import pytest
from ercbench_dailydialog.reading import read_dialogues

CAT = "Did you feed the cat ? __eou__ Twice . __eou__ Then why is it angry ? __eou__"
TRAIN = {"text": [CAT, "We won ! __eou__ Hooray ! __eou__"], "emotion": ["0 0 1 ", "4 4 "]}


def write(root, split, text, emotion):
    """The two files of a split."""
    folder = root / split
    folder.mkdir()
    path = folder / f"dialogues_{split}.txt"
    path.write_text("\n".join([*text, ""]), encoding="utf-8")
    (folder / f"dialogues_emotion_{split}.txt").write_text("\n".join([*emotion, ""]), encoding="utf-8")
    return path


def test_lines_become_dialogues(tmp_path):
    """Two speakers take turns, numbers become emotions, and what ends an utterance is not in its text."""
    reading = read_dialogues(write(tmp_path, "train", **TRAIN))
    assert not reading.problems
    turns = [[(turn.speaker, turn.text, turn.label) for turn in dialogue.turns] for dialogue in reading.dialogues]
    assert turns == [
        [
            ("A", "Did you feed the cat ?", "neutral"),
            ("B", "Twice .", "neutral"),
            ("A", "Then why is it angry ?", "anger"),
        ],
        [("A", "We won !", "happiness"), ("B", "Hooray !", "happiness")],
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text": [CAT]}, "dialogues_emotion_train.txt: has 2 lines, and dialogues_train.txt has 1."),
        (
            {"text": [CAT, "We won ! __eou__ Hoor"]},
            "dialogues_train.txt, line 2: does not end in __eou__, so it is cut off. Got 'We won ! __eou__ Hoor'.",
        ),
        (
            {"emotion": ["0 1", "4 4"]},
            "dialogues_emotion_train.txt, line 1: has 2 numbers, and the dialogue has 3 utterances. Got '0 1'.",
        ),
        (
            {"emotion": ["0 0 joy", "4 4"]},
            "dialogues_emotion_train.txt, line 1: must have numbers from 0 to 6. Got 'joy'.",
        ),
        ({"emotion": ["0 0 1", "4 7"]}, "dialogues_emotion_train.txt, line 2: must have numbers from 0 to 6. Got '7'."),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_value(tmp_path, change, says):
    """One problem for the line that is wrong."""
    reading = read_dialogues(write(tmp_path, "train", **(TRAIN | change)))
    assert [str(problem) for problem in reading.problems] == [f"{says} Get the file again."]


def test_both_files_are_needed(tmp_path):
    """The file of emotions is named where it is missing."""
    path = write(tmp_path, "train", **TRAIN)
    path.with_name("dialogues_emotion_train.txt").unlink()
    [problem] = read_dialogues(path).problems
    assert problem.where == "dialogues_emotion_train.txt"


def test_a_dialogue_of_a_later_split_is_left_out(tmp_path):
    """Train has nothing of validation and test, validation nothing of test, and test is whole."""
    cat = {"text": [CAT], "emotion": ["0 0 1"]}
    train, test = write(tmp_path, "train", **TRAIN), write(tmp_path, "test", **cat)
    validation = write(tmp_path, "validation", **cat)
    assert [len(read_dialogues(path).dialogues) for path in (train, validation, test)] == [1, 0, 1]
