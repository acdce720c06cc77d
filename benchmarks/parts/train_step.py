"""A training step: the released loop, ours on the same token ids, and ours with shared context, in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.lanes import Lane
from benchmarks.machine import MatrixClock
from benchmarks.naive import NaiveLoop
from benchmarks.ours import BATCH, OurLoop, prepared, sample, work
from benchmarks.parts import Options
from ercbench.preparing import Prepared

Step = Callable[[int], int]


def measure(options: Options) -> dict[str, float]:
    """Utterances per second of the three, their ratios, and what share of the matrix throughput ours has."""
    figures: dict[str, float] = {}
    for dataset in ("meld", "iemocap"):
        figures |= {f"train_step.{dataset}.{key}": value for key, value in _measure(dataset, options).items()}
    return figures


def _measure(dataset: str, options: Options) -> dict[str, float]:
    rounds, warm_up = (3, 1) if options.quick else (8, 2)
    clock = MatrixClock()
    lanes = {
        "naive": Lane(naive_lane, [dataset, options, rounds]),
        "exact": Lane(our_lane, ["eacl", dataset, options, rounds]),
        "shared": Lane(our_lane, ["eacl-shared", dataset, options, rounds]),
    }
    for index in range(rounds):
        clock.measure()
        for lane in lanes.values():
            lane.step(index, counted=index >= warm_up)
    figures = {f"{name}_utterances_per_second": lane.rate for name, lane in lanes.items()}
    figures |= {f"{name}_ratio": lanes[name].rate / lanes["naive"].rate for name in ("exact", "shared")}
    lanes["naive"].close()
    figures["matrix_gigaflops"] = clock.best / 1e9
    for name in ("exact", "shared"):
        lane = lanes[name]
        figures |= {f"{name}_{key}": lane.figures[key] for key in ("tokens_per_utterance", "padding")}
        # In a row, as in training: taking turns, each loop finds the processor's caches full of another's numbers.
        lane.reset()
        for index in range(rounds):
            lane.step(index, counted=index >= 1)
        clock.measure()
        share = lane.rate * lane.figures["flops_per_utterance"] / clock.best
        figures["matrix_share" if name == "exact" else "shared_matrix_share"] = share
        figures[f"{name}_alone_utterances_per_second"] = lane.rate
        lane.close()
    return figures


def our_lane(recipe: str, dataset: str, options: Options, rounds: int) -> tuple[Step, dict[str, float]]:
    """Our loop on batches drawn from an epoch's plan, and what an epoch is made of."""
    loop = OurLoop(prepared(recipe, dataset, options.data_dir))
    plan = sample(loop.plan(), rounds)
    epoch = [work(loop.batch(indices), loop.model.backbone) for indices in loop.plan()]
    timed = [work(loop.batch(indices), loop.model.backbone) for indices in plan]
    tokens = sum(batch.tokens for batch in epoch)
    figures = {
        "tokens_per_utterance": tokens / len(loop.ready.tokens["train"]),
        "padding": 1 - tokens / sum(batch.padded for batch in epoch),
        "flops_per_utterance": sum(batch.flops for batch in timed) / sum(map(len, plan)),
    }

    def step(number: int) -> int:
        loop.step(plan[number])
        return len(plan[number])

    return step, figures


def naive_lane(dataset: str, options: Options, rounds: int) -> tuple[Step, dict[str, float]]:
    """The released loop on the same token ids; its batches are drawn without looking at lengths."""
    folder = tempfile.mkdtemp()
    ready = prepared("eacl", dataset, options.data_dir)
    train = released_step(ready, released(ready, Path(folder)))
    plan = shuffled(len(ready.tokens["train"]))[:rounds]

    def step(number: int) -> int:
        train(plan[number])
        return len(plan[number])

    return step, {}


def released(ready: Prepared, folder: Path) -> NaiveLoop:
    """The released loop with the encoder, tokens and label states of ours; sets nothing that ours sets."""
    assert ready.checkpoint is not None
    states = ready.encoder.load().state_dict()["label_states"]
    return NaiveLoop(ready.checkpoint, states, ready.encoder.tokenizer.pad_token_id, folder)  # type: ignore[attr-defined]


def released_step(ready: Prepared, naive: NaiveLoop) -> Callable[[Sequence[int]], float]:
    """A training step of the released loop on utterances named by index."""
    tokens, gold = ready.tokens["train"], ready.gold["train"]

    def step(indices: Sequence[int]) -> float:
        chosen = [tokens[i] for i in indices]
        return naive.step(chosen, torch.tensor([gold[token.uid] for token in chosen]))

    return step


def shuffled(count: int) -> list[list[int]]:
    """Batches drawn without looking at lengths, as the released loop draws them."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1)).tolist()
    return [order[start : start + BATCH] for start in range(0, count, BATCH)]
