"""The readers of CSV, TSV and JSONL files with named columns: right files, wrong rows, damaged files."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ercbench import data
from ercbench.columns import read_csv, read_jsonl, read_tsv
from ercbench.data_checks import file_problems
from ercbench.errors import DataError
from ercbench.ports import ColumnReader
from ercbench.reading import RawTurn, Reading
from ercbench.specs import DatasetSpec, SplitFile
from ercbench.types import SPLITS, LabelSet

LABELS = LabelSet.of({"ang": "angry", "glad": "glad", "flat": "neutral"}, neutral="flat")
COLUMNS = {"dialogue": "call", "speaker": "who", "text": "words", "label": "feeling"}
NUMBERED = {**COLUMNS, "turn": "nr"}
ROWS: list[tuple[str, str, str, str, str]] = [
    ("a", "1", "Ada", "The kettle is on.", "flat"),
    ("a", "2", "Bob", 'No, it\u2019s "off".', "ang"),
    ("b", "1", "Cy", "Two\nlines.", ""),
    ("b", "2", "Ada", "Fine, then.", "glad"),
]
HEADER = ("call", "nr", "who", "words", "feeling")


def table(rows: list[tuple[str, ...]], delimiter: str = ",", header: tuple[str, ...] = HEADER) -> str:
    """Rows as a CSV file. Python's writer leaves a lone CR unquoted, so everything is quoted where there is one."""
    stream = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if any("\r" in cell for row in rows for cell in row) else csv.QUOTE_MINIMAL
    csv.writer(stream, delimiter=delimiter, lineterminator="\n", quoting=quoting).writerows([header, *rows])
    return stream.getvalue()


def lines(rows: list[tuple[str, ...]], header: tuple[str, ...] = HEADER) -> str:
    """Rows as a JSONL file, in which an empty label is null."""
    objects = [{key: value or None for key, value in zip(header, row, strict=True)} for row in rows]
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)


FORMATS: dict[str, tuple[ColumnReader, Callable[..., str]]] = {
    "csv": (read_csv, table),
    "tsv": (read_tsv, lambda rows: table(rows, "\t")),
    "jsonl": (read_jsonl, lines),
}
FIRST = {"csv": 2, "tsv": 2, "jsonl": 1}
"""The line of the first row."""
EVERY = pytest.mark.parametrize("form", FORMATS)


def read(
    tmp_path: Path, form: str, content: str | bytes | list[tuple[str, ...]], columns: Mapping[str, str] = COLUMNS
) -> Reading:
    """What the reader of a format makes of rows, or of a file with this content."""
    reader, write = FORMATS[form]
    text = write(content) if isinstance(content, list) else content
    path = tmp_path / f"talk.{form}"
    path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    return reader(path, columns)


def said(reading: Reading) -> list[str]:
    """Everything that is wrong with a file, the checks of the data included."""
    return [str(problem) for problem in file_problems(reading, LABELS, "talk")]


# ---------------------------------------- right files


@EVERY
def test_rows_become_dialogues(tmp_path: Path, form: str) -> None:
    """Quotes, a line break in a text, an empty label that is none; the place is the line the row begins on."""
    reading = read(tmp_path, form, ROWS)
    assert said(reading) == []
    assert [(d.key, [t.speaker for t in d.turns]) for d in reading.dialogues] == [
        ("a", ["Ada", "Bob"]),
        ("b", ["Cy", "Ada"]),
    ]
    assert reading.dialogues[0].turns[1] == RawTurn("Bob", 'No, it\u2019s "off".', "ang", "", f"line {FIRST[form] + 1}")
    assert reading.dialogues[1].turns[0] == RawTurn("Cy", "Two\nlines.", None, "", f"line {FIRST[form] + 2}")


