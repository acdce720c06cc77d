"""What docs/explanation/performance.md shows: figures from the latest measurement, scores from the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from tabulate import tabulate

from ercbench.leaderboard.evidence import read_evidence
from ercbench.leaderboard.seeds import Group, groups, tables
from ercbench.records import read_records

FIGURES = {
    "train_step.{}.naive_utterances_per_second": "Training step, released loop, utterances/s",
    "train_step.{}.exact_utterances_per_second": "Training step, exact, utterances/s",
    "train_step.{}.shared_utterances_per_second": "Training step, shared, utterances/s",
    "train_step.{}.exact_ratio": "**Exact against released**",
    "train_step.{}.shared_ratio": "**Shared against released**",
    "train_step.{}.matrix_share": "Share of the matrix throughput, exact",
    "train_step.{}.exact_padding": "Padding, exact",
    "train_step.{}.shared_padding": "Padding, shared",
    "train_step.{}.exact_tokens_per_utterance": "Tokens per utterance, exact",
    "train_step.{}.shared_tokens_per_utterance": "Tokens per utterance, shared",
}
"""Figures with a column per data set; every other figure has a row with its key."""


def contents(root: Path, latest: Mapping[str, Any]) -> dict[str, str]:
    """What stands between each marker of the page."""
    results = root / "leaderboards"
    scores, differences = _quality(results), _paired(results)
    return {"figures": _figures(latest), "quality": "\n".join(("", scores, "", differences, ""))}


def _figures(latest: Mapping[str, Any]) -> str:
    elsewhere = ("machines", "calibration", "faults")  # on pages of their own
    figures = {key: value for key, value in latest.items() if key.split(".")[0] not in elsewhere}
    steps = [
        [title, *(_number(figures.pop(key.format(dataset), None)) for dataset in ("meld", "iemocap"))]
        for key, title in FIGURES.items()
    ]
    others = [[f"`{key}`", _number(value)] for key, value in figures.items()]
    machines = [
        [part, m["date"], m["processor"], m["torch"], f"`{m['command']}`"]
        for part, m in latest["machines"].items()
        if part not in elsewhere
    ]
    tables = (
        tabulate(steps, ["", "MELD", "IEMOCAP"], tablefmt="github", disable_numparse=True),
        tabulate(others, ["figure", "value"], tablefmt="github", disable_numparse=True),
        tabulate(machines, ["part", "date", "machine", "torch", "command"], tablefmt="github"),
    )
    return "\n\n".join(("", *tables, ""))


def _quality(results: Path) -> str:
    """Dev and test scores of both encoders, from the records in ``leaderboards/``."""
    rows = [
        [r.dataset.name, f"{r.recipe.name}@{r.recipe.version}", r.seed]
        + [f"{100 * split.weighted_f1:.2f}" for split in (r.scores.dev, r.scores.test)]
        + [f"{sum(e.utterances_per_second for e in r.training.epochs) / len(r.training.epochs):.1f}"]
        for _, r in read_records(results)
        if r.recipe.name in ("eacl", "eacl-shared")
        and (r.track, r.protocol.context) == ("mini", "past")
        and r.dataset.name in ("meld", "iemocap")
    ]
    headers = ["data set", "recipe", "seed", "dev weighted F1", "test weighted F1", "utterances/s in training"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _paired(results: Path) -> str:
    """How ranked rows of the two encoders differ, from ``leaderboards/evidence.json``."""
    found = groups(read_records(results), lambda *_: ())
    evidence = read_evidence(results)
    rows = []
    for table in tables(found):
        for shared, exact in product(_rows(table, "eacl-shared"), _rows(table, "eacl")):
            if one := evidence.comparison(shared.key, exact.key):
                effect = [f"{100 * value:+.2f}" for value in (one.effect.estimate, one.effect.low, one.effect.high)]
                p_values = [f"{p:.3f}" for p in (one.p_bootstrap, one.p_randomisation, one.p_seeds) if p is not None]
                name = f"{shared.name} - {exact.name}"
                rows.append([exact.shared.dataset, name, effect[0], " to ".join(effect[1:]), *p_values])
    headers = ["data set", "difference on test", "points", "95 % interval", "p bootstrap", "p randomisation", "p seeds"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _rows(table: Sequence[Group], recipe: str) -> list[Group]:
    return [group for group in table if group.shared.recipe == recipe]


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
