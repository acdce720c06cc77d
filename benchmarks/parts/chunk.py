"""A training step in chunks of 8 against one on the whole batch of 64: time, and what it takes of memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.lanes import Lane
from benchmarks.ours import OurLoop, prepared, sample
from benchmarks.parts import Options

CHUNK = 8
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measure(options: Options) -> dict[str, float | None]:
    """Utterances per second of both, megabytes of a step beyond parameters, gradients and moments, and their ratios."""
    rounds, warm_up = (3, 1) if options.quick else (8, 2)
    lanes = {name: Lane(lane, [size, options, rounds]) for name, size in (("whole", None), ("chunk_8", CHUNK))}
    for index in range(rounds):
        for one in lanes.values():
            one.step(index, counted=index >= warm_up)
    figures: dict[str, float | None] = {}
    for name, one in lanes.items():
        figures[f"chunk.{name}_utterances_per_second"] = one.rate
        figures[f"chunk.{name}_megabytes"] = one.figures.get("megabytes")
    figures["chunk.speed_ratio"] = lanes["chunk_8"].rate / lanes["whole"].rate
    whole, pieces = (one.figures.get("megabytes") for one in lanes.values())
    figures["chunk.memory_ratio"] = pieces / whole if whole and pieces else None
    for one in lanes.values():
        one.close()
    return figures


def lane(chunk: int | None, options: Options, rounds: int) -> tuple[Callable[[int], int], dict[str, float]]:
    """The step of a run on batches of MELD; the memory is that of the first step, on the longest batch."""
    loop = OurLoop(prepared("eacl", "meld", options.data_dir))
    loop.device.chunk.lower(chunk)
    ready = loop.ready
    plan = loop.plan()
    longest = max(plan, key=lambda indices: max(len(ready.tokens["train"][index].input_ids) for index in indices))
    chosen = [*sample(plan, rounds), longest]

    def step(number: int) -> int:
        loop.step(chosen[number])
        return len(chosen[number])

    before = _forget_peak()
    step(rounds)
    kept = 3 * 4 * sum(parameter.numel() for parameter in loop.parameters) / 2**20  # gradients and two moments
    return step, {} if before is None else {"megabytes": _megabytes("VmHWM") - before - kept}


def _forget_peak() -> float | None:
    """Megabytes now, from where the peak is counted; None where the system does not tell."""
    if not CLEAR.exists():
        return None
    CLEAR.write_text("5")
    return _megabytes("VmRSS")


def _megabytes(field: str) -> float:
    line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024
