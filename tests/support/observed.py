"""A run that observers can be told of without running anything: who it is, its epochs, its record."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

from ercbench import RunInfo, RunRecord
from ercbench.observing import Observed, Observer
from ercbench.progress import Silent
from ercbench.types import Epoch

CONFIG = {"training.epochs": 2, "training.lr": 1e-3, "renderer.name": "plain", "encoder.words": ["a", "b"]}


def info(results: Path) -> RunInfo:
    """A run whose record would lie below `results`."""
    return RunInfo(
        recipe="method", version="3", dataset="talk", track="mini", context="past", seed=7,
        config=MappingProxyType(dict(CONFIG)), utterances=MappingProxyType({"train": 80, "dev": 10, "test": 8}),
        device="cpu", precision="fp32", results=results,
        record=results / "records" / "talk" / "mini" / "method@3" / "seed-7.json",
    )  # fmt: skip


def epoch(number: int) -> Epoch:
    """An epoch whose figures tell its number."""
    return Epoch(number, {"total": 1 / number, "pull": 0.5 / number}, number / 10, number / 10, 2.0 * number, 40.0)


def split_scores(weighted_f1: float) -> dict[str, Any]:
    """Scores of a split of two labels."""
    emotion = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 4}
    return {
        "weighted_f1": weighted_f1, "macro_f1": 0.25, "micro_f1_without_neutral": 0.125, "accuracy": 0.5,
        "per_class": {"calm": emotion, "upset": emotion}, "confusion": [[2, 2], [2, 2]],
    }  # fmt: skip


def record() -> RunRecord:
    """The record that the run comes to."""
    return RunRecord.model_validate(
        {
            "recipe": {"name": "method", "version": "3", "reference": "", "ranked": True},
            "dataset": {"name": "talk", "version": "1", "fingerprint": "sha256:00", "ranked": True, "utterances": {}},
            "track": "mini", "seed": 7, "command": "ercbench run method", "overrides": {}, "config": CONFIG,
            "protocol": {"selection_split": "dev", "context": "past", "context_past": 8, "metric": "weighted_f1"},
            "encoder": {"checkpoint": "tiny", "origin": "none", "sha256": None, "parameters": 1},
            "plugins": [],
            "environment": {"device": "cpu", "hardware": "", "precision": "fp32", "python": "3.11", "packages": {}},
            "training": {
                "epochs": [], "chosen_epoch": 2, "candidates_dev_weighted_f1": [0.2], "chosen_candidate": 1,
                "effective_batch": 4, "resumed_after_epochs": [],
            },
            "scores": {"dev": split_scores(0.2), "test": split_scores(0.75)},
            "predictions": {"file": "p.csv", "sha256": "0"},
            "seconds": {"training": 6.0, "scoring": 0.5},
            "started": "2026-01-01T00:00:00+00:00",
        }
    )  # fmt: skip


def play(observers: list[Observer], results: Path, error: BaseException | None = None) -> None:
    """Tell observers of a whole run, or with `error` of one that ends within its first stage."""
    told = Observed(Silent(), observers, info(results))
    told.run_started()
    told.stage_started("training")
    for number in (1, 2):
        told.epoch_finished(epoch(number), resumed=number == 1)
    if error is not None:
        told.run_failed(error)
        return
    told.stage_finished("training", 6.0)
    told.run_finished(record())
