"""ercbench from Python: ``ercbench.run(...)`` does what ``ercbench run`` does, and returns the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ercbench.catalog import load_catalog
from ercbench.grid import ALL, SAMPLE_FOLDER, Request, execute, fetch_missing, plan
from ercbench.part_file import Watcher
from ercbench.progress import Reporter, Silent
from ercbench.records import RunRecord
from ercbench.types import ContextProtocol


def run(  # noqa: PLR0913 - the options of a command, each with a default, by keyword
    recipes: str | Sequence[str],
    *,
    dataset: str | Sequence[str] = ALL,
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
    keep_model: bool = True,
    fetch: bool = False,
    reporter: Reporter | None = None,
) -> list[RunRecord]:
    """Train recipes on data sets and write records, as ``ercbench run`` does.

    Args:
        recipes: one name or several.
        dataset: one name or several; ``all`` is MELD, EmoryNLP and IEMOCAP.
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
        keep_model: keep the trained models beside the records.
        fetch: download the public data sets that are not here.
        reporter: told how it goes.

    Returns:
        One record per cell, those that were done already first.

    Raises:
        ErcbenchError: whatever is wrong, all of it at once and before anything is trained; see ``errors.py``.

    Example:
        >>> import ercbench
        >>> [record] = ercbench.run("eacl", dataset="meld", track="mini", seeds=1)  # doctest: +SKIP
        >>> record.scores.test.weighted_f1  # doctest: +SKIP
    """
    default = Path("leaderboards", SAMPLE_FOLDER) if sample else Path("leaderboards")
    request = Request(
        recipes=[recipes] if isinstance(recipes, str) else list(recipes),
        datasets=[dataset] if isinstance(dataset, str) else list(dataset),
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
        keep_model=keep_model,
        fetch=fetch,
    )
    catalog, reporter = load_catalog(), reporter or Silent()
    fetch_missing(catalog, request, _Told(reporter))
    prepared = plan(catalog, request)
    return [record for _, record in prepared.done] + execute(prepared, request, reporter)


class _Told(Watcher):
    """Hands on to a reporter of runs what is worth a line."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def say(self, message: str) -> None:
        """A line."""
        self._reporter.say(message)