@EVERY
@pytest.mark.parametrize(
    "change", [lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n"), lambda t: t.rstrip("\n")],
    ids=["BOM", "CRLF", "no last line end"],
)  # fmt: skip
def test_what_windows_writes_is_as_good(tmp_path: Path, form: str, change: Callable[[str], str]) -> None:
    """Texts without a line break of their own are the same."""
    rows = [(*row[:3], row[3].replace("\n", " "), row[4]) for row in ROWS]
    assert read(tmp_path, form, change(FORMATS[form][1](rows))) == read(tmp_path, form, rows)


@EVERY
def test_rows_are_put_in_the_order_of_their_numbers(tmp_path: Path, form: str) -> None:
    """Numbers, not texts: 9 comes before 10; each dialogue for itself; decimals and signs are numbers."""
    numbers = ["10", "9", "2.5", "-1"]
    rows = [("a", number, "Ada", f"turn {number}", "flat") for number in numbers]
    rows += [("b", "2", "Ada", "last", "flat"), ("b", "1", "Bob", "first", "ang")]
    found = read(tmp_path, form, rows, NUMBERED)
    assert said(found) == []
    assert [t.text for t in found.dialogues[0].turns] == ["turn -1", "turn 2.5", "turn 9", "turn 10"]
    assert [t.text for t in found.dialogues[1].turns] == ["first", "last"]


def test_jsonl_holds_numbers_and_other_fields(tmp_path: Path) -> None:
    """A dialogue and a turn may be numbers; what is nested in other fields is nobody's business; no label is none."""
    text = (
        '{"call": 7, "nr": 2, "who": "Ada", "words": "Oh.", "feeling": "glad", "more": [[{}]]}\n\n'
        '{"call": 7, "nr": 1.0, "who": "Bob", "words": "", "feeling": null}\n'
        '{"call": 7, "nr": 3, "who": "A", "words": "x"}'
    )
    found = read(tmp_path, "jsonl", text, NUMBERED)
    assert said(found) == []
    assert [(d.key, [(t.key, t.label) for t in d.turns]) for d in found.dialogues] == [
        ("7", [("1", None), ("2", "glad"), ("3", None)])
    ]


VALUE = st.text(min_size=1, max_size=12).filter(lambda v: v.strip() and "\0" not in v)


@EVERY
@given(rows=st.lists(st.tuples(VALUE, VALUE, st.sampled_from(["", *LABELS.keys])), min_size=1, max_size=6))
def test_what_was_written_is_read(form: str, rows: list[tuple[str, str, str]]) -> None:
    """Any speaker and text survive, whatever quotes, commas, tabs and line breaks are in them."""
    written = [("a", str(i), *row) for i, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as root:
        found = read(Path(root), form, written, NUMBERED)
    assert found.problems == ()
    assert [(t.speaker, t.text, t.label or "") for d in found.dialogues for t in d.turns] == rows


# ---------------------------------------- wrong rows


@EVERY
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (0, " ", "'call' must be the dialogue's id"),
        (1, "2nd", "'nr' must be the turn's number. Got '2nd'."),
        (1, "1_0", "'nr' must be the turn's number"),
        (1, "inf", "'nr' must be the turn's number"),
        (1, "9" * 400, "'nr' must be the turn's number"),
        (2, " ", "'who' must be a speaker's name: text that is not empty"),
        (3, " ", "the text of an utterance with the label ang is empty"),
        (4, "anger", "unknown label. Got 'anger'. Did you mean ang? Known: ang, glad, flat."),
        (4, "ang ", "unknown label. Got 'ang '. Did you mean ang?"),
    ],
)
def test_a_wrong_value_is_told_by_its_place(tmp_path: Path, form: str, field: int, value: str, message: str) -> None:
    """The line, the column as the file calls it, the value; the other rows are read."""
    rows: list[Any] = [list(row) for row in ROWS]
    rows[1][field] = value
    reading = read(tmp_path, form, [tuple(row) for row in rows], NUMBERED)
    [line] = said(reading)
    assert f"line {FIRST[form] + 1}: " in line
    assert message in line
    assert sum(len(d.turns) for d in reading.dialogues) >= 3


@EVERY
def test_every_wrong_value_of_every_row_is_told(tmp_path: Path, form: str) -> None:
    """Nothing is found only after the first is mended."""
    rows: list[tuple[str, ...]] = [("a", "x", " ", "Oh.", "ang"), ("a", "1", "Ada", "Oh.", "mad"), *ROWS[2:]]
    assert len(said(read(tmp_path, form, rows, NUMBERED))) == 3


@EVERY
def test_a_dialogue_in_two_pieces_and_a_number_twice_are_told(tmp_path: Path, form: str) -> None:
    """Also where the number is written in two ways."""
    rows = [*ROWS, ("a", "3", "Ada", "Again.", "flat")]
    assert "dialogue 'a' begins a second time" in said(read(tmp_path, form, rows))[0]
    twice = [ROWS[0], ("a", "1.0", "Bob", "Oh.", "ang")]
    assert "dialogue 'a' has two turns with the id '1'" in said(read(tmp_path, form, twice, NUMBERED))[0]


