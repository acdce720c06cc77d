"""The tables of docs/explanation/results-mini.md, from leaderboards/leaderboard.csv."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from tabulate import tabulate

DATASETS = ("meld", "emorynlp", "iemocap")


def contents(root: Path) -> dict[str, str]:
    """What stands between the marker of each data set: its rows of the track mini, ranked ones and best means first.

    Of several versions of a recipe only the newest is shown.
    """
    with (root / "leaderboards" / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["track"], row["context"]) == ("mini", "past")]
    return {dataset: _table([row for row in rows if row["dataset"] == dataset]) for dataset in DATASETS}


def _table(rows: list[dict[str, str]]) -> str:
    newest: dict[str, int] = {}
    for name, version in map(_named, rows):
        newest[name] = max(version, newest.get(name, 0))
    shown = [row for row in rows if _named(row) in newest.items()]
    ordered = sorted(shown, key=lambda row: (not row["rank_first"], -float(row["weighted_f1"])))
    headers = ["row", "ranks", "seeds", "dev", "test", "95 % interval over dialogues"]
    return f"\n{tabulate([_cells(row) for row in ordered], headers, tablefmt='github', disable_numparse=True)}\n"


def _named(row: Mapping[str, str]) -> tuple[str, int]:
    """A recipe and its version."""
    name, version = row["recipe"].split()[0].split("@")
    return name, int(version)


def _cells(row: Mapping[str, str]) -> list[str]:
    ranks = "-".join(dict.fromkeys((row["rank_first"], row["rank_last"]))) or "not ranked"
    deviation = f" ± {_points(row['weighted_f1_deviation'])}" if row["weighted_f1_deviation"] else ""
    interval = f"{_points(row['dialogues_low'])} to {_points(row['dialogues_high'])}" if row["dialogues_low"] else ""
    test = f"{_points(row['weighted_f1'])}{deviation}"
    return [row["recipe"], ranks, row["seeds"], _points(row["dev_weighted_f1"]), test, interval]


def _points(fraction: str) -> str:
    return f"{100 * float(fraction):.2f}"
