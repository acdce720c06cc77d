"""``dataset.yaml``: what a right one gives, and that a wrong one gives every problem at once, each with its line."""

from __future__ import annotations

import contextlib
import os
import random
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ercbench import data
from ercbench.errors import DataError
from ercbench.lines import LIMIT, Document, compose
from ercbench.manifest import read_manifest
from ercbench.reading import Problem
from ercbench.types import LabelSet

GOOD = """\
licence: CC0-1.0
citation: |
  Byron and Hart: Calls about kettles,
  the first edition.
labels:
  ang: angry
  no: refusing
  flat: neutral
neutral: flat
files:
  train: train.csv
  dev: dev.tsv
  test: [test-1.jsonl, more/test-2.csv]
"""
FILES = {
    "train.csv": "dialogue,speaker,text,label\n1,Ann,The kettle is on.,flat\n1,Bob,Not again!,ang\n",
    "dev.tsv": "dialogue\tspeaker\ttext\tlabel\n1\tAnn\tNo tea for me.\tno\n1\tBob\tFine.\t\n",
    "test-1.jsonl": '{"dialogue": 1, "speaker": "Cy", "text": "Who has the cups?", "label": "flat"}\n',
    "more/test-2.csv": "dialogue,speaker,text,label\n2,Cy,Not me.,no\n",
}


def folder(root: Path, manifest: str | bytes = GOOD, name: str = "My Calls") -> Path:
    """A folder with a manifest and four small files."""
    path = root / name
    (path / "more").mkdir(parents=True, exist_ok=True)
    for file, text in FILES.items():
        (path / file).write_text(text, encoding="utf-8")
    (path / "dataset.yaml").write_bytes(
        manifest.encode("utf-8", "surrogatepass") if isinstance(manifest, str) else manifest
    )
    return path


def problems(root: Path, manifest: str | bytes) -> list[str]:
    """The lines that tell what is wrong."""
    with pytest.raises(DataError) as caught:
        read_manifest(folder(root, manifest))
    head, *lines = str(caught.value).split("\n")
    assert str(root / "My Calls") in head
    return [line.removeprefix("- ") for line in lines]


def only(root: Path, manifest: str | bytes) -> str:
    """The one line that tells what is wrong."""
    [line] = problems(root, manifest)
    return line


# ---------------------------------------- a right one


def test_a_right_manifest_is_a_data_set(tmp_path: Path) -> None:
    """Labels in the order of the file, the folder's name, columns by their own names, a board of its own that ranks."""
    spec = read_manifest(folder(tmp_path))
    assert (spec.name, spec.family, spec.version, spec.ranked, spec.own) == ("my-calls", "my-calls", "1", True, True)
    assert spec.labels == LabelSet.of({"ang": "angry", "no": "refusing", "flat": "neutral"}, neutral="flat")
    assert spec.citation == "Byron and Hart: Calls about kettles,\nthe first edition."
    corpus = data.load(spec, Path("a folder that is not looked at"))
    assert [[u.label for d in corpus.split(s) for u in d.utterances] for s in ("train", "dev")] == [
        ["flat", "ang"],
        ["no", None],
    ]
    assert [(d.key, d.utterances[0].uid) for d in corpus.test] == [
        ("1", "my-calls/test/0/0"),
        ("2", "my-calls/test/1/0"),
    ]


def test_values_are_taken_as_they_are_written(tmp_path: Path) -> None:
    """YAML's own ideas of ``no``, 1.10 and dates change nothing; null is no neutral label."""
    text = GOOD.replace("neutral: flat", "neutral: ~\nversion: 1.10\nname: 2024-05-01\nsummary: yes\nranked: false")
    spec = read_manifest(folder(tmp_path, text))
    assert (spec.version, spec.name, spec.summary, spec.ranked) == ("1.10", "2024-05-01", "yes", False)
    assert spec.labels.neutral is None


def test_columns_may_be_called_otherwise(tmp_path: Path) -> None:
    """The names in the file are used, and the turn column puts rows in order."""
    path = folder(tmp_path, GOOD.replace("dev.tsv", "own.csv") + "columns:\n  text: words\n  turn: nr\n")
    table = "dialogue,nr,speaker,words,label\n1,10,Ann,later,ang\n1,9,Bob,sooner,no\n"
    for name in FILES:
        (path / name).unlink()
    for name in ("train.csv", "own.csv", "more/test-2.csv"):
        (path / name).write_text(table.replace("later", f"later in {name}"), encoding="utf-8")
    (path / "test-1.jsonl").write_text('{"dialogue": "a", "nr": 1, "speaker": "A", "words": "b", "label": "no"}')
    corpus = data.load(read_manifest(path))
    assert [u.text for u in corpus.dev[0].utterances] == ["sooner", "later in own.csv"]


