"""The table of cells, which is drawn from events alone."""

from __future__ import annotations

from dataclasses import asdict
from io import StringIO

import pytest
from rich.console import Console

from ercbench.cells import CellName
from ercbench.cli.cell_table import duration, table
from ercbench.run_log import GridState

CELLS = [CellName("good@1", "talk", "mini", "past", seed) for seed in range(4)]


@pytest.fixture
def state() -> GridState:
    """Four cells: one queued, one in its second epoch on a machine called far, one done, one failed."""
    found = GridState()
    listed = [{"cell": asdict(cell), "state": "queued", "epochs": 3} for cell in CELLS]
    found.apply({"event": "grid_started", "time": "now", "cells": listed})
    names = [asdict(cell) for cell in CELLS]
    epoch = {"epoch": 2, "dev_weighted_f1": 0.4321}
    found.apply({"event": "cell_started", "cell": names[1], "work": 10, "node": "far"})
    found.apply({"event": "epoch_finished", "cell": names[1], "epoch": epoch})
    found.apply({"event": "progress", "cell": names[1], "doing": "training", "share": 0.5, "left": 65.0})
    found.apply({"event": "cell_finished", "cell": names[2], "dev_weighted_f1": 0.5, "test_weighted_f1": 0.6})
    found.apply({"event": "cell_failed", "cell": names[3], "message": "the loss is nan\x1b[2J"})
    return found


def drawn(state: GridState, rows: int | None = None, width: int = 140) -> list[str]:
    """The lines of the table as a terminal shows them."""
    text = StringIO()
    Console(file=text, width=width).print(table(state, rows))
    return [line.strip() for line in text.getvalue().splitlines() if line.strip()]


def test_a_line_per_cell_tells_how_far_it_is(state: GridState) -> None:
    """Running cells come first, with epoch, dev score, progress, time left and machine; totals come last."""
    lines = drawn(state)
    running, failed, queued, done = (" ".join(line.split()) for line in lines[2:6])
    assert running == "good@1 talk mini 1 running 2/3 43.21 #####----- 50 % 1:05 far training"
    assert failed == "good@1 talk mini 3 failed 0/3 the loss is nan[2J"
    assert queued == "good@1 talk mini 0 queued 0/3"
    assert done == "good@1 talk mini 2 done 0/3 50.00"
    assert lines[-1] == "4 cells: 1 running, 1 queued, 1 done, 1 failed"


def test_what_a_cell_says_does_nothing_to_the_terminal(state: GridState) -> None:
    """A message comes from elsewhere: its control characters are left out, and nothing in it is markup."""
    assert "\x1b[2J" not in "\n".join(drawn(state))
    state.cells[CELLS[3]].message = "[red]no[/red]"
    assert "[red]no[/red]" in "\n".join(drawn(state))


def test_where_lines_are_few_the_rest_is_counted(state: GridState) -> None:
    """With two lines for four cells, those that run or failed are shown, and the others counted."""
    lines = drawn(state, 2)
    assert [line.split()[4] for line in lines[2:4]] == ["running", "failed"]
    assert lines[4] == "and 2 more"


def test_durations_read_like_a_clock() -> None:
    """Seconds are shown as minutes and seconds, from an hour on with hours."""
    assert [duration(seconds) for seconds in (None, 5.4, 65, 7384)] == ["", "0:05", "1:05", "2:03:04"]


def test_a_narrow_terminal_shows_which_cell_it_is(state: GridState) -> None:
    """What a cell said is cut before its name is; a line stays a line."""
    state.cells[CELLS[3]].message = "a long story " * 20
    lines = drawn(state, width=80)
    assert len(lines) == len(drawn(state))
    assert [line.split("  ")[0] for line in lines[2:6]] == [f"good@1 talk mini {seed}" for seed in (1, 3, 0, 2)]
