"""Numbers -> plots as SVG. Nothing is told by colour alone: bars carry their numbers, series their own markers."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from ercbench.report.calibration import BINS, Calibration
from ercbench.report.gather import Floats
from ercbench.report.svg import ACCENT, FAINT, HALO, HEAT, INK, PAPER, SECOND, canvas, inline
from ercbench.report.text import shortened
from ercbench.report.vectors import Layout
from ercbench.statistics import Interval
from ercbench.types import IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

WIDTH = 4.6
"""Inches; at the size of a phone its letters can still be read."""
ROW = 0.3
"""Inches for a row of a plot with one row per name."""

HUES = ("#3b7dd8", "#d2641f", "#2a9469", "#bf4f96", "#9b7f14", "#7c69d6", "#51889b", "#d3473f")
"""Colours of emotions; at least 3 : 1 against a light page and a dark one."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", "p", ">")


@dataclass(frozen=True)
class Line:
    """One line of a forest plot: a name, a number with or without its interval, and the numbers it is the mean of."""

    name: str
    value: float
    interval: Interval | None
    seeds: Sequence[float] = ()


def emotion_bars(name: str, title: str, words: Sequence[str], scores: Mapping[str, Sequence[float]]) -> Markup:
    """F1 (C,) as bars with its numbers, precision and recall (C,) as markers on them."""
    rows = np.arange(len(words))
    with canvas(WIDTH, ROW * 1.15 * len(words) + 0.85) as (figure, axes):
        axes.barh(rows, 100 * np.array(scores["F1"]), 0.62, color=ACCENT, alpha=0.55, linewidth=0)
        for label, marker in (("precision", ">"), ("recall", "o")):
            axes.plot(
                100 * np.array(scores[label]), rows, marker, color=INK, markerfacecolor=PAPER, markersize=5,
                markeredgewidth=1, label=label, clip_on=False,
            )  # fmt: skip
        for row, value in enumerate(scores["F1"]):
            axes.text(112, row, f"{100 * value:.1f}", ha="right", va="center")
        axes.text(112, -0.85, "F1", ha="right", va="center", fontweight="bold")
        axes.set(xlim=(0, 100), ylim=(len(words) - 0.5, -0.6), xticks=range(0, 101, 20))
        axes.set_yticks(rows, [shortened(word) for word in words])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        figure.legend(loc="outside lower center", ncols=2)
        return inline(figure, name, title)


@dataclass(frozen=True)
class Heat:
    """A table (R, C) whose cells are the deeper the nearer they are to 1 or -1; `texts` and `small` stand in them."""

    shades: Floats
    texts: Sequence[Sequence[str]]
    rows: Sequence[str]
    columns: Sequence[str]
    small: Sequence[Sequence[str]] | None = None
    axes: tuple[str, str] = ("", "")


def heat_map(name: str, title: str, heat: Heat) -> Markup:
    """A table as a heat map with its numbers in the cells; cells below zero are hatched."""
    count = len(heat.columns)
    side = max((WIDTH - 1.0) / count, 0.42)
    with canvas(side * count + 1.0, min(side, 0.46) * len(heat.rows) + 0.95) as (figure, axes):
        for i, row in enumerate(heat.shades):
            for j, shade in enumerate(row):
                _shade(axes, (j, i), float(shade))
                axes.text(j + 0.5, i + (0.42 if heat.small else 0.5), heat.texts[i][j], ha="center", va="center")
                if heat.small:
                    axes.text(j + 0.5, i + 0.78, heat.small[i][j], ha="center", va="center", fontsize=6.5)
        axes.set(xlim=(0, count), ylim=(len(heat.rows), 0), xlabel=heat.axes[1], ylabel=heat.axes[0])
        axes.set_xticks(np.arange(count) + 0.5, [shortened(word) for word in heat.columns], rotation=35, ha="left")
        axes.set_yticks(np.arange(len(heat.rows)) + 0.5, [shortened(word) for word in heat.rows])
        axes.tick_params(length=0)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.spines[:].set_visible(False)
        return inline(figure, name, title)


def _shade(axes: Axes, corner: tuple[float, float], shade: float) -> None:
    """A cell of a heat map."""
    from matplotlib.patches import Rectangle

    colour = HEAT if shade >= 0 else SECOND
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, alpha=min(abs(shade), 1), linewidth=0))
    if shade < 0:
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=FAINT, hatch="////", linewidth=0))
    axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=FAINT, linewidth=0.5))


