"""The clock of the machine is set, between runs and while one goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from faulty_runs import Forks, the_record, told

DAY = 24 * 60 * 60


def test_a_clock_that_was_set_back_between_runs(
    forks: Forks, undisturbed: dict[str, Any], unfinished: Path, tmp_path: Path
) -> None:
    """Taken up three days before it began: it goes on where it was, and predicts the same."""
    results = shutil.copytree(unfinished, tmp_path / "results")
    ended = forks.run(results, clock=[-3 * DAY, 1])
    assert ended.returncode == 0, ended.stderr
    assert "Resuming after epoch 2 of 3." in ended.stderr
    assert told(results) == undisturbed


def test_a_clock_that_runs_backwards(forks: Forks, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    """Set back again and again while a run goes on: the same predictions, and no negative seconds in the record."""
    ended = forks.run(tmp_path, clock=[0, -10_000])
    assert ended.returncode == 0, ended.stderr
    assert told(tmp_path) == undisturbed
    record = json.loads(the_record(tmp_path).read_text())
    times = [*record["seconds"].values(), *(epoch["seconds"] for epoch in record["training"]["epochs"])]
    assert all(0 <= seconds < 1000 for seconds in times)
