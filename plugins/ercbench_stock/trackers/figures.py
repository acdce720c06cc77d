"""What every tracker writes: the same figures under the same names."""

from __future__ import annotations

from pathlib import Path

from ercbench import EpochInfo, RunInfo, RunRecord


def of_epoch(epoch: EpochInfo) -> dict[str, float]:
    """EpochInfo -> figures by name; scores are fractions."""
    return {
        "dev/weighted_f1": epoch.dev_weighted_f1,
        **{f"loss/{name}": value for name, value in epoch.losses.items()},
        "train/seconds": epoch.seconds,
        "train/utterances_per_second": epoch.utterances_per_second,
        **({} if epoch.utterances is None else {"train/utterances": float(epoch.utterances)}),
        **({} if epoch.difficulty is None else {"train/difficulty": epoch.difficulty}),
        **({} if epoch.difficulty_of_train is None else {"train/difficulty_of_train": epoch.difficulty_of_train}),
    }


def of_record(record: RunRecord) -> dict[str, float]:
    """RunRecord -> figures by name; scores are fractions."""
    scores = {"dev": record.scores.dev, "test": record.scores.test}
    measures = ("weighted_f1", "macro_f1", "micro_f1_without_neutral", "accuracy")
    return {
        **{f"final/{split}_{name}": getattr(found, name) for split, found in scores.items() for name in measures},
        "final/chosen_epoch": float(record.training.chosen_epoch),
        **{f"seconds/{stage}": seconds for stage, seconds in record.seconds.items()},
    }


def folder(chosen: str, run: RunInfo, tracker: str) -> Path:
    """The folder of a setting; without one, ``tracking/NAME`` below the folder of the records."""
    return Path(chosen).expanduser() if chosen else run.results / "tracking" / tracker
