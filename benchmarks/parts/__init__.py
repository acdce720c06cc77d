"""One file per part of the suite; each has a function ``measure(Options) -> figures by key``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Where the real data is, and whether a look is enough (`quick`: few steps, figures that are noise)."""

    data_dir: Path | None
    quick: bool = False