def forest(name: str, title: str, lines: Sequence[Line], zero: float | None = None) -> Markup:
    """Numbers with their intervals, one below the other; single seeds as small strokes, `zero` as a line across."""
    with canvas(WIDTH, ROW * 1.2 * len(lines) + 0.6) as (figure, axes):
        for row, line in enumerate(lines):
            if line.interval:
                axes.plot([100 * line.interval.low, 100 * line.interval.high], [row, row], color=ACCENT, linewidth=2)
            axes.plot(100 * np.array(line.seeds), [row] * len(line.seeds), "|", color=INK, markersize=9)
            axes.plot(100 * line.value, row, "o", color=ACCENT, markersize=6)
            axes.annotate(f"{100 * line.value:.1f}", (100 * line.value, row), (0, 5), textcoords="offset points",
                          ha="center", va="bottom", fontsize=8, gid=f"{HALO} value")  # fmt: skip
        if zero is not None:
            axes.axvline(100 * zero, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
        axes.set_ylim(len(lines) - 0.5, -0.8)
        axes.set_yticks(range(len(lines)), [_wrapped(line.name) for line in lines])
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.08)
        axes.grid(axis="x")
        return inline(figure, name, title)


def _wrapped(name: str, width: int = 22) -> str:
    """A long name in two lines."""
    first, *rest = textwrap.wrap(shortened(name, 2 * width), width) or [""]
    return "\n".join([first, *([shortened(" ".join(rest), width)] if rest else [])])


def reliability(name: str, title: str, found: Calibration) -> Markup:
    """How often predictions of each probability are right, with the line on which they would be as often as said."""
    with canvas(WIDTH, 3.6) as (figure, axes):
        axes.plot([0, 100], [0, 100], color=INK, linewidth=0.8, linestyle=(0, (3, 2)), label="as often as said")
        middles = (np.minimum(np.ceil(found.confidence * BINS), BINS) - 0.5) / BINS
        axes.bar(100 * middles, 100 * found.right, 100 / BINS * 0.86, color=ACCENT, alpha=0.25, linewidth=0)
        axes.plot(100 * found.confidence, 100 * found.right, "o-", color=ACCENT, markersize=5, label="share right")
        for middle, count in zip(middles, found.counts, strict=True):
            axes.text(100 * middle, 1.5, f"{count}", ha="center", va="bottom", fontsize=7)
        axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="probability of the prediction, %", ylabel="right, %")
        axes.set_xticks(range(0, 101, 20))
        axes.legend(loc="upper left")
        return inline(figure, name, title)


def curves(
    name: str, title: str, series: Mapping[str, Sequence[float]], chosen: Mapping[str, int], unit: str
) -> Markup:
    """One line per name over epochs, each with its own marker and dashes; a ring marks the chosen epoch, from 1."""
    looks = zip(cycle((INK, ACCENT, SECOND, *HUES)), cycle(MARKERS), cycle(("-", "--", "-.", ":")), strict=False)
    with canvas(WIDTH, 2.9) as (figure, axes):
        for (label, values), (colour, marker, dashes) in zip(series.items(), looks, strict=False):
            epochs = np.arange(1, len(values) + 1)
            axes.plot(epochs, values, dashes, marker=marker, color=colour, markersize=4, label=shortened(label, 22))
            if 0 < (epoch := chosen.get(label, 0)) <= len(values):
                axes.plot(epoch, values[epoch - 1], "o", color=INK, markerfacecolor="none", markersize=11)
        axes.set(xlabel="epoch", ylabel=unit)
        longest = max((len(values) for values in series.values()), default=1)
        axes.set_xticks(np.unique(np.linspace(1, longest, min(longest, 8)).round().astype(int)))
        axes.grid(axis="y")
        figure.legend(loc="outside lower center", ncols=2)
        return inline(figure, name, title)


