"""Where the time of a training step goes: the costliest operations of the exact path on MELD, as shares."""

from __future__ import annotations

from torch.profiler import ProfilerActivity, profile

from benchmarks.ours import OurLoop, prepared, sample
from benchmarks.parts import Options

SHOWN = 12


def measure(options: Options) -> dict[str, float]:
    """Operation -> its share of the step's own time, for the exact and the shared path."""
    figures: dict[str, float] = {}
    for name, recipe in (("exact", "eacl"), ("shared", "eacl-shared")):
        loop = OurLoop(prepared(recipe, "meld", options.data_dir, 200))
        batches = sample(loop.plan(), 2 if options.quick else 6)
        loop.step(batches[0])
        with profile(activities=[ProfilerActivity.CPU]) as trace:
            for indices in batches[1:]:
                loop.step(indices)
        averages = trace.key_averages()
        total = sum(event.self_cpu_time_total for event in averages)
        costliest = sorted(averages, key=lambda event: -event.self_cpu_time_total)[:SHOWN]
        figures |= {f"profile.{name}.{event.key}": event.self_cpu_time_total / total for event in costliest}
    return figures
