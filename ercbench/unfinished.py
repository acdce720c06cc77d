"""Which run an unfinished one is: as long as it has no record, ``.unfinished/IDENTITY.json`` beside its folder says so.

Whoever finds the folder knows from it which cell it is, the command that goes on, and whether there is a record now.

Before: cell_runs.py writes it. After: status.py and leftovers.py read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue, ValidationError

from ercbench.cells import NamedCell
from ercbench.errors import RecordError, UsageError
from ercbench.locks import is_held
from ercbench.records import OwnDataset, RunRecord, read_record
from ercbench.resume import epochs_kept
from ercbench.whole_files import remove_strays, write_atomically

UNFINISHED = ".unfinished"
"""The folder of unfinished runs in a results folder."""


class RunDescription(NamedCell):
    """What tells an unfinished run from every other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Annotated[int, Field(ge=1, le=1)] = 1
    identity: Annotated[str, Field(pattern=r"^[\w-]+$")]
    command: str
    config: dict[str, JsonValue]
    fingerprint: str
    local_plugins: frozenset[str]
    own: OwnDataset | None

    def is_done(self, results: Path) -> bool:
        """Whether the record of this very run is there. A record of other settings in its place is another run's."""
        record = self._record(results)
        return record is not None and {one.sha256 for one in record.plugins if one.sha256} == self.local_plugins

    def is_superseded(self, results: Path, written: float) -> bool:
        """Whether a record of this run with other local plugins was made after `written`: they were mended since."""
        return self._record(results) is not None and self.cell.record(results).stat().st_mtime > written

    def _record(self, results: Path) -> RunRecord | None:
        """What is in the record's place, where it has the same settings and data."""
        path = self.cell.record(results)
        try:
            record = read_record(path) if path.exists() else None
        except RecordError:
            return None
        if record is None:
            return None
        found = dict(record.config), record.dataset.fingerprint, _labels(record.dataset.own)
        return record if found == (self.config, self.fingerprint, _labels(self.own)) else None


@dataclass(frozen=True)
class UnfinishedRun:
    """What lies in ``.unfinished`` of one run.

    Attributes:
        results: the results folder.
        identity: which run; its folder, its lock and its description are called that.
        description: None where there is none, or none that can be read.
    """

    results: Path
    identity: str
    description: RunDescription | None

    @property
    def folder(self) -> Path:
        """Its checkpoints."""
        return self.results / UNFINISHED / self.identity

    @property
    def lock(self) -> Path:
        """Held by the process that is at it."""
        return self.folder.with_suffix(".lock")

    @property
    def is_running(self) -> bool:
        """Whether a process is at it."""
        return is_held(self.lock)

    @property
    def is_superseded(self) -> bool:
        """Whether there is a later record of it, with other local plugins. It has a folder."""
        return self.description is not None and self.description.is_superseded(self.results, last_written(self.folder))

    def epochs(self, verify: bool = False) -> int:
        """The last epoch that it can go on after; 0: none. With `verify` the files are read and compared."""
        return epochs_kept(self.folder, verify)


def last_written(folder: Path) -> float:
    """When something in a folder was last written."""
    return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))


def description_path(results: Path, identity: str) -> Path:
    """Where an unfinished run says which it is."""
    return results / UNFINISHED / f"{identity}.json"


def write_description(results: Path, description: RunDescription) -> Path:
    """Say which run is about to begin, and is unfinished until its record is there."""
    path = description_path(results, description.identity)
    remove_strays(path)
    write_atomically(path, description.model_dump_json(indent=2) + "\n")
    return path


def unfinished_runs(results: Path) -> Iterator[UnfinishedRun]:
    """Every run of which something lies in ``.unfinished``, sorted."""
    named = {path.name.partition(".")[0] for path in (results / UNFINISHED).glob("*")}
    for identity in sorted(name for name in named if name and not name.startswith("tmp")):
        yield UnfinishedRun(results, identity, _read(description_path(results, identity)))


def _labels(own: OwnDataset | None) -> tuple[dict[str, str], str | None] | None:
    """What of somebody's own data set decides a number and is in no fingerprint."""
    return None if own is None else (own.labels, own.neutral)


def _read(path: Path) -> RunDescription | None:
    try:
        found = RunDescription.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.identity == path.stem else None


def results_folders(results: Path) -> list[Path]:
    """A results folder, and those of the samples and of the variants of ``grid`` and ``ablate`` in it.

    Raises:
        UsageError: there is no such folder.
    """
    if not results.is_dir():
        raise UsageError(f"There is no results folder there. Got {str(results)!r}. Name one that runs were written to.")
    tops = [results, results / "sample"]
    below = [path for top in tops for kind in ("grid", "ablate") for path in sorted((top / kind).glob("*/*"))]
    return [folder for folder in (*tops, *below) if folder.is_dir() and not folder.is_symlink()]
