"""`ercbench run` through the installed command, with the real pre-trained MiniLM on the bundled dialogues."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

SMALL = ["--dataset", "meld-sample", "--track", "mini", "--limit", "4", "--device", "cpu"]


def ercbench(command: Path, folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder, and see that it ends with `code`."""
    found = subprocess.run([command, *arguments], cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert found.returncode == code, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    return found


def records(folder: Path) -> list[dict[str, Any]]:
    """Every record below a results folder, in order."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("records/*/*/*/seed-*.json"))]


def predictions(folder: Path) -> list[str]:
    """The text of every predictions file below a results folder, in order."""
    return [path.read_text() for path in sorted(folder.glob("records/*/*/*/*.predictions.csv"))]


@pytest.mark.pretrained
def test_all_samples_run_and_a_second_run_skips_them(ercbench_command: Path, minilm: None, tmp_path: Path) -> None:
    """`--dataset all --sample` writes one record and one prediction per test utterance; a second run does nothing."""
    arguments = ["run", "eacl", "--dataset", "all", "--sample", "--limit", "2", "--set", "training.epochs=1"]
    first = ercbench(ercbench_command, tmp_path, *arguments)
    results = tmp_path / "leaderboards" / "sample"
    found = records(results)
    assert [record["dataset"]["name"] for record in found] == ["emorynlp-sample", "iemocap-sample", "meld-sample"]
    for record, text in zip(found, predictions(results), strict=True):
        rows = list(csv.DictReader(text.splitlines()))
        assert len(rows) == record["dataset"]["utterances"]["test"]
        assert len({row["uid"] for row in rows}) == len(rows)
        assert 0 <= record["scores"]["test"]["weighted_f1"] <= 1
    assert "Track mini" in first.stdout
    second = ercbench(ercbench_command, tmp_path, *arguments)
    assert "Everything is done." in second.stdout
    assert records(results) == found
    boards = ercbench(ercbench_command, tmp_path, "leaderboard", "build", "--results", str(results))
    assert "meld-sample.md" in boards.stdout
    assert "sample data" in (results / "meld-sample.md").read_text()


@pytest.mark.pretrained
def test_kill_in_the_third_epoch_loses_nothing(ercbench_command: Path, minilm: None, tmp_path: Path) -> None:
    """A run killed with SIGKILL in its third epoch and started again predicts exactly what an undisturbed run does."""
    arguments = ["run", "eacl", *SMALL, "--set", "training.epochs=4"]
    ercbench(ercbench_command, tmp_path, *arguments, "--results", "whole")
    with subprocess.Popen(
        [ercbench_command, *arguments, "--results", "killed"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 2/4: dev"):
                time.sleep(0.3)
                os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not records(tmp_path / "killed")
    again = ercbench(ercbench_command, tmp_path, *arguments, "--results", "killed")
    assert "Resuming after epoch 2 of 4." in again.stderr
    assert predictions(tmp_path / "killed") == predictions(tmp_path / "whole")
    [record] = records(tmp_path / "killed")
    assert record["training"]["resumed_after_epochs"] == [2]
    assert not list((tmp_path / "killed" / ".unfinished").glob("*/*"))


@pytest.mark.pretrained
def test_same_seed_same_predictions(ercbench_command: Path, minilm: None, tmp_path: Path) -> None:
    """Two runs with one seed predict the same; another seed does not."""
    arguments = ["run", "eacl", *SMALL, "--set", "training.epochs=1"]
    ercbench(ercbench_command, tmp_path, *arguments, "--results", "a", "--seed", "0,3")
    ercbench(ercbench_command, tmp_path, *arguments, "--results", "b", "--seed", "0")
    assert predictions(tmp_path / "a")[0] == predictions(tmp_path / "b")[0]
    assert predictions(tmp_path / "a")[0] != predictions(tmp_path / "a")[1]


@pytest.mark.pretrained
def test_every_recipe_runs(ercbench_command: Path, minilm: None, tmp_path: Path) -> None:
    """EACL, the released code's behaviour and every ablation run to a record; only honest ones may be ranked."""
    names = ["eacl", "eacl-released", "eacl-no-anchors", "eacl-no-separation", "eacl-no-adaptation", "eacl-no-ce"]
    ercbench(ercbench_command, tmp_path, "run", *names, *SMALL, "--set", "training.epochs=1", "--results", "r")
    found = {record["recipe"]["name"]: record for record in records(tmp_path / "r")}
    assert sorted(found) == sorted(names)
    assert found["eacl-released"]["protocol"]["selection_split"] == "test"
    assert {name for name, record in found.items() if record["recipe"]["ranked"]} == set(names) - {"eacl-released"}
    assert set(found["eacl-no-ce"]["training"]["epochs"][0]["losses"]) == {"total", "anchor-contrastive", "separation"}


@pytest.mark.pretrained
def test_context_protocols_are_tasks_of_their_own(ercbench_command: Path, minilm: None, tmp_path: Path) -> None:
    """`--context` changes what is shown and what is recorded; records, commands and tables of boards stay apart."""
    arguments = ["run", "eacl", "--dataset", "iemocap", "--sample", "--track", "mini", "--limit", "2"]
    arguments += ["--set", "training.epochs=1", "--device", "cpu", "--results", "r", "--no-model"]
    for context in ("none", "full"):
        ercbench(ercbench_command, tmp_path, *arguments, "--context", context)
    found = {record["protocol"]["context"]: record for record in records(tmp_path / "r")}
    windows = {c: (r["protocol"]["context_past"], r["protocol"]["context_future"]) for c, r in found.items()}
    assert windows == {"full": (8, 8), "none": (0, 0)}
    for context, record in found.items():
        assert f"--context {context}" in record["command"]
        assert list(record["overrides"]) == ["training.epochs"]
        for split in ("dev", "test"):
            parts = record["scores"][split]["slices"]
            assert list(parts) == ["scripted", "improvised", "shift", "no-shift", "first-turn", "short"]
            assert parts["scripted"] == {"weighted_f1": None, "accuracy": None, "utterances": 0}
            assert parts["improvised"]["weighted_f1"] == record["scores"][split]["weighted_f1"]
            assert parts["improvised"]["utterances"] == record["dataset"]["utterances"][split]
    ercbench(ercbench_command, tmp_path, "leaderboard", "build", "--results", "r")
    board = (tmp_path / "r" / "iemocap-sample.md").read_text()
    titles = [line for line in board.splitlines() if line.startswith("####")]
    assert titles == [f"#### Track mini, context {context}" for context in ("full", "none")]
    for title, folder in zip(titles, ("mini%2Bcontext-full/", "mini%2Bcontext-none/"), strict=True):
        section = board.partition(f"{title}\n")[2].partition("####")[0]
        assert section.count("[seed 0](") == section.count(f"](records/iemocap-sample/{folder}eacl@2/seed-0.json)") == 1


@pytest.mark.pretrained
def test_dry_run_trains_nothing(ercbench_command: Path, minilm: None, tmp_path: Path) -> None:
    """`--dry-run` prepares everything, says what would run, and writes no record."""
    found = ercbench(ercbench_command, tmp_path, "run", "eacl", *SMALL, "--dry-run", "--seeds", "2")
    assert "2 to run" in found.stdout
    assert not (tmp_path / "leaderboards").exists()


@pytest.mark.pretrained
def test_a_record_of_other_settings_is_never_lost(ercbench_command: Path, minilm: None, tmp_path: Path) -> None:
    """A run that would replace a record of other settings is refused, and `--force` does it."""
    arguments = ["run", "eacl", *SMALL, "--results", "r", "--set"]
    ercbench(ercbench_command, tmp_path, *arguments, "training.epochs=1")
    before = records(tmp_path / "r")
    refused = ercbench(ercbench_command, tmp_path, *arguments, "training.epochs=2", code=2)
    assert "training.epochs" in refused.stderr
    assert "--force" in refused.stderr
    assert records(tmp_path / "r") == before
    ercbench(ercbench_command, tmp_path, *arguments, "training.epochs=2", "--force")
    assert records(tmp_path / "r")[0]["config"]["training.epochs"] == 2


def test_all_problems_are_reported_at_once(ercbench_command: Path, tmp_path: Path) -> None:
    """Missing data sets and bad values come in one message, before anything is started."""
    found = ercbench(
        ercbench_command, tmp_path, "run", "eacl", "--dataset", "meld,iemocap", "--track", "mini", "--data-dir", ".",
        code=3,
    )  # fmt: skip
    assert "2 problems" in found.stderr
    assert "meld" in found.stderr
    assert "iemocap" in found.stderr
    found = ercbench(
        ercbench_command,
        tmp_path,
        "run",
        "eacl",
        *SMALL,
        "--set",
        "training.epochs=-1",
        "--set",
        "trainin.lr=1",
        code=2,
    )
    assert "training.epochs" in found.stderr
    assert "trainin.lr" in found.stderr


@pytest.mark.pretrained
def test_results_that_cannot_be_written_are_refused(ercbench_command: Path, minilm: None, tmp_path: Path) -> None:
    """A results folder that cannot be made is reported before anything is trained."""
    (tmp_path / "taken").write_text("a file")
    found = ercbench(ercbench_command, tmp_path, "run", "eacl", *SMALL, "--results", "taken/results", code=2)
    assert "Records cannot be written" in found.stderr
    assert "taken/results" in found.stderr


def test_unknown_names_suggest_near_ones(ercbench_command: Path, tmp_path: Path) -> None:
    """A misspelt recipe, data set or track is met with the nearest names."""
    for arguments, near in (
        (["run", "eacll", *SMALL], "eacl"),
        (["run", "eacl", "--dataset", "meld-sampel"], "meld-sample"),
        (["run", "eacl", "--dataset", "meld-sample", "--track", "minni"], "mini"),
    ):
        found = ercbench(ercbench_command, tmp_path, *arguments, code=2)
        assert f"Did you mean {near}" in found.stderr


@pytest.mark.pretrained
def test_python_returns_the_records(minilm: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ercbench.run` does what the command does and returns typed records."""
    import ercbench as package

    monkeypatch.chdir(tmp_path)
    [record] = package.run(
        "eacl", dataset="meld-sample", track="mini", seeds=1, limit=2, overrides={"training.epochs": 1}
    )
    assert isinstance(record, package.RunRecord)
    assert record.scores.test.weighted_f1 >= 0
    assert (tmp_path / "leaderboards/records/meld-sample/mini/eacl@2/seed-0.json").is_file()


@pytest.mark.real_data
def test_full_track_with_a_small_roberta(ercbench_command: Path, real_data: Path, tmp_path: Path) -> None:
    """The full track's path runs on a CPU with RoBERTa's own tokenizer and a small randomly initialised RoBERTa."""
    import shutil

    from transformers import RobertaConfig, RobertaModel

    checkpoint = tmp_path / "small-roberta"
    shutil.copytree(real_data / "tokenizers" / "roberta-large", checkpoint)
    (checkpoint / "config.json").unlink()
    config = RobertaConfig(
        vocab_size=50265, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=514, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(checkpoint)
    arguments = ["run", "eacl", "--dataset", "meld", "--track", "full", "--data-dir", str(real_data), "--limit", "6"]
    arguments += ["--set", f"encoder.checkpoint={checkpoint}", "--results", "r"]
    dry = ercbench(ercbench_command, tmp_path, *arguments, "--dry-run")
    assert "8 epochs" in dry.stdout
    ercbench(ercbench_command, tmp_path, *arguments)
    [record] = records(tmp_path / "r")
    assert record["track"] == "full"
    assert record["encoder"]["origin"] == "local folder"
    assert record["training"]["effective_batch"] == 64
    assert len(record["training"]["epochs"]) == 8


@pytest.mark.real_data
def test_trace_needs_only_a_tokenizer(ercbench_command: Path, real_data: Path, tmp_path: Path) -> None:
    """`trace --until encoding` works from a folder with a tokenizer and no weights, and its ids are the golden ones."""
    golden = real_data.parent / "golden" / "eacl_inputs.json"
    if not golden.is_file():
        pytest.skip("no golden token ids beside the data")
    sample = json.loads(golden.read_text())[0]
    uid = f"{sample['dataset']}/{sample['split']}/{sample['dialogue']}/{sample['turn']}"
    arguments = ["trace", "eacl", "--dataset", sample["dataset"], "--utterance", uid, "--until", "encoding", "--json"]
    arguments += ["--data-dir", str(real_data)]
    arguments += ["--set", f"encoder.checkpoint={real_data / 'tokenizers' / 'roberta-large'}"]
    found = ercbench(ercbench_command, tmp_path, *arguments)
    assert json.loads(found.stdout)["encoding"]["input_ids"] == sample["input_ids"]
