"""``examine``, ``across`` and ``ercbench data doctor``: what is said of sound and of broken files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ercbench_stock.datasets import DATASETS

from ercbench import data
from ercbench.cli.data import data as command
from ercbench.cli.data_doctor import without_values
from ercbench.data_report import TurnOrder, across, examine, turn_order
from ercbench.errors import DataError, UsageError
from ercbench.fingerprints import file_fingerprint
from ercbench.overlap import Amount
from ercbench.reading import Problem, RawDialogue, RawTurn
from ercbench.specs import DatasetSpec
from ercbench.types import SPLITS

STOCK = {spec.name: spec for spec in DATASETS}
HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
SECRET = "The kettle sang a sea shanty"
ROWS = {
    "train": (f"1,{SECRET}.,Ada,joy,x,0,0", "2,No.,Bob,anger,x,0,1", "3,No.,Bob,anger,x,0,4", "4,Hm,Cy,joy,x,1,0"),
    "dev": ("1,A boat in green and blue,Ada,joy,x,0,0", "2,...,Dee,fear,x,0,1"),
    "test": (f'1,"{SECRET.upper()}!",Ada,joy,x,0,2', "2,No.,Eve,anger,x,0,1", "3,Aha,Eve,joy,x,0,3"),
}


def old_or_new(spec: str = "meld", **changes: Any) -> DatasetSpec:
    """A stock data set whose counts are not checked, with changes."""
    return STOCK[spec].model_copy(update={"expected": {}, **changes})


def write(root: Path, rows: dict[str, tuple[str, ...]] | None = None, name: str = "meld") -> Path:
    """Write three files in the form of MELD below `root`, which is returned."""
    (root / name).mkdir(parents=True, exist_ok=True)
    for split, lines in {**ROWS, **(rows or {})}.items():
        (root / name / f"{split}_sent_emo.csv").write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    return root


# ---------------------------------------- the numbers


def test_a_sound_data_set_is_described_split_by_split(tmp_path: Path) -> None:
    """Counts, labels, speakers, order, repeats, fingerprints, and no problem."""
    report = examine(old_or_new(), write(tmp_path)).report
    corpus = data.load(old_or_new(), tmp_path)
    assert report.problems == ()
    assert report.fingerprint == corpus.fingerprint
    train, dev, test = (report.splits[split] for split in SPLITS)
    assert (train.dialogues, train.turns, train.labelled, train.one_turn_dialogues, train.speakers) == (2, 4, 4, 1, 3)
    assert {key: number for key, number in train.labels.items() if number} == {"anger": 2, "joy": 2}
    assert tuple(train.labels) == corpus.labels.keys
    assert (train.order, test.order) == (TurnOrder(1, 0), TurnOrder(2, 1))
    assert train.repeats.exact == Amount(1, 0)
    assert (dev.empty_texts, dev.wordless_texts, dev.unknown_labels) == (0, 1, 0)
    assert train.files == (file_fingerprint(tmp_path / "meld" / "train_sent_emo.csv"),)
    assert train.fingerprint == data.corpus_fingerprints(corpus, old_or_new(), tmp_path).splits["train"]
    pair = report.pairs["test in train"]
    assert (pair.overlap.exact, pair.overlap.normalised, pair.shared_speakers) == (Amount(1, 0), Amount(2, 1), 1)
    assert list(report.pairs) == ["test in train", "test in dev", "dev in train"]


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        (["0", "1", "2"], TurnOrder(0, 0)),
        (["s01_u001", "s01_u002", "s01_u005", "s01_u004"], TurnOrder(2, 1)),
        (["7"], TurnOrder(0, 0)),
        (["a_1", "b_1", "b_0"], TurnOrder(2, 2)),
        (["1", "", "2"], TurnOrder(0, 0)),
        (["9" * 6000, "1"], TurnOrder(1, 1)),
        (["", ""], None),
        (["\u0661", "\u0662"], None),
        ([], None),
    ],
)
def test_the_order_of_turn_ids(keys: list[str], order: TurnOrder | None) -> None:
    """The number at the end of an id, compared with that of the turn before; no ids, no statement."""
    assert turn_order([RawDialogue("d", tuple(RawTurn("A", "b", None, key, "") for key in keys))]) == order


def test_two_data_sets_are_compared_both_ways(tmp_path: Path) -> None:
    """Each side's test and dev in the other's splits, with the names of both."""
    write(tmp_path)
    write(tmp_path, {"train": ("1,Aha,Eve,joy,x,0,0",)}, "meld-two")
    one, two = (examine(old_or_new(name=name), tmp_path) for name in ("meld", "meld-two"))
    pairs = across(one, two)
    assert len(pairs) == 8
    assert pairs["meld test in meld-two train"].overlap.normalised == Amount(1, 0)
    assert pairs["meld-two test in meld train"].overlap.normalised == Amount(2, 1)
    assert pairs["meld test in meld-two test"].overlap.normalised == Amount(3, 1)


# ---------------------------------------- broken files


def test_broken_files_are_described_as_far_as_they_can_be_read(tmp_path: Path) -> None:
    """The problems of `load`, the numbers of what is sound, no fingerprint of what is broken."""
    write(tmp_path, {"train": (*ROWS["train"], "5,Oh,Ada,joyy,x,2,0", "6,short")})
    report = examine(old_or_new(), tmp_path).report
    with pytest.raises(DataError) as caught:
        data.load(old_or_new(), tmp_path)
    assert len(report.problems) == 2
    assert all(str(problem) in str(caught.value) for problem in report.problems)
    train = report.splits["train"]
    assert (train.turns, train.labelled, train.unknown_labels) == (5, 4, 1)
    assert (report.fingerprint, train.fingerprint) == (None, None)
    assert report.splits["dev"].fingerprint is not None
    assert report.pairs["test in train"].overlap.normalised == Amount(2, 1)


def test_other_counts_are_named_beside_broken_rows(tmp_path: Path) -> None:
    """`load` stops at broken rows; here the counts are compared as well, and unknown labels are not spelt out."""
    write(tmp_path, {"dev": ("1,A boat,Ada,joyy,x,0,0",)})
    texts = [str(problem) for problem in examine(STOCK["meld"], tmp_path).report.problems]
    assert any(text.startswith("dev_sent_emo.csv, line 2: unknown label") for text in texts)
    (dev,) = (text for text in texts if text.startswith("dev: "))
    assert "dialogues 1, expected 114; turns 1, expected 1109" in dev
    assert "unknown labels 1" in dev
    assert "joyy" not in dev
    assert any(text.startswith("test: dialogues 1, expected 280") for text in texts)


def test_a_missing_file_does_not_hide_the_others(tmp_path: Path) -> None:
    """What is there is described; what is not is a problem. Nothing at all is an error, as `load` has it."""
    write(tmp_path)
    (tmp_path / "meld" / "dev_sent_emo.csv").unlink()
    report = examine(old_or_new(), tmp_path).report
    assert list(report.splits) == ["train", "test"]
    assert list(report.pairs) == ["test in train"]
    (problem,) = report.problems
    assert problem.what == "Data set 'meld' lacks its files for dev."
    assert "--data-dir" in problem.fix
    with pytest.raises(DataError, match="train, dev, test"):
        examine(old_or_new(), tmp_path / "nowhere")


def test_a_known_old_copy_is_named_by_load_and_here(tmp_path: Path) -> None:
    """By its checksum, whether or not anything else is wrong with it; a file that is not known is not."""
    write(tmp_path)
    digest = file_fingerprint(tmp_path / "meld" / "dev_sent_emo.csv").sha256
    spec = old_or_new(known_copies={digest[:8]: "MELD of old", "0" * 64: "another"})
    report = examine(spec, tmp_path).report
    (problem,) = report.problems
    assert str(problem).startswith("dev_sent_emo.csv: is MELD of old. The right files: https://github.com/")
    assert [report.splits[split].copy for split in SPLITS] == [None, "MELD of old", None]
    with pytest.raises(DataError, match=r"not those of version.*\ndev_sent_emo.csv: is MELD of old"):
        data.load(spec, tmp_path)
    write(tmp_path, {"train": ("1,Oh,Ada,joyy,x,2,0",)})
    with pytest.raises(DataError, match=r"unknown label(.|\n)*dev_sent_emo.csv: is MELD of old"):
        data.load(spec, tmp_path)


def test_a_file_that_may_not_be_opened_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader says so; neither the sha256 nor the search for old copies falls over it."""
    write(tmp_path)

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        patch.setattr(Path, "read_bytes", refuse)
        report = examine(old_or_new(), tmp_path).report
    assert [problem.what for problem in report.problems] == ["cannot be opened (Permission denied)."] * 3
    assert report.splits["dev"].files[0].sha256 == ""


