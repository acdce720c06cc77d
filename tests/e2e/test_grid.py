"""`ercbench grid` through the installed command: a record per combination and seed, and a second call runs nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path


def test_a_grid_runs_resumes_and_verifies(ercbench_command: Path, tmp_path: Path) -> None:
    """What is done is not done again, and each cell is a results folder that `ercbench verify` accepts."""
    arguments = ["grid", "--recipe", "tfidf-lr", "--renderer", "utterance,turns", "--classifier", "majority,stratified"]
    arguments += ["--dataset", "meld", "--sample", "--track", "mini", "--limit", "5", "--results", "r"]

    def ercbench(*words: str) -> subprocess.CompletedProcess[str]:
        found = subprocess.run(
            [ercbench_command, *words], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
        )
        assert found.returncode == 0, found.stdout + found.stderr
        return found

    first = ercbench(*arguments)
    assert "4 to run, 0 done." in first.stdout
    again = ercbench(*arguments, "--seeds", "2")
    assert "4 to run, 4 done." in again.stdout
    assert "Everything is done." in ercbench(*arguments, "--seeds", "2").stdout
    content = json.loads(ercbench(*arguments, "--seeds", "2", "--json").stdout)
    records = [record["path"] for cell in content["grids"][0]["cells"] for record in cell["records"]]
    assert len(records) == len(set(records)) == 8
    command = json.loads((tmp_path / records[0]).read_text())["command"]
    assert command.startswith("ercbench run tfidf-lr --dataset meld-sample --track mini --seed 0 --set renderer.name=")
    [cell, *_] = (tmp_path / "r" / "grid" / "tfidf-lr").iterdir()
    ercbench("verify", str(cell))
