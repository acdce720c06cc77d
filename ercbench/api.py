"""ercbench from Python: ``ercbench.run(...)`` does what ``ercbench run`` does, and returns the records."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ercbench.catalog import load_with_files
from ercbench.cells import RESULTS
from ercbench.errors import UsageError
from ercbench.executing import execute
from ercbench.grid import ALL, SAMPLE_FOLDER, Ray, Request, fetch_missing, plan
from ercbench.own import is_folder, of_corpus
from ercbench.part_file import Watcher
from ercbench.progress import Reporter, Silent
from ercbench.records import RunRecord
from ercbench.specs import DatasetSpec
from ercbench.types import ContextProtocol, Corpus

Given = str | os.PathLike[str] | Corpus | Mapping[str, Any]
"""A data set as it may be given: a name, a folder with a ``dataset.yaml``, a corpus, or a ``DatasetDict``."""


def run(  # noqa: PLR0913 - the options of a command, each with a default, by keyword
    recipes: str | Sequence[str],
    *,
    dataset: Given | Sequence[Given] = ALL,
    track: str | None = None,
    seeds: int | Sequence[int] = 1,
    overrides: Mapping[str, Any] | None = None,
    context: ContextProtocol = "past",
    sample: bool = False,
    limit: int | None = None,
    data_dir: str | Path | None = None,
    results: str | Path | None = None,
    device: str | None = None,
    force: bool = False,
    retry_failed: bool = False,
    keep_model: bool = True,
    fetch: bool = False,
    trackers: str | Sequence[str] | Mapping[str, Mapping[str, Any]] = (),
    plugins: Sequence[str | Path] = (),
    chunk: int | None = None,
    executor: Literal["serial"] | Ray = "serial",
    reporter: Reporter | None = None,
) -> list[RunRecord]:
    """Train recipes on data sets and write records, as ``ercbench run`` does.

    Args:
        recipes: one name or several.
        dataset: one or several: a name (``all`` is MELD, EmoryNLP and IEMOCAP), a folder with a ``dataset.yaml``, a
            `Corpus`, or a Hugging Face ``DatasetDict`` whose label column is a ``ClassLabel``; for one with other
            columns, label words or a neutral label, see ``Corpus.from_datasets``.
        track: None takes ``full`` on a CUDA GPU, else ``mini``.
        seeds: a number N for seeds 0 to N-1, or the seeds themselves.
        overrides: values by dotted path, as with ``--set``.
        context: what of a dialogue is shown: ``past`` earlier turns, ``full`` later ones too, ``none`` neither.
        sample: use the small bundled corpora instead.
        limit: only the first so many dialogues per split.
        data_dir: folder with one folder per data set; None looks in the usual places.
        results: folder of the records; None is ``leaderboards``, or ``leaderboards/sample`` with `sample`.
        device: ``cpu``, ``cuda`` or ``mps``; None takes the fastest.
        force: run cells again that are done.
        retry_failed: run cells again that failed before.
        keep_model: keep the trained models beside the records.
        fetch: download the public data sets that are not here.
        trackers: observers by name, such as ``"jsonl"``, ``["jsonl", "tensorboard"]`` or, with settings,
            ``{"wandb": {"project": "erc"}}``.
        plugins: Python files with a plugin each, as with ``--plugin``; runs with any are not ranked.
        chunk: encode at most so many utterances at once, as with ``--chunk``.
        executor: who runs the cells: ``"serial"``, one after the other, or `Ray`, as many as fit at once.
        reporter: shows how far it is.

    Returns:
        One record per cell, those that were done already first.

    Raises:
        ErcbenchError: whatever is wrong, all of it at once and before anything is trained; see ``errors.py``.
        Exception: a cell failed, and all others are done; `RunsFailed` for several.

    Example:
        >>> import ercbench
        >>> [record] = ercbench.run("eacl", dataset="meld", track="mini", seeds=1)  # doctest: +SKIP
        >>> record.scores.test.weighted_f1  # doctest: +SKIP
    """
    default = RESULTS / SAMPLE_FOLDER if sample else RESULTS
    request = Request(
        recipes=[recipes] if isinstance(recipes, str) else list(recipes),
        datasets=_datasets(dataset),
        track=track,
        seeds=list(range(seeds)) if isinstance(seeds, int) else list(seeds),
        overrides=dict(overrides or {}),
        context=context,
        sample=sample,
        limit=limit,
        data_dir=None if data_dir is None else Path(data_dir),
        results=default if results is None else Path(results),
        device=device,
        force=force,
        retry_failed=retry_failed,
        keep_model=keep_model,
        fetch=fetch,
        trackers=_trackers(trackers),
        chunk=chunk,
        executor=_executor(executor),
    )
    catalog, reporter = load_with_files([Path(plugin) for plugin in plugins]), reporter or Silent()
    fetch_missing(catalog, request, _Told(reporter))
    prepared = plan(catalog, request)
    outcome = execute(prepared, request, reporter)
    outcome.check()
    return [record for _, record in prepared.done] + outcome.records


def _trackers(trackers: str | Sequence[str] | Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """Settings by name of the tracker."""
    if isinstance(trackers, Mapping):
        return trackers
    return {name: {} for name in ([trackers] if isinstance(trackers, str) else trackers)}


def _executor(executor: Literal["serial"] | Ray) -> Ray | None:
    """As a `Request` takes it."""
    if executor != "serial" and not isinstance(executor, Ray):
        raise UsageError(f"The executor must be 'serial' or ercbench.Ray(...). Got {executor!r}.")
    return None if executor == "serial" else executor


class _Told(Watcher):
    """Hands on to a reporter of runs what is worth a line."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def say(self, message: str) -> None:
        """A line."""
        self._reporter.say(message)


def _datasets(dataset: Given | Sequence[Given]) -> list[str | DatasetSpec]:
    """What was given, as a `Request` takes it."""
    if isinstance(dataset, Sequence) and not isinstance(dataset, str):
        return [_dataset(one) for one in dataset]
    return [_dataset(dataset)]


def _dataset(given: Given) -> str | DatasetSpec:
    match given:
        case str():
            return given
        case os.PathLike():
            path = os.fspath(given)
            return path if is_folder(path) else os.path.join(os.curdir, path)
        case Corpus():
            return of_corpus(given)
        case Mapping():
            return of_corpus(Corpus.from_datasets(given))
    raise UsageError(
        f"A data set must be a name, a folder, a Corpus or a DatasetDict. Got {type(given).__name__}. "
        "A single Dataset has no splits: put train, dev and test into a DatasetDict."
    )
