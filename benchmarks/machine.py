"""What the figures were measured on, and how fast its matrix units are."""

from __future__ import annotations

import platform
import sys
import time
from datetime import UTC, datetime

import torch
import transformers

import ercbench
from ercbench.devices import Device

SHAPES = ((3072, 384, 1536), (3072, 1536, 384), (2048, 2048, 2048))
"""(rows, inner, columns) of the products timed: a feed-forward layer of the track's encoder, and a large square."""


def description() -> dict[str, object]:
    """Machine, software, date and command, as they stand beside the figures."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": Device("cpu", "fp32").hardware,
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "ercbench": ercbench.__version__,
        "command": " ".join(["python -m benchmarks", *sys.argv[1:]]),
    }


class MatrixClock:
    """The best matrix throughput seen, in floating-point operations per second; measured between other blocks."""

    def __init__(self) -> None:
        self.best = 0.0
        self._pairs = [(torch.randn(rows, inner), torch.randn(inner, columns)) for rows, inner, columns in SHAPES]

    def measure(self, repetitions: int = 5) -> None:
        """Multiply each pair a few times."""
        for left, right in self._pairs:
            operations = 2.0 * left.shape[0] * left.shape[1] * right.shape[1]
            for _ in range(repetitions):
                begun = time.perf_counter()
                torch.mm(left, right)
                self.best = max(self.best, operations / (time.perf_counter() - begun))
