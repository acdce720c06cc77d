"""A data set of one's own through the installed command, with the real pre-trained MiniLM."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

MANIFEST = """\
licence: CC0-1.0
citation: none
labels: {ang: angry, hap: happy, neu: neutral}
neutral: neu
files: {train: [one.csv, two.jsonl], dev: dev.tsv, test: test.csv}
columns: {dialogue: call, turn: nr}
"""
ONE = "call,nr,speaker,text,label\n1,2,Bob,Not again!,ang\n1,1,Ann,The kettle is on.,neu\n2,1,Cy,Oh.,\n"
TWO = [{"call": 3, "nr": 1, "speaker": "Ann", "text": "A party!", "label": "hap"}]
DEV = "call\tnr\tspeaker\ttext\tlabel\n1\t1\tAnn\tHello.\tneu\n1\t2\tBob\tGo away!\tang\n"
TEST = "call,nr,speaker,text,label\n1,1,Ann,Good evening.,neu\n1,2,Bob,What a day!,hap\n2,1,Cy,Get out!,ang\n"


def ercbench(command: Path, folder: Path, *arguments: str, code: int = 0) -> str:
    """Run the installed command in a folder, see that it ends with `code`, and give all that it prints."""
    found = subprocess.run(
        [command, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
        check=False,
    )  # fmt: skip
    assert found.returncode == code, found.stdout
    assert "Traceback" not in found.stdout
    return found.stdout


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A folder ``my-calls`` with four files in three formats."""
    folder = tmp_path / "my-calls"
    folder.mkdir()
    jsonl = "".join(json.dumps(row) + "\n" for row in TWO)
    files = {"dataset.yaml": MANIFEST, "one.csv": ONE, "two.jsonl": jsonl, "dev.tsv": DEV, "test.csv": TEST}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_wrong_data_set_is_told_all_at_once(ercbench_command: Path, calls: Path) -> None:
    """Manifest first, then rows; exit code 3, and a plain name is no folder."""
    wrong = MANIFEST.replace("neutral}", "angry}").replace("dev.tsv", "dev.csv")
    (calls / "dataset.yaml").write_text(wrong, encoding="utf-8")
    said = ercbench(ercbench_command, calls.parent, "data", "check", "./my-calls", code=3)
    assert "has 2 problems" in said
    assert "dataset.yaml, line 3: labels.neu has the same word as labels.ang" in said
    assert "dataset.yaml, line 5: files.dev: there is no such file in the folder. Got 'dev.csv'." in said
    (calls / "dataset.yaml").write_text(MANIFEST, encoding="utf-8")
    (calls / "dev.tsv").write_text(DEV.replace("ang", "mad").replace("Ann", ""), encoding="utf-8")
    for command in (["data", "check", "./my-calls"], ["run", "eacl", "--dataset", "./my-calls", "--dry-run"]):
        said = ercbench(ercbench_command, calls.parent, *command, code=3)
        assert "dev.tsv, line 2: 'speaker' must be a speaker's name" in said
        assert "dev.tsv, line 3: unknown label. Got 'mad'." in said
    assert "write ./my-calls" in ercbench(ercbench_command, calls.parent, "data", "check", "my-calls", code=2)


@pytest.mark.pretrained
def test_a_folder_is_checked_run_and_shown(ercbench_command: Path, minilm: None, calls: Path) -> None:
    """From files in three formats to a row on a board of its own; no path of this machine is recorded."""
    here = calls.parent
    assert "train 3 dialogues, 3 labelled" in ercbench(ercbench_command, here, "data", "check", "./my-calls")
    run = ["run", "eacl", "--dataset", "./my-calls", "--track", "mini", "--device", "cpu"]
    ercbench(ercbench_command, here, *run, "--results", "trial", "--quiet")
    [path] = here.glob("trial/records/my-calls/mini/*/seed-0.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["command"] == "ercbench run eacl --dataset ./my-calls --track mini --seed 0"
    assert str(here) not in path.read_text(encoding="utf-8")
    ercbench(ercbench_command, here, "leaderboard", "build", "--results", "trial")
    board = (here / "trial" / "my-calls.md").read_text(encoding="utf-8")
    assert "Not ranked: fewer than three seeds" in board
    assert "| eacl@" in board