# ---------------------------------------- the command


def run(tmp_path: Path, *arguments: str, spec: DatasetSpec | None = None) -> Any:
    """``ercbench data doctor`` on the files below `tmp_path`, with stock data sets whose counts are not checked."""
    specs = {name: found.model_copy(update={"expected": {}}) for name, found in STOCK.items()}
    if spec is not None:
        specs[spec.name] = spec
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ercbench.catalog.Catalog.get", lambda self, kind, name: specs[name])
        return CliRunner().invoke(command, ["doctor", *arguments, "--data-dir", str(tmp_path)])


def test_overlap_alone_is_no_failure(tmp_path: Path) -> None:
    """Text, JSON and Markdown end with 0 and hold the same numbers."""
    write(tmp_path)
    text, as_json, page = (run(tmp_path, "meld", *more) for more in ((), ("--json",), ("--markdown",)))
    assert [result.exit_code for result in (text, as_json, page)] == [0, 0, 0]
    found = json.loads(as_json.output)
    assert found["ok"] is True
    assert found["pairs"]["test in train"]["overlap"]["normalised"] == {"all": 2, "long": 1}
    assert found["splits"]["train"]["order"] == {"gaps": 1, "backwards": 0}
    rows = {line.split("  ")[0]: line.split("  ") for line in text.output.splitlines()}
    assert [cell.strip() for cell in rows["test in train"] if cell][1:] == ["3 (1)", "1 (0)", "2 (1)", "2 (1)", "1"]
    assert "| test in train | 3 (1) | 1 (0) | 2 (1) | 2 (1) | 1 |" in page.output
    assert "Problems: none" in text.output
    assert str(tmp_path) in text.output
    assert str(tmp_path) not in page.output


