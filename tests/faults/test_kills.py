"""A run is killed with SIGKILL, again and again, and started again with the same command."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

from faulty_runs import MANY, Ended, Forks, strays, the_record, told


def test_killed_at_every_kind_of_write(
    forks: Forks, finished: tuple[Path, Ended], undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """Killed just before every kind of creation, sync, renaming and removal from the second epoch on.

    Every restart finds the finished epochs. The one after the last kill ends the run: predictions and sealed file are
    those of the undisturbed run byte by byte, the record but for times and restarts, and no temporary file is left.
    """
    before = finished[1].kinds[: next(n for n, kind in enumerate(finished[1].kinds) if "sealed" in kind)]
    second = next(n for n, point in enumerate(finished[1].points, 1) if "sealed-2" in point)
    assert forks.run(tmp_path, kill=second).returncode == -signal.SIGKILL
    passed: list[str] = []
    while (ended := forks.run(tmp_path, kill=passed)).returncode == -signal.SIGKILL:
        assert "damaged" not in ended.stderr
        tidying = ended.points[-1].startswith("remove")  # what a kill left
        assert "Resuming after epoch" in ended.stderr or tidying or ended.kinds[-1] in before
        assert ended.kinds[-1] not in passed
        passed.append(ended.kinds[-1])
        assert len(passed) < MANY
    assert ended.returncode == 0, ended.stderr
    assert told(tmp_path) == undisturbed
    assert strays(tmp_path) == []
    assert {kind for kind in finished[1].kinds[second - 1 :] if not kind.startswith("remove")} <= set(passed)


def test_killed_at_random_moments(forks: Forks, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    """Eight kills at random moments, each run started again until it ends: nothing differs from the undisturbed run."""
    rng, kills, number = random.Random(8), 0, 0
    begun = time.monotonic()
    assert forks.run(tmp_path / "timed").returncode == 0
    whole = time.monotonic() - begun
    while kills < 8:
        results, number = tmp_path / str(number), number + 1
        while True:
            child = forks.begin(results)
            time.sleep(rng.uniform(0, whole))
            child.kill()
            if (ended := child.wait()).returncode == 0:
                break
            assert ended.returncode == -signal.SIGKILL, ended.stderr
            kills += 1
        assert told(results) == undisturbed
        assert strays(results) == []


def test_a_record_says_where_it_was_taken_up(forks: Forks, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    """Killed after the first epoch, and after the second: both restarts are recorded, with the epochs they found."""
    for epoch in (1, 2):
        child = forks.begin(tmp_path)
        child.wait_for(f"epoch {epoch}/3: dev")
        child.kill()
        assert child.wait().returncode == -signal.SIGKILL
    ended = forks.run(tmp_path)
    assert "Resuming after epoch 2 of 3." in ended.stderr
    resumed = json.loads(the_record(tmp_path).read_text())["training"]["resumed_after_epochs"]
    assert resumed == [1, 2]
    assert told(tmp_path) == undisturbed
