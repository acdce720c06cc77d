"""`ercbench run --executor ray` on a real Ray cluster of several nodes on loopback, and on Ray of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray_nodes import Nodes

from ercbench.testing.tiny import tiny_checkpoint

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed; the extra `ray` has it"),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc"),
]

HOLD = '''
"""Holds the run of seed 0 after its second epoch until a file is there."""

import time
from pathlib import Path

from ercbench import hookimpl

ERCBENCH_API = 1


@hookimpl
def ercbench_epoch_finished(run, epoch):
    while run.seed == 0 and epoch.epoch == 2 and not Path({flag!r}).exists():
        time.sleep(0.05)
'''
SEEDS = ("--seed", "1,0")
"""The one that is held comes last, for machines that run one cell at a time."""


class Held:
    """A command that trains for three epochs, and is held in the middle.

    Attributes:
        flag: lets it go.
    """

    def __init__(self, command: Path, folder: Path) -> None:
        plugin, self.flag, self._folder = folder / "hold.py", folder / "go", folder
        plugin.write_text(HOLD.format(flag=str(self.flag)))
        self._arguments = [str(command), "run", "eacl", "--dataset", "meld-sample", "--track", "mini", "--limit", "4"]
        self._arguments += ["--device", "cpu", "--set", f"encoder.checkpoint={tiny_checkpoint().path}"]
        self._arguments += ["--set", "encoder.width=16", "--set", "training.epochs=3", "--plugin", str(plugin)]

    def start(self, results: str, *more: str) -> subprocess.Popen[str]:
        """Start it as the first process of a session, as a terminal does."""
        return subprocess.Popen(
            [*self._arguments, "--results", str(self._folder / results), *(more or SEEDS)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )

    def run(self, results: str, *more: str) -> str:
        """Let it go, and run it to its end; returns what it said."""
        self.flag.touch()
        with self.start(results, *more) as process:
            said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
        return said


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A cluster; tests that lose a node add one first."""
    with Nodes(1) as found:
        yield found


@pytest.fixture
def held(ercbench_command: Path, tmp_path: Path) -> Held:
    """A command that is held."""
    return Held(ercbench_command, tmp_path)


@pytest.fixture(scope="module")
def whole(ercbench_command: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """What an undisturbed run in one process predicts, by seed."""
    folder = tmp_path_factory.mktemp("serial")
    Held(ercbench_command, folder).run("r")
    return predictions(folder / "r")


def predictions(results: Path) -> dict[int, str]:
    """The text of the predictions, by seed."""
    return {int(path.name.split(".")[0][5:]): path.read_text() for path in results.rglob("*.predictions.csv")}


def record(results: Path, seed: int) -> dict[str, Any]:
    """The record of a seed."""
    [path] = results.rglob(f"seed-{seed}.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def until(process: subprocess.Popen[str], *patterns: str) -> list[re.Match[str]]:
    """Read what a command says until each pattern was in a line."""
    assert process.stdout is not None
    found: dict[str, re.Match[str]] = {}
    said = ""
    for line in process.stdout:
        said += line
        found |= {pattern: match for pattern in patterns if (match := re.search(pattern, line))}
        if len(found) == len(patterns):
            return [found[pattern] for pattern in patterns]
    raise AssertionError(said)


def session(leader: int) -> list[int]:
    """The processes of a session that are still there."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(file.parent.name))
    return found


def test_a_node_is_killed_and_its_cell_goes_on_elsewhere(
    nodes: Nodes, held: Held, whole: dict[int, str], tmp_path: Path
) -> None:
    """All its processes get SIGKILL after the second epoch: another node goes on there, and predicts the very same."""
    nodes.add()
    with held.start("r", *SEEDS, "--executor", "ray", "--ray-address", nodes.address) as process:
        running, _ = until(process, r"seed 0: running on \S+ (\w+), epoch 2/3", "seed 1: done")
        first = running[1]
        nodes.kill(first)
        held.flag.touch()
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert predictions(tmp_path / "r") == whole
    assert record(tmp_path / "r", 0)["training"]["resumed_after_epochs"] == [2]
    assert record(tmp_path / "r", 1)["training"]["resumed_after_epochs"] == []
    assert not [path for path in (tmp_path / "r" / ".unfinished").iterdir() if path.suffix != ".lock"]
    [log] = (tmp_path / "r" / "logs").glob("*.jsonl")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    *_, lost = [event for event in events if event["event"] == "cell_requeued"]
    taken = re.search(rf"{first} was lost; taken up by \S+ (\w+)", lost["message"])
    assert taken is not None, lost
    assert taken[1] != first


def test_the_command_is_killed_and_started_again(
    nodes: Nodes, held: Held, whole: dict[int, str], tmp_path: Path
) -> None:
    """After kill -9 the same command sends what was kept: the cell goes on after its second epoch."""
    on_ray = ("--seed", "0", "--executor", "ray", "--ray-address", nodes.address)
    with held.start("r", *on_ray) as process:
        until(process, "seed 0: running on .*, epoch 2/3")
        process.kill()
    assert "Everything is done" not in held.run("r", *on_ray)
    assert predictions(tmp_path / "r") == {0: whole[0]}
    assert record(tmp_path / "r", 0)["training"]["resumed_after_epochs"] == [2]


def test_ctrl_c_ends_all_and_keeps_what_is_finished(held: Held, whole: dict[int, str], tmp_path: Path) -> None:
    """On Ray of its own: exit code 130, no process left, what is finished is there, and a run without Ray goes on."""
    with held.start("r", *SEEDS, "--executor", "ray") as process:
        until(process, "seed 0: running on .*, epoch 2/3", "seed 1: done")
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=200)
    assert process.returncode == 130, said
    assert "Interrupted. The same command goes on" in said
    assert "Traceback" not in said
    deadline = time.monotonic() + 60
    while session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not session(process.pid)
    assert set(predictions(tmp_path / "r")) == {1}
    said = held.run("r")
    assert "1 to run, 1 done." in said
    assert predictions(tmp_path / "r") == whole
    assert record(tmp_path / "r", 0)["training"]["resumed_after_epochs"] == [2]


def test_a_grid_from_python_gives_the_records_of_a_serial_one(nodes: Nodes, tmp_path: Path) -> None:
    """Recipes that are not trained, on two data sets, with the corpora fetched by the workers."""
    script = (
        "import sys, ercbench; from pathlib import Path\n"
        "address, folder = sys.argv[1:]\n"
        "for name, executor in (('serial', 'serial'), ('ray', ercbench.Ray(address))):\n"
        "    found = ercbench.run(['tfidf-lr', 'majority'], dataset=['meld-sample', 'iemocap-sample'], track='mini',\n"
        "        device='cpu', results=Path(folder, name), executor=executor)\n"
        "    assert len(found) == 4\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, nodes.address, str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    serial, ray = (
        {path.relative_to(tmp_path / name): path.read_text() for path in (tmp_path / name).rglob("*.predictions.csv")}
        for name in ("serial", "ray")
    )
    assert len(serial) == 4
    assert ray == serial
