"""A cell that fails, through the installed command: exit codes, what is printed, the second call and the retry."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import unlucky


def test_a_failed_cell_from_the_first_call_to_the_retry(
    ercbench_command: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other cell is done, the exit code and the last table tell, nothing is run twice, and a retry mends it."""
    plugin, switch = unlucky.write(tmp_path, monkeypatch)

    def ercbench(*words: str) -> subprocess.CompletedProcess[str]:
        command = [ercbench_command, *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)

    run = ["run", "raises", "lucky", "--plugin", plugin.name, *unlucky.OPTIONS, "--results", "r"]
    first = ercbench(*run)
    assert first.returncode == 1, first.stderr
    assert "ValueError: no such luck\nThis ended raises@1 on meld-sample" in first.stderr
    table = first.stdout[first.stdout.index("failure record") :]
    assert "training, after epoch 1" in table
    failure = tmp_path / "r/failures/meld-sample/mini/raises@1/seed-0.json"
    assert failure.relative_to(tmp_path).as_posix() in table
    assert json.loads(failure.read_text())["last_epoch"] == 1
    [record] = (tmp_path / "r").rglob("records/**/seed-0.json")
    assert record.parent.name == "lucky@1"

    again = ercbench(*run)
    assert again.returncode == 1
    assert "0 to run, 1 done, 1 failed before." in again.stdout
    assert again.stderr.startswith(
        "ercbench: 1 run failed; the others are done. Try again with --retry-failed.\n- raises"
    )
    assert "failed; the same command with --retry-failed" in ercbench("status", "r").stdout.lower()

    switch.unlink()
    retried = ercbench(*run, "--retry-failed")
    assert retried.returncode == 0, retried.stderr
    assert "Resuming after epoch 1 of 3." in retried.stderr
    assert not failure.exists()
    told = json.loads(ercbench("status", "r", "--json").stdout)
    assert [cell["state"] for cell in told["ended"][0]["cells"]] == ["done", "done"]
    assert (told["unfinished"], told["failed"]) == ([], [])
    assert "Removed 2 files and folders in r/.unfinished" in ercbench("gc", "r").stdout
