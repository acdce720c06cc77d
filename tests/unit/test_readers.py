"""The stock readers: what they make of good files, and that bad files give problems, never exceptions."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ercbench_stock.datasets import DATASETS
from ercbench_stock.readers.emorynlp import read_emorynlp_csv, read_emorynlp_json, read_emorynlp_tsv
from ercbench_stock.readers.iemocap import read_iemocap
from ercbench_stock.readers.meld import read_meld
from hypothesis import example, given
from hypothesis import strategies as st

from ercbench.data_checks import file_problems
from ercbench.ports import Reader
from ercbench.reading import Problem, RawTurn, Reading

STOCK = {spec.name: spec for spec in DATASETS}
MELD = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\r\n"
    "1,The kettle is on.,Ada,neutral,neutral,0,0\r\n"
    '2,"No, it\u2019s ""off"".",Bob,Anger,negative,0,2\r\n'
    '3,"Two\nlines.",Cy,joy,positive,4,0\r\n'
)
EMORY_CSV = (
    "Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode\n"
    "The kettle is on.,['Ada Byron'],Neutral,1,1,1,2\n"
    "\"No, it is off.\",\"['Bob', 'Cy']\",Mad,1,2,1,2\n"
    'Fine.,"[""Dee O\'Hara""]",Joyful,1,1,1,3\n'
)
EMORY_TSV = "Ada Byron\tThe kettle is on.\tNeutral\nBob\tNo.\tMad\n\nCy\tFine.\tJoyful\n"


SAID = {"speakers": ["Ada Byron", "Bob"], "transcript": "The kettle is on.", "tokens": [["The"]]}
SCENE = {
    "scene_id": "s01_e02_c03",
    "utterances": [
        {"utterance_id": "s01_e02_c03_u001", **SAID, "emotion": "Neutral"},
        {"utterance_id": "s01_e02_c03_u002", **SAID, "emotion": "Mad"},
    ],
}
EMORY_JSON = json.dumps({"season_id": "dev", "episodes": [{"episode_id": "s01_e02", "scenes": [SCENE]}]}, indent=1)
IEMOCAP = json.dumps(
    [
        [
            {"text": "The kettle is on.", "speaker": "Ses01F_impro01_F", "label": "neu"},
            {"text": "", "speaker": "Ses01F_impro01_M"},
        ],
        [{"text": "Fine.", "speaker": "Ada", "label": None}],
    ],
    indent=1,
)
FORMATS: dict[str, tuple[Reader, str, str]] = {
    "meld": (read_meld, MELD, "meld"),
    "emorynlp-csv": (read_emorynlp_csv, EMORY_CSV, "emorynlp"),
    "emorynlp-tsv": (read_emorynlp_tsv, EMORY_TSV, "emorynlp"),
    "emorynlp-json": (read_emorynlp_json, EMORY_JSON, "emorynlp"),
    "iemocap": (read_iemocap, IEMOCAP, "iemocap"),
}


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


# ---------------------------------------------------------------------------------------------------- good files


def test_meld_rows_become_dialogues(tmp_path: Path) -> None:
    """Quoting, line breaks in a cell, ids that skip, capitals in a label; the place is the line the row begins on."""
    reading = read(tmp_path, read_meld, MELD)
    assert reading.problems == ()
    assert [(d.key, len(d.turns)) for d in reading.dialogues] == [("0", 2), ("4", 1)]
    assert reading.dialogues[0].turns[1] == RawTurn("Bob", 'No, it\u2019s "off".', "anger", "2", "line 3")
    assert reading.dialogues[1].turns[0] == RawTurn("Cy", "Two\nlines.", "joy", "0", "line 4")


def test_emorynlp_json_scenes_become_dialogues(tmp_path: Path) -> None:
    """The first speaker with the full name, the label in lower case, the scene's id as key."""
    reading = read(tmp_path, read_emorynlp_json, EMORY_JSON)
    assert reading.problems == ()
    (dialogue,) = reading.dialogues
    assert dialogue.key == "s01_e02_c03"
    key = "s01_e02_c03_u002"
    assert dialogue.turns[1] == RawTurn("Ada Byron", "The kettle is on.", "mad", key, f"utterance {key}")


