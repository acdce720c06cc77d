"""IEMOCAP as released -> the JSON form. The dialogues here were written for the project."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from ercbench_stock.datasets import IEMOCAP
from ercbench_stock.readers.iemocap_release import import_release
from hypothesis import given
from hypothesis import strategies as st

from ercbench import data
from ercbench.errors import DataError
from ercbench.importing import import_data
from ercbench.reading import Imported
from ercbench.specs import DatasetSpec
from ercbench.types import SPLITS, Split

Turns = list[tuple[str, str, str | None]]
"""Turns as (F or M, text, label or none)."""

PLAIN = IEMOCAP.model_copy(update={"expected": {}})
DIALOGUES: dict[str, Turns] = {
    "Ses01F_impro01": [("F", "The kettle is on.", "neu"), ("M", "Not mine.", "fru"), ("F", "So it is.", None)],
    "Ses02M_script01_1": [("M", "Who took the ladder?", "ang"), ("F", "I did.", "hap")],
    "Ses03F_impro02": [("F", "It rained in the loft.", "sad")],
    "Ses04F_impro01": [("M", "Two lumps, please.", "exc")],
    "Ses04F_script01_2": [("F", "Last of train.", "neu")],
    "Ses04F_script01_3": [("F", "First of dev.", "neu"), ("M", "", None)],
    "Ses04M_impro01": [("M", "Dev as well.", "sad")],
    "Ses05F_impro01": [("F", "The boat is blue.", "neu"), ("M", "It was green.", "exc")],
    "Ses05M_script03_2": [("M", "Fine.", "fru")],
}


def write_release(root: Path, dialogues: dict[str, Turns], end: str = "\n", encoding: str = "utf-8") -> Path:
    """Write dialogues as they are released, below `root`, which is returned."""
    for session in range(1, 6):
        for folder in ("transcriptions", "EmoEvaluation"):
            (root / f"Session{session}" / "dialog" / folder).mkdir(parents=True, exist_ok=True)
    for key, turns in dialogues.items():
        ids = [f"{key}_{who}{number:03}" for number, (who, _, _) in enumerate(turns)]
        times = [(1.5 * number, 1.5 * number + 2) for number in range(len(turns))]  # speakers overlap by half a second
        said = [
            f"{turn_id} [{start:08.4f}-{stop:08.4f}]: {text}"
            for turn_id, (start, stop), (_, text, _) in zip(ids, times, turns, strict=True)
        ]
        judged = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
        for turn_id, (start, stop), (_, _, label) in zip(ids, times, turns, strict=True):
            judged += [f"[{start:.4f} - {stop:.4f}]\t{turn_id}\t{label or 'xxx'}\t[2.5000, 2.5000, 2.5000]"]
            judged += ["C-E1:\tNeutral;\t()", "A-E3:\tval 3; act 2; dom  2;\t()", ""]
        for folder, lines in (("transcriptions", said), ("EmoEvaluation", judged)):
            (at(root, key, folder)).write_bytes("".join(line + end for line in lines).encode(encoding))
    return root


def at(root: Path, key: str, folder: str = "transcriptions") -> Path:
    """Where a dialogue's file is."""
    return root / f"Session{key[4]}" / "dialog" / folder / f"{key}.txt"


def as_json(dialogues: dict[str, Turns]) -> dict[Split, list[list[dict[str, str]]]]:
    """The JSON form, written as the definition of the split reads, for dialogues of which dev is the last of Session 4.

    Dev is the dialogues of Session 4 that come last, from Ses04F_script01_3 on.
    """
    made: dict[Split, list[list[dict[str, str]]]] = {"train": [], "dev": [], "test": []}
    for key in sorted(dialogues):
        turns = [
            {"text": text, "speaker": f"{key}_{who}"} | ({"label": label} if label else {})
            for who, text, label in dialogues[key]
        ]
        after = key.startswith("Ses04M") or key.startswith(("Ses04F_script01_3", "Ses04F_script02", "Ses04F_script03"))
        made["test" if key.startswith("Ses05") else "dev" if after else "train"].append(turns)
    return made


