"""JSON lines: one file per run, one line per event, each on disk as soon as it is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ercbench import EpochInfo, RunInfo, RunRecord, hookimpl
from ercbench_stock.settings import JsonLinesSettings
from ercbench_stock.trackers import figures


class JsonLines:
    """Writes ``<folder>/<data set>/<track>/<recipe>@<version>/seed-<n>.jsonl``, afresh for every run."""

    def __init__(self, settings: JsonLinesSettings) -> None:
        self._folder = settings.folder

    @hookimpl
    def ercbench_run_started(self, run: RunInfo) -> None:
        """A line that says which run it is, with every value."""
        self._path = figures.folder(self._folder, run, "jsonl") / f"{run.name}.jsonl"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text("", encoding="utf-8")
        fields = ("recipe", "version", "dataset", "track", "context", "seed", "device", "precision")
        told = {"run": run.name, **{name: getattr(run, name) for name in fields}}
        self._write("run_started", told | {"utterances": dict(run.utterances), "config": dict(run.config)})

    @hookimpl
    def ercbench_stage_started(self, stage: str) -> None:
        """A line."""
        self._write("stage_started", {"stage": stage})

    @hookimpl
    def ercbench_epoch_finished(self, epoch: EpochInfo) -> None:
        """A line with losses, dev score and speed."""
        self._write("epoch_finished", vars(epoch) | {"losses": dict(epoch.losses)})

    @hookimpl
    def ercbench_stage_finished(self, stage: str, seconds: float) -> None:
        """A line."""
        self._write("stage_finished", {"stage": stage, "seconds": seconds})

    @hookimpl
    def ercbench_run_finished(self, record: RunRecord) -> None:
        """A line with the scores."""
        self._write("run_finished", {"signature": record.signature, "figures": figures.of_record(record)})

    @hookimpl
    def ercbench_run_failed(self, error: str) -> None:
        """A line with the error."""
        self._write("run_failed", {"error": error})

    def _write(self, event: str, values: Mapping[str, Any]) -> None:
        line = {"event": event, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **values}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