@pytest.mark.parametrize("more", [(), ("--json",), ("--markdown",)])
def test_files_that_are_not_what_they_should_be_end_with_the_code_of_a_data_error(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    """The report is printed all the same."""
    write(tmp_path)
    result = run(tmp_path, "meld", *more, spec=STOCK["meld"])
    assert isinstance(result.exception, DataError)
    assert "3 problems" in str(result.exception)
    assert "expected 9989" in result.output
    assert "test in train" in result.output
    if more == ("--json",):
        assert json.loads(result.output)["ok"] is False


@pytest.mark.parametrize("more", [(), ("--json",), ("--markdown",)])
def test_no_line_of_dialogue_is_shown_unless_asked_for(tmp_path: Path, more: tuple[str, ...]) -> None:
    """Not even from a broken file, whose problems quote it. With --show-text both are there."""
    lines = (
        *ROWS["train"],
        f'5,"{SECRET}\', ""{SECRET}"" \'",Ada,{SECRET},x,2,0',
        f"6,{SECRET}",
        f",,,{SECRET},,{SECRET},",
    )
    write(tmp_path, {"train": lines, "dev": ()})
    (tmp_path / "meld" / "dev_sent_emo.csv").write_text(f"{SECRET},{SECRET}\n")
    hidden, shown = run(tmp_path, "meld", *more), run(tmp_path, "meld", *more, "--show-text")
    assert "shanty" not in hidden.output.lower()
    assert "line 7" in hidden.output
    assert "has 2 cells where the header has 7." in hidden.output
    assert SECRET in shown.output
    assert SECRET.upper() in shown.output


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("is empty.", "is empty."),
        ("unknown label. Got 'it\\'s a secret'.", "unknown label."),
        ("lacks the column A. Columns found: 'secret', \"it's\".", "lacks the column A. Columns found: '...'."),
        ("dialogue 'a\nsecret' is the same as 'secret' in x.csv.", "dialogue '...' in x.csv."),
    ],
)
def test_what_a_problem_quotes_can_be_left_out(what: str, left: str) -> None:
    """From the first quote to the last, and the value that was got."""
    assert without_values(Problem("x.csv, line 3", what, "Mend it.")) == Problem("x.csv, line 3", left, "Mend it.")