@pytest.mark.parametrize("change", [lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n")], ids=["BOM", "CRLF"])
def test_what_windows_writes_is_as_good(tmp_path: Path, change: object) -> None:
    """A byte order mark and CRLF change nothing but the citation's line ends."""
    spec = read_manifest(folder(tmp_path, change(GOOD)))  # type: ignore[operator]
    assert spec == read_manifest(folder(tmp_path))


# ---------------------------------------- a wrong one


def test_every_problem_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    """In the order of the file: names, labels, files, columns."""
    wrong = """\
name: My Calls
licence: CC0-1.0
lables: x
labels:
  ang: angry
  glad: Angry
  "a,b": comma
  ang: mad
  sad:
neutral: angg
files:
  train: ../train.csv
  dev: dev.txt
  tset: test.csv
columns:
  txt: words
  text: speaker
ranked: maybe
"""
    expected = [
        (1, "name must be lower-case letters"),
        (1, "citation is missing: how the data set is cited"),
        (3, "'lables' is no field. Did you mean labels?"),
        (6, "labels.glad has the same word as labels.ang"),
        (7, "a label must be written with letters"),
        (8, "'labels.ang' stands a second time; the first is on line 5."),
        (9, "labels.sad must be text. Got None."),
        (10, "neutral must be one of the labels, or null. Got 'angg'. Did you mean 'ang'?"),
        (11, "files.test is missing: the file, or a list of the files, of this split. A run trains on train"),
        (12, "files.train: a file must lie in the folder of the data set"),
        (13, "files.dev: a file's name must end in .csv, .tsv, .jsonl. Got 'dev.txt'."),
        (14, "'files.tset' is no field. Did you mean test?"),
        (16, "'columns.txt' is no field. Did you mean text?"),
        (17, "columns.text and columns.speaker are the same column. Got 'speaker'."),
        (18, "ranked must be true or false. Got 'maybe'."),
    ]
    found = problems(tmp_path, wrong)
    assert len(found) == len(expected)
    for line, (number, text) in zip(found, expected, strict=True):
        assert line.startswith(f"dataset.yaml, line {number}: {text}")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (GOOD + "\tname: x\n", r"line 14: is not YAML: .*found character '\\t'"),
        (GOOD.replace("2.csv]", "2.csv"), r"line 14: is not YAML"),
        (
            GOOD.replace("CC0-1.0", "&a x").replace("labels:", "summary: *a\nlabels:"),
            r"line 5: repeats another .*'\*a'",
        ),
        (GOOD + "---\nname: x\n", "line 14: is not YAML: .*another document"),
        (GOOD.replace("CC0-1.0", "!!python/name:os.getcwd x"), "line 1: a tag is not used here"),
        (GOOD.replace("licence:", "? [a, b]\n: c\nlicence:"), "line 1: what stands before ':' must be a word"),
        (GOOD.replace("CC0-1.0", "a\x01b"), r"line 1: holds a character that YAML does not allow. Got '\\x01'"),
        (GOOD.replace("CC0-1.0", r'"\UFFFFFFFF"'), "is not YAML: "),
        (GOOD.replace("CC0-1.0", r'"\ud800"'), r"line 1: licence must be one line of text.* Got '\\ud800'"),
        (GOOD.replace("CC0-1.0", "café").encode("cp1252"), "line 1: is not UTF-8 text. Got byte 0xe9"),
        (GOOD.replace("CC0", "C\0"), "line 1: holds a NUL byte"),
        ("", "is empty"),
        ("# only a remark\n", "is empty"),
        ("just words", "line 1: the file must be a mapping"),
        ("- a\n- b\n", "line 1: the file must be a mapping"),
        ("[" * 3000, "is nested too deeply"),
        (GOOD + "# " + "x" * LIMIT, "is too long"),
        (GOOD.replace("  ang: angry\n  no: refusing\n", ""), "line 5: labels must be two or more. Got \\['flat'\\]"),
        (GOOD.replace("  ang: angry\n", "  uid: angry\n"), "line 6: a label must be written with"),
        (GOOD.replace("more/test-2.csv", "train.csv"), "line 13: files.test: the file is named for train already"),
        (GOOD.replace("more/test-2.csv", "more/../train.csv"), "line 13: files.test: a file must lie in the folder"),
        (GOOD.replace("dev.tsv", "/etc/passwd"), "line 12: files.dev: a file must lie in the folder"),
        (GOOD.replace("dev.tsv", r"C:\dev.tsv"), "line 12: files.dev: a file must lie in the folder"),
        (GOOD.replace("dev.tsv", "dev.csv"), "line 12: files.dev: there is no such file.* Did you mean 'dev.tsv'"),
        (GOOD.replace("dev.tsv", "x" * 5000 + ".csv"), "line 12: files.dev: there is no such file"),
        (GOOD.replace("train.csv\n", "[]\n"), "line 11: files.train"),
        (GOOD.replace("train.csv\n", "{a: b}\n"), "line 11: files.train must be the name of a file, or a list of them"),
        (GOOD.replace("neutral: flat", "neutral: [flat]"), "line 9: neutral must be text"),
        (GOOD + "name: all\n", "line 14: name must be .* not all or readme"),
        (GOOD + "columns: words\n", "line 14: columns must be a mapping"),
    ],
    ids=range(30),
)
def test_one_wrong_thing_is_told_with_its_line(tmp_path: Path, manifest: str | bytes, message: str) -> None:
    """Whatever it is, it is one line of one message."""
    line = only(tmp_path, manifest)
    assert re.search(f"^dataset.yaml(, )?:?.*{message}", line), line
    assert line.isprintable()
    assert len(line) < 600


