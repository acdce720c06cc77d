"""What the tests of faults share: the process that forks others, and what an undisturbed run comes to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from faulty_runs import Forks, told


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
def undisturbed(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is told of a run that nothing happens to."""
    results = tmp_path_factory.mktemp("undisturbed")
    ended = forks.run(results)
    assert ended.returncode == 0, ended.stderr
    return told(results)
