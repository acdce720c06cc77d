"""How a training step's cost grows with what it is given: milliseconds per utterance."""

from __future__ import annotations

import time

from benchmarks.ours import BATCH, OurLoop, prepared, sample
from benchmarks.parts import Options
from benchmarks.parts.loss import inputs, loss


def measure(options: Options) -> dict[str, float]:
    """Milliseconds per utterance by batch size and context, to plan an epoch, and of the loss by classes."""
    steps = 1 if options.quick else 4
    figures: dict[str, float] = {}
    for recipe in ("eacl", "eacl-shared"):
        for past in (0, 2, 4, 8):
            loop = OurLoop(prepared(recipe, "meld", options.data_dir, 100, context__past=past))
            figures[f"growth.{recipe}.context_{past}_milliseconds"] = _per_utterance(loop, steps)
        for batch in (8, 32, 128):
            loop = OurLoop(prepared(recipe, "meld", options.data_dir, 100, training__batch_size=batch))
            figures[f"growth.{recipe}.batch_{batch}_milliseconds"] = _per_utterance(loop, steps)
        for dialogues in (100, 400):
            loop = OurLoop(prepared(recipe, "meld", options.data_dir, dialogues))
            begun = time.perf_counter()
            loop.plan()
            figures[f"growth.{recipe}.plan_{dialogues}_dialogues_milliseconds"] = 1e3 * (time.perf_counter() - begun)
    for classes in (7, 28, 112):
        figures[f"growth.loss.classes_{classes}_milliseconds"] = _loss(classes)
    return figures


def _loss(classes: int) -> float:
    """Of a batch of 64, forward and backward, the fastest of some."""
    given = inputs(BATCH, classes)
    seconds = []
    for _ in range(20):
        begun = time.perf_counter()
        loss("ours", *given).backward()
        seconds.append(time.perf_counter() - begun)
    return 1e3 * min(seconds)


def _per_utterance(loop: OurLoop, steps: int) -> float:
    chosen = sample(loop.plan(), steps + 1)
    loop.step(chosen[0])
    begun = time.perf_counter()
    for indices in chosen[1:]:
        loop.step(indices)
    return 1e3 * (time.perf_counter() - begun) / sum(len(indices) for indices in chosen[1:])
