"""Scores -> small pictures: a range on the scale of its table, a bar from 0 to 100. Numbers alone go into them.

Positions are shares of the width, so that a picture fits wherever the page puts it. A style attribute would need a
weaker content security policy, so all of it is SVG attributes. What a picture shows stands beside it in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from ercbench.leaderboard.board_json import Interval, Row

_STEPS = (1, 2, 2.5, 5, 10)
_QUARTERS = 4
"""The page draws a line at each quarter of a scale, so its quarters are round numbers."""


_END = '<line class="line" x1="{at}" x2="{at}" y1="5" y2="13"/>'
_TO_THE_LEFT = '<path d="M0 9l6-4v8z"/>'
_TO_THE_RIGHT = '<svg x="100%"><path d="M0 9l-6-4v8z"/></svg>'
"""The ends of a line over seeds: where it ends, or that it goes on beyond the scale."""


@dataclass(frozen=True)
class Scale:
    """Fractions from `low` to `high`, in quarters of a round number of points."""

    low: float
    high: float

    def at(self, value: float) -> str:
        """Where a fraction lies, as a share of the width; what is beyond the scale lies at its end."""
        share = (value - self.low) / (self.high - self.low)
        return f"{100 * min(1.0, max(0.0, share)):.4g}%"


def scale(values: Iterable[float]) -> Scale:
    """Fractions -> the smallest round scale that holds all of them."""
    points = [100 * value for value in values] or [0.0, 100.0]
    low, high = min(points), max(points)
    size = 10.0 ** math.floor(math.log10(max(high - low, 1.0) / _QUARTERS))
    for step in (size * factor for factor in (*_STEPS, *(10 * one for one in _STEPS))):
        start = math.floor(low / step) * step
        if start + _QUARTERS * step >= high:
            return Scale(round(start, 6) / 100, round(start + _QUARTERS * step, 6) / 100)
    raise AssertionError(f"no scale holds {low} to {high}")


def scale_of_rows(rows: Iterable[Row]) -> Scale:
    """The scale of a table. An interval over two seeds can be wider than the table, so those do not widen it."""
    values: list[float] = []
    for row in rows:
        values.append(row.test.mean)
        seeds = row.test.interval if len(row.records) > 2 else None
        values += [end for interval in (row.over_dialogues, seeds) if interval for end in (interval.low, interval.high)]
    return scale(values)


def range_plot(on: Scale, mean: float, dialogues: Interval | None = None, seeds: Interval | None = None) -> Markup:
    """A dot for a mean, a band for its interval over dialogues and a line with ends for that over seeds."""
    parts = []
    if dialogues:
        low, high = on.at(dialogues.low), on.at(dialogues.high)
        parts.append(f'<line class="band" x1="{low}" x2="{high}" y1="9" y2="9"/>')
    if seeds:
        low, high = on.at(seeds.low), on.at(seeds.high)
        parts.append(f'<line class="line" x1="{low}" x2="{high}" y1="9" y2="9"/>')
        parts.append(_END.format(at=low) if seeds.low >= on.low else _TO_THE_LEFT)
        parts.append(_END.format(at=high) if seeds.high <= on.high else _TO_THE_RIGHT)
    parts.append(f'<circle cx="{on.at(mean)}" cy="9" r="3.5"/>')
    return Markup(f'<svg class="range" aria-hidden="true">{"".join(parts)}</svg>')  # noqa: S704 (numbers alone)


def bar(fraction: float) -> Markup:
    """A bar from 0 to 1."""
    width = f"{100 * min(1.0, max(0.0, fraction)):.4g}%"
    return Markup(f'<svg class="bar" aria-hidden="true"><rect width="{width}"/></svg>')  # noqa: S704 (numbers alone)