def test_emorynlp_tsv_scenes_end_at_blank_lines(tmp_path: Path) -> None:
    """Blank lines separate, several count as one, the last line needs no end, CRLF is as good as LF."""
    for text in (EMORY_TSV, EMORY_TSV.replace("\n", "\r\n"), "\n" + EMORY_TSV.replace("\n\n", "\n\n\n").rstrip()):
        reading = read(tmp_path, read_emorynlp_tsv, text)
        assert reading.problems == ()
        assert [[t.speaker for t in d.turns] for d in reading.dialogues] == [["Ada Byron", "Bob"], ["Cy"]]
        assert reading.dialogues[0].turns[1].label == "mad"
    assert read(tmp_path, read_emorynlp_tsv, EMORY_TSV).dialogues[1].turns[0].row == "line 4"


def test_emorynlp_csv_scenes_are_season_episode_and_scene(tmp_path: Path) -> None:
    """Scene 1 of another episode is another dialogue; speakers are a list literal, of which the first counts."""
    reading = read(tmp_path, read_emorynlp_csv, EMORY_CSV)
    assert reading.problems == ()
    assert [d.key for d in reading.dialogues] == ["s01_e02_c01", "s01_e03_c01"]
    assert [t.speaker for d in reading.dialogues for t in d.turns] == ["Ada Byron", "Bob", "Dee O'Hara"]


def test_iemocap_turns_without_label_are_context(tmp_path: Path) -> None:
    """No label and null are both None; the key comes from the speaker, or is the position."""
    reading = read(tmp_path, read_iemocap, IEMOCAP)
    assert reading.problems == ()
    assert [d.key for d in reading.dialogues] == ["Ses01F_impro01", "1"]
    assert [t.label for d in reading.dialogues for t in d.turns] == ["neu", None, None]
    assert reading.dialogues[0].turns[1].row == "dialogue 0, turn 1"


@pytest.mark.parametrize("name", FORMATS)
def test_a_byte_order_mark_changes_nothing(tmp_path: Path, name: str) -> None:
    """Excel writes one."""
    reader, text, _ = FORMATS[name]
    assert read(tmp_path, reader, "\ufeff" + text) == read(tmp_path, reader, text)


# ---------------------------------------------------------------------------------------------------- bad files


@pytest.mark.parametrize(("reader", "text"), [(read_meld, MELD), (read_emorynlp_csv, EMORY_CSV)])
def test_missing_columns_are_named_with_those_found(tmp_path: Path, reader: Reader, text: str) -> None:
    """One problem for the file, not one per row."""
    problem = only(read(tmp_path, reader, text.replace("Emotion", "Feeling").replace("Utterance_ID", "Number")))
    assert problem.where == "file.txt, line 1"
    assert "lacks the columns Emotion, Utterance_ID." in problem.what
    assert "'Feeling'" in problem.what
    assert "'Speaker'" in problem.what


def test_old_meld_is_recognised_by_its_bytes(tmp_path: Path) -> None:
    """cp1252 bytes: the version is named, the offset and line are told, the current files are pointed to."""
    problem = only(read(tmp_path, read_meld, MELD.encode("cp1252")))
    offset = MELD.encode("cp1252").index(b"\x92")
    assert problem.where == "file.txt, line 3"
    assert f"Got byte 0x92 at offset {offset}." in problem.what
    assert "MELD from before 2020-11-15" in problem.fix
    assert "2d2011b409d3ca2d7e94460cd007d434b1d0a102" in problem.fix


