"""IEMOCAP as USC SAIL releases it -> the three JSON files that `iemocap.py` reads: six emotions, the standard split.

A dialogue is a file ``SessionN/dialog/transcriptions/ID.txt`` with a line per turn, and a file of the same name in
``EmoEvaluation`` with the label on which the annotators agreed. A turn is a line with a turn id, in the order of the
file, which is the order in time; a turn that was not evaluated (its id has an X for the number), had no majority or
has another class than the six is context without label. Test is Session 5, dev the last 20 dialogues of Session 4.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from ercbench import SPLITS, Imported, Problem, Split
from ercbench_stock.datasets import IEMOCAP_LABELS
from ercbench_stock.readers.files import AGAIN, shown

SESSIONS = range(1, 6)
DEV_FROM = "Ses04F_script01_3"
"""The first dialogue of dev, ids sorted as strings; dev ends with Session 4."""

NO_LABEL = ("xxx", "sur", "fea", "dis", "oth")
"""No majority, and the classes outside the six."""

LARGEST = 4 * 2**20
"""Bytes of one file; the largest one released is a hundredth of it."""

_DIALOGUE = re.compile(r"Ses0(?P<session>[1-5])[FM]_\w+")
_TURN = re.compile(r"(?P<id>(?P<dialogue>\w+)_(?P<who>[FM])(?P<number>[0-9A-Za-z]*))\s*(?:\[[^\]]*\]\s*)?:(?P<text>.*)")
_EVALUATION = re.compile(r"\[[^\]]*\]\s+(?P<id>\S+)\s+(?P<label>\S+)\s+\[[^\]]*\]\s*")
_DETAIL = re.compile(r"%|[CA]-")
"""The heading of an evaluation file, and the judgements of single annotators."""

_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass
class _Log:
    """The released folder, and what was met while reading it."""

    root: Path
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def note(self, path: Path, what: str, line: int = 0) -> None:
        """Something that is left out or read in another way; `line` is 0 for the whole file."""
        self.notes.append(Problem(self._where(path, line), what))

    def problem(self, path: Path, what: str, fix: str = AGAIN) -> None:
        """Something without which the data set is not the released one."""
        self.problems.append(Problem(self._where(path, 0), what, fix))

    def _where(self, path: Path, line: int) -> str:
        return path.relative_to(self.root).as_posix() + (f", line {line}" if line else "")


def import_release(path: Path) -> Imported:
    """Path -> Imported: ``train_data.json``, ``dev_data.json`` and ``test_data.json``.

    Before: ``ercbench data import``. After: `iemocap.read_iemocap`.

    Args:
        path: the released folder, the folder it is in, or one of its sessions.
    """
    root = _release(path)
    if isinstance(root, Problem):
        return Imported(problems=(root,))
    log = _Log(root)
    dialogues: dict[str, list[dict[str, str]]] = {}
    for session in SESSIONS:
        dialogues |= _session(session, log)
    splits: dict[Split, list[list[dict[str, str]]]] = {split: [] for split in SPLITS}
    for key, turns in dialogues.items():
        splits[_split(key)].append(turns)
    files = {f"{split}_data.json": json.dumps(found) for split, found in splits.items()}
    return Imported(files, tuple(log.notes), tuple(log.problems))


def _split(key: str) -> Split:
    """Which split a dialogue is in."""
    if key.startswith("Ses05"):
        return "test"
    return "dev" if key >= DEV_FROM else "train"


def _release(path: Path) -> Path | Problem:
    """The folder with the sessions: the path, a folder in it, or the folder around it if it is a session."""
    if _is_release(path):
        return path
    if re.fullmatch(r"Session[1-5]", path.name) and _is_release(path.parent):
        return path.parent
    found = [folder for folder in sorted(path.iterdir()) if folder.is_dir() and _is_release(folder)]
    if len(found) == 1:
        return found[0]
    name = path.name or str(path)
    if found:
        several = ", ".join(folder.name for folder in found)
        return Problem(name, f"holds more than one release. Got {several}.", "Name one of them.")
    what = "holds neither the release (Session1 to Session5, each with dialog/transcriptions) nor the three JSON files."
    return Problem(
        name, what, "Bring the folder IEMOCAP_full_release, or train_data.json, dev_data.json, test_data.json."
    )


def _is_release(folder: Path) -> bool:
    return any((folder / f"Session{session}" / "dialog" / "transcriptions").is_dir() for session in SESSIONS)


def _session(session: int, log: _Log) -> dict[str, list[dict[str, str]]]:
    """The dialogues of one session, by id."""
    folder = log.root / f"Session{session}" / "dialog"
    transcriptions = _texts(folder / "transcriptions", session, log)
    evaluations = _texts(folder / "EmoEvaluation", session, log)
    for key in sorted(evaluations.keys() - transcriptions.keys()):
        log.problem(evaluations[key], "has no transcription of the same name.")
    found: dict[str, list[dict[str, str]]] = {}
    for key, path in transcriptions.items():
        if key not in evaluations:
            log.problem(path, f"has no evaluation: EmoEvaluation/{path.name} is missing, and with it every label.")
            continue
        found[key] = _dialogue(key, path, evaluations[key], log)
        if not found[key]:
            log.problem(path, "holds no turn.")
    return found


def _texts(folder: Path, session: int, log: _Log) -> dict[str, Path]:
    """The files of one kind by the id of their dialogue; others are noted, save folders and macOS's ``._`` files."""
    if not folder.is_dir():
        log.problem(folder, "is missing.")
        return {}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.is_dir():
            continue
        match = _DIALOGUE.fullmatch(path.stem)
        if path.suffix.lower() != ".txt" or match is None:
            log.note(path, "left out: its name is not that of a dialogue.")
        elif int(match["session"]) != session:
            log.note(path, f"left out: it belongs to another session than {session}.")
        else:
            found[path.stem] = path
    return found


