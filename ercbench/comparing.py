"""Systems -> how they differ on each task that they share: scores, effects, p-values, and what that says in words.

Scores are computed again from the predictions files and the gold labels. No torch here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ercbench import statistics
from ercbench.errors import ErcbenchError, Problems, RecordError
from ercbench.gold import Gold, GoldLabels, recorded_predictions
from ercbench.resampling import margins, weighted_f1
from ercbench.statistics import Comparison, Interval, SeedSpread
from ercbench.systems import Found, System, Task, shared_tasks
from ercbench.types import IntArray

ALPHA = 0.05
"""A difference whose adjusted p-value is below this is called one."""


@dataclass(frozen=True)
class Row:
    """A system on a task: weighted F1 on test, over seeds and over dialogues."""

    name: str
    records: tuple[Found, ...]
    over_seeds: SeedSpread
    over_dialogues: Interval


@dataclass(frozen=True)
class Pair:
    """Two systems on a task.

    Attributes:
        a: the name of the one whose score comes first in the difference.
        b: the name of the other.
        found: effect and p-values.
        p_holm: the largest of the p-values, corrected for all the comparisons that were made along with it.
        compared: how many those are.
    """

    a: str
    b: str
    found: Comparison
    p_holm: float
    compared: int

    @property
    def differs(self) -> bool:
        """Whether the two are called different."""
        return self.p_holm < ALPHA

    @property
    def sentence(self) -> str:
        """What the numbers say, in words."""
        effect = self.found.effect
        size = round(100 * abs(effect.estimate), 2)
        side = f"{size:.2f} points {'above' if effect.estimate > 0 else 'below'}" if size else "level with"
        interval = f"95 % interval of the difference {100 * effect.low:+.2f} to {100 * effect.high:+.2f}"
        return f"{self.a} is {side} {self.b} ({interval}); {self._verdict}."

    @property
    def _verdict(self) -> str:
        found, unknown = self.found, self.found.p_seeds is None
        doubts = ["other test dialogues"] if max(found.p_bootstrap, found.p_randomisation) >= ALPHA else []
        doubts += ["other seeds"] if found.p_seeds is not None and found.p_seeds >= ALPHA else []
        if self.differs:
            said = f"the difference is beyond what other test dialogues{'' if unknown else ' or other seeds'} explain"
        elif doubts:
            said = f"{' or '.join(doubts)} could explain the difference"
        else:
            said = f"the difference is not beyond chance as one of {self.compared} comparisons"
        return f"{said}; of other seeds nothing is known, which takes two or more of each" if unknown else said


@dataclass(frozen=True)
class Compared:
    """All systems that have records of a task, in the order in which they were named, and all their pairs."""

    task: Task
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]


def compare_systems(systems: Sequence[System], gold: GoldLabels) -> list[Compared]:
    """Systems -> every task that two of them share, with all pairs; Holm's correction is over all of them.

    Raises:
        RecordError: they share no task; or a record's data, predictions or score are not what it says.
        DataError: the data of a task are not here.
        Problems: several of these.

    Before: systems.py. After: the command line.
    """
    tasks = shared_tasks(systems)
    found = _counted(systems, tasks, gold)
    compared = {
        (task, a.name, b.name): statistics.compare(found[task][a.name], found[task][b.name])
        for task in tasks
        for a, b in combinations([system for system in systems if task in system.tasks], 2)
    }
    adjusted = statistics.holm([one.p for one in compared.values()])
    pairs = [
        (task, Pair(a, b, one, p, len(compared)))
        for ((task, a, b), one), p in zip(compared.items(), adjusted, strict=True)
    ]
    return [
        Compared(
            task,
            tuple(row_of(one.name, one.tasks[task], found[task][one.name]) for one in systems if task in one.tasks),
            tuple(pair for of, pair in pairs if of == task),
        )
        for task in tasks
    ]


def _counted(
    systems: Sequence[System], tasks: Sequence[Task], gold: GoldLabels
) -> Mapping[Task, Mapping[str, IntArray]]:
    """Confusion counts (S, G, C, C) by task and name of the system; every problem is reported at once."""
    counts: dict[Task, dict[str, IntArray]] = {task: {} for task in tasks}
    errors: dict[str, ErcbenchError] = {}
    for task in tasks:
        for system in systems:
            try:
                if task in system.tasks:
                    labels = gold.of(system.tasks[task][0][1])
                    counts[task][system.name] = counts_of(system.tasks[task], labels)
            except ErcbenchError as error:  # the same data set can be missing for every system
                errors.setdefault(str(error), error)
    if errors:
        raise next(iter(errors.values())) if len(errors) == 1 else Problems(list(errors.values()))
    return counts


def counts_of(records: Sequence[Found], gold: Gold) -> IntArray:
    """Records of one system on one task -> confusion counts (S, G, C, C), after its predictions gave its scores.

    Raises:
        RecordError: a record's predictions or score are not what it says.
    """
    return np.stack([_counts(one, gold) for one in records])


def row_of(name: str, records: Sequence[Found], counts: IntArray) -> Row:
    """Records of one system on one task, with their counts (S, G, C, C) -> its row."""
    scores = weighted_f1(margins(counts.sum(axis=1))).tolist()
    return Row(name, tuple(records), statistics.over_seeds(scores), statistics.over_dialogues(counts))


def _counts(found: Found, gold: Gold) -> IntArray:
    """Confusion counts of one record (G, C, C), which must give the score that it says."""
    path, record = found
    _, counts = statistics.dialogue_counts(recorded_predictions(path, record, gold.labels), gold.test, gold.labels)
    score, said = float(weighted_f1(margins(counts.sum(axis=0)))), record.scores.test.weighted_f1
    if abs(score - said) > 1e-9:
        raise RecordError(
            f"{path}: the predictions do not give the score of the record. Got a weighted F1 of {score:.6f}, and the "
            f"record says {said:.6f}. Run the record's command again."
        )
    return counts