def write_json(folder: Path, dialogues: dict[str, Turns]) -> Path:
    """Write the JSON form into a folder, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, found in as_json(dialogues).items():
        (folder / f"{split}_data.json").write_text(json.dumps(found), encoding="utf-8")
    return folder


def dialogues_of(made: Imported) -> list[list[dict[str, str]]]:
    """All dialogues of an import, in the order of the splits."""
    return [dialogue for split in SPLITS for dialogue in json.loads(made.files[f"{split}_data.json"])]


def one_line(root: Path, key: str, line: str, folder: str = "transcriptions") -> None:
    """Add a line at the end of a dialogue's file."""
    path = at(root, key, folder)
    path.write_bytes(path.read_bytes() + line.encode("latin-1") + b"\n")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A small released folder."""
    return write_release(tmp_path / "IEMOCAP_full_release", DIALOGUES)


# ---------------------------------------- what is read


def test_a_release_becomes_the_json_form(release: Path) -> None:
    """Turns in the order of the file, speakers by dialogue, labels of the six, the standard split, nothing to note."""
    made = import_release(release)
    assert made.problems == made.notes == ()
    assert {name: json.loads(text) for name, text in made.files.items()} == {
        f"{split}_data.json": found for split, found in as_json(DIALOGUES).items()
    }


@pytest.mark.parametrize("where", ["", "..", "Session1", "Session5"])
def test_the_folder_one_level_in_or_out_is_found(release: Path, where: str) -> None:
    """The released folder itself, the one it was unpacked into, or one of its sessions."""
    assert import_release((release / where).resolve()) == import_release(release)


def test_a_folder_without_a_release_says_what_to_bring(tmp_path: Path) -> None:
    """Neither sessions nor the JSON form: both are named. Two releases: one is to be chosen."""
    (problem,) = import_release(tmp_path).problems
    assert "Session1 to Session5" in problem.what
    assert "train_data.json" in problem.fix
    for name in ("one", "two"):
        write_release(tmp_path / name, {})
    (problem,) = import_release(tmp_path).problems
    assert "Got one, two." in problem.what


@pytest.mark.parametrize("end", ["\r\n", "\r", "\r\r\n", "  \n\n"])
def test_line_ends_change_nothing(tmp_path: Path, end: str) -> None:
    """Files that went through Windows, old Macs and editors."""
    plain = import_release(write_release(tmp_path / "a", DIALOGUES))
    assert import_release(write_release(tmp_path / "b", DIALOGUES, end)) == plain


def test_cp1252_and_latin_1_are_read_and_noted(tmp_path: Path) -> None:
    """Old copies hold such bytes; how they were read is told. A byte order mark and UTF-8 need no word."""
    dialogues = {**DIALOGUES, "Ses01F_impro01": [("F", "It\u2019s on.", "neu")]}
    made = import_release(write_release(tmp_path / "cp1252", dialogues, encoding="cp1252"))
    assert dialogues_of(made)[0][0]["text"] == "It\u2019s on."
    (note,) = made.notes
    assert str(note).startswith("Session1/dialog/transcriptions/Ses01F_impro01.txt: read as cp1252")
    root = write_release(tmp_path / "latin", DIALOGUES)
    one_line(root, "Ses01F_impro01", "Ses01F_impro01_M009 [9-10]: a\x81b")
    assert any("read as latin-1" in note.what for note in import_release(root).notes)
    marked = write_release(tmp_path / "marked", dialogues, encoding="utf-8-sig")
    assert import_release(marked).notes == ()


@pytest.mark.parametrize("label", ["xxx", "sur", "fea", "dis", "oth", "XXX"])
def test_a_turn_without_one_of_the_six_is_context(release: Path, label: str) -> None:
    """No majority and the other classes: the turn stays where it is, without label, and there is nothing to note."""
    path = at(release, "Ses01F_impro01", "EmoEvaluation")
    path.write_text(path.read_text().replace("\tneu\t", f"\t{label}\t"))
    made = import_release(release)
    assert dialogues_of(made)[0][0] == {"text": "The kettle is on.", "speaker": "Ses01F_impro01_F"}
    assert made.notes == ()


def test_turns_with_an_x_for_the_number_are_context(release: Path) -> None:
    """The release has turns that were never evaluated, such as ``..._MX000`` and ``..._FXX0``, also twice the same."""
    ids = ("Ses01F_impro01_MX000", "Ses01F_impro01_FXX0", "Ses01F_impro01_FXX0")
    for turn_id in ids:
        one_line(release, "Ses01F_impro01", f"{turn_id} [009.0000-010.0000]: Hm.")
    one_line(release, "Ses01F_impro01", "Ses01F_impro01_MXX1: No times.")
    made = import_release(release)
    assert [turn["speaker"][-1] for turn in dialogues_of(made)[0]] == ["F", "M", "F", "M", "F", "F", "M"]
    assert all("label" not in turn for turn in dialogues_of(made)[0][3:])
    assert [note.where.rpartition(" ")[2] for note in made.notes] == ["4", "5", "6", "7"]
    assert all("was not evaluated" in note.what for note in made.notes)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("M: What?", "no turn id"),
        ("F: [LAUGHTER]", "no turn id"),
        ("[001.0000-002.0000] Hm.", "no turn id"),
        ("Ses01F_impro01_F000 no colon", "no turn id"),
        ("Ses01F_impro02_F000 [001.0000-002.0000]: Elsewhere.", "of another dialogue"),
    ],
)
def test_a_line_that_is_no_turn_is_left_out_and_reported(release: Path, line: str, reason: str) -> None:
    """The file, the line, the reason; the text itself is not repeated."""
    one_line(release, "Ses01F_impro01", line)
    made = import_release(release)
    (note,) = made.notes
    assert note.where == "Session1/dialog/transcriptions/Ses01F_impro01.txt, line 4"
    assert reason in note.what
    assert len(dialogues_of(made)[0]) == 3
    assert not any(word in str(note) for word in ("What", "LAUGHTER", "Hm", "Elsewhere"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[9.0 - 9.5]\tSes01F_impro01_M099\tneu\t[1, 1, 1]", "no line in the transcription"),
        ("[9.0 - 9.5]\tSes01F_impro01_F000", "not of an evaluation file"),
        ("What is this?", "not of an evaluation file"),
        ("[1.5 - 3.5]\tSes01F_impro01_F002\tglad\t[1, 1, 1]", "unknown class. Got 'glad'."),
    ],
)
def test_an_evaluation_that_fits_nothing_is_reported(release: Path, line: str, reason: str) -> None:
    """It changes no label."""
    before = import_release(release)
    one_line(release, "Ses01F_impro01", line, "EmoEvaluation")
    made = import_release(release)
    (note,) = made.notes
    assert note.where.startswith("Session1/dialog/EmoEvaluation/Ses01F_impro01.txt")
    assert reason in note.what
    assert made.files == before.files


def test_files_that_are_no_dialogue_are_left_out(release: Path) -> None:
    """Notes and other sessions' dialogues are reported; macOS's ``._`` files and the annotators' folders are not."""
    folder = release / "Session1" / "dialog" / "transcriptions"
    (folder / "._Ses01F_impro01.txt").write_bytes(b"\0\5\x16\7")
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "readme.txt").write_text("hello")
    (folder / "Ses02F_impro09.txt").write_text("hello")
    (folder.parent / "EmoEvaluation" / "Categorical").mkdir()
    made = import_release(release)
    assert [(note.where.rpartition("/")[2], note.what) for note in made.notes] == [
        ("Ses02F_impro09.txt", "left out: it belongs to another session than 1."),
        ("readme.txt", "left out: its name is not that of a dialogue."),
    ]
    assert made.problems == ()


