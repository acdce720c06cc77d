"""How often intervals hold the truth, and how often paired tests reject what is true, on simulated test sets.

Three kinds of truth are asked for, on test sets shaped like each of the three:

- a score: does the interval over dialogues hold what the same models score on a population?
- an effect: two methods that get different things right score the same on the population; how often do they differ?
- seeds: two rows are the same method with other seeds, or two methods that score the same on average over dialogues and
  seeds; how often do they differ?
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import repeat
from multiprocessing import get_context

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.intervals import others
from benchmarks.parts import Options
from benchmarks.simulated import SHAPES, Method, Shape, TestSet, rival, truth
from ercbench.resampling import margins, weighted_f1
from ercbench.statistics import LEVEL, compare, over_dialogues

SIMULATIONS = 1000
"""Test sets per shape and question about dialogues."""
OF_SEEDS = 400
"""The same per question about seeds."""
HABITS = (-0.3, 0.2, 0.3, -0.2, 0.3, -0.3, 0.2)
"""What a method that differs adds to the scores of the labels."""
ALPHA = 0.05


def measure(options: Options) -> dict[str, float]:
    """Shares of simulations, by test set, each in a process of its own; and how many there were."""
    many, few = (8, 4) if options.quick else (SIMULATIONS, OF_SEEDS)
    figures = dict(_sizes(many, few))
    processes = min(os.cpu_count() or 1, max(1, len(SHAPES)))
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for name, found in zip(SHAPES, pool.map(of_shape, SHAPES.values(), repeat(many), repeat(few)), strict=True):
            figures |= {f"{name}.{key}": value for key, value in found.items()}
    return {f"calibration.{key}": value for key, value in figures.items()}


def of_shape(shape: Shape, many: int, few: int) -> dict[str, float]:
    """All figures of one test set. Products of matrices are small here: a second thread would only wait."""
    with threadpool_limits(1):
        return {**coverage(shape, many), **null(shape, many), **seeds(shape, few)}


def _sizes(many: int, few: int) -> Mapping[str, float]:
    """How many simulations there were, and one standard error of a share of 5 or 95 % of them."""
    error = (LEVEL * ALPHA) ** 0.5
    return {"simulations": many, "error": error / many**0.5, "seed_simulations": few, "seed_error": error / few**0.5}


def coverage(shape: Shape, simulations: int) -> dict[str, float]:
    """How often the interval of a score over three seeds holds the truth, ours and others; and its mean half width."""
    method = Method((0.0,) * len(shape.labels))
    true, rng = truth(shape, method), np.random.default_rng(1)
    hits, width = Counter[str](), 0.0
    for _ in range(simulations):
        counts = TestSet(shape, shape.dialogues, rng).counts(method, drift=False)
        found = over_dialogues(counts)
        width += (found.high - found.low) / 2
        intervals = {"coverage": (found.low, found.high)}
        intervals |= {f"coverage_{name}": sides for name, sides in others(counts).items()}
        hits.update(name for name, (low, high) in intervals.items() if low <= true <= high)
    shares = {name: hits[name] / simulations for name in intervals}
    return {"truth": true, "half_width": width / simulations, **shares}


def null(shape: Shape, simulations: int) -> dict[str, float]:
    """Two methods of three seeds that score the same on the population, and differ in what they get right."""
    method = Method((0.0,) * len(shape.labels))
    other = rival(shape, method, HABITS[: len(shape.labels)])
    true, rng = truth(shape, method) - truth(shape, other), np.random.default_rng(2)
    held, width, rejected = 0, 0.0, Counter[str]()
    for _ in range(simulations):
        world = TestSet(shape, shape.dialogues, rng)
        found = compare(world.counts(method, drift=False), world.counts(other, drift=False))
        held += found.effect.low <= true <= found.effect.high
        width += (found.effect.high - found.effect.low) / 2
        tests = {"_bootstrap": found.p_bootstrap, "_randomisation": found.p_randomisation, "": found.p}
        rejected.update(name for name, p in tests.items() if p < ALPHA)
    shares = {f"reject_null{name}": rejected[name] / simulations for name in tests}
    return {"effect_coverage": held / simulations, "effect_half_width": width / simulations, "effect": true, **shares}


def seeds(shape: Shape, simulations: int) -> dict[str, float]:
    """Seeds that drift: rows of one method, and of two methods that differ in what they get right by chance alone."""
    method, rng = Method((0.0,) * len(shape.labels)), np.random.default_rng(3)
    figures, deviations = {}, []
    for many in (3, 5):
        rejected = Counter[str]()
        for _ in range(simulations):
            world = TestSet(shape, shape.dialogues, rng)
            rows = world.counts(replace(method, seeds=2 * many), drift=True)
            other = world.counts(replace(method, seeds=many), drift=True)
            same, equal = compare(rows[:many], rows[many:]), compare(rows[:many], other)
            tests = {"same_method": same.p, "same_method_bootstrap": same.p_bootstrap, "equal_methods": equal.p}
            rejected.update(name for name, p in tests.items() if p < ALPHA)
            deviations.append(float(weighted_f1(margins(rows.sum(axis=1))).std(ddof=1)))
        figures |= {f"{name}_{many}": rejected[name] / simulations for name in tests}
    return {**figures, "seed_deviation": float(np.mean(deviations))}