def test_old_meld_is_recognised_when_its_bytes_were_taken_for_latin_1(tmp_path: Path) -> None:
    """The same files in circulation as UTF-8, where the apostrophe is the control character U+0092."""
    problem = only(read(tmp_path, read_meld, MELD.replace("\u2019", "\x92")))
    assert problem.where == "file.txt, line 3"
    assert r"'\x92'" in problem.what
    assert "MELD from before 2020-11-15" in problem.fix


@pytest.mark.parametrize("name", FORMATS)
def test_text_that_is_not_utf8_gives_the_offset(tmp_path: Path, name: str) -> None:
    """A byte that neither UTF-8 nor cp1252 knows, behind a byte order mark: the offset counts from the file's start."""
    reader, text, _ = FORMATS[name]
    broken = b"\xef\xbb\xbf" + text.encode("utf-8").replace(b"kettle", b"ket\x81le")
    problem = only(read(tmp_path, reader, broken))
    assert f"0x81 at offset {broken.index(0x81)}" in problem.what
    assert "MELD" not in problem.fix


@pytest.mark.parametrize("name", FORMATS)
def test_a_nul_byte_is_one_problem(tmp_path: Path, name: str) -> None:
    """A damaged file is said to be damaged, with the line."""
    reader, text, _ = FORMATS[name]
    broken = text.replace("kettle", "ket\0le")
    problem = only(read(tmp_path, reader, broken))
    assert problem.where == f"file.txt, line {broken[: broken.index(chr(0))].count(chr(10)) + 1}"
    assert "NUL" in problem.what


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_cannot_be_opened_is_one_problem(tmp_path: Path, name: str) -> None:
    """A folder under the file's name, for instance."""
    assert "cannot be opened" in only(FORMATS[name][0](tmp_path)).what


def test_a_row_with_too_few_or_too_many_cells_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    """One problem per row, with its line."""
    reading = read(
        tmp_path, read_meld, MELD + "4,Oh.,Ada,joy\r\n5,Oh.,Ada,joy,positive,4,1,9\r\n6,Hm.,Ada,joy,x,4,2\r\n"
    )
    assert [p.where for p in reading.problems] == ["file.txt, line 6", "file.txt, line 7"]
    assert "4 cells where the header has 7" in reading.problems[0].what
    assert reading.dialogues[1].turns[1].text == "Hm."


def test_an_unclosed_quote_is_reported(tmp_path: Path) -> None:
    """A CSV file cut off inside a cell is not taken for a shorter one."""
    reading = read(tmp_path, read_meld, MELD + '4,"Oh, and')
    assert only(reading).where == "file.txt, line 6"
    assert "not CSV" in only(reading).what


def test_a_cell_beyond_the_limit_is_reported(tmp_path: Path) -> None:
    """What Python's csv module refuses is a problem of the row."""
    assert "field limit" in only(read(tmp_path, read_meld, MELD + f"4,{'a' * 200_000},Ada,joy,x,4,1\r\n")).what


@pytest.mark.parametrize("name", ["meld", "emorynlp-csv"])
def test_an_empty_table_is_one_problem(tmp_path: Path, name: str) -> None:
    """No header, no data."""
    assert "is empty" in only(read(tmp_path, FORMATS[name][0], b"")).what


@pytest.mark.parametrize("cell", ["Ada", "[]", "[7]", "{'Ada'}", "['Ada'", "__import__('os')", "[" * 300, "-" * 9000])
def test_speakers_that_are_no_list_of_names_are_reported(tmp_path: Path, cell: str) -> None:
    """The literal is read, never run; the row and its value are named."""
    problem = only(read(tmp_path, read_emorynlp_csv, EMORY_CSV.replace("['Ada Byron']", f'"{cell}"')))
    assert problem.where == "file.txt, line 2"
    assert "must be a list of names" in problem.what