def test_a_page_is_written_to_a_file_and_whatever_is_from_the_files_is_escaped(tmp_path: Path) -> None:
    """Examples of overlaps cannot become markup; line breaks and escape sequences cannot leave their line."""
    hostile = '"<script>|*x*`\x1b[31m\x07\na b c",'
    write(tmp_path, {split: (f"1,{hostile}Ada,joy,x,{split},0", f"2,{split},Bob,joy,x,{split},1") for split in SPLITS})
    page = tmp_path / "page.md"
    result = run(tmp_path, "meld", "--show-text", "--markdown", str(page))
    assert result.exit_code == 0
    assert "test in train" in result.output
    assert "\x07" not in result.output
    text = page.read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "\\|\\*x\\*\\`" in text
    assert "\x1b" not in text
    assert "\x07" not in text


def test_another_data_set_adds_its_overlap_and_its_problems(tmp_path: Path) -> None:
    """Both ways; a broken other data set fails the command too."""
    write(tmp_path)
    result = run(tmp_path, "meld", "meld-sample", "--json")
    assert result.exit_code == 0
    found = json.loads(result.output)
    assert found["other"]["name"] == "meld-sample"
    assert "meld-sample test in meld train" in found["pairs"]
    broken = run(tmp_path, "meld-sample", "meld", "--show-text", spec=STOCK["meld"])
    assert isinstance(broken.exception, DataError)


def test_arguments_that_exclude_each_other_are_usage_errors(tmp_path: Path) -> None:
    """The same data set twice, and two formats on one screen."""
    write(tmp_path)
    assert isinstance(run(tmp_path, "meld", "meld").exception, UsageError)
    assert isinstance(run(tmp_path, "meld", "--json", "--markdown").exception, UsageError)
    both = run(tmp_path, "meld", "--json", "--markdown", str(tmp_path / "page.md"))
    assert both.exit_code == 0
    assert json.loads(both.output)["ok"] is True
    assert (tmp_path / "page.md").is_file()


REAL = {
    "meld": ([69, 2, 2], [70, 6, 12]),
    "emorynlp": ([None, 79, 38], [0, 0, 0]),
    "iemocap": ([None, None, None], [0, 0, 0]),
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_the_real_files_have_no_problem_and_the_known_oddities(real_data: Path, name: str) -> None:
    """Utterance ids that do not follow on each other, dialogues of one utterance, the one empty text of IEMOCAP."""
    if not (real_data / name).is_dir():
        pytest.skip(f"no folder {name} among the real data sets")
    report = examine(STOCK[name], real_data).report
    assert report.problems == ()
    gaps, alone = REAL[name]
    assert [found.order and found.order.gaps for found in report.splits.values()] == gaps
    assert [found.one_turn_dialogues for found in report.splits.values()] == alone
    assert sum(found.empty_texts for found in report.splits.values()) == (name == "iemocap")


@pytest.mark.real_data
def test_the_page_on_data_has_the_numbers_of_the_real_files(real_data: Path) -> None:
    """Every row of its table of overlaps is one that the command prints."""
    from ercbench.cli.data_doctor import pair_rows

    page = (Path(__file__).parents[2] / "docs" / "explanation" / "data.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if re.match(r"\| \w+ \w+ in ", line)]
    assert len(rows) == 8
    names = ("meld", "emorynlp", "iemocap")
    if not all((real_data / name).is_dir() for name in names):
        pytest.skip("not all data sets are here")
    examined = {name: examine(STOCK[name], real_data) for name in names}
    printed = {
        f"{name} {row[0].replace(' in ', f' in {name} ')}": row
        for name in names
        for row in pair_rows(examined[name].report.pairs)
    }
    printed |= {row[0]: row for row in pair_rows(across(examined["emorynlp"], examined["meld"]))}
    for line in rows:
        key, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells == printed[key][1:5], line
