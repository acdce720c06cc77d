"""The figures of the simulation as tables, for docs/explanation/statistics.md; ``generate.py`` puts them there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

SETS = {"meld": "like MELD", "emorynlp": "like EmoryNLP", "iemocap": "like IEMOCAP"}
SIZES = {
    "truth": "Weighted F1 on the population",
    "half_width": "Interval of a score, ± points",
    "effect_half_width": "Interval of a difference, ± points",
    "seed_deviation": "Standard deviation over drifting seeds, points",
}
INTERVALS = {
    "coverage": "**symmetric bootstrap-t of dialogues, used here**",
    "effect_coverage": "**the same, of a difference between two methods**",
    "coverage_bootstrap_t": "bootstrap-t of dialogues, equal tails",
    "coverage_error_t": "bootstrap standard error of dialogues, times a t quantile",
    "coverage_bca": "BCa of dialogues",
    "coverage_percentile": "percentiles of dialogues",
    "coverage_basic": "basic bootstrap of dialogues",
    "coverage_utterances": "as if utterances were independent",
}
TESTS = {
    "reject_null_bootstrap": "Two methods, equal on the population: paired bootstrap",
    "reject_null_randomisation": "Two methods, equal on the population: approximate randomisation",
    "reject_null": "**Two methods, equal on the population: the largest p-value**",
    "same_method_bootstrap_3": "One method, 3 seeds against 3 others: paired bootstrap alone",
    "same_method_bootstrap_5": "One method, 5 seeds against 5 others: paired bootstrap alone",
    "same_method_3": "**One method, 3 seeds against 3 others: the largest p-value**",
    "same_method_5": "**One method, 5 seeds against 5 others: the largest p-value**",
    "equal_methods_3": "**Two methods, equal over dialogues and seeds, 3 seeds each: the largest p-value**",
    "equal_methods_5": "**Two methods, equal over dialogues and seeds, 5 seeds each: the largest p-value**",
}


def tables(latest: Mapping[str, Any]) -> str:
    """The latest figures, by benchmark key -> Markdown: sizes, coverage, rejections, and what they were made with."""
    figures = {key.partition(".")[2]: value for key, value in latest.items() if key.startswith("calibration.")}
    machine = latest["machines"]["calibration"]
    many, few = (int(figures[key]) for key in ("simulations", "seed_simulations"))
    error, seed_error = (f"{100 * figures[key]:.1f}" for key in ("error", "seed_error"))
    lines = (
        _table(SIZES, figures, "What the simulated test sets are like"),
        f"Of {many:,} intervals for each cell, how many percent hold the truth; 95 is right, and chance moves a share "
        f"by {error} (one standard error):",
        _table(INTERVALS, figures, "Interval"),
        f"In how many percent of the simulations, in which there is nothing to find, p is below 0.05; 5 is allowed. "
        f"There are {many:,} of each kind about dialogues (standard error {error}) and {few:,} of each kind about "
        f"seeds (standard error {seed_error}):",
        _table(TESTS, figures, "What is true, and who says otherwise"),
        f"Measured on {machine['date']} with `{machine['command']}`.",
    )
    return "\n" + "\n\n".join(lines) + "\n"


def _table(titles: Mapping[str, str], figures: Mapping[str, float], head: str) -> str:
    """A row per title, a column per test set."""
    rows = [[title, *(f"{100 * figures[f'{name}.{key}']:.1f}" for name in SETS)] for key, title in titles.items()]
    align = ("left", "right", "right", "right")
    return tabulate(rows, [head, *SETS.values()], tablefmt="github", disable_numparse=True, colalign=align)