# ---------------------------------------- what is refused


def test_a_missing_evaluation_file_is_a_problem(release: Path) -> None:
    """Without it the whole dialogue would lose its labels in silence."""
    at(release, "Ses02M_script01_1", "EmoEvaluation").unlink()
    (problem,) = import_release(release).problems
    assert problem.where == "Session2/dialog/transcriptions/Ses02M_script01_1.txt"
    assert "EmoEvaluation/Ses02M_script01_1.txt is missing" in problem.what


def test_missing_transcriptions_sessions_and_turns_are_problems(release: Path) -> None:
    """All in one go."""
    at(release, "Ses02M_script01_1").unlink()
    at(release, "Ses03F_impro02").write_text("\n")
    one_line(release, "Ses01F_impro01", "[0 - 1]\tSes01F_impro01_F000\tsad\t[1, 1, 1]", "EmoEvaluation")
    for path in sorted((release / "Session5").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    text = "\n".join(map(str, import_release(release).problems))
    assert "Ses01F_impro01.txt: line 15 gives 'Ses01F_impro01_F000' a second label." in text
    assert "Session2/dialog/EmoEvaluation/Ses02M_script01_1.txt: has no transcription" in text
    assert "Session3/dialog/transcriptions/Ses03F_impro02.txt: holds no turn." in text
    assert "Session5/dialog/transcriptions: is missing." in text
    assert "Session5/dialog/EmoEvaluation: is missing." in text


def test_links_out_of_the_folder_pipes_and_huge_files_are_not_read(release: Path, tmp_path: Path) -> None:
    """What an unpacked archive of a stranger could hold. None of it is read, so none of it can hang or leak."""
    secret = tmp_path / "secret.txt"
    secret.write_text("Ses01F_impro01_F000 [0-1]: secret")
    linked, pipe, huge = (at(release, key) for key in ("Ses01F_impro01", "Ses02M_script01_1", "Ses03F_impro02"))
    for path in (linked, pipe):
        path.unlink()
    linked.symlink_to(secret)
    os.mkfifo(pipe)
    with huge.open("wb") as file:
        file.truncate(5 * 2**20)
    made = import_release(release)
    texts = [str(problem) for problem in made.problems]
    assert any("Ses01F_impro01.txt: is no file of this folder, or a link that leads out of it." in t for t in texts)
    assert any("Ses02M_script01_1.txt: is no file of this folder" in text for text in texts)
    assert any("Ses03F_impro02.txt: is larger than" in text for text in texts)
    assert "secret" not in "".join(made.files.values())


# ---------------------------------------- through `ercbench data import`


def test_an_import_can_be_loaded_and_tells_what_it_left_out(release: Path, tmp_path: Path) -> None:
    """The three files are where `load` reads them, with the counts and the fingerprint of the corpus."""
    one_line(release, "Ses01F_impro01", "M: What?")
    report = import_data(PLAIN, release, tmp_path / "data")
    corpus = data.load(PLAIN, tmp_path / "data")
    assert report.folder == tmp_path / "data" / "iemocap"
    assert sorted(path.name for path in report.folder.iterdir()) == sorted(report.written)
    assert report.fingerprint == corpus.fingerprint
    assert report.counts["dev"] == {"dialogues": 2, "turns": 3, "labelled": 2}
    assert [note.where.rpartition("/")[2] for note in report.notes] == ["Ses01F_impro01.txt, line 4"]


def test_a_release_with_other_counts_is_refused_with_what_was_left_out(release: Path, tmp_path: Path) -> None:
    """What does not have the known counts would not be loaded either; nothing is written."""
    one_line(release, "Ses01F_impro01", "M: What?")
    with pytest.raises(DataError) as caught:
        import_data(IEMOCAP, release, tmp_path / "data")
    assert "train: dialogues 5, expected 100; turns 8, expected 6490" in str(caught.value)
    assert "Ses01F_impro01.txt, line 4: left out: the line has no turn id" in str(caught.value)
    assert "Nothing was written." in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_the_json_form_is_taken_as_it_is(tmp_path: Path) -> None:
    """The same content, by way of the JSON form or the release, has one fingerprint; JSON is copied byte for byte."""
    folder = write_json(tmp_path / "json", DIALOGUES)
    from_json = import_data(PLAIN, folder, tmp_path / "a")
    from_release = import_data(PLAIN, write_release(tmp_path / "release", DIALOGUES), tmp_path / "b")
    assert from_json.fingerprint == from_release.fingerprint
    for name in from_json.written:
        assert (from_json.folder / name).read_bytes() == (folder / name).read_bytes()
    assert import_data(PLAIN, folder / "dev_data.json", tmp_path / "c").written == from_json.written


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=20).map(str.strip)
TURN = st.tuples(st.sampled_from("FM"), TEXT, st.sampled_from([None, "neu", "exc", "fru", "sad", "hap", "ang"]))