def plane(name: str, title: str, layout: Layout, group: IntArray, words: Sequence[str]) -> Markup:
    """Test vectors in a plane, by emotion: its own colour and marker; the label vectors are large and named.

    Args:
        name: of the plot.
        title: what it shows.
        layout: points (N, 2) or (N + C, 2).
        group: label index of each test vector (N,).
        words: of the labels.
    """
    points, marks = layout.points[: len(group)], layout.points[len(group) :]
    columns = 3
    size = float(np.clip(45 / max(len(group), 1) ** 0.5, 2.8, 5))
    with canvas(WIDTH, 3.7 + 0.2 * -(-len(words) // columns)) as (figure, axes):
        looks = [(HUES[i % len(HUES)], MARKERS[i % len(MARKERS)]) for i in range(len(words))]
        for label, (word, (colour, marker)) in enumerate(zip(words, looks, strict=True)):
            here = points[group == label]
            axes.plot(*here.T, marker, color=colour, markersize=size, alpha=0.6, markeredgewidth=0)
            axes.plot([], [], marker, color=colour, markersize=6, markeredgewidth=0, label=shortened(word))
        for (x, y), (colour, marker) in zip(marks, looks, strict=False):
            axes.plot(x, y, marker, color=colour, markersize=11, markeredgecolor=INK, markeredgewidth=1.4)
        axes.set(xticks=[], yticks=[])
        axes.margins(0.09)
        axes.set_aspect("equal", adjustable="datalim")
        axes.spines[:].set_visible(True)
        if layout.variance:
            axes.set_xlabel(f"first axis, {layout.variance[0]:.0%} of the variance")
            axes.set_ylabel(f"second axis, {layout.variance[1]:.0%}")
        figure.legend(loc="outside lower center", ncols=columns, columnspacing=1.2, handletextpad=0.3)
        _name(figure, axes, marks, words)
        return inline(figure, name, title)


_PLACES = ((0, 8, "bottom"), (0, -8, "top"), (0, 18, "bottom"), (0, -18, "top"), (0, 28, "bottom"), (0, -28, "top"))
"""Where a name may stand beside its mark, in points, the best first."""


def _name(figure: MplFigure, axes: Axes, marks: Floats, words: Sequence[str]) -> None:
    """Write the names of marks (C, 2) where they cover neither each other nor a mark, as far as there is room."""
    figure.draw_without_rendering()  # the layout is known after this
    spots = axes.transData.transform(marks) * 72 / figure.dpi if len(marks) else marks  # (C, 2), points
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in spots]
    for mark, (x, y), word in zip(marks, spots, words, strict=False):
        half = 3.1 * len(shortened(word))
        boxes = [
            (x - half, y + up - (11 if side == "top" else 0), x + half, y + up + (11 if side == "bottom" else 0))
            for _, up, side in _PLACES
        ]
        free = [n for n, box in enumerate(boxes) if not any(_overlap(box, other) for other in taken)]
        place = free[0] if free else 0
        taken.append(boxes[place])
        right, up, side = _PLACES[place]
        axes.annotate(shortened(word), mark, (right, up), textcoords="offset points", ha="center", va=side,
                      fontweight="bold", gid=f"{HALO} {word}")  # fmt: skip


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two boxes (left, low, right, high) share a spot."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def differences(name: str, title: str, words: Sequence[str], series: Mapping[str, Sequence[float]]) -> Markup:
    """For each emotion (C,) and name how far its F1 lies from that of the first system, a marker for each name."""
    rows = np.arange(len(words))
    with canvas(WIDTH, ROW * len(words) + 0.8 + 0.2 * len(series)) as (figure, axes):
        axes.axvline(0, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
        looks = zip(cycle((ACCENT, SECOND, *HUES)), cycle(MARKERS), strict=False)
        offsets = np.linspace(-0.22, 0.22, len(series)) if len(series) > 1 else [0.0]
        for (label, values), offset, (colour, marker) in zip(series.items(), offsets, looks, strict=False):
            points = 100 * np.array(values)
            axes.hlines(rows + offset, 0, points, color=colour, linewidth=1, alpha=0.6)
            axes.plot(points, rows + offset, marker, color=colour, markersize=6, label=shortened(label, 40))
        if len(series) == 1:
            for row, value in enumerate(points):
                axes.annotate(f"{value:+.1f}", (value, row), (8 if value >= 0 else -8, 0), textcoords="offset points",
                              ha="left" if value >= 0 else "right", va="center", fontsize=8)  # fmt: skip
        axes.set_ylim(len(words) - 0.4, -0.6)
        axes.set_yticks(rows, [shortened(word) for word in words])
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.15)
        axes.grid(axis="x")
        figure.legend(loc="outside lower center", ncols=1)
        return inline(figure, name, title)
