"""Stage 8: every format says what the boards say, and what comes from records does nothing in any of them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from board_results import compared, printed, publish, record, saved, seeds
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ercbench import leaderboard
from ercbench.cli.leaderboard import FORMATS
from ercbench.cli.leaderboard import leaderboard as command
from ercbench.errors import RecordError, UnknownName
from ercbench.leaderboard import exports, latex
from ercbench.leaderboard.build import texts
from ercbench.leaderboard.csv_tables import records_csv, rows_csv
from ercbench.leaderboard.every_eval_ever import every_eval_ever
from ercbench.leaderboard.papers_with_code import papers_with_code

HOSTILE = (
    '=HYPERLINK("http://f")',
    "+1+cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "a | b & c % d # e _ f ~ g ^ h $x$ {y}",
    "\\input{/etc/passwd} \\write18{rm}",
    "a\n\\end{table}\r\n=1",
    "\u202egnp.exe",
    "../../outside",
    "@SUM(1)\t-2",
)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two ranked rows that are tied, a third one below them, one of few seeds, one outside the rules."""
    folder = tmp_path / "results"
    found = [*seeds("a", 0.7, recipe={"reference": "X, arXiv 2403.20289"}), *seeds("b", 0.69), *seeds("c", 0.5)]
    found += [record("few", 0.9), *seeds("cheat", 0.95, protocol={"selection_split": "test"})]
    return compared(publish(saved(folder, *found), printed("theirs")), lambda better, worse: worse == "c")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A results folder in which every text of a record is made to break out."""
    folder = tmp_path / "hostile"
    for number, text in enumerate(HOSTILE):
        encoder = {"checkpoint": text}
        recipe = {"name": text.replace("/", ":"), "reference": text, "version": text.replace("/", ":")}
        made = record(f"m{number}", 0.5, recipe=recipe, encoder=encoder, command=text, track=text.replace("/", ":"))
        path = folder / "records" / "talk" / "mini" / f"m{number}@1" / "seed-0.json"
        path.parent.mkdir(parents=True)
        path.write_text(made.model_dump_json(), encoding="utf-8")
    return publish(folder, *(printed(text, source=text, remark=text, kind=text) for text in HOSTILE))


def cells(text: str) -> list[dict[str, str]]:
    """A CSV file as a program reads it."""
    return list(csv.DictReader(io.StringIO(text), strict=True))


def test_csv_has_a_line_per_row_and_per_record(results: Path) -> None:
    """Unrounded fractions; a line of a record names its row."""
    boards = leaderboard.build(results)
    rows, records = cells(rows_csv(boards)), cells(records_csv(boards))
    assert [row["recipe"] for row in rows] == ["a@1", "b@1", "c@1", "few@1", "cheat@1"]
    assert len(records) == 13
    assert {one["row"] for one in records} == {row["row"] for row in rows}
    first = rows[0]
    assert (first["rank_first"], first["rank_last"], first["standing"], first["status"]) == (
        "1", "2", "ranked", "verified",
    )  # fmt: skip
    assert float(first["weighted_f1"]) == boards.boards[0].sections[0].tasks[0].rows[0].test.mean
    assert (rows[3]["rank_first"], rows[3]["reasons"], rows[4]["reasons"]) == ("", "1 seed", "selected on test")
    assert records[0]["signature"].startswith("weighted_f1|classes:2|data:talk@1|fingerprint:111111111111|")
    assert records[0]["command"] == "ercbench run a --seed 0"


def test_no_cell_of_csv_is_a_formula(hostile: Path) -> None:
    """Text that begins as a formula does is preceded by an apostrophe, and stays in one line."""
    boards = leaderboard.build(hostile)
    for text in (rows_csv(boards), records_csv(boards)):
        found = cells(text)
        assert len(text.splitlines()) == len(found) + 1 == len(HOSTILE) + 1
        values = [value for line in found for value in line.values()]
        assert not [value for value in values if re.match(r"\s*[=+@-]", value)]
        assert "\u202e" not in text
        assert any(value.startswith("'=HYPERLINK(") for value in values)


def test_json_holds_everything_and_is_read_back(results: Path, hostile: Path, tmp_path: Path) -> None:
    """What is read from the file is what the boards are, hostile text included."""
    for folder in (results, hostile):
        boards = leaderboard.build(folder)
        file = tmp_path / "leaderboard.json"
        file.write_text(texts(boards)["leaderboard.json"], encoding="utf-8")
        assert leaderboard.read_leaderboard(file) == boards


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "the file is not"), ('{"boards": [], "x": 1}', r"x is not acceptable.*Got 1"),
     ('{"schema_version": 2, "boards": []}', r"schema_version.*Got 2")],
)  # fmt: skip
def test_a_file_that_is_no_leaderboard_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The message names the file, the field and the value."""
    (tmp_path / "leaderboard.json").write_text(text)
    with pytest.raises(RecordError, match=rf"leaderboard\.json: {message}"):
        leaderboard.read_leaderboard(tmp_path / "leaderboard.json")
    with pytest.raises(RecordError, match="cannot be read"):
        leaderboard.read_leaderboard(tmp_path / "absent.json")


