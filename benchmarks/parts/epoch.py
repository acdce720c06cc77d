"""A whole epoch with its evaluation on dev, on the first dialogues of MELD."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.ours import BATCH, OurLoop, prepared
from benchmarks.parts import Options
from benchmarks.parts.train_step import released, released_step, shuffled
from ercbench.encoding import encode


def measure(options: Options) -> dict[str, float]:
    """Seconds of an epoch and its evaluation on dev; the released loop pads dev too."""
    limit = 4 if options.quick else 60
    exact = OurLoop(prepared("eacl", "meld", options.data_dir, limit))
    shared = OurLoop(prepared("eacl-shared", "meld", options.data_dir, limit))
    seconds = {"exact": _ours(exact), "shared": _ours(shared)}
    with tempfile.TemporaryDirectory() as folder:
        seconds["naive"] = _released(exact, Path(folder))
    return {
        "meld.utterances": float(sum(len(exact.ready.tokens[split]) for split in ("train", "dev"))),
        **{f"meld.{name}_seconds": value for name, value in seconds.items()},
        **{f"meld.{name}_ratio": seconds["naive"] / seconds[name] for name in ("exact", "shared")},
    }


def _ours(loop: OurLoop) -> float:
    begun = time.perf_counter()
    for indices in loop.plan():
        loop.step(indices)
    encode(loop.ready.encoder, loop.model, loop.ready.tokens["dev"], loop.device, BATCH)
    return time.perf_counter() - begun


def _released(loop: OurLoop, folder: Path) -> float:
    naive = released(loop, folder)
    step = released_step(loop, naive)
    begun = time.perf_counter()
    for indices in shuffled(len(loop.ready.tokens["train"])):
        step(indices)
    naive.evaluate(loop.ready.tokens["dev"], BATCH)
    return time.perf_counter() - begun
