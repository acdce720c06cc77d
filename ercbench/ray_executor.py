"""The cells of a plan on Ray: one task each, all submitted at once. Ray queues them.

A task whose machine is lost is started again by Ray, on another one, and goes on after its last finished epoch, which
the collector has. What a task made is checked here before it counts as the cell's record.

Before: shipping.py, which says what travels. After: executing.py, which is asked for it.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ercbench.cell_runs import Outcome, announce, cells, describe, fail, succeed
from ercbench.cells import cell_of
from ercbench.collecting import arrived
from ercbench.errors import Busy, UsageError
from ercbench.failures import Facts, RemoteError
from ercbench.grid import Plan, Ray, Request, finished
from ercbench.preparing import Prepared
from ercbench.progress import Reporter
from ercbench.provenance import package_versions, plugins
from ercbench.ray_cluster import check_machines, connected, resources
from ercbench.ray_worker import CELL, COLLECTOR, node_name
from ercbench.receiving import receive
from ercbench.records import RunRecord
from ercbench.resume import Unfinished
from ercbench.run_log import Logged, RunLog
from ercbench.runner import unfinished_folder
from ercbench.shipping import Files, files_of, order_of, plugin_files
from ercbench.unfinished import description_path, write_description

log = logging.getLogger("ercbench")
ATTEMPTS = 4
"""Machines that may begin a cell: as many as Ray's usual number of retries, 3, allows."""
POLL = 0.5
"""Seconds between two looks at what has come in."""
LOOK = 5.0
"""Seconds between two looks at which machines are there."""
GRACE = 5.0
"""Seconds that tasks have to end by themselves when they are cancelled."""


@dataclass
class Running:
    """One submitted cell."""

    prepared: Prepared
    seed: int
    told: Logged
    unfinished: Unfinished

    @property
    def identity(self) -> str:
        """Of the cell."""
        return self.prepared.identity(self.seed)


@dataclass
class Command:
    """What this command has submitted, and what has come of it."""

    plan: Plan
    request: Request
    events: RunLog
    reporter: Reporter
    outcome: Outcome
    running: dict[Any, Running] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)
    collector: Any = None
    looked: float = field(default_factory=time.monotonic)


def execute_on_ray(plan: Plan, request: Request, reporter: Reporter) -> Outcome:
    """Run the cells of a plan on Ray.

    What a cell raises is sent back and written to its failure record. Ctrl-C and SIGTERM end all that is running; what
    is finished is kept, and the same command goes on after the last finished epoch of each of the others.

    Raises:
        UsageError: Ray cannot be reached, or no machine has room for a run.
    """
    assert request.executor
    outcome = Outcome(failures=list(plan.failed))
    if not plan.cells:
        return outcome
    with connected(request.executor), RunLog(plan.results) as events, ExitStack() as locks:
        announce(events, plan, "ray")
        command = Command(plan, request, events, reporter, outcome)
        try:
            _submit(command, request.executor, locks)
            _watch(command)
        except BaseException:  # Ctrl-C above all; it is raised again
            _cancel(command)
            raise
        finally:
            reporter.cells(events.state)
            reporter.end()
    order = [prepared.cell(seed) for prepared, seed in cells(plan)]
    outcome.records.sort(key=lambda record: order.index(cell_of(record)))
    return outcome


def _submit(command: Command, settings: Ray, locks: ExitStack) -> None:
    """Make a task of every cell that nobody else is at and that is not done by now."""
    plan, request = command.plan, command.request
    device, needs = resources(settings, request.device, command.reporter)
    check_machines(_versions(plan), needs)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    command.collector = COLLECTOR.options(scheduling_strategy=here).remote(str(plan.results.absolute()), os.getpid())
    boxes: dict[str, Any] = {}
    task = CELL.options(max_retries=ATTEMPTS - 1, retry_exceptions=False, **needs)
    for prepared, seed in cells(plan):
        told = Logged(prepared.cell(seed), command.events.write, command.reporter)
        unfinished = Unfinished(unfinished_folder(prepared, seed, plan.results))
        try:
            if (found := finished(prepared, seed, request)) and not request.force:
                _done(command, found[1], told)
                continue
            locks.enter_context(unfinished)
            write_description(plan.results, describe(plan, prepared, seed))
            order = order_of(prepared, seed, request, device, (settings.cpus_per_run, ATTEMPTS))
            if (dataset := prepared.config.dataset.name) not in boxes:
                boxes[dataset] = _box(prepared)
        # Reading a data set again and writing may fail in any way: that cell fails, and the others are submitted.
        except Exception as error:
            _failed(command, Running(prepared, seed, told, unfinished), error)
            continue
        reference = task.remote(order.model_dump_json(), boxes[dataset], command.collector)
        command.running[reference] = Running(prepared, seed, told, unfinished)


