"""How long it takes to build the boards of very many records, and the memory it needs.

The records are copies of a committed one with other recipes, seeds, data sets and tracks: 5 seeds a row, 20 tables.
Every row is taken to have been scored again, and the best rows of each table compared; what came of it is made up. The
files were written just before, so that they are read from memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from itertools import combinations
from pathlib import Path

from benchmarks.parts import Options
from ercbench.leaderboard.evidence import EVIDENCE_FILE, Estimate, Evidence, PairEvidence, RowEvidence, evidence_text
from ercbench.leaderboard.ranking import COMPARED, best_first
from ercbench.leaderboard.seeds import Group, groups, tables
from ercbench.records import read_records

RECORDS = Path(__file__).parents[2] / "leaderboards" / "records"
SEEDS, DATASETS, TRACKS = 5, 5, 4
BUILD = """
import resource, sys, time
from pathlib import Path
from ercbench.leaderboard import write_boards
begun, worked = time.perf_counter(), time.process_time()
write_boards(Path(sys.argv[1]))
usage = resource.getrusage(resource.RUSAGE_SELF)
print(time.perf_counter() - begun, time.process_time() - worked, usage.ru_maxrss / 1024)
"""


def measure(options: Options) -> dict[str, float]:
    """Seconds, seconds of the one processor it uses, and megabytes of a build, by the number of records."""
    count = 500 if options.quick else 100_000
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        write_records(results, count)
        write_evidence(results)
        command = [sys.executable, "-c", BUILD, folder]
        said = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ)).stdout
    names = ("seconds", "processor_seconds", "megabytes")
    return {f"boards.{count}.{name}": float(value) for name, value in zip(names, said.split(), strict=True)}


def write_records(results: Path, count: int) -> None:
    """As many records, all different."""
    one = json.loads(min(RECORDS.glob("*/*/*/seed-0.json")).read_text(encoding="utf-8"))
    for row in range(count // SEEDS):
        name, track = f"data-{row % DATASETS}", f"track-{row // DATASETS % TRACKS}"
        one["recipe"]["name"], one["dataset"]["name"], one["track"] = f"method-{row}", name, track
        folder = results / "records" / name / track / f"method-{row}@{one['recipe']['version']}"
        folder.mkdir(parents=True)
        for seed in range(SEEDS):
            one["seed"], one["predictions"]["sha256"] = seed, f"{row * SEEDS + seed:064x}"
            one["scores"]["test"]["weighted_f1"] = 0.4 + (row * 7919 + seed) % 2000 / 10000
            (folder / f"seed-{seed}.json").write_text(json.dumps(one, indent=2), encoding="utf-8")


def write_evidence(results: Path) -> None:
    """Evidence as if the data of all rows had been at hand."""
    found = groups(read_records(results), lambda *_: ())
    pairs: dict[str, dict[str, PairEvidence]] = {}
    for table in tables(found):
        for a, b in combinations(sorted(table, key=best_first)[:COMPARED], 2):
            first, other = (a, b) if a.key < b.key else (b, a)
            pairs.setdefault(first.key, {})[other.key] = _pair(first, other)
    evidence = Evidence(rows={group.key: _row(group) for group in found}, pairs=pairs)
    (results / EVIDENCE_FILE).write_text(evidence_text(evidence), encoding="utf-8")


def _row(group: Group) -> RowEvidence:
    mean = sum(seed.weighted_f1 for seed in group.seeds) / len(group.seeds)
    return RowEvidence(
        fingerprint=group.shared.fingerprint,
        predictions=[seed.predictions for seed in group.seeds],
        verified=True,
        over_dialogues=Estimate(estimate=mean, low=mean - 0.02, high=mean + 0.02),
    )


def _pair(first: Group, other: Group) -> PairEvidence:
    effect = first.seeds[0].weighted_f1 - other.seeds[0].weighted_f1
    estimate = Estimate(estimate=effect, low=effect - 0.01, high=effect + 0.01)
    p = 1e-5 if abs(effect) > 0.02 else 0.4
    return PairEvidence(effect=estimate, p_bootstrap=p, p_randomisation=p, p_seeds=p)
