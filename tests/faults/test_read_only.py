"""Folders that may not be written to, on real read-only file systems: the superuser is stopped by those alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from faulty_runs import Forks, told


def test_a_read_only_results_folder_is_refused_before_anything_is_trained(file_systems: Forks, tmp_path: Path) -> None:
    """With the message and exit code of an option that cannot be used."""
    forks, folder = file_systems, tmp_path / "fixed"
    with forks.mounted(folder, "1m"):
        forks.remount(folder, "ro")
        ended = forks.run(folder / "results")
    assert ended.returncode == 2
    assert f"Records cannot be written there. Got --results {folder / 'results'}." in ended.stderr
    assert "epoch 1" not in ended.stderr


def test_a_read_only_cache_costs_time_and_no_more(
    file_systems: Forks, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """The run ends well, and predicts what it would have."""
    forks, folder = file_systems, tmp_path / "fixed"
    with forks.mounted(folder, "1m"):
        forks.remount(folder, "ro")
        ended = forks.run(tmp_path / "results", cache=folder / "cache")
    assert ended.returncode == 0, ended.stderr
    assert told(tmp_path / "results") == undisturbed


def test_a_read_only_board_is_told_by_name(file_systems: Forks, tmp_path: Path) -> None:
    """`leaderboard build` where nothing can be written: one message, the exit code of writing."""
    forks, folder = file_systems, tmp_path / "fixed"
    with forks.mounted(folder, "4m"):
        assert forks.run(folder, "--no-model").returncode == 0
        forks.remount(folder, "ro")
        ended = forks.start(["leaderboard", "build", "--results", str(folder)], folder).wait()
    assert ended.returncode == 9
    assert "cannot be written. Got: Read-only file system." in ended.stderr
    assert "Traceback" not in ended.stderr