@EVERY
def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, form: str) -> None:
    """Once for the file, not once for each row."""
    [line] = said(read(tmp_path, form, ROWS, {**COLUMNS, "label": "emotion"}))
    assert "emotion" in line
    assert "found: 'call', 'nr', 'who', 'words', 'feeling'." in line


def test_a_column_or_field_that_stands_twice_is_told(tmp_path: Path) -> None:
    """Which one is meant is not guessed; a column that is not used may stand as often as it likes."""
    content = table([("a", "Ada", "x", "glad", "glad")], header=("call", "who", "words", "feeling", "feeling"))
    assert "more than one column called 'feeling'" in said(read(tmp_path, "csv", content))[0]
    content = table([("a", "Ada", "x", "glad", "", "")], header=("call", "who", "words", "feeling", "", ""))
    assert said(read(tmp_path, "csv", content)) == []
    [line] = said(read(tmp_path, "jsonl", '{"call": 1, "who": "A", "words": "x", "feeling": "ang", "feeling": "glad"}'))
    assert "line 1: not JSON: the field 'feeling' stands twice" in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: not JSON"),
        ("[1]", r"line 1: not a JSON object. Got '\[1\]'"),
        ("[" * 100_000, "line 1: not JSON"),
        ("9" * 5000, "line 1: not JSON"),
        ('{"call": ["a"], "who": "A", "words": "x", "feeling": "ang"}', r"'call' must be the dialogue's id.*\['a'\]"),
        ('{"call": true, "who": "A", "words": "x", "feeling": "ang"}', "'call' must be the dialogue's id"),
        ('{"call": "a", "who": null, "words": "x", "feeling": "ang"}', "'who' must be a speaker's name.* Got None"),
        ('{"call": "a", "who": "A", "words": {"x": 1}, "feeling": "ang"}', "'words' must be text. Got {'x': 1}"),
        ('{"call": "a", "who": "A", "words": "x", "feeling": [0]}', r"'feeling' must be the key of a label.*\[0\]"),
        ('{"call": "a", "who": "A", "words": "\\ud800", "feeling": "ang"}', "half of a surrogate pair"),
        ('{"call": "\\ud800", "who": "A", "words": "x", "feeling": "ang"}', "'call' must be the dialogue's id"),
        ('{"call": "a", "who": "A", "words": "x\\u0000", "feeling": "ang"}', "NUL"),
        ("", "is empty"),
        ("\n\n", "is empty"),
    ],
)  # fmt: skip
def test_a_wrong_line_of_jsonl_is_told(tmp_path: Path, text: str, message: str) -> None:
    """Not JSON, no object, wrong types, nested values."""
    [line] = said(read(tmp_path, "jsonl", text))
    assert re.search(message, line), line
    assert len(line) < 500


@EVERY
def test_a_file_that_is_not_utf_8_says_how_to_convert_it(tmp_path: Path, form: str) -> None:
    """cp1252, as older spreadsheets write it."""
    [line] = said(read(tmp_path, form, FORMATS[form][1](ROWS).encode("cp1252")))
    assert "Got byte 0x92" in line
    assert "iconv -f cp1252 -t utf-8" in line


def test_a_huge_field_is_read_or_told(tmp_path: Path) -> None:
    """JSONL holds a text of any length; a CSV cell beyond what Python's reader takes is a problem of its row."""
    rows = [("a", "1", "Ada", "x" * 300_000, "ang"), *ROWS]
    assert said(read(tmp_path, "jsonl", [("z", *rows[0][1:]), *ROWS])) == []
    assert any("field limit" in line for line in said(read(tmp_path, "csv", rows)))


# ---------------------------------------- any file


