"""The table of a command's cells as they are now: what ``--executor ray`` shows live, and ``ercbench status`` prints.

It is drawn from a `GridState` alone, so it is the same for whoever runs the cells and for whoever reads their log.
"""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from ercbench.leaderboard.markdown import visible
from ercbench.run_log import CellState, GridState, State

ORDER: tuple[State, ...] = ("running", "failed", "queued", "done")
"""What is worth looking at comes first: where lines are few, those at the end are counted only."""
STYLES: dict[State, str] = {"running": "bold", "failed": "red", "queued": "dim", "done": "green"}
BAR = 10
"""Characters of a bar."""


def table(state: GridState, rows: int | None = None) -> Table:
    """GridState -> a table: one line per cell, and below them how many are in each state.

    Args:
        state: what the events so far come to.
        rows: lines at most; None for all cells.
    """
    drawn = Table(box=box.SIMPLE, caption=totals(state), caption_justify="left")
    for name in ("cell", "state"):
        drawn.add_column(name, no_wrap=True)
    for name in ("epoch", "dev wF1", "progress", "left"):
        drawn.add_column(name, justify="right", no_wrap=True)
    drawn.add_column(Text("where and what", no_wrap=True))  # gives way on a narrow terminal
    cells = sorted(state.cells.values(), key=lambda cell: ORDER.index(cell.state))
    for cell in cells[:rows]:
        lines = (Text(visible(text), no_wrap=True, overflow="ellipsis") for text in _row(cell))
        drawn.add_row(*lines, style=STYLES[cell.state])
    if rows is not None and len(cells) > rows:
        drawn.add_row(f"and {len(cells) - rows} more")
    return drawn


def totals(state: GridState) -> str:
    """How many cells are in each state, in words."""
    counts = (f"{state.count(one)} {one}" for one in ("running", "queued", "done", "failed"))
    return f"{len(state.cells)} cells: {', '.join(counts)}"


def _row(cell: CellState) -> tuple[str, ...]:
    """One cell. What it is doing is of interest while it runs, what it said where it is not done."""
    running = cell.state == "running"
    epoch = f"{cell.epoch}/{cell.epochs}" if cell.epochs else ""
    progress = bar(cell.share) if running else ""
    what = (cell.node, cell.doing if running else cell.message)
    dev = "" if cell.dev_weighted_f1 is None else f"{100 * cell.dev_weighted_f1:.2f}"
    return name(cell), cell.state, epoch, dev, progress, duration(cell.left), "  ".join(filter(None, what))


def name(cell: CellState) -> str:
    """A cell in few characters; the context protocol is told where it is not the usual one."""
    of = cell.cell
    context = "" if of.context == "past" else f" {of.context}"
    return f"{of.recipe} {of.dataset} {of.track}{context} {of.seed}"


def bar(share: float) -> str:
    """How much is done: ``#####-----  50 %``."""
    full = round(BAR * share)
    return f"{'#' * full}{'-' * (BAR - full)} {100 * share:3.0f} %"


def duration(seconds: float | None) -> str:
    """Seconds to come, as ``1:05`` or ``2:03:04``; nothing where not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
