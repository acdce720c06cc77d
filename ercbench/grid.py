"""Which cells to run, which are done, and which failed before. Running the rest is the work of ``executing.py``."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from ercbench.catalog import Catalog
from ercbench.cells import FAILURES, RESULTS
from ercbench.config import Config, resolve
from ercbench.errors import DataError, ErcbenchError, FetchError, Problems, UsageError
from ercbench.failures import Failure, read_failure
from ercbench.gold import check_beside
from ercbench.own import described, find_dataset
from ercbench.part_file import Watcher
from ercbench.records import RunRecord, read_record
from ercbench.run_log import LOGS
from ercbench.specs import DatasetSpec, TrackSpec
from ercbench.types import ContextProtocol

if TYPE_CHECKING:
    from ercbench.observing import Observer
    from ercbench.preparing import Preparations, Prepared

ALL = "all"
SAMPLE_FOLDER = "sample"


@dataclass(frozen=True)
class Ray:
    """Run cells on Ray, each as a task with these resources.

    Attributes:
        address: of a cluster that this machine belongs to, ``auto`` or ``HOST:PORT``; None starts Ray on this machine
            alone, or uses the one that this process is connected to.
        gpus_per_run: GPUs of a cell, such as 0.5 where two fit on one; None is one on CUDA, and else none.
        cpus_per_run: processors of a cell, and threads of its computation.
    """

    address: str | None = None
    gpus_per_run: float | None = None
    cpus_per_run: int = 1

    def __post_init__(self) -> None:
        """See that it can be.

        Raises:
            UsageError: a number is not acceptable, or Ray is not installed.
        """
        gpus = self.gpus_per_run
        given = gpus is None or 0 <= gpus <= 1 or (gpus > 1 and float(gpus).is_integer())
        if self.cpus_per_run < 1 or not given:
            raise UsageError(
                "A run takes at least one processor, and a part of a GPU or whole ones. Got "
                f"{self.cpus_per_run} and {gpus}. Ask for 1 processor or more, and for 0.5 or 1 GPU, say."
            )
        if (found := importlib.util.find_spec("ray")) is None or found.origin is None:  # any folder has a spec
            raise UsageError('Ray is not installed. Install it: pip install "ercbench[ray]"')


@dataclass(frozen=True)
class Request:
    """What somebody asked to be run: every recipe on every data set with every seed, on one track.

    Attributes:
        recipes: names.
        datasets: names, folders and specs; ``all`` stands for the benchmark's data sets.
        track: name; None takes the default of this machine.
        seeds: each gives one run.
        overrides: ``--set`` values by dotted path.
        context: the context protocol; part of the task, like the data set.
        sample: run on the small corpora that come with the data sets instead.
        limit: dialogues per split; None for all.
        data_dir: folder with one folder per data set; None looks in the usual places.
        results: folder of the records.
        device: ``cpu``, ``cuda``, ``mps``; None for the fastest.
        force: run cells again that are done.
        retry_failed: run cells again that failed before.
        keep_model: keep the trained models beside the records.
        fetch: download the public data sets that are not here; see `fetch_missing`.
        trackers: settings by name of the tracker.
        chunk: utterances to encode at once; None for all that go together.
        processes: that share each run, of which this is one; see ``launching.py``.
        executor: who runs the cells; None for this process, one after the other.
    """

    recipes: Sequence[str]
    datasets: Sequence[str | DatasetSpec]
    track: str | None
    seeds: Sequence[int]
    overrides: Mapping[str, JsonValue]
    sample: bool = False
    limit: int | None = None
    data_dir: Path | None = None
    results: Path = RESULTS
    device: str | None = None
    force: bool = False
    retry_failed: bool = False
    keep_model: bool = True
    fetch: bool = False
    context: ContextProtocol = "past"
    trackers: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    chunk: int | None = None
    processes: int = 1
    executor: Ray | None = None


@dataclass(frozen=True)
class Plan:
    """A checked request: what is to be run, what is done already or failed before, who is told of each run.

    `prepared` is everything that was asked for, done or not. `processes` share each run.
    """

    groups: Sequence[tuple[Prepared, tuple[int, ...]]]
    done: Sequence[tuple[Path, RunRecord]]
    failed: Sequence[Failure]
    track: str
    results: Path
    prepared: Sequence[Prepared] = ()
    observers: Sequence[Observer] = ()
    processes: int = 1

    @property
    def cells(self) -> int:
        """Runs that are to be done."""
        return sum(len(seeds) for _, seeds in self.groups)


def fetch_missing(catalog: Catalog, request: Request, watcher: Watcher) -> None:
    """Download the requested data sets that are public and not here, where the request says so.

    Before: nothing. After: `plan`, which tells of those that are not public.

    Raises:
        FetchError: some could not be had, or only in part.
    """
    from ercbench.data_files import data_folder, find_files
    from ercbench.fetching import Options, announcement, fetch, together

    missing: list[tuple[DatasetSpec, Path]] = []
    for spec in find_datasets(catalog, request.datasets, request.sample) if request.fetch else ():
        try:
            find_files(spec, request.data_dir)
        except DataError:
            if spec.remote:
                missing.append((spec, data_folder(spec, request.data_dir)))
                watcher.say(announcement(*missing[-1]))
    errors: list[FetchError] = []
    for spec, folder in missing:
        try:
            fetch(spec, folder, Options(), watcher)
        except FetchError as error:
            errors.append(error)
    if errors:
        raise together(errors)


def plan(catalog: Catalog, request: Request, preparations: Preparations | None = None) -> Plan:
    """Request -> Plan: resolve, load and tokenise everything, and report every problem before anything is trained.

    Args:
        catalog: where names are looked up.
        request: what was asked for.
        preparations: shared with other plans on the same data; None for this plan's own.

    Raises:
        UnknownName, BadSetting, DataError, CheckpointError, UsageError: whatever is wrong; `Problems` for several.
    """
    from ercbench.devices import Device
    from ercbench.observing import find_observers
    from ercbench.preparing import Preparations

    track = request.track or default_track(catalog)
    preparations = preparations or Preparations(catalog, request.data_dir, request.limit)
    errors: list[ErcbenchError] = []
    groups: list[tuple[Prepared, tuple[int, ...]]] = []
    done: list[tuple[Path, RunRecord]] = []
    failed: list[Failure] = []
    observers = find_observers(catalog, request.trackers, errors)
    try:
        _check_place(request.results)
    except UsageError as error:
        errors.append(error)
    for config in _configs(catalog, request, track, errors):
        try:
            if request.executor is None:  # else a device of other machines, which know whether they have it
                Device(request.device, config.training.precision)
                _check_processes(config, request)
            prepared = preparations.prepare(config)
            there = {seed: found for seed in request.seeds if (found := finished(prepared, seed, request))}
        except ErcbenchError as error:
            errors += error.errors if isinstance(error, Problems) else [error]
            continue
        left = [seed for seed in request.seeds if seed not in there]
        before = {seed: one for seed in left if (one := failed_before(prepared, seed, request))}
        done += there.values()
        failed += before.values()
        groups.append((prepared, tuple(seed for seed in left if seed not in before)))
    unique = list({str(error): error for error in errors}.values())
    if unique:
        raise unique[0] if len(unique) == 1 else Problems(unique)
    left_to_run, everything = [group for group in groups if group[1]], [prepared for prepared, _ in groups]
    return Plan(left_to_run, done, failed, track, request.results, everything, observers, request.processes)


def _check_processes(config: Config, request: Request) -> None:
    """See that a run can be shared among the processes that were asked for.

    Raises:
        UsageError: there are not as many devices, or it trains no encoder.
    """
    from ercbench.devices import choose_device

    choose_device(request.device, request.processes)
    if request.processes > 1 and config.training.epochs == 0:
        raise UsageError(
            f"Processes share the training of an encoder, and {config.recipe.name} trains none on "
            f"{config.dataset.name}. Got --processes {request.processes}. Leave it out, or leave this recipe out."
        )


def default_track(catalog: Catalog) -> str:
    """The first track that needs a GPU where there is one, else the first that needs none."""
    from ercbench.devices import available_devices

    gpu = "cuda" in available_devices()
    fitting = [track for track in catalog.all(TrackSpec) if track.needs_gpu == gpu]
    if not fitting:
        raise UsageError(f"No installed track is made for this machine (GPU: {gpu}). Name one: --track NAME.")
    return fitting[0].name


def find_datasets(catalog: Catalog, asked: Sequence[str | DatasetSpec], sample: bool) -> list[DatasetSpec]:
    """The data sets that were asked for, ``all`` written out, and with ``sample`` what stands in for each.

    Raises:
        UnknownName, DataError: there is no such data set, or its folder is not right; see `find_dataset`.
        UsageError: a data set has no sample, or two have the same name.
    """
    specs: list[DatasetSpec] = []
    for one in asked:
        everything = [spec for spec in catalog.all(DatasetSpec) if spec.benchmark]
        specs += everything if one == ALL else [find_dataset(catalog, one)]
    if sample:
        without = [spec.name for spec in specs if spec.sample is None and spec.bundled is None]
        if without:
            raise UsageError(
                f"No sample comes with: {', '.join(without)}. Leave out --sample, or name another data set."
            )
        specs = [catalog.get(DatasetSpec, spec.sample) if spec.sample else spec for spec in specs]
    unique = {spec.name: spec for spec in specs}
    if clashing := [spec.name for spec in specs if spec != unique[spec.name]]:
        raise UsageError(f"Two data sets have the same name. Got {clashing[0]!r} twice. Give each a name of its own.")
    return list(unique.values())


def _configs(catalog: Catalog, request: Request, track: str, errors: list[ErcbenchError]) -> list[Config]:
    """Every recipe with every data set, data set first; what cannot be resolved goes to `errors`."""
    configs = []
    for dataset in find_datasets(catalog, request.datasets, request.sample):
        for recipe in dict.fromkeys(request.recipes):
            try:
                configs.append(resolve(catalog, recipe, track, dataset, request.overrides, request.context))
            except Problems as problems:
                errors += problems.errors
            except ErcbenchError as error:
                errors.append(error)
    return configs


def _check_place(results: Path) -> None:
    """See that a results folder can be written to.

    Raises:
        UsageError: it cannot, or what keeps logs and failures in it cannot.
    """
    places = (results, *(results / name for name in (LOGS, FAILURES)))
    if unwritable := next((folder for folder in places if not _writable(folder)), None):
        told = "" if unwritable == results else f", in which {unwritable.name} is no folder you may write to"
        raise UsageError(
            f"Records cannot be written there. Got --results {results}{told}. Name a folder you may write to."
        )


def _writable(folder: Path) -> bool:
    """Whether files can be written to a folder that may have to be made first."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK)


