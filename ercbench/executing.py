"""Running a plan: one cell after the other in this process or shared by several, or all of them on Ray.

Before: grid.py, which says what is to be run. After: leaderboard/, from the records.
"""

from __future__ import annotations

import time
from contextlib import nullcontext

from ercbench.cell_runs import Outcome, announce, cells, fail, run_cell, succeed
from ercbench.failures import read_failure
from ercbench.grid import Plan, Request, finished
from ercbench.launching import cell_ended, ended_cells, is_main, is_started, started_process
from ercbench.preparing import Prepared
from ercbench.progress import Reporter, Silent
from ercbench.records import RunRecord
from ercbench.run_log import SERIAL, Logged, RunLog

ENDING = 2.0
"""Seconds in which a process is ended whose fellows are gone."""


def execute(plan: Plan, request: Request, reporter: Reporter, last: bool = True) -> Outcome:
    """Run the cells of a plan, here one after the other; each record is on disk before the next cell begins.

    What a cell raises is written to its failure record, and the next one begins. Ctrl-C ends all. Where the request
    names another executor, it runs them all at once; see `execute_on_ray`.

    Args:
        plan: what is to be run.
        request: what it was made from.
        reporter: is told how far each is.
        last: whether the command ends with it, and does not run other plans after it.
    """
    if request.executor is not None:
        from ercbench.ray_executor import execute_on_ray  # Ray is there where somebody asks for it

        return execute_on_ray(plan, request, reporter)
    outcome = Outcome(failures=list(plan.failed))
    if not plan.cells:
        return outcome
    return (
        _share(plan, request, reporter, outcome, last)
        if is_started()
        else _one_by_one(plan, request, reporter, outcome)
    )


def _one_by_one(plan: Plan, request: Request, reporter: Reporter, outcome: Outcome) -> Outcome:
    """Run cells in this process alone."""
    with RunLog(plan.results) as events:
        announce(events, plan, SERIAL)
        for prepared, seed in cells(plan):
            told = Logged(prepared.cell(seed), events.write, reporter)
            try:
                # Another command may have finished it since the plan was made.
                there = None if request.force else finished(prepared, seed, request)
                record = there[1] if there else _run(plan, request, prepared, seed, told)
            # A plugin's code may raise anything, and the cells of others must not suffer from it.
            except Exception as error:
                outcome.failures.append(fail(plan, prepared, seed, error, told))
                outcome.errors.append(error)
            else:
                outcome.records.append(record)
                succeed(plan, record, told)
    return outcome


def _share(plan: Plan, request: Request, reporter: Reporter, outcome: Outcome, last: bool) -> Outcome:
    """Run cells as one of several processes.

    What one process raises the others need not know, and they would wait for it. So a cell that fails ends all
    processes, and they are started again for the cells that are left.
    """
    ended = ended_cells()
    left = [(prepared, seed) for prepared, seed in cells(plan) if prepared.identity(seed) not in ended]
    before = [p.cell(seed).failure(plan.results) for p, seed in cells(plan) if p.identity(seed) in ended]
    outcome.failures += [failure for path in before if (failure := read_failure(path))]
    with RunLog(plan.results) if is_main() else nullcontext() as events:
        write = events.write if events else _nobody
        if events:
            announce(events, plan, f"{request.processes} processes", started_process())
        for number, (prepared, seed) in enumerate(left, 1):
            told = Logged(prepared.cell(seed), write, reporter if events else Silent())
            try:
                record = _run(plan, request, prepared, seed, told)
            # Whatever a plugin's code raises, it is written down before all processes end.
            except Exception as error:
                time.sleep(ENDING)  # where another process is gone, this one is ended now, and it is no failure
                failure = fail(plan, prepared, seed, error, told)
                kept = read_failure(failure.cell.failure(plan.results)) == failure  # else those after this tell nobody
                cell_ended(prepared.identity(seed), again=kept and (number < len(left) or not last))
                raise
            if events:
                outcome.records.append(record)
                succeed(plan, record, told)
                cell_ended(prepared.identity(seed))
    return outcome


def _nobody(event: str, **fields: object) -> None:
    """Only the main process of several writes a log."""


def _run(plan: Plan, request: Request, prepared: Prepared, seed: int, told: Logged) -> RunRecord:
    """Run one cell, and say that it begins and ends."""
    told.begin(str(prepared.cell(seed)), prepared.work)
    try:
        return run_cell(plan, request, prepared, seed, told)
    finally:
        told.end()