def _versions(plan: Plan) -> dict[str, str]:
    """Of every distribution that the plan's cells use."""
    used = [one for prepared, _ in plan.groups for one in plugins(prepared.catalog, prepared.config) if not one.sha256]
    return {one.distribution: one.version for one in used} | package_versions(("ercbench",))


def _box(prepared: Prepared) -> Sequence[Any]:
    """A data set's files and the local plugins, where all tasks can fetch them."""
    files: Files = files_of(prepared.config.dataset, prepared.data_dir)
    return [ray.put(files), ray.put(plugin_files(prepared.catalog))]


def _watch(command: Command) -> None:
    """Take in events and finished tasks until none is left."""
    while command.running:
        ready, _ = ray.wait(list(command.running), timeout=POLL)
        _take_in(command)
        for reference in ready:
            one = command.running[reference]
            try:
                _settle(command, one, _result(reference))
            # What a task made may be anything, and a disk may be full: the other cells must not suffer from it.
            except Exception as error:
                _failed(command, one, error)
            del command.running[reference]
        _look(command)
        command.reporter.cells(command.events.state)


def _look(command: Command) -> None:
    """Say which cells were on machines that are gone; Ray starts them again where there is room."""
    if time.monotonic() - command.looked < LOOK:
        return
    command.looked = time.monotonic()
    there = tuple(node_name("", node["NodeID"]) for node in ray.nodes() if node["Alive"])
    for cell in command.events.state.cells.values():
        if cell.state == "running" and not cell.node.endswith(there):
            command.events.write("cell_requeued", cell=asdict(cell.cell), message=f"{cell.node} was lost")


def _take_in(command: Command) -> None:
    """Write the events that came in.

    Raises:
        UsageError: the collector is gone.
    """
    try:
        events = ray.get(command.collector.take.remote())
    except RayActorError as error:
        raise UsageError(
            f"The process that takes in what the runs send is gone: {str(error).splitlines()[0]} "
            "This machine may have too little memory. Start the same command again."
        ) from error
    for event in events:
        kind = event.pop("event")
        if kind == "warned":
            kind = "said"
            if event["message"] not in command.warned:
                command.warned.add(event["message"])
                log.warning("%s", event["message"])
        command.events.write(kind, **event)


def _result(reference: Any) -> dict[str, Any]:
    """What a task returned.

    Raises:
        RemoteError: its machine was lost too often, or could not even begin.
    """
    try:
        result: dict[str, Any] = ray.get(reference)
    except RayError as error:
        lost = (
            f"Ray ended the run: {type(error).__name__}. Its machine or process was lost, or could not begin, for "
            "instance because ercbench is not installed there."
        )
        raise RemoteError(Facts(type(error).__name__, lost, 1, str(error))) from error
    return result


def _settle(command: Command, one: Running, result: dict[str, Any]) -> None:
    """What a task returned -> the cell's record, or the error that ended it."""
    if "error" in result:
        one.told.stage, one.told.epoch = result["stage"], result["epoch"]
        raise RemoteError(Facts(**result["error"]), result["node"])
    record = receive(command.plan.results, one.prepared, one.seed, result["files"])
    one.unfinished.remove()
    description_path(command.plan.results, one.identity).unlink(missing_ok=True)
    one.unfinished.__exit__()
    _done(command, record, one.told)


def _done(command: Command, record: RunRecord, told: Logged) -> None:
    command.outcome.records.append(record)
    succeed(command.plan, record, told)


def _failed(command: Command, one: Running, error: Exception) -> None:
    """Write down why a cell has no record; its checkpoint stays for the next time."""
    if not isinstance(error, Busy):
        shutil.rmtree(arrived(command.plan.results, one.identity), ignore_errors=True)
        one.unfinished.__exit__()
    command.outcome.failures.append(fail(command.plan, one.prepared, one.seed, error, one.told))
    command.outcome.errors.append(error)


def _cancel(command: Command) -> None:
    """End all tasks, first by a signal as Ctrl-C sends it, then by force."""
    left = list(command.running)
    for force in (False, True):
        for reference in left:
            ray.cancel(reference, force=force)
        _, left = ray.wait(left, num_returns=len(left), timeout=GRACE) if left else ([], [])
    for one in command.running.values():
        shutil.rmtree(arrived(command.plan.results, one.identity), ignore_errors=True)
