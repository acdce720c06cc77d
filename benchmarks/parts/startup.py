"""Start-up: whole processes, the fastest of several, and the way to the first training step."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.parts import Options

COMMANDS = {
    "help_seconds": ["--help"],
    "list_seconds": ["list", "recipes"],
    "plugin_list_seconds": ["plugin", "list"],
    "leaderboard_check_seconds": ["leaderboard", "build", "--check"],
}
FIRST_STEP = """
import sys
from pathlib import Path
from benchmarks.ours import OurLoop, prepared
folder = Path(sys.argv[1]) if sys.argv[1] else None
loop = OurLoop(prepared("eacl", "meld", folder, training__batch_size=32))
loop.step(loop.plan()[0])
"""


def measure(options: Options) -> dict[str, float]:
    """Seconds of short commands, and from nothing to the end of the first training step on MELD."""
    ercbench = str(Path(sys.executable).with_name("ercbench"))
    times = 2 if options.quick else 7
    figures = {name: _fastest([ercbench, *arguments], times) for name, arguments in COMMANDS.items()}
    folder = "" if options.data_dir is None else str(options.data_dir)
    figures["first_step_seconds"] = _fastest([sys.executable, "-c", FIRST_STEP, folder], min(times, 3))
    return figures


def _fastest(command: list[str], times: int) -> float:
    """Wall time of a process, the least of some."""
    seconds = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))
        seconds.append(time.perf_counter() - begun)
    return min(seconds)
