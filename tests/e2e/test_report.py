"""The installed command makes a report of records and predictions, without a model and without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_runs import keep_vectors, made_data, made_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A record with vectors, its data set beside it in ``data``."""
    record = made_run(tmp_path / "results", made_data(tmp_path / "data"))
    keep_vectors(record)
    return record


def test_report_by_the_installed_command(ercbench_command: Path, run: Path, tmp_path: Path) -> None:
    """A page and Markdown, the same bytes in another process; only the data make it show text."""
    texts = []
    for seed in ("1", "2"):
        page = tmp_path / seed / "page.html"
        environment = os.environ | {"PYTHONHASHSEED": seed, "ERCBENCH_DATA": str(tmp_path / "data")}
        arguments = [ercbench_command, "report", run.parents[1], "--to", page, "--markdown", "--json"]
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True, timeout=300)
        files = [page.as_posix(), page.with_suffix(".md").as_posix()]
        assert json.loads(done.stdout) == {"written": files, "dialogue_text": True}
        assert not done.stderr
        texts.append([Path(file).read_bytes() for file in files])
    assert texts[0] == texts[1]


def test_a_report_needs_no_torch(run: Path, tmp_path: Path) -> None:
    """Vectors are read, laid out and drawn without it."""
    page, data = str(tmp_path / "page.html"), str(tmp_path / "data")
    arguments = ["report", str(run), "--to", page, "--data-dir", data, "--json"]
    code = f"import sys\nfrom ercbench.cli import cli\ncli({arguments!r}, standalone_mode=False)\n"
    code += "print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "False"


def test_a_damaged_file_ends_the_command(ercbench_command: Path, run: Path, tmp_path: Path) -> None:
    """One message that names the file, exit code 7, no traceback, and no page."""
    run.with_name("seed-0.predictions.csv").write_text("uid\n", encoding="utf-8")
    arguments = [ercbench_command, "report", run, "--to", tmp_path / "page.html", "--data-dir", tmp_path / "data"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 7
    assert "seed-0.predictions.csv" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "page.html").exists()