def finished(prepared: Prepared, seed: int, request: Request) -> tuple[Path, RunRecord] | None:
    """The record of a cell that is done.

    Raises:
        UsageError: a record of other settings or other data lies in its place.
        RecordError: the record there cannot be read, or a file beside it is not as it was written.
    """
    config = prepared.config
    path = prepared.cell(seed).record(request.results)
    if request.force or not path.exists():
        return None
    record = read_record(path)
    check_beside(path, record)
    differing = config.differences(record.config)
    if record.dataset.fingerprint != prepared.corpus.fingerprint:
        differing.append("dataset.fingerprint")
    if {file.sha256 for file in prepared.catalog.local} != {one.sha256 for one in record.plugins if one.sha256}:
        differing.append("local plugins")
    if own := described(config.dataset):
        kept = record.dataset.own
        if kept is None or (kept.labels, kept.neutral) != (own.labels, own.neutral):
            differing.append("dataset.labels")
    if differing:
        raise UsageError(
            f"{path} holds a run of other settings, and it would be lost. Differs in: {', '.join(differing)}. "
            f"{'' if len(request.recipes) == 1 else f'Leave {config.recipe.name} out. '}"
            "Write elsewhere with --results FOLDER, or replace it with --force."
        )
    return path, record


def failed_before(prepared: Prepared, seed: int, request: Request) -> Failure | None:
    """Why this very run failed before, unless it is to be tried again."""
    if request.force or request.retry_failed:
        return None
    failure = read_failure(prepared.cell(seed).failure(request.results))
    return failure if failure and failure.identity == prepared.identity(seed) else None
