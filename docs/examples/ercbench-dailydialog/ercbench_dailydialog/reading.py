"""Reads DailyDialog's text files. What is wrong in them becomes problems with file, line and value; nothing raises."""

from pathlib import Path

from ercbench import Problem, RawDialogue, RawTurn, Reading, read_text, shown

EMOTIONS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""In the order of the numbers 0 to 6 that stand for them in the files."""
END = "__eou__"
LATER = {"train": ("validation", "test"), "validation": ("test",), "test": ()}
AGAIN = "Get the file again."


def read_dialogues(path: Path) -> Reading:
    """``train/dialogues_train.txt`` -> its dialogues, with the emotions of ``dialogues_emotion_train.txt`` beside it.

    A line is a dialogue. The files name no speakers; there are two, who take turns.

    Some published dialogues stand in two splits (Wen, Luo and Mou, LREC 2022, arXiv 2201.06219), and ercbench trains on
    nothing that it tests on. Test is read as it is; of train and validation a dialogue is left out that a later split
    has.
    """
    emotion_path = path.with_name(path.name.replace("dialogues_", "dialogues_emotion_"))
    texts, emotions = _lines(path), _lines(emotion_path)
    if isinstance(texts, Problem) or isinstance(emotions, Problem):
        return Reading((), tuple(found for found in (texts, emotions) if isinstance(found, Problem)))
    if len(texts) != len(emotions):
        what = f"has {len(emotions)} lines, and {path.name} has {len(texts)}."
        return Reading((), (Problem(emotion_path.name, what, AGAIN),))
    later = _later_dialogues(path)
    dialogues, problems = [], []
    for number, (text, numbers) in enumerate(zip(texts, emotions, strict=True), 1):
        utterances = _utterances(text)
        if not text.strip().endswith(END):
            what = f"does not end in {END}, so it is cut off. Got {shown(text[-40:])}."
            problems.append(Problem(f"{path.name}, line {number}", what, AGAIN))
        elif what := _wrong_numbers(numbers, len(utterances)):
            problems.append(Problem(f"{emotion_path.name}, line {number}", what, AGAIN))
        elif utterances not in later:
            dialogues.append(_dialogue(number, utterances, numbers.split()))
    return Reading(tuple(dialogues), tuple(problems))


def _lines(path: Path) -> list[str] | Problem:
    """The lines of a file; of anything else that Unicode ends a line with, the dialogues may hold some."""
    text = read_text(path)
    return text if isinstance(text, Problem) else text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def _utterances(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.strip().removesuffix(END).split(END))


def _wrong_numbers(numbers: str, utterances: int) -> str:
    """What is wrong with a line of emotions, or nothing."""
    given = numbers.split()
    if len(given) != utterances:
        return f"has {len(given)} numbers, and the dialogue has {utterances} utterances. Got {shown(numbers)}."
    allowed = [str(number) for number in range(len(EMOTIONS))]
    wrong = [number for number in given if number not in allowed]
    return f"must have numbers from 0 to {len(EMOTIONS) - 1}. Got {shown(wrong[0])}." if wrong else ""


def _dialogue(line: int, utterances: tuple[str, ...], numbers: list[str]) -> RawDialogue:
    """One dialogue. `row` says where a turn stands, for the messages of later checks."""
    turns = (
        RawTurn("AB"[turn % 2], text, EMOTIONS[int(number)], key=str(turn), row=f"line {line}, utterance {turn + 1}")
        for turn, (text, number) in enumerate(zip(utterances, numbers, strict=True))
    )
    return RawDialogue(str(line), tuple(turns))


def _later_dialogues(path: Path) -> set[tuple[str, ...]]:
    """Every dialogue of the splits after this one. What is wrong with those files is told where they are read."""
    found = set()
    for split in LATER[path.parent.name]:
        lines = _lines(path.parents[1] / split / f"dialogues_{split}.txt")
        found |= {_utterances(line) for line in ([] if isinstance(lines, Problem) else lines)}
    return found
