"""A training step: the released loop, ours on the same token ids, and ours with shared context, in turns."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch

from benchmarks.machine import MatrixClock
from benchmarks.naive import NaiveLoop
from benchmarks.ours import BATCH, OurLoop, prepared, sample, work
from benchmarks.parts import Options


@dataclass
class Lane:
    """One of the loops that take turns: its batches, and the seconds that each took."""

    step: Callable[[Sequence[int]], float]
    plan: list[list[int]]
    seconds: list[float] = field(default_factory=list)

    def run(self, index: int) -> None:
        """One step, timed."""
        begun = time.perf_counter()
        self.step(self.plan[index % len(self.plan)])
        self.seconds.append(time.perf_counter() - begun)

    def rate(self, warm_up: int) -> float:
        """Utterances per second over the batches measured."""
        counts = [len(self.plan[i % len(self.plan)]) for i in range(len(self.seconds))]
        return sum(counts[warm_up:]) / sum(self.seconds[warm_up:])


def measure(options: Options) -> dict[str, float]:
    """Utterances per second of the three, their ratios, and what share of the matrix throughput ours has."""
    figures: dict[str, float] = {}
    for dataset in ("meld", "iemocap"):
        figures |= {f"{dataset}.{key}": value for key, value in _measure(dataset, options).items()}
    return figures


def _measure(dataset: str, options: Options) -> dict[str, float]:
    rounds, warm_up = (2, 0) if options.quick else (8, 1)
    exact = OurLoop(prepared("eacl", dataset, options.data_dir))
    shared = OurLoop(prepared("eacl-shared", dataset, options.data_dir))
    clock, drawn = MatrixClock(), shuffled(len(exact.ready.tokens["train"]))
    with tempfile.TemporaryDirectory() as folder:
        lanes = {
            "naive": Lane(released_step(exact, released(exact, Path(folder))), drawn[:rounds]),
            "exact": Lane(exact.step, sample(exact.plan(), rounds)),
            "shared": Lane(shared.step, sample(shared.plan(), 2 * rounds)),
        }
        for index in range(rounds):
            clock.measure()
            lanes["naive"].run(index)
            lanes["exact"].run(index)
            lanes["shared"].run(2 * index)
            lanes["shared"].run(2 * index + 1)
    rates = {name: lane.rate(warm_up * (2 if name == "shared" else 1)) for name, lane in lanes.items()}
    figures = {f"{name}_utterances_per_second": rate for name, rate in rates.items()}
    figures |= {f"{name}_ratio": rates[name] / rates["naive"] for name in ("exact", "shared")}
    for name, loop in (("exact", exact), ("shared", shared)):
        epoch = [work(loop.batch(indices), loop.model.backbone) for indices in loop.plan()]
        timed = [work(loop.batch(indices), loop.model.backbone) for indices in lanes[name].plan]
        utterances = sum(map(len, loop.plan()))
        figures[f"{name}_tokens_per_utterance"] = sum(batch.tokens for batch in epoch) / utterances
        figures[f"{name}_padding"] = 1 - sum(batch.tokens for batch in epoch) / sum(batch.padded for batch in epoch)
        flops = sum(batch.flops for batch in timed) / sum(map(len, lanes[name].plan))
        figures["matrix_share" if name == "exact" else "shared_matrix_share"] = rates[name] * flops / clock.best
    figures["matrix_gigaflops"] = clock.best / 1e9
    figures["step_seconds_median"] = median(lanes["exact"].seconds[warm_up:])
    return figures


def released(loop: OurLoop, folder: Path) -> NaiveLoop:
    """The released loop with the encoder, tokens and label states of ours."""
    ready = loop.ready
    assert ready.checkpoint is not None
    states = loop.model.state_dict()["label_states"].clone()
    return NaiveLoop(ready.checkpoint, states, ready.encoder.tokenizer.pad_token_id, folder)  # type: ignore[attr-defined]


def released_step(loop: OurLoop, naive: NaiveLoop) -> Callable[[Sequence[int]], float]:
    """A training step of the released loop on utterances named by index."""
    tokens, gold = loop.ready.tokens["train"], loop.ready.gold["train"]

    def step(indices: Sequence[int]) -> float:
        chosen = [tokens[i] for i in indices]
        return naive.step(chosen, torch.tensor([gold[token.uid] for token in chosen]))

    return step


def shuffled(count: int) -> list[list[int]]:
    """Batches drawn without looking at lengths, as the released loop draws them."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1)).tolist()
    return [order[start : start + BATCH] for start in range(0, count, BATCH)]
