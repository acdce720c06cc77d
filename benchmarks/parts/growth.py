"""How a training step's cost grows with what it is given: milliseconds per utterance."""

from __future__ import annotations

import time

from benchmarks.ours import OurLoop, prepared, sample
from benchmarks.parts import Options


def measure(options: Options) -> dict[str, float]:
    """Milliseconds per utterance by batch size and by context, for both encoders; seconds to plan an epoch."""
    steps = 1 if options.quick else 4
    figures: dict[str, float] = {}
    for recipe in ("eacl", "eacl-shared"):
        for past in (0, 2, 4, 8):
            loop = OurLoop(prepared(recipe, "meld", options.data_dir, 100, context__past=past))
            figures[f"{recipe}.context_{past}_milliseconds"] = _per_utterance(loop, steps)
        for batch in (8, 32, 128):
            loop = OurLoop(prepared(recipe, "meld", options.data_dir, 100, training__batch_size=batch))
            figures[f"{recipe}.batch_{batch}_milliseconds"] = _per_utterance(loop, steps)
        for dialogues in (100, 400):
            loop = OurLoop(prepared(recipe, "meld", options.data_dir, dialogues))
            begun = time.perf_counter()
            loop.plan()
            figures[f"{recipe}.plan_{dialogues}_dialogues_milliseconds"] = 1e3 * (time.perf_counter() - begun)
    return figures


def _per_utterance(loop: OurLoop, steps: int) -> float:
    chosen = sample(loop.plan(), steps + 1)
    loop.step(chosen[0])
    begun = time.perf_counter()
    for indices in chosen[1:]:
        loop.step(indices)
    return 1e3 * (time.perf_counter() - begun) / sum(len(indices) for indices in chosen[1:])
