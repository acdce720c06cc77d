"""Which rows of a table are ranked, and which ranks they may have.

A rank is a claim, so a row has one only where the claim was tested: at least three seeds, within the rules, scored
again from its predictions, and compared in pairs with every other ranked row of its table. Two rows differ where the
p-value is below 0.05 after Holm's correction over the table; a row's ranks go from 1 plus how many are significantly
above it to the number of ranked rows minus how many are significantly below it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from ercbench.leaderboard.board_json import Comparison, Interval, RankRange, Standing
from ercbench.leaderboard.evidence import Evidence, pruned
from ercbench.leaderboard.seeds import Group, tables
from ercbench.statistics import holm, rank_ranges

SEEDS = 3
"""A ranked row has at least this many."""
COMPARED = 40
"""Of a table with more rows that could be ranked, this many are compared with each other: the best by their mean.

A correction for all their pairs must leave something of the smallest p-value that ``resampling.py`` can tell.
"""
LEVEL = 0.05


@dataclass(frozen=True)
class Placed:
    """A row's standing, why it has no rank, and the rank where it has one."""

    standing: Standing
    reasons: tuple[str, ...]
    rank: RankRange | None = None


@dataclass(frozen=True)
class Ranking:
    """All rows of a table by their id, and the comparisons behind the ranks."""

    rows: dict[str, Placed]
    comparisons: tuple[Comparison, ...]


def candidates(table: Sequence[Group], evidence: Evidence) -> list[Group]:
    """The rows of a table that are to be compared with each other, best first."""
    sound = [one for one in table if _standing(one, evidence).standing == "ranked"]
    return sorted(sound, key=best_first)[:COMPARED]


def pairs(table: Sequence[Group], evidence: Evidence) -> Iterator[tuple[Group, Group]]:
    """Every two rows that are to be compared. Rows of the same content need no comparison."""
    return ((a, b) for a, b in combinations(candidates(table, evidence), 2) if a.key != b.key)


def needed(found: Sequence[Group], evidence: Evidence) -> Evidence:
    """Evidence without the entries that none of these rows needs."""
    wanted = ((a.key, b.key) for table in tables(found) for a, b in pairs(table, evidence))
    return pruned(evidence, {group.key for group in found}, wanted)


def rank(table: Sequence[Group], evidence: Evidence) -> Ranking:
    """The rows of a table, and what is known of them -> ranks.

    Before: gathering.py, seeds.py. After: tables.py.
    """
    chosen = _compared(candidates(table, evidence), evidence)
    comparisons = _comparisons(chosen, evidence)
    place = {one.shared.id: number for number, one in enumerate(chosen)}
    better = {
        (place[one.a], place[one.b]) if one.effect > 0 else (place[one.b], place[one.a])
        for one in comparisons
        if one.different
    }
    ranges = rank_ranges(len(chosen), better)
    rows = {one.shared.id: _placed(one, evidence, ranges, place) for one in table}
    return Ranking(rows, comparisons)


def best_first(group: Group) -> tuple[float, str, tuple[int, ...], str, str]:
    """The order of rows: by mean, equals by name of the recipe, a later version first, then by configuration."""
    mean, of = fmean(seed.weighted_f1 for seed in group.seeds), group.shared
    later = (*(-int(number) for number in re.findall(r"\d{1,9}", of.version)), 1)  # 2.1 before 2
    return -mean, of.recipe, later, of.version, of.configuration


def _standing(group: Group, evidence: Evidence) -> Placed:
    """A row by itself; "ranked" where only comparisons can be missing."""
    found = evidence.rows.get(group.key)
    reasons = group.shared.reasons
    if found is not None and not found.verified:
        reasons = (*reasons, "its predictions, scored again, give other scores")
    if reasons:
        return Placed("outside-rules", reasons)
    if len(group.seeds) < SEEDS:
        return Placed("few-seeds", (f"{len(group.seeds)} seed{'s' if len(group.seeds) > 1 else ''}",))
    if found is None:
        return Placed("not-compared", ("its predictions were not scored again yet",))
    return Placed("ranked", ())


def _compared(found: Sequence[Group], evidence: Evidence) -> list[Group]:
    """Rows of which every two were compared; those that lack most comparisons are left out, the lowest first."""
    left = list(found)
    while left:
        missing = Counter(
            number
            for pair in combinations(range(len(left)), 2)
            if evidence.comparison(left[pair[0]].key, left[pair[1]].key) is None
            for number in pair
        )
        if not missing:
            break
        del left[max(missing, key=lambda number: (missing[number], number))]
    return left


def _comparisons(chosen: Sequence[Group], evidence: Evidence) -> tuple[Comparison, ...]:
    """Every two of these rows, with p-values after Holm's correction over all of them."""
    tested = [
        (a, b, found) for a, b in combinations(chosen, 2) if (found := evidence.comparison(a.key, b.key)) is not None
    ]
    adjusted = holm([found.p for *_, found in tested])
    return tuple(
        Comparison(
            a=a.shared.id,
            b=b.shared.id,
            effect=found.effect.estimate,
            interval=Interval(low=found.effect.low, high=found.effect.high),
            p=found.p,
            p_adjusted=p,
            different=p < LEVEL,
        )
        for (a, b, found), p in zip(tested, adjusted, strict=True)
    )


def _placed(group: Group, evidence: Evidence, ranges: Sequence[tuple[int, int]], place: dict[str, int]) -> Placed:
    """A row with its ranks, or why it has none."""
    alone = _standing(group, evidence)
    if alone.standing != "ranked":
        return alone
    if group.shared.id not in place:
        return Placed("not-compared", (f"not compared with the other rows yet, or not among the best {COMPARED}",))
    first, last = ranges[place[group.shared.id]]
    return Placed("ranked", (), RankRange(first=first, last=last))