@pytest.mark.parametrize("line", ["Ada\tNo label.", "Ada\tOh.\tMad\tMore", "Nothing else"])
def test_a_tsv_line_without_three_parts_is_reported(tmp_path: Path, line: str) -> None:
    """The line's number and content, and the other lines are read."""
    reading = read(tmp_path, read_emorynlp_tsv, EMORY_TSV + line + "\n")
    assert only(reading).where == "file.txt, line 5"
    assert len(reading.dialogues) == 2


@pytest.mark.parametrize("name", ["emorynlp-json", "iemocap"])
def test_truncated_json_gives_line_and_column(tmp_path: Path, name: str) -> None:
    """A download that broke off is recognised as one."""
    reader, text, _ = FORMATS[name]
    for cut in (len(text) // 2, len(text) - 2):
        problem = only(read(tmp_path, reader, text[:cut]))
        assert problem.where.startswith("file.txt, line ")
        assert ", column " in problem.where
        assert "ends too early" in problem.what
    broken = only(read(tmp_path, reader, text.replace('"', "'", 1)))
    assert "is not JSON" in broken.what


@pytest.mark.parametrize("name", ["emorynlp-json", "iemocap"])
@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5_000, "null", "7", '"text"', "{}", "[[[[]]]]", '[["a"]]'])
def test_json_of_another_shape_gives_problems(tmp_path: Path, name: str, text: str) -> None:
    """Too deep, too long a number, scalars, other nestings."""
    assert read(tmp_path, FORMATS[name][0], text).problems


# ---------------------------------------------------------------------------------------------------- any file


def damage(text: str, kinds: list[str], rng: random.Random) -> bytes:
    """The file with the given damages, one after the other."""
    content = text.encode("utf-8")
    for kind in kinds:
        at = rng.randrange(len(content) + 1)
        if kind == "cut":
            content = content[:at]
        elif kind == "flip" and at < len(content):
            content = content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
        elif kind == "value":
            content = content.replace(
                rng.choice([b'"The kettle is on."', b'"neu"', b'["Ada Byron", "Bob"]', b"1"]), b"[[]]"
            )
        elif kind == "bom":
            content = b"\xef\xbb\xbf" + content
        elif kind == "crlf":
            content = content.replace(b"\n", b"\r\n")
        else:
            content = content[:at] + kind.encode("latin-1") + content[at:]
    return content


PIECES = [
    "\0",
    '"',
    "'",
    "[",
    "]",
    "{",
    "\t",
    "\r",
    "\n",
    ",",
    "\\",
    "\\ud800",
    "\xff",
    "\x92",
    "\xef\xbb\xbf",
    "[" * 5000,
]


@pytest.mark.parametrize("name", FORMATS)
@given(
    kinds=st.lists(st.sampled_from(["cut", "flip", "flip", "value", "bom", "crlf", *PIECES]), min_size=1, max_size=5),
    seed=st.integers(0, 10_000),
)
@example(kinds=["flip"], seed=0)
def test_a_damaged_file_gives_a_reading_never_an_exception(name: str, kinds: list[str], seed: int) -> None:
    """Cuts, flipped bits, NUL, byte order marks, CRLF, nested arrays: dialogues or problems that can be printed."""
    reader, text, family = FORMATS[name]
    with tempfile.TemporaryDirectory() as folder:
        reading = read(Path(folder), reader, damage(text, kinds, random.Random(seed)))
    assert isinstance(reading, Reading)
    for problem in file_problems(reading, STOCK[family].labels, "file.txt"):
        line = str(problem)
        assert line.startswith("file.txt")
        assert len(line) < 1000
        assert "\n" not in line
        line.encode("utf-8")


@pytest.mark.parametrize("name", FORMATS)
@given(content=st.binary(max_size=300))
def test_any_bytes_give_a_reading_never_an_exception(name: str, content: bytes) -> None:
    """Whatever lies under the file's name."""
    with tempfile.TemporaryDirectory() as folder:
        reading = read(Path(folder), FORMATS[name][0], content)
    assert isinstance(reading, Reading)
