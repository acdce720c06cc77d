"""How training went: losses and the score on dev after every epoch."""

from __future__ import annotations

import numpy as np

from ercbench.report import plots
from ercbench.report.blocks import Block, Figure, Figures, Paragraph, Part, Table
from ercbench.report.gather import System
from ercbench.report.text import NOTHING, score, several


def training(system: System, name: str) -> Part:
    """A system -> its training curves, the chosen epoch marked."""
    if not any(run.record.training.epochs for run in system.runs):
        return Part("Training", [Paragraph("Nothing was trained epoch by epoch.", "note"), *_classifier(system)])
    figures = (_dev(system, name), _losses(system, name))
    return Part("Training", [Figures(figures), *_classifier(system)])


def _dev(system: System, name: str) -> Figure:
    """The score on dev, a line per seed."""
    series = {
        f"seed {run.record.seed}": [100 * epoch.dev_weighted_f1 for epoch in run.record.training.epochs]
        for run in system.runs
    }
    chosen = {f"seed {run.record.seed}": run.record.training.chosen_epoch for run in system.runs}
    longest = max(map(len, series.values()))
    rows = tuple(
        (str(epoch + 1), *(_dev_cell(values, epoch, chosen[seed]) for seed, values in series.items()))
        for epoch in range(longest)
    )
    header = (">Epoch", *(f">{seed}" for seed in series))
    caption = "Weighted F1 on dev after each epoch, x 100; a ring marks the epoch whose weights were kept"
    table = Table("Weighted F1 on dev, x 100; (kept) marks the epoch whose weights were kept", header, rows)
    return Figure(plots.curves(f"{name}-dev", caption, series, chosen, "dev weighted F1"), caption, table)


def _dev_cell(values: list[float], epoch: int, chosen: int) -> str:
    if epoch >= len(values):
        return NOTHING
    return f"{values[epoch]:.2f}" + (" (kept)" if epoch + 1 == chosen else "")


def _losses(system: System, name: str) -> Figure:
    """The losses, a line for each, the mean over seeds."""
    epochs = [run.record.training.epochs for run in system.runs]
    longest = max(map(len, epochs))
    names = dict.fromkeys(loss for of_run in epochs for epoch in of_run for loss in epoch.losses)
    series = {
        loss: [
            float(
                np.mean(
                    [of_run[n].losses[loss] for of_run in epochs if n < len(of_run) and loss in of_run[n].losses]
                    or [np.nan]
                )
            )
            for n in range(longest)
        ]
        for loss in names
    }
    mean = ", mean over seeds" if len(system.runs) > 1 else ""
    caption = f"Losses in each epoch{mean}"
    header = (">Epoch", *(f">{loss}" for loss in series))
    rows = tuple((str(n + 1), *(f"{values[n]:.4f}" for values in series.values())) for n in range(longest))
    return Figure(plots.curves(f"{name}-losses", caption, series, {}, "loss"), caption, Table(caption, header, rows))


def _classifier(system: System) -> list[Block]:
    """Which state of the classifier was kept."""
    rows = tuple(
        (
            str(run.record.seed),
            several(len(run.record.training.candidates_dev_weighted_f1), "state"),
            str(run.record.training.chosen_candidate),
            score(max(run.record.training.candidates_dev_weighted_f1, default=None)),
        )
        for run in system.runs
    )
    header = (">Seed", ">States of the classifier", ">Kept", ">Best dev weighted F1")
    return [Table("After training, the classifier was chosen on dev too", header, rows, folded=True)]
