"""Running a plan: one cell after the other here, or all of them on Ray.

Before: grid.py, which says what is to be run. After: leaderboard/, from the records.
"""

from __future__ import annotations

from contextlib import suppress

from ercbench.cell_runs import Outcome, announce, cells, fail, run_cell, succeed
from ercbench.grid import Plan, Request, finished
from ercbench.launching import is_main
from ercbench.preparing import Prepared
from ercbench.progress import Reporter, Silent
from ercbench.records import RunRecord
from ercbench.run_log import SERIAL, Logged, RunLog


def execute(plan: Plan, request: Request, reporter: Reporter) -> Outcome:
    """Run the cells of a plan one after the other; each record is on disk before the next cell begins.

    What a cell raises is written to its failure record, and the next one begins. Ctrl-C ends all.
    """
    outcome = Outcome(failures=list(plan.failed))
    if not plan.cells:
        return outcome
    if not is_main():
        _follow(plan, request)
        return outcome
    with RunLog(plan.results) as events:
        announce(events, plan, SERIAL)
        for prepared, seed in cells(plan):
            told = Logged(prepared.cell(seed), events.write, reporter)
            try:
                record = _run(plan, request, prepared, seed, told)
            # A plugin's code may raise anything, and the cells of others must not suffer from it.
            except Exception as error:
                outcome.failures.append(fail(plan, prepared, seed, error, told))
                outcome.errors.append(error)
            else:
                outcome.records.append(record)
                succeed(plan, record, told)
    return outcome


def _follow(plan: Plan, request: Request) -> None:
    """Do a share of every cell, as one of several processes of which the main one tells how the cells end."""
    for prepared, seed in cells(plan):
        # Whatever it is, all processes raise it, see `Ranks.agree`.
        with suppress(Exception):
            run_cell(plan, request, prepared, seed, Silent())


def _run(plan: Plan, request: Request, prepared: Prepared, seed: int, told: Logged) -> RunRecord:
    """Run one cell, unless another process finished it since the plan was made."""
    if request.processes == 1 and (found := finished(prepared, seed, request)) and not request.force:
        return found[1]
    cell = prepared.cell(seed)
    told.begin(str(cell), prepared.work)
    try:
        return run_cell(plan, request, prepared, seed, told)
    finally:
        told.end()
