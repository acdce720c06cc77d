"""A sample run killed again and again, and left without room, at every write; the short form is in ``tests/faults``.

Real processes and SIGKILL: at moments drawn at random, and just before every single creation, sync, renaming and
removal of a file. After each the same command is started until it ends, and what it wrote is compared with what an
undisturbed run wrote: predictions and sealed predictions byte by byte, the record but for times and restarts.
"""

from __future__ import annotations

import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.parts import Options

if TYPE_CHECKING:
    from faulty_runs import Forks

KILLS = 100
"""At random moments."""


def measure(options: Options) -> dict[str, float]:
    """How many of each there were, how many results differed (none may), and the seconds of each kind."""
    figures: dict[str, float] = {}
    with _forks() as forks, tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "whole")
        ended = forks.run(whole)
        wanted, points = _told(whole), len(ended.points)
        begun = time.perf_counter()
        figures |= _random_kills(forks, Path(folder), wanted, 3 if options.quick else KILLS)
        figures["random_seconds"] = time.perf_counter() - begun
        for fault in ("kill", "fail"):
            begun = time.perf_counter()
            numbers = range(1, points + 1, points // 2 if options.quick else 1)
            found = [_one(forks, Path(folder, f"{fault}-{number}"), wanted, fault, number) for number in numbers]
            figures |= {f"{fault}_points": len(numbers), f"{fault}_differing": sum(found)}
            figures[f"{fault}_seconds"] = time.perf_counter() - begun
    return {f"faults.{key}": value for key, value in figures.items()}


def _random_kills(forks: Forks, folder: Path, wanted: dict[str, Any], kills: int) -> dict[str, float]:
    """Kill runs at random moments until there were so many kills."""
    rng, begun = random.Random(0), time.perf_counter()
    forks.run(folder / "timed")
    length = time.perf_counter() - begun
    left, runs, resumed, damaged, differing = kills, 0, 0, 0, 0
    while left:
        results, ended = folder / f"random-{runs}", None
        while ended is None or ended.returncode:
            child = forks.begin(results)
            if left:
                time.sleep(rng.uniform(0, length))
                child.kill()
            ended = child.wait()
            damaged += "damaged" in ended.stderr
            left -= ended.returncode == -signal.SIGKILL
            resumed += "Resuming after" in ended.stderr
        runs, differing = runs + 1, differing + (_differs(results, wanted) or damaged > 0)
    return {"random_kills": kills, "random_runs": runs, "random_resumed": resumed, "random_differing": differing}


def _one(forks: Forks, results: Path, wanted: dict[str, Any], fault: str, number: int) -> bool:
    """One run that meets a fault at one point, and the restart; whether anything differs."""
    code = {"kill": (-signal.SIGKILL,), "fail": (9, 0)}[fault]  # what fails while something is removed is passed over
    first = forks.run(results, **{fault: number})
    again = forks.run(results)
    unexpected = first.returncode not in code or again.returncode != 0 or "damaged" in again.stderr
    return unexpected or _differs(results, wanted)


def _differs(results: Path, wanted: dict[str, Any]) -> bool:
    """Whether a results folder is not as it should be; it is removed where it is."""
    from faulty_runs import strays

    if _told(results) != wanted or strays(results):
        return True
    shutil.rmtree(results)
    return False


def _told(results: Path) -> dict[str, Any]:
    from faulty_runs import told

    return told(results)


@contextmanager
def _forks() -> Iterator[Forks]:
    """What starts the processes; it is shared with the tests."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
    from faulty_runs import Forks

    forks = Forks()
    try:
        yield forks
    finally:
        forks.close()
