"""SIGTERM, as batch systems send it some seconds before they kill, and Ctrl-C."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from faulty_runs import MANY, Ended, Forks, strays, told

GOES_ON = "The same command goes on after the last finished epoch."


@pytest.mark.parametrize(
    ("number", "said", "code"), [(signal.SIGTERM, "Terminated.", 143), (signal.SIGINT, "Interrupted.", 130)]
)
def test_a_signal_ends_a_run_within_seconds(
    forks: Forks, undisturbed: dict[str, Any], tmp_path: Path, number: int, said: str, code: int
) -> None:
    """With one line, the exit code that shells have for it, no half-written file, and the same command goes on."""
    child = forks.begin(tmp_path)
    child.wait_for("epoch 1/3: dev")
    sent = time.monotonic()
    child.kill(number)
    ended = child.wait()
    assert time.monotonic() - sent < 10
    assert ended.returncode == code
    assert ended.stderr.count(f"{said} {GOES_ON}") == 1
    assert "Traceback" not in ended.stderr
    assert strays(tmp_path) == []
    assert "Resuming after epoch" in forks.run(tmp_path).stderr
    assert told(tmp_path) == undisturbed


def test_sigterm_in_the_middle_of_any_kind_of_file(
    forks: Forks, finished: tuple[Path, Ended], undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """Sent while a file is being written: it is whole or not there, and nothing temporary is left."""
    passed = [kind for kind in finished[1].kinds if not kind.startswith("sync")]
    stopped = 0
    while (ended := forks.run(tmp_path, terminate=passed)).returncode:
        assert ended.returncode == 143, ended.stderr
        assert GOES_ON in ended.stderr
        assert strays(tmp_path) == []
        passed += [kind for kind in ended.kinds if kind not in passed]
        stopped += 1
        assert stopped < MANY
    assert stopped >= 8
    assert told(tmp_path) == undisturbed


def test_sigterm_ends_a_grid_as_well(forks: Forks, tmp_path: Path) -> None:
    """Commands that run several cells end in the same way, and go on after what is finished."""
    command = ["grid", "--recipe", "ce-context", "--loss", "cross-entropy,focal", *forks.sample[1:], "--set"]
    command += [f"encoder.checkpoint={forks.checkpoint}", "--set", "training.epochs=2", "--results", str(tmp_path)]
    child = forks.start(command, tmp_path)
    child.wait_for("epoch 1/2: dev")
    child.kill(signal.SIGTERM)
    ended = child.wait()
    assert ended.returncode == 143, ended.stderr
    assert GOES_ON in ended.stderr
    again = forks.start(command, tmp_path).wait()
    assert again.returncode == 0, again.stderr
    assert "Resuming after epoch 1 of 2." in again.stderr
