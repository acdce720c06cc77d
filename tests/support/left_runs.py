"""What runs leave behind that were not finished: checkpoints with their description, and the log of a command."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ercbench.cells import CellName, cell_of
from ercbench.records import read_record
from ercbench.resume import Unfinished
from ercbench.run_log import RunLog
from ercbench.types import Epoch
from ercbench.unfinished import RunDescription, write_description

HERE = "tfidf-lr@2"
"""A recipe that is installed."""
CELLS = [CellName("method@2", "talk", "mini", "past", seed) for seed in range(3)]
EPOCH = {"epoch": 2, "losses": {"total": 1.0}, "dev_weighted_f1": 0.4321, "seconds": 1.0, "utterances_per_second": 9.0}


def unfinished(results: Path, identity: str, recipe: str | None = HERE, epochs: int = 2, **more: Any) -> Path:
    """An unfinished run that kept so many epochs, its description and its lock."""
    import torch

    folder = results / ".unfinished" / identity
    if recipe is not None:
        fields = {"dataset": "talk", "track": "mini", "context": "past", "seed": 0, "command": "ercbench run x"}
        fields |= {"recipe": recipe, "identity": identity, "config": {}, "fingerprint": "sha256:0", "own": None}
        write_description(results, RunDescription(**{**fields, "local_plugins": frozenset(), **more}))
    with Unfinished(folder) as run:
        done = [Epoch(number, {"total": 1.0}, 0.5, 0.5, 1.0, 1.0) for number in range(1, epochs + 1)]
        if epochs:
            run.save(done, {"w": torch.zeros(3)}, {"w": torch.ones(3)})
    return folder


def described(path: Path) -> dict[str, Any]:
    """The description that a run had whose record is there."""
    found = read_record(path)
    return {
        **asdict(cell_of(found)),
        "config": dict(found.config),
        "fingerprint": found.dataset.fingerprint,
        "own": found.dataset.own,
        "local_plugins": frozenset(plugin.sha256 for plugin in found.plugins if plugin.sha256),
    }


def begin(log: RunLog, state: str = "queued") -> None:
    """Three cells, the second running in its second epoch."""
    log.start([(cell, state, 3) for cell in CELLS], "serial")  # type: ignore[misc]
    log.write("cell_started", cell=asdict(CELLS[1]), work=100)
    log.write("epoch_finished", cell=asdict(CELLS[1]), epoch=EPOCH, resumed=False)
    log.write("progress", cell=asdict(CELLS[1]), doing="epoch 3/3", share=0.5, left=65.0, figures={})