@given(seed=st.integers(0, 10_000), turns=st.lists(TURN, max_size=4))
def test_the_way_through_the_release_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, seed: int, turns: Turns
) -> None:
    """JSON form -> released files -> import: the same texts, speakers, labels, order and split."""
    rng = random.Random(seed)
    dialogues = {
        f"Ses0{session}{who}_{kind}": [("F", f"{session}{who}{kind}", "neu"), *rng.sample(turns, len(turns))]
        for session in range(1, 6)
        for who in "FM"
        for kind in ("impro01", "script01_1", "script01_3", "script03_2")
    }
    made = import_release(write_release(tmp_path_factory.mktemp("release"), dialogues, rng.choice(["\n", "\r\n"])))
    assert made.problems == made.notes == ()
    expected = as_json(dialogues)
    assert {name: json.loads(text) for name, text in made.files.items()} == {
        f"{split}_data.json": expected[split] for split in SPLITS
    }


def released_from(folder: Path) -> dict[str, Turns]:
    """The dialogues of the three JSON files, by id."""
    found: dict[str, Turns] = {}
    for split in SPLITS:
        content: list[list[dict[str, Any]]] = json.loads((folder / f"{split}_data.json").read_text(encoding="utf-8"))
        for dialogue in content:
            key = dialogue[0]["speaker"][:-2]
            found[key] = [(turn["speaker"][-1], turn["text"], turn.get("label")) for turn in dialogue]
    return found


def labelled(spec: DatasetSpec) -> list[int]:
    """Labelled utterances that the spec demands of every split."""
    return [spec.expected[split].labelled for split in SPLITS]


@pytest.mark.real_data
def test_the_real_dialogues_come_back_from_the_released_form(real_data: Path, tmp_path: Path) -> None:
    """Written as released and imported: the known counts, the fingerprint, and files equal to the ones in use."""
    if not (real_data / "iemocap").is_dir():
        pytest.skip("no folder iemocap among the real data sets")
    release = write_release(tmp_path / "IEMOCAP_full_release", released_from(real_data / "iemocap"), "\r\n")
    report = import_data(IEMOCAP, release, tmp_path / "data")
    assert [report.counts[split]["labelled"] for split in SPLITS] == labelled(IEMOCAP) == [4778, 980, 1622]
    assert [report.counts[split]["turns"] for split in SPLITS] == [6490, 1401, 2196]
    assert report.fingerprint == data.load(IEMOCAP, real_data).fingerprint
    for name in report.written:
        assert (report.folder / name).read_bytes() == (real_data / "iemocap" / name).read_bytes()