def damage(content: bytes, kinds: list[str], rng: random.Random) -> bytes:
    """The content with the given damages, one after the other."""
    for kind in kinds:
        at = rng.randrange(len(content) + 1)
        rows = content.split(b"\n")
        match kind:
            case "cut":
                content = content[:at]
            case "flip":
                content = bytes(b ^ (1 << rng.randrange(8)) if i == at else b for i, b in enumerate(content))
            case "reorder":
                rng.shuffle(rows)
                content = b"\n".join(rows)
            case "repeat":
                content += b"\n".join(rng.choices(rows, k=2))
            case "type":
                content = content.replace(rng.choice([b'"Ada"', b'"flat"', b"ang", b'"a"', b"1"]), b"[[1], {}]")
            case "huge":
                content = content[:at] + b"x" * 140_000 + content[at:]
            case "bom":
                content = b"\xef\xbb\xbf" + content
            case "crlf":
                content = content.replace(b"\n", b"\r\n")
            case "cp1252":
                content = content.decode("utf-8", "ignore").encode("cp1252", "ignore")
            case _:
                content = content[:at] + kind.encode("latin-1") + content[at:]
    return content


PIECES = ["\0", '"', "'", "[", "]", "{", "\t", "\r", "\n", ",", "\\", "\\ud800", "\xff", "\xef\xbb\xbf", "[" * 5000]
KINDS = ["cut", "flip", "reorder", "repeat", "type", "huge", "bom", "crlf", "cp1252", *PIECES]


@EVERY
@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4), seed=st.integers(0, 10_000))
def test_a_damaged_file_gives_an_error_of_ours_or_a_correct_corpus(form: str, kinds: list[str], seed: int) -> None:
    """Never a traceback; a corpus that comes out holds labels of the set and texts, each dialogue once, in order."""
    content = damage(FORMATS[form][1](ROWS).encode(), kinds, random.Random(seed))
    with tempfile.TemporaryDirectory() as root:
        for split in SPLITS:
            (Path(root) / f"{split}.{form}").write_bytes(FORMATS[form][1](OTHERS[split]).encode())
        (Path(root) / f"train.{form}").write_bytes(content)
        try:
            corpus = data.load(toy(Path(root), form))
        except DataError as error:
            message = str(error)
        else:
            message = ""
            keys = [dialogue.key for dialogue in corpus.train]
            turns = [turn for dialogue in corpus.train for turn in dialogue.utterances]
            assert len(keys) == len(set(keys))
            assert turns
            assert all(turn.label is None or turn.label in LABELS for turn in turns)
            assert all(isinstance(turn.text, str) and turn.speaker.strip() for turn in turns)
    message.encode("utf-8")
    assert all(len(line) < 1000 and line.isprintable() for line in message.split("\n"))


OTHERS: dict[str, list[tuple[str, ...]]] = {
    split: [("a", "1", "Ada", f"Here is {split}.", "flat"), ("a", "2", "Bob", "Yes.", "ang")] for split in SPLITS
}


def toy(folder: Path, form: str) -> DatasetSpec:
    """A data set of three files of one format, with numbered turns."""
    target = f"ercbench.columns:read_{form}"
    return DatasetSpec(
        name="toy", summary="a toy", family="toy", version="1", labels=LABELS, licence="MIT", source="nowhere",
        files={s: (SplitFile(name=f"{s}.{form}", reader=target, columns=NUMBERED),) for s in SPLITS}, folder=folder,
    )  # fmt: skip


@EVERY
@given(content=st.binary(max_size=200))
def test_any_bytes_give_a_reading(form: str, content: bytes) -> None:
    """Whatever lies under the file's name."""
    with tempfile.TemporaryDirectory() as root:
        assert isinstance(read(Path(root), form, content, NUMBERED), Reading)


def test_a_dialogue_in_two_files_of_a_split_is_told(tmp_path: Path) -> None:
    """Several files of a split are read as one, and every place names its file."""
    for split in SPLITS:
        (tmp_path / f"{split}.csv").write_text(table(OTHERS[split]), encoding="utf-8")
    (tmp_path / "more.csv").write_text(table(ROWS), encoding="utf-8")
    spec = toy(tmp_path, "csv")
    more = spec.files["test"][0].model_copy(update={"name": "more.csv"})
    spec = spec.model_copy(
        update={"files": {**spec.files, "test": (spec.files["test"][0].model_copy(update={"more": (more,)}),)}}
    )
    with pytest.raises(DataError, match=r"test, more\.csv, line 2: dialogue 'a' begins a second time"):
        data.load(spec)
    (tmp_path / "more.csv").write_text(table(ROWS[2:]), encoding="utf-8")
    assert [dialogue.key for dialogue in data.load(spec).test] == ["a", "b"]
    (tmp_path / "more.csv").unlink()
    with pytest.raises(DataError, match=r"test: test\.csv with more\.csv"):
        data.load(spec)
