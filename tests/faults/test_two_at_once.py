"""Two identical commands at the same time."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from faulty_runs import Forks, told


def test_the_second_of_two_is_refused_and_takes_over_when_the_first_is_dead(
    forks: Forks, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """While one is at it the other is refused; when the first was killed, the same command goes on at once."""
    first = forks.begin(tmp_path)
    first.wait_for("epoch 1/3: dev")
    os.kill(first.pid, signal.SIGSTOP)  # still there, and still at it
    second = forks.run(tmp_path)
    assert second.returncode == 2
    assert second.stderr.count("Another process is at this very run.") == 1
    first.kill()
    assert first.wait().returncode == -signal.SIGKILL
    third = forks.run(tmp_path)
    assert third.returncode == 0, third.stderr
    assert "Resuming after epoch" in third.stderr
    assert told(tmp_path) == undisturbed
