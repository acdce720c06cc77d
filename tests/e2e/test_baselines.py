"""Baselines through the installed command: no weights needed, one record per seed, on a board, used afterwards."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

NAMES = ("majority", "stratified", "tfidf-lr", "tfidf-context-lr")


def ercbench(command: Path, folder: Path, *arguments: str, code: int = 0, given: str = "") -> tuple[str, str]:
    """Run the installed command in a folder, see that it ends with `code`; what it said on both streams."""
    found = subprocess.run(
        [command, *arguments], cwd=folder, input=given, capture_output=True, text=True, timeout=600, check=False
    )
    assert found.returncode == code, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    return found.stdout, found.stderr


def test_baselines_go_through_the_same_door(ercbench_command: Path, tmp_path: Path) -> None:
    """Records, predictions and boards as for any method; seeds matter where something is drawn; the model is used."""
    run = [
        "run",
        *NAMES,
        "--dataset",
        "meld-sample",
        "--track",
        "mini",
        "--seeds",
        "2",
        "--limit",
        "6",
        "--results",
        "r",
    ]
    ercbench(ercbench_command, tmp_path, *run)
    records = [json.loads(path.read_text()) for path in tmp_path.glob("r/records/*/*/*/seed-*.json")]
    assert sorted((r["recipe"]["name"], r["seed"]) for r in records) == sorted((n, s) for n in NAMES for s in (0, 1))
    for record in records:
        assert record["training"]["epochs"] == []
        assert record["config"]["training.epochs"] == 0
        assert record["scores"]["dev"]["weighted_f1"] == max(record["training"]["candidates_dev_weighted_f1"])
    sha = {(r["recipe"]["name"], r["seed"]): r["predictions"]["sha256"] for r in records}
    assert {name for name in NAMES if sha[name, 0] != sha[name, 1]} == {"stratified"}
    ercbench(ercbench_command, tmp_path, "leaderboard", "build", "--results", "r")
    board = (tmp_path / "r" / "meld-sample.md").read_text()
    version = {r["recipe"]["name"]: r["recipe"]["version"] for r in records}
    assert all(f"{name}@{version[name]}" in board for name in NAMES)
    turns = "".join(
        json.dumps({"dialogue": "1", "speaker": "Ann", "text": text}) + "\n" for text in ("Tea?", "No, thank you!")
    )
    for name in ("tfidf-context-lr", "stratified"):
        path = f"r/records/meld-sample/mini/{name}@{version[name]}/seed-0.json"
        shown, _ = ercbench(ercbench_command, tmp_path, "predict", path, "--precision", "fp32", given=turns)
        rows = [json.loads(line) for line in shown.splitlines()]
        assert [round(sum(row["probabilities"].values()), 4) for row in rows] == [1, 1]
    _, said = ercbench(ercbench_command, tmp_path, "export", path, "out", code=5)
    assert "Only encoders of transformers can be exported" in said


def test_a_metric_loss_is_checked_before_training(ercbench_command: Path, tmp_path: Path) -> None:
    """Every wrong name of a loss of pytorch-metric-learning is told, and nothing is started."""
    loss = ["--set", "losses.metric=pml:TripletMarginLoss", "--set", "losses.metric.margn=0.2"]
    loss += ["--set", "losses.metric.distance=Cosine"]
    _, said = ercbench(ercbench_command, tmp_path, "run", "supcon-ce", "--dataset", "meld-sample", *loss, code=2)
    assert "losses.metric.margn: TripletMarginLoss does not take it. Did you mean margin?" in said
    assert "losses.metric.distance.name: no distance of pytorch-metric-learning. Did you mean CosineSim" in said
    assert not (tmp_path / "leaderboards").exists()
