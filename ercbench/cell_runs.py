"""One cell of a plan: running it, and what is written down when it is done and when it fails.

Before: grid.py, which says what is to be run. After: executing.py, which runs all.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from ercbench.cells import CellName, cell_of
from ercbench.devices import Device
from ercbench.errors import ErcbenchError, RunsFailed
from ercbench.failures import Failure, failure_of, write_failure
from ercbench.grid import Plan, Request
from ercbench.observing import observe, run_info
from ercbench.own import described
from ercbench.preparing import Prepared
from ercbench.progress import Reporter
from ercbench.provenance import command
from ercbench.records import RunRecord
from ercbench.resume import epochs_kept
from ercbench.run_log import Logged, RunLog, State
from ercbench.runner import cell_path, run, unfinished_folder
from ercbench.unfinished import RunDescription, write_description


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

    def check(self, names: Sequence[str] = ()) -> None:
        """Raise what went wrong, when everything else is done.

        Args:
            names: what each failure is of, for a person, where its cell alone does not say it.

        Raises:
            Exception: that of the one cell that failed.
            RunsFailed: several failed, or one did in an earlier command.
        """
        if len(self.failures) == 1 and self.errors:
            raise self.errors[0]
        if self.failures:
            of = [f"{name}, " for name in names] or [""] * len(self.failures)
            told = zip(of, self.failures, strict=True)
            lines = [f"{name}{one.cell}: {one.what} ({one.where})" for name, one in told]
            raise RunsFailed(lines, self.failures[0].exit_code)


def run_cell(plan: Plan, request: Request, prepared: Prepared, seed: int, told: Reporter) -> RunRecord:
    """Run one cell, and tell observers of it. While it has no record, a file says which run is unfinished."""
    device = Device(request.device, prepared.config.training.precision, request.chunk, request.processes)
    if not device.ranks.main:  # observers and the description are the main process's
        return run(prepared, seed, device, plan.results, told, keep_model=False)
    info = run_info(prepared, seed, device, plan.results, cell_path(prepared.config, seed, plan.results))

    def one(observed: Reporter) -> RunRecord:
        return run(prepared, seed, device, plan.results, observed, request.keep_model)

    description = write_description(plan.results, describe(plan, prepared, seed))
    record = observe(one, told, plan.observers, info)
    description.unlink(missing_ok=True)
    return record


def describe(plan: Plan, prepared: Prepared, seed: int) -> RunDescription:
    """What tells this run from every other."""
    config = prepared.config
    return RunDescription(
        **asdict(prepared.cell(seed)),
        identity=prepared.identity(seed),
        command=command_of(plan, prepared, seed),
        config=dict(config.values),
        fingerprint=prepared.corpus.fingerprint,
        local_plugins=frozenset(file.sha256 for file in prepared.catalog.local if file.sha256),
        own=described(config.dataset),
    )


def command_of(plan: Plan, prepared: Prepared, seed: int) -> str:
    """What goes on with this cell."""
    files = [file.distribution for file in prepared.catalog.local]
    return command(prepared.config, seed, prepared.limit, files, plan.processes, plan.results)


def announce(events: RunLog, plan: Plan, executor: str, pid: int | None = None) -> None:
    """Write which cells there are, those that need not run among them."""
    listed: list[tuple[CellName, State, int]] = [(cell_of(record), "done", 0) for _, record in plan.done]
    listed += [(failure.cell, "failed", 0) for failure in plan.failed]
    listed += [(p.cell(seed), "queued", p.config.training.epochs) for p, seed in cells(plan)]
    events.start(listed, executor, pid)


def cells(plan: Plan) -> Iterator[tuple[Prepared, int]]:
    """What is to be run, in order."""
    return ((prepared, seed) for prepared, seeds in plan.groups for seed in seeds)


def succeed(plan: Plan, record: RunRecord, told: Logged) -> None:
    """A cell has its record: what it said when it failed before is out of date."""
    cell_of(record).failure(plan.results).unlink(missing_ok=True)
    dev, test = record.scores.dev.weighted_f1, record.scores.test.weighted_f1
    told.event("cell_finished", dev_weighted_f1=dev, test_weighted_f1=test, seconds=sum(record.seconds.values()))


def fail(plan: Plan, prepared: Prepared, seed: int, error: Exception, told: Logged) -> Failure:
    """Write down why a cell has no record, unless it is for something that passes.

    The error is told which cell it ended, and lets go of what its functions held: the model, above all.
    """
    which = prepared.cell(seed), prepared.identity(seed), command_of(plan, prepared, seed)
    kept = epochs_kept(unfinished_folder(prepared, seed, plan.results))  # maybe by an earlier call
    failure = failure_of(*which, error, (told.stage, max(told.epoch, kept)))
    told.event("cell_failed", error=failure.error, message=failure.message, where=failure.where)
    if plan.cells > 1:  # of the only cell the command itself says what happened
        told.say(f"{failure.cell} failed: {failure.what}")
    error.add_note(f"This ended {failure.cell}: {failure.where}.")
    if not isinstance(error, ErcbenchError) or error.lasting:
        _keep(plan, failure, told)
    _let_go(error)
    return failure


def _keep(plan: Plan, failure: Failure, told: Logged) -> None:
    """Write the failure record; where that cannot be, the other cells are run all the same."""
    try:
        write_failure(plan.results, failure)
    except (OSError, ErcbenchError) as error:
        told.say(f"Its failure record cannot be written: {error}")


def _let_go(error: BaseException) -> None:
    """Clear the frames of an error, and of those that led to it: they would keep a model in memory beside the next."""
    seen: list[BaseException] = []
    led_to: BaseException | None = error
    while led_to is not None and led_to not in seen:  # an error may be raised from itself
        traceback.clear_frames(led_to.__traceback__)
        seen.append(led_to)
        led_to = led_to.__cause__ or led_to.__context__
