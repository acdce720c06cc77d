"""What the tests of faults share: the process that forks others, and what an undisturbed run comes to."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_runs import Ended, Forks, told
from file_server import Server


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Starts commands as processes of their own."""
    if sys.platform != "linux":
        pytest.skip("the processes are watched through /proc")
    found = Forks()
    yield found
    found.close()


@pytest.fixture(scope="session")
def file_systems(forks: Forks) -> Forks:
    """The same, where file systems can be mounted."""
    if not forks.own_file_systems:
        pytest.skip("this system mounts no file systems for processes of their own (unshare --user --mount)")
    return forks


@pytest.fixture(scope="session")
def finished(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """The results folder of a run that nothing happens to, and how it ended."""
    results = tmp_path_factory.mktemp("undisturbed") / "results"
    ended = forks.run(results)
    assert ended.returncode == 0, ended.stderr
    return results, ended


@pytest.fixture(scope="session")
def undisturbed(finished: tuple[Path, Ended]) -> dict[str, Any]:
    """What is told of a run that nothing happens to."""
    return told(finished[0])


@pytest.fixture(scope="session")
def unfinished(forks: Forks, finished: tuple[Path, Ended], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a run that was killed in its third epoch; tests work on copies."""
    results = tmp_path_factory.mktemp("unfinished") / "results"
    third = next(n for n, point in enumerate(finished[1].points, 1) if "sealed-3" in point)
    assert forks.run(results, kill=third).returncode == -signal.SIGKILL
    return results


@pytest.fixture
def server() -> Iterator[Server]:
    """A file server on loopback."""
    found = Server()
    yield found
    found.close()