def _dialogue(key: str, transcription: Path, evaluation: Path, log: _Log) -> list[dict[str, str]]:
    """The turns of one dialogue, as the JSON has them."""
    labels = _labels(evaluation, log)
    turns: list[dict[str, str]] = []
    ids: set[str] = set()
    for number, line in enumerate(_lines(transcription, log), 1):
        match = _TURN.fullmatch(line)
        if not line:
            continue
        if match is None:
            log.note(transcription, "left out: the line has no turn id, so it is no turn.", number)
            continue
        if match["dialogue"] != key:
            log.note(transcription, f"left out: the turn is of another dialogue. Got {shown(match['id'])}.", number)
            continue
        if match["id"] in ids and match["number"].isdigit():
            log.note(transcription, f"kept, though the id was there before. Got {match['id']}.", number)
        ids.add(match["id"])
        turn = {"text": match["text"].strip(), "speaker": f"{key}_{match['who']}"}
        if match["id"] not in labels:
            log.note(transcription, f"kept as context: {match['id']} was not evaluated.", number)
        turns.append(turn | ({"label": label} if (label := labels.get(match["id"])) else {}))
    for turn_id in sorted(labels.keys() - ids):
        log.note(evaluation, f"left out: {shown(turn_id)} has no line in the transcription.")
    return turns


def _labels(path: Path, log: _Log) -> dict[str, str | None]:
    """The label of every evaluated turn; None for one that is context."""
    found: dict[str, str | None] = {}
    for number, line in enumerate(_lines(path, log), 1):
        match = _EVALUATION.fullmatch(line)
        if match is None:
            if line and not _DETAIL.match(line):
                log.note(path, "left out: the line is not of an evaluation file.", number)
            continue
        label = match["label"].lower()
        if label not in IEMOCAP_LABELS and label not in NO_LABEL:
            log.note(path, f"left out: unknown class. Got {shown(match['label'])}.", number)
        read = label if label in IEMOCAP_LABELS else None
        if found.setdefault(match["id"], read) != read:
            log.problem(path, f"line {number} gives {shown(match['id'])} a second label.")
    return found


def _lines(path: Path, log: _Log) -> list[str]:
    """The lines of a file without white space around them, whatever ends them; empty for a file that is refused."""
    try:
        if not path.is_file() or not path.resolve().is_relative_to(log.root.resolve()):
            log.problem(
                path, "is no file of this folder, or a link that leads out of it.", "Put the file itself there."
            )
            return []
        if path.stat().st_size > LARGEST:
            log.problem(path, f"is larger than {LARGEST} bytes.")
            return []
        data = path.read_bytes()
    except OSError as error:
        log.problem(path, f"cannot be opened ({error.strerror}).", "Check that the file may be read.")
        return []
    return [line.strip() for line in _LINE_END.split(_decoded(data, path, log))]


def _decoded(data: bytes, path: Path, log: _Log) -> str:
    """Bytes -> text: UTF-8, else cp1252, else latin-1, in which every byte means something; the latter are noted."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        break
    else:
        encoding, text = "latin-1", data.decode("latin-1")
    if encoding != "utf-8-sig":
        log.note(path, f"read as {encoding}, because it is not UTF-8.")
    return text
