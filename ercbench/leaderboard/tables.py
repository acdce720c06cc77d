"""Rows, what is known of them, and what others printed -> the boards, as values: averaged, ranked, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ercbench.leaderboard.averages import row
from ercbench.leaderboard.board_json import Board, Leaderboard, Section, Standing, Task
from ercbench.leaderboard.evidence import Evidence
from ercbench.leaderboard.published import BoardText, Published, Target, rows, targets
from ercbench.leaderboard.ranking import best_first, rank
from ercbench.leaderboard.seeds import Group, tables

ORDER: Mapping[Standing, int] = {"ranked": 0, "not-compared": 1, "few-seeds": 2, "outside-rules": 3}


def boards(found: Sequence[Group], evidence: Evidence, published: Published) -> Leaderboard:
    """Rows -> boards, by the name of the data set.

    Args:
        found: all rows.
        evidence: what is known of them.
        published: what others printed.

    Before: seeds.py, gathering.py. After: pages.py and the other formats.
    """
    by_board: dict[str, list[Group]] = {}
    for group in found:
        by_board.setdefault(group.shared.dataset, []).append(group)
    printed, wanted = rows(published), targets(published)
    made = []
    for name in sorted(by_board.keys() | printed.keys()):
        head = published.boards.get(name, BoardText(title=name))
        of_board = _sections(by_board.get(name, ()), evidence, wanted.get(name, ()))
        made.append(
            Board(name=name, title=head.title, note=head.note, sections=of_board, published=printed.get(name, []))
        )
    return Leaderboard(boards=made)


def _sections(found: Sequence[Group], evidence: Evidence, wanted: Sequence[Target]) -> list[Section]:
    """The rows of a board by content of the data; contents without a row within the rules come last."""
    parts: dict[tuple[str, str, int | None], list[Group]] = {}
    for group in found:
        about = group.shared
        parts.setdefault((about.data_version, about.fingerprint, about.test_utterances), []).append(group)
    made = []
    for (version, fingerprint, utterances), of_section in parts.items():
        seeds = [seed for group in of_section for seed in group.seeds]
        section = Section(
            version=version,
            fingerprint=fingerprint,
            test_utterances=utterances,
            metrics=sorted({seed.metric for seed in seeds}),
            emotions=list(dict.fromkeys(key for seed in seeds for key in seed.emotions)),
            tasks=[_task(table, evidence, wanted) for table in tables(of_section)],
        )
        made.append(section)
    return sorted(made, key=lambda section: all(_outside(task) for task in section.tasks))


def _outside(task: Task) -> bool:
    return all(row.standing == "outside-rules" for row in task.rows)


def _task(table: Sequence[Group], evidence: Evidence, wanted: Sequence[Target]) -> Task:
    """The rows of a table in order, with their ranks."""
    ranking = rank(table, evidence)
    names = _names(table)
    ordered = sorted(table, key=lambda one: (ORDER[ranking.rows[one.shared.id].standing], best_first(one)))
    return Task(
        track=table[0].shared.track,
        context=table[0].shared.context,
        rows=[
            row(one, names[one.shared.id], ranking.rows[one.shared.id], evidence.rows.get(one.key), wanted)
            for one in ordered
        ],
        comparisons=list(ranking.comparisons),
    )


def _names(table: Iterable[Group]) -> dict[str, str]:
    """What to call rows, by id: a name that several configurations share is followed by the digest of each."""
    configurations: dict[str, set[str]] = {}
    for one in table:
        configurations.setdefault(one.name, set()).add(one.shared.configuration)
    return {
        one.shared.id: f"{one.name} (config {one.shared.configuration})"
        if len(configurations[one.name]) > 1
        else one.name
        for one in table
    }
