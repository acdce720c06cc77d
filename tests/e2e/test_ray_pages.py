"""What the pages on Ray say can be typed: Ray takes it, and the batch script does what its page says."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pages import blocks, named_files

from ercbench.cli import cli

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
PARSE = """
import shlex, sys
from ray.scripts.scripts import cli
for line in sys.argv[1:]:
    _, name, *arguments = shlex.split(line, comments=True)
    cli.commands[name].make_context(name, arguments)
"""
CALLED = 'echo "$(basename "$0") $*" >> "$CALLS"\n'
STUBS = {
    "scontrol": "echo one; echo two; echo three",
    "srun": 'case "$*" in *hostname*) echo 192.0.2.7 fe80::1;; *) exec sleep 60;; esac',
    "ray": 'if test -e "$CALLS.healthy"; then exit 0; fi; touch "$CALLS.healthy"; exit 1',
    "ercbench": """
trap 'echo stopped >> "$CALLS"; exit 143' TERM
until test "$(grep -c "ray start" "$CALLS")" = 3; do sleep 0.05; done
while test -n "$LONG"; do sleep 0.1; done
exit 3""",
}


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed; the extra `ray` has it")
def test_ray_takes_the_commands_of_the_pages() -> None:
    """Each `ray` command in a shell block has options that Ray has."""
    shell = [block for page in sorted(PAGES.glob("ray-*.md")) for block in blocks(page, "sh")]
    commands = [line for block in shell for line in block.splitlines() if line.startswith("ray ")]
    commands += ["ray health-check --address=192.0.2.7:1", "ray stop"]
    commands += ["ray start --block --num-cpus=1 --num-gpus=0 --head --node-ip-address=192.0.2.7 --port=1"]
    assert len(commands) == 5
    done = subprocess.run([sys.executable, "-c", PARSE, *commands], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def start(folder: Path, long: str) -> subprocess.Popen[str]:
    """Start the batch script with stand-ins for everything it calls."""
    stubs = folder / "stubs"
    stubs.mkdir()
    for name, what in STUBS.items():
        (stubs / name).write_text(f"#!/bin/bash\n{CALLED}{what}\n")
        (stubs / name).chmod(0o755)
    (folder / "grid.sbatch").write_text(named_files(PAGES / "ray-on-slurm.md")["grid.sbatch"])
    environment = {
        "PATH": f"{stubs}{os.pathsep}{os.environ['PATH']}", "CALLS": str(folder / "calls"), "LONG": long,
        "SLURM_JOB_ID": "12345678", "SLURM_JOB_NODELIST": "n[1-3]", "SLURM_CPUS_PER_TASK": "16",
        "SLURM_GPUS_PER_TASK": "4", "SLURM_SUBMIT_DIR": str(folder),
    }  # fmt: skip
    command = ["bash", str(folder / "grid.sbatch")]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def calls(folder: Path) -> list[str]:
    """What was called so far."""
    file = folder / "calls"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.skipif(shutil.which("bash") is None, reason="it is a bash script")
def test_the_batch_script_starts_ray_on_every_node(tmp_path: Path) -> None:
    """First on the first node, which is waited for; then the command, whose exit code is the job's."""
    with start(tmp_path, long="") as job:
        _, errors = job.communicate(timeout=60)
    assert job.returncode == 3, errors
    found = calls(tmp_path)
    at = "--address=192.0.2.7:25678"
    assert [line for line in found if line.startswith("ray ")] == [f"ray health-check {at}"] * 2
    starts = [
        re.sub(r".*-w (\w+) ray start --block --num-cpus=16 --num-gpus=4 ", r"\1 ", c)
        for c in found
        if "ray start" in c
    ]
    assert starts[0] == "one --head --node-ip-address=192.0.2.7 --port=25678"
    assert sorted(starts[1:]) == [f"three {at}", f"two {at}"]
    [command] = [line for line in found if line.startswith("ercbench ")]
    _, name, *arguments = shlex.split(command)
    parsed = cli.get_command(None, name).make_context(name, arguments).params  # type: ignore[arg-type, union-attr]
    assert (parsed["executor"], parsed["ray_address"]) == ("ray", "192.0.2.7:25678")
    assert found.index(command) > found.index(f"ray health-check {at}") + 1


@pytest.mark.skipif(shutil.which("bash") is None, reason="it is a bash script")
def test_the_batch_script_hands_sigterm_on(tmp_path: Path) -> None:
    """The command is ended by it, and its exit code is the job's; the script waits until it has ended."""
    with start(tmp_path, long="yes") as job:
        while not any(line.startswith("ercbench ") for line in calls(tmp_path)):
            assert job.poll() is None
        job.send_signal(signal.SIGTERM)
        _, errors = job.communicate(timeout=60)
    assert job.returncode == 143, errors
    assert calls(tmp_path)[-1] == "stopped"
