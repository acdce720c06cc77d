"""A whole epoch with its evaluation on dev, on the first dialogues of MELD."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.lanes import Lane
from benchmarks.ours import BATCH, OurLoop, prepared
from benchmarks.parts import Options
from benchmarks.parts.train_step import Step, released, released_step, shuffled
from ercbench.encoding import encode


def measure(options: Options) -> dict[str, float]:
    """Seconds of the second epoch and its evaluation on dev, of each loop; the released one pads dev too."""
    limit = 4 if options.quick else 40
    lanes = {
        "naive": Lane(naive_lane, [options, limit]),
        "exact": Lane(our_lane, ["eacl", options, limit]),
        "shared": Lane(our_lane, ["eacl-shared", options, limit]),
    }
    for lane in lanes.values():
        for number in range(2):
            lane.step(number, counted=number == 1)
        lane.close()
    seconds = {name: lane.seconds for name, lane in lanes.items()}
    return {
        "epoch.meld.utterances": float(lanes["naive"].utterances),
        **{f"epoch.meld.{name}_seconds": value for name, value in seconds.items()},
        **{f"epoch.meld.{name}_ratio": seconds["naive"] / seconds[name] for name in ("exact", "shared")},
    }


def our_lane(recipe: str, options: Options, limit: int) -> tuple[Step, dict[str, float]]:
    """Our loop; a step is an epoch."""
    loop = OurLoop(prepared(recipe, "meld", options.data_dir, limit))

    def epoch(_: int) -> int:
        loop.model.train()
        for indices in loop.plan():
            loop.step(indices)
        dev = loop.ready.tokens["dev"]
        encode(loop.ready.encoder, loop.model, dev, loop.device, BATCH)
        return len(loop.ready.tokens["train"]) + len(dev)

    return epoch, {}


def naive_lane(options: Options, limit: int) -> tuple[Step, dict[str, float]]:
    """The released loop; a step is an epoch."""
    ready = prepared("eacl", "meld", options.data_dir, limit)
    naive = released(ready, Path(tempfile.mkdtemp()))
    train, dev = released_step(ready, naive), ready.tokens["dev"]

    def epoch(_: int) -> int:
        for indices in shuffled(len(ready.tokens["train"])):
            train(indices)
        naive.evaluate(dev, BATCH)
        return len(ready.tokens["train"]) + len(dev)

    return epoch, {}