def test_latex_has_booktabs_ranks_and_daggers(results: Path) -> None:
    """A dagger where a row is not significantly different from the first; rows without a rank below a rule."""
    text = latex.latex(leaderboard.build(results))
    lines = text.splitlines()
    assert [line for line in lines if line.startswith(("1", "3", "--"))] == [
        r"1--2 & a@1 & $70.00 \pm 0.10$ & 68.00--72.00 & 3 \\",
        r"1--2 & b@1$^{\dagger}$ & $69.00 \pm 0.10$ & 67.00--71.00 & 3 \\",
        r"3 & c@1 & $50.00 \pm 0.10$ & 48.00--52.00 & 3 \\",
        r"-- & few@1 (1 seed) & $90.00$ & 88.00--92.00 & 1 \\",
    ]
    assert [line for line in lines if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\midrule", r"\bottomrule"]
    assert "cheat" not in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1


def test_latex_prints_hostile_text_as_text(hostile: Path) -> None:
    """No command, comment or cell comes from a record: what TeX would act on is ours."""
    text = latex.latex(leaderboard.build(hostile))
    known = {
        *("begin", "end", "centering", "caption", "label", "toprule", "midrule", "bottomrule", "usepackage", "times"),
        *("textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar", "pm", "dagger"),
    }
    assert set(re.findall(r"\\([A-Za-z]+)", text)) <= known
    body = text.split("\n", 1)[1]
    assert not re.search(r"(?<!\\)%", body)
    assert all(len(re.findall(r"(?<!\\)&", line)) == 4 for line in body.splitlines() if line.endswith(r"\\"))
    assert text.count(r"\begin{table}") == len(HOSTILE)


@given(text=st.text(max_size=30))
def test_escaped_latex_is_one_line_without_active_characters(text: str) -> None:
    """Whatever the text: taking our escapes out leaves nothing that TeX acts on."""
    escaped = latex.escape(text)
    assert "\n" not in escaped
    left = re.sub(r"\\[{}$&#%_]|\\text[a-z]+\{\}", "", escaped)
    assert not set(left) & set("\\{}$&#%_^~")


def test_papers_with_code_holds_ranked_rows(results: Path) -> None:
    """One task, a data set per board, and tables that mix no tracks; the paper is found in the reference."""
    [task] = json.loads(papers_with_code(leaderboard.build(results)))
    assert set(task) == {
        "task", "description", "categories", "synonyms", "source_link", "subtasks", "datasets",
    }  # fmt: skip
    [dataset] = task["datasets"]
    [part] = dataset["subdatasets"]
    assert part["subdataset"].startswith("Track mini, context past, data version 1, sha256:1111")
    rows = part["sota"]["rows"]
    assert part["sota"]["metrics"] == ["Weighted-F1", "Macro-F1"]
    assert [row["model_name"] for row in rows] == ["a@1", "b@1", "c@1"]
    assert rows[0] == {
        "model_name": "a@1",
        "metrics": {"Weighted-F1": "70.00", "Macro-F1": "35.00"},
        "paper_title": "X, arXiv 2403.20289",
        "paper_url": "https://arxiv.org/abs/2403.20289",
        "paper_date": None,
        "code_links": [],
        "model_links": [],
        "uses_additional_data": False,
    }
    assert rows[1]["paper_url"] == ""


def test_every_eval_ever_has_a_file_per_row_within_the_rules(results: Path) -> None:
    """Required fields, both uncertainties, text in all details, and times that are the records'."""
    files = every_eval_ever(leaderboard.build(results), results)
    assert len(files) == 4
    [name] = (name for name in files if name.startswith("data/talk/ercbench/a-1/"))
    assert uuid.UUID(Path(name).stem).version == 4
    one: dict[str, Any] = json.loads(files[name])
    assert {"schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info",
            "eval_library", "evaluation_results"} <= one.keys()  # fmt: skip
    assert one["schema_version"] == "0.3.0"
    assert one["retrieved_timestamp"] == "1767225600"  # 2026-01-01
    weighted, macro = one["evaluation_results"]
    assert weighted["score_details"]["score"] == pytest.approx(0.7)
    between = weighted["score_details"]["uncertainty"]["confidence_interval"]
    assert (between["lower"], between["upper"], between["confidence_level"]) == (
        pytest.approx(0.68), pytest.approx(0.72), 0.95,
    )  # fmt: skip
    assert weighted["score_details"]["details"]["seeds"] == "0, 1, 2"
    assert macro["score_details"] == {"score": pytest.approx(0.35)}
    assert weighted["generation_config"]["generation_args"]["execution_command"].startswith(
        "ercbench run a --seed 0 &&"
    )
    for found in details(one):
        assert all(isinstance(value, str) for value in found.values())


def details(value: Any) -> list[dict[str, Any]]:
    """Every ``additional_details`` and ``details`` in a file."""
    if isinstance(value, list):
        return [found for one in value for found in details(one)]
    if not isinstance(value, dict):
        return []
    mine = [one for key, one in value.items() if key in ("additional_details", "details")]
    return mine + [found for one in value.values() for found in details(one)]


def test_no_name_leads_out_of_the_folder(hostile: Path, tmp_path: Path) -> None:
    """However a recipe is called, its file lies in the folder that was named."""
    to = tmp_path / "to"
    paths = exports.export(hostile, "every-eval-ever", to)
    assert len(paths) == len(HOSTILE)
    assert all(path.resolve().is_relative_to(to.resolve()) for path in paths)
    assert all(re.fullmatch(r"data/talk/ercbench/[A-Za-z0-9_-]+/[0-9a-f-]{36}\.json", path.relative_to(to).as_posix())
               for path in paths)  # fmt: skip


def test_a_record_without_a_time_is_told_of(tmp_path: Path) -> None:
    """Every Eval Ever asks when a run took place."""
    results = saved(tmp_path, record("a", 0.5, started="yesterday"))
    with pytest.raises(RecordError, match=r"seed-0\.json: field started is no time\. Got 'yesterday'"):
        every_eval_ever(leaderboard.build(results), results)


@pytest.mark.parametrize("format_", FORMATS)
def test_the_command_exports_every_format(results: Path, tmp_path: Path, format_: str) -> None:
    """It says what it wrote; the same boards give the same bytes."""
    written = []
    for name in ("one", "two"):
        to = tmp_path / name
        arguments = ["export", "--results", str(results), "--format", format_, "--to", str(to)]
        said = CliRunner().invoke(command, arguments, catch_exceptions=False).output
        paths = [Path(line.removeprefix("Wrote ")) for line in said.splitlines()]
        written.append({path.relative_to(to): path.read_bytes() for path in paths})
    assert written[0] == written[1]
    assert all(content.endswith(b"\n") for content in written[0].values())


def test_formats_are_the_same_everywhere(results: Path, tmp_path: Path) -> None:
    """The command offers what there is; another name is refused with the list."""
    assert set(FORMATS) == {*exports.ONE_FILE, *exports.FOLDERS}
    with pytest.raises(UnknownName, match=r"Unknown format\. Got 'latx'\. Did you mean latex"):
        exports.export(results, "latx", tmp_path / "x")


BUILD = """
import sys
from pathlib import Path
from ercbench import leaderboard
leaderboard.write_boards(Path(sys.argv[1]))
"""


def test_hash_seeds_change_no_byte(results: Path) -> None:
    """Sets and dictionaries are ordered otherwise in every process; the files are not."""
    contents = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", BUILD, str(results)], check=True, env=environment)
        contents.append({path.name: path.read_bytes() for path in results.iterdir() if path.is_file()})
    assert contents[0] == contents[1]
    assert {"README.md", "talk.md", "leaderboard.json", "leaderboard.csv", "records.csv", "evidence.json"} <= set(
        contents[0]
    )
