"""What docs/explanation/reliability.md shows of the long form of the faults: the figures of the latest measurement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

ROWS = {
    "Killed at a random moment": ("random_kills", "random_differing", "random_seconds"),
    "Killed just before a write": ("kill_points", "kill_differing", "kill_seconds"),
    "A write that fails for want of room": ("fail_points", "fail_differing", "fail_seconds"),
}
"""Keys of how often, how many results differed, and the seconds."""


def figures(latest: Mapping[str, Any]) -> str:
    """The latest figures, by benchmark key -> Markdown."""
    found = {key.partition(".")[2]: value for key, value in latest.items() if key.startswith("faults.")}
    machine = latest["machines"]["faults"]
    rows = [[name, *(f"{found[key]:.0f}" for key in keys)] for name, keys in ROWS.items()]
    table = tabulate(
        rows, ["Fault", "Times", "Results that differ", "Seconds"], tablefmt="github", colalign=("left", *["right"] * 3)
    )
    processor = machine["processor"].partition(",")[0]
    return (
        f"\n{table}\n\nThe random kills fell on {found['random_runs']:.0f} runs; {found['random_resumed']:.0f} starts "
        f"found finished epochs and went on after them, the others began anew.\nMeasured on {machine['date']} with "
        f"`{machine['command']}` on one core of {processor}.\n"
    )
