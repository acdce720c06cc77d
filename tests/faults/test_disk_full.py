"""There is no room: for any file that is written, for a file of some size, and on a real file system that is full."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from faulty_runs import MANY, Ended, Forks, strays, the_record, told

from ercbench import models
from ercbench.records import read_record
from ercbench.resume import Unfinished
from ercbench.tensors import read_tensors

NO_ROOM = r"^ercbench: \S+ cannot be written\. Got: .*\. What was finished before is kept\. Make room"
CACHE_FULL = "The cache {} cannot be written: No space left on device. The run goes on without it."


def refused(ended: Ended, results: Path) -> None:
    """One message and the exit code of `WriteError`; every file that has its name is whole."""
    assert ended.returncode == 9, ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(re.findall(NO_ROOM, ended.stderr, re.MULTILINE)) == 1, ended.stderr
    assert strays(results) == []
    for file in results.rglob("*.safetensors"):
        read_tensors(file)
    for state in results.rglob("state.json"):
        said: list[str] = []
        assert Unfinished(state.parent, said.append).load() is not None
        assert said == []


def failed(ended: Ended) -> str:
    """The kind of point that failed; what is removed afterwards is what had been begun."""
    return [kind for kind in ended.kinds if not kind.startswith("remove")][-1]


def test_no_room_at_any_kind_of_write(
    forks: Forks, finished: tuple[Path, Ended], undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """Whichever kind of creation or sync fails for want of room, the same command goes on when there is some."""
    passed = [kind for kind in finished[1].kinds if kind.startswith("rename")]
    while (ended := forks.run(tmp_path, fail=passed)).returncode:
        passed.append(failed(ended))
        refused(ended, tmp_path)
        assert len(passed) < MANY
    assert told(tmp_path) == undisturbed
    assert {kind for kind in finished[1].kinds if kind.split()[0] in ("create", "sync", "mkdir")} <= set(passed)


@pytest.mark.parametrize("limit", [20_000, 150_000], ids=["weights", "optimizer"])
def test_no_room_for_a_file_of_some_size(forks: Forks, undisturbed: dict[str, Any], tmp_path: Path, limit: int) -> None:
    """A file that may not grow beyond some bytes (RLIMIT_FSIZE) is told by name; without the limit the run ends."""
    refused(forks.run(tmp_path, limit=limit), tmp_path)
    assert forks.run(tmp_path).returncode == 0
    assert told(tmp_path) == undisturbed


def test_a_file_system_that_is_full(file_systems: Forks, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    """A real one, given a little more room after each failure: no failure leaves anything half-written."""
    forks, results, size = file_systems, tmp_path / "small" / "results", 64
    with forks.mounted(tmp_path / "small", f"{size}k"):
        while (ended := forks.run(results)).returncode:
            refused(ended, forks.copy(results, tmp_path / f"seen-{size}"))
            size = size * 3 // 2
            assert size < 100 * 1024
            forks.remount(tmp_path / "small", f"size={size}k")
        assert told(forks.copy(results, tmp_path / "seen")) == undisturbed
    assert size > 64


def test_a_cache_without_room_costs_time_and_no_more(file_systems: Forks, tmp_path: Path) -> None:
    """A run whose vectors find no room in the cache says so once, ends well, and predicts what it would have."""
    forks, small = file_systems, tmp_path / "small"
    command = ["run", "frozen-lr", *forks.sample[1:], "--set", f"encoder.checkpoint={forks.checkpoint}", "--results"]
    assert forks.start([*command, str(tmp_path / "whole")], tmp_path).wait().returncode == 0
    with forks.mounted(small, "8k"):
        ended = forks.start([*command, str(tmp_path / "results")], tmp_path, small / "cache").wait()
        kept = forks.copy(small, tmp_path / "seen")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count(CACHE_FULL.format(small / "cache")) == 1
    assert strays(kept) == []
    assert told(tmp_path / "results") == told(tmp_path / "whole")


def test_boards_without_room_stay_as_they_were(forks: Forks, tmp_path: Path) -> None:
    """`leaderboard build` that fails at any kind of write leaves every board whole: the earlier one, or the new one."""
    command = ["leaderboard", "build", "--results", str(tmp_path)]
    assert forks.run(tmp_path, "--seed", "0").returncode == 0
    assert forks.start(command, tmp_path).wait().returncode == 0
    before = boards(tmp_path)
    assert forks.run(tmp_path, "--seed", "1").returncode == 0
    for number in range(1, 1000, 7):  # a creation, a sync and a renaming by turns, of one board after the other
        ended = forks.start(command, tmp_path, fault={"fail": number}).wait()
        if not ended.returncode:
            break
        refused(ended, tmp_path)
        between = boards(tmp_path)
    after = boards(tmp_path)
    assert number > 7
    assert before.keys() == between.keys() == after.keys()
    assert after != before
    assert all(between[name] in (before[name], after[name]) for name in between)


def boards(results: Path) -> dict[str, str]:
    """The text of every file of a results folder but those of records."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(results.iterdir()) if path.is_file()}


def test_a_full_disk_is_no_reason_to_lose_a_finished_run(
    forks: Forks, finished: tuple[Path, Ended], undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """A run with --force that finds no room keeps the record that was there, with its predictions and its model."""
    results = shutil.copytree(finished[0], tmp_path / "results")
    path = the_record(results)
    but_one = [kind for kind in finished[1].kinds if "sync" not in kind or "classifier.safetensors" not in kind]
    for fault in ({"limit": 20_000}, {"fail": but_one}):
        ended = forks.run(results, "--force", **fault)
        refused(ended, results)
        assert told(results) == undisturbed
        models._verified(path, read_record(path))
