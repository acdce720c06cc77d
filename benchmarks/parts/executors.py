"""A small grid, one cell after the other and on two workers of Ray: wall time of both, and whether they agree.

Both use one thread for a cell, so that predictions can be the same to the last digit. Serial with all threads is what
one would run without Ray; its predictions may differ from these in a digit, and are not compared.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.parts import Options

RECIPES, DATASETS, SEEDS, WORKERS = ("eacl", "tfidf-lr"), "all", 3, 2
GRID = """
import json, sys
import ercbench
results, workers, settings = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
executor = "serial"
if workers:
    import ray
    ray.init(address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
             _node_ip_address="127.0.0.1", _system_config={"worker_niceness": 0})
    executor = ercbench.Ray(cpus_per_run=1)
ercbench.run(results=results, executor=executor, **settings)
"""


def measure(options: Options) -> dict[str, float | None]:
    """Seconds from nothing to the last record, and the share of cells whose predictions are the same bytes."""
    settings: dict[str, object] = {"recipes": list(RECIPES), "dataset": DATASETS, "sample": True, "track": "mini"}
    settings |= {"seeds": SEEDS, "device": "cpu", "keep_model": False}
    if options.quick:
        settings |= {"recipes": ["tfidf-lr"], "seeds": 1, "limit": 3}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        serial = _run(root / "serial", 0, settings, threads=1)
        ray = _run(root / "ray", WORKERS, settings, threads=1)
        everything = _run(root / "all-threads", 0, settings, threads=None)
        one, other = _predictions(root / "serial"), _predictions(root / "ray")
    assert one.keys() == other.keys()
    return {
        "executors.cells": float(len(one)),
        "executors.workers": float(WORKERS),
        "executors.serial_seconds": serial,
        "executors.serial_all_threads_seconds": everything,
        "executors.ray_seconds": ray,
        "executors.serial_over_ray": serial / ray,
        "executors.share_identical": sum(one[name] == other[name] for name in one) / len(one),
    }


def _run(results: Path, workers: int, settings: dict[str, object], threads: int | None) -> float:
    """Seconds of a process that runs the grid; an empty cache, so that none profits from another."""
    import json

    environment = os.environ | {"ERCBENCH_CACHE": str(results.with_suffix(".cache"))}
    environment.pop("OMP_NUM_THREADS", None)
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    begun = time.perf_counter()
    command = [sys.executable, "-c", GRID, str(results), str(workers), json.dumps(settings)]
    subprocess.run(command, check=True, env=environment)
    return time.perf_counter() - begun


def _predictions(results: Path) -> dict[str, bytes]:
    return {str(path.relative_to(results)): path.read_bytes() for path in results.rglob("*.predictions.csv")}
