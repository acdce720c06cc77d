"""Running a plan: one cell after the other here, or all of them on Ray.

Before: grid.py, which says what is to be run. After: leaderboard/, from the records.
"""

from __future__ import annotations

from ercbench.cell_runs import Outcome, announce, cells, fail, run_cell, succeed
from ercbench.grid import Plan, Request, finished
from ercbench.preparing import Prepared
from ercbench.progress import Reporter
from ercbench.records import RunRecord
from ercbench.run_log import Logged, RunLog


def execute(plan: Plan, request: Request, reporter: Reporter) -> Outcome:
    """Run the cells of a plan, here one after the other; each record is on disk before the next cell begins.

    What a cell raises is written to its failure record, and the next one begins. Ctrl-C ends all. Where the request
    names another executor, it runs them all at once; see `execute_on_ray`.
    """
    if request.executor is not None:
        from ercbench.ray_executor import execute_on_ray  # Ray is there where somebody asks for it

        return execute_on_ray(plan, request, reporter)
    outcome = Outcome(failures=list(plan.failed))
    with RunLog(plan.results) as events:
        announce(events, plan, "serial")
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


def _run(plan: Plan, request: Request, prepared: Prepared, seed: int, told: Logged) -> RunRecord:
    """Run one cell, unless another process finished it since the plan was made."""
    if (found := finished(prepared, seed, request)) and not request.force:
        return found[1]
    cell = prepared.cell(seed)
    told.begin(str(cell), prepared.work)
    try:
        return run_cell(plan, request, prepared, seed, told)
    finally:
        told.end()