def test_no_split_is_made_up(tmp_path: Path) -> None:
    """A data set with a test file alone is told what is missing and why it is needed."""
    text = GOOD.replace("  train: train.csv\n  dev: dev.tsv\n", "")
    found = problems(tmp_path, text)
    assert [line.split(": ")[1].split()[0] for line in found] == ["files.train", "files.dev"]
    assert all("makes no split by itself" in line for line in found)


def test_a_folder_without_a_manifest_says_what_it_lacks(tmp_path: Path) -> None:
    """No folder, no file, a file with another ending."""
    with pytest.raises(DataError, match=r"no such folder\. Got .*nowhere"):
        read_manifest(tmp_path / "nowhere")
    (tmp_path / "dataset.yml").write_text(GOOD)
    with pytest.raises(DataError, match=r"holds no dataset\.yaml.* It holds 'dataset\.yml': rename it"):
        read_manifest(tmp_path)


def test_a_folder_whose_name_makes_no_name_needs_one(tmp_path: Path) -> None:
    """It is asked for."""
    with pytest.raises(DataError, match=r"makes no name for a data set\. Got '___'\. Add: name"):
        read_manifest(folder(tmp_path, name="___"))
    assert read_manifest(folder(tmp_path, GOOD + "name: fine\n", name="___")).name == "fine"


def test_a_link_to_a_file_elsewhere_is_followed(tmp_path: Path) -> None:
    """A link is the user's own doing, unlike a path in a manifest that came from somebody else."""
    path = folder(tmp_path)
    os.replace(path / "train.csv", tmp_path / "elsewhere.csv")
    (path / "train.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert len(data.load(read_manifest(path)).train) == 1


# ---------------------------------------- any file


PIECES = [
    "\0",
    ":",
    "- ",
    "[",
    "{",
    "&a ",
    "*a",
    "!!int ",
    "\t",
    "\r",
    "\n",
    "\xff",
    "\ufeff",
    '"',
    "'",
    "? ",
    "%",
    "|",
    "[" * 999,
]


@given(
    kinds=st.lists(st.sampled_from(["cut", "flip", "swap", *PIECES]), min_size=1, max_size=4),
    seed=st.integers(0, 10_000),
)
def test_a_damaged_manifest_gives_a_data_set_or_an_error_of_ours(kinds: list[str], seed: int) -> None:
    """Never a traceback; and every problem is a line that can be printed."""
    rng, content = random.Random(seed), GOOD.encode()
    for kind in kinds:
        at = rng.randrange(len(content) + 1)
        if kind == "cut":
            content = content[:at]
        elif kind == "flip" and at < len(content):
            content = content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
        elif kind == "swap":
            lines = content.split(b"\n")
            rng.shuffle(lines)
            content = b"\n".join(lines)
        else:
            content = content[:at] + kind.encode() + content[at:]
    with tempfile.TemporaryDirectory() as root:
        path = folder(Path(root), content)
        lines = [] if (said := error_of(path)) is None else said.split("\n")
    assert all(line.isprintable() for line in lines)


def error_of(path: Path) -> str | None:
    """What is said about a folder; None where it is a data set that can be read."""
    try:
        data.load(read_manifest(path))
    except DataError as error:
        return str(error)
    return None


@given(st.text(max_size=200))
def test_any_text_gives_values_or_a_problem(text: str) -> None:
    """Also text that is no YAML at all."""
    with contextlib.suppress(UnicodeEncodeError):
        text.encode()
        assert isinstance(compose("dataset.yaml", text), (Document, Problem))
