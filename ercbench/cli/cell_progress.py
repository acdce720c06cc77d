"""Shows cells that run at once: on a terminal a live table, elsewhere a plain line whenever one of them is further."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.live import Live
from rich.markup import escape

from ercbench.cells import CellName
from ercbench.cli.cell_table import table, totals
from ercbench.cli.progress import LINE_EVERY, fitting
from ercbench.progress import Reporter, Silent
from ercbench.run_log import CellState, GridState

AROUND = 6
"""Lines of a terminal that are not for cells: the table's head and totals."""


def reporter(quiet: bool) -> Reporter:
    """A table on a terminal, lines elsewhere, nothing when quiet."""
    return fitting(quiet, Silent, LiveCells, CellLines)


class LiveCells(Silent):
    """The table of all cells, drawn anew now and then."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live: Live | None = None

    def cells(self, state: GridState) -> None:
        """Draw the table."""
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(table(state, max(1, self._console.height - AROUND)), refresh=True)

    def say(self, message: str) -> None:
        """Print a line above the table."""
        self._console.print(escape(message), highlight=False)

    def end(self) -> None:
        """Leave the table as it is."""
        if self._live is not None:
            self._live.stop()
        self._live = None


class CellLines(Silent):
    """A plain line for whatever is new of a cell, and now and then one for all."""

    def __init__(self) -> None:
        self._seen: dict[CellName, tuple[str, str, int]] = {}
        self._next = time.monotonic() + LINE_EVERY

    def cells(self, state: GridState) -> None:
        """Print what is new."""
        for cell, now in state.cells.items():
            found = now.state, now.node, now.epoch
            if self._seen.get(cell, ("queued", "", 0)) != found and now.state != "failed":
                self.say(line(now))
            self._seen[cell] = found
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_EVERY
            self.say(totals(state))

    def say(self, message: str) -> None:
        """Print a line."""
        sys.stderr.write(message + "\n")
        sys.stderr.flush()


def line(cell: CellState) -> str:
    """What is new of a cell; why one failed is told by whoever ran it."""
    score = "" if cell.dev_weighted_f1 is None else f", dev weighted F1 {100 * cell.dev_weighted_f1:.2f}"
    epoch = f", epoch {cell.epoch}/{cell.epochs}{score}" if cell.epoch and cell.state == "running" else ""
    on = f" on {cell.node}" if cell.node and cell.state == "running" else ""
    more = {"queued": f": {cell.message}" if cell.message else "", "done": score}.get(cell.state, "")
    return f"{cell.cell}: {cell.state}{on}{epoch}{more}"
