"""One cell of a plan: running it, and what is written down when it is done and when it fails.

Before: grid.py, which says what is to be run. After: executing.py, which runs all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ercbench.cells import CellName, cell_of
from ercbench.devices import Device
from ercbench.errors import Busy, RunsFailed
from ercbench.failures import Failure, failure_of, write_failure
from ercbench.grid import Plan, Request
from ercbench.observing import observe, run_info
from ercbench.preparing import Prepared
from ercbench.progress import Reporter
from ercbench.provenance import command
from ercbench.records import RunRecord
from ercbench.run_log import Logged, RunLog, State
from ercbench.runner import cell_path, run


@dataclass
class Outcome:
    """What running a plan came to: the records of cells that are done, and why the others are not.

    Attributes:
        records: in the order in which they were made.
        failures: of this command and, of cells that were not tried again, of earlier ones.
        errors: those of this command, as they were raised.
    """

    records: list[RunRecord] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Take in what another plan came to."""
        self.records += other.records
        self.failures += other.failures
        self.errors += other.errors

    def check(self) -> None:
        """Raise what went wrong, when everything else is done.

        Raises:
            Exception: that of the one cell that failed.
            RunsFailed: several failed, or one did in an earlier command.
        """
        if len(self.failures) == 1 and self.errors:
            raise self.errors[0]
        if self.failures:
            lines = [f"{one.cell}: {one.what} ({one.where})" for one in self.failures]
            raise RunsFailed(lines, self.failures[0].exit_code)


def run_cell(plan: Plan, request: Request, prepared: Prepared, seed: int, told: Reporter) -> RunRecord:
    """Run one cell, and tell observers of it."""
    device = Device(request.device, prepared.config.training.precision)
    info = run_info(prepared, seed, device, plan.results, cell_path(prepared.config, seed, plan.results))

    def one(observed: Reporter) -> RunRecord:
        return run(prepared, seed, device, plan.results, observed, request.keep_model)

    return observe(one, told, plan.observers, info)


def announce(events: RunLog, plan: Plan, executor: str) -> None:
    """Write which cells there are, those that need not run among them."""
    listed: list[tuple[CellName, State, int]] = [(cell_of(record), "done", 0) for _, record in plan.done]
    listed += [(failure.cell, "failed", 0) for failure in plan.failed]
    listed += [(p.cell(seed), "queued", p.config.training.epochs) for p, seed in cells(plan)]
    events.start(listed, executor)


def cells(plan: Plan) -> Iterator[tuple[Prepared, int]]:
    """What is to be run, in order."""
    return ((prepared, seed) for prepared, seeds in plan.groups for seed in seeds)


def succeed(plan: Plan, record: RunRecord, told: Logged) -> None:
    """A cell has its record: what it said when it failed before is out of date."""
    cell_of(record).failure(plan.results).unlink(missing_ok=True)
    dev, test = record.scores.dev.weighted_f1, record.scores.test.weighted_f1
    told.event("cell_finished", dev_weighted_f1=dev, test_weighted_f1=test, seconds=sum(record.seconds.values()))


def fail(plan: Plan, prepared: Prepared, seed: int, error: Exception, told: Logged) -> Failure:
    """Write down why a cell has no record; that another process is at it is not kept, for that will pass."""
    config, local = prepared.config, [file.distribution for file in prepared.catalog.local]
    run_it = command(config, seed, prepared.limit, local)
    failure = failure_of(prepared.cell(seed), prepared.identity(seed), run_it, error, (told.stage, told.epoch))
    told.event("cell_failed", error=failure.error, message=failure.message, where=failure.where)
    told.say(f"{failure.cell} failed: {failure.what}")
    if not isinstance(error, Busy):
        write_failure(plan.results, failure)
    return failure
