"""Stage 8: a rank is a claim, and a row has one only where the claim was tested."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from board_results import built, compared, evidence_of, found_groups, in_memory, record, saved, seeds, table_with
from hypothesis import given, settings
from hypothesis import strategies as st

from ercbench import leaderboard
from ercbench.leaderboard import ranking
from ercbench.leaderboard.board_json import Row, Task
from ercbench.leaderboard.evidence import EVIDENCE_FILE, Evidence, read_evidence
from ercbench.leaderboard.pages import INDEX
from ercbench.records import RunRecord


def task(results: Path) -> Task:
    """The only table of a results folder."""
    [board] = leaderboard.build(results).boards
    [section] = board.sections
    [found] = section.tasks
    return found


def rank_of(row: Row | ranking.Placed) -> tuple[int, int] | None:
    """First and last rank of a row."""
    return (row.rank.first, row.rank.last) if row.rank else None


def rows_of(*named: tuple[str, float]) -> list[RunRecord]:
    """Three seeds of each of these."""
    return [one for name, f1 in named for one in seeds(name, f1)]


FOUR = rows_of(("a", 0.7), ("b", 0.69), ("c", 0.68), ("d", 0.5))


def test_rows_that_cannot_be_told_apart_share_ranks(tmp_path: Path) -> None:
    """Ranks go from 1 plus those significantly above, to all minus those significantly below."""
    results = compared(saved(tmp_path, *FOUR), lambda better, worse: worse == "d" or (better, worse) == ("a", "c"))
    found = task(results)
    assert [(row.name, rank_of(row)) for row in found.rows] == [
        ("a@1", (1, 2)), ("b@1", (1, 3)), ("c@1", (2, 3)), ("d@1", (4, 4)),
    ]  # fmt: skip
    shown = table_with(built(results)["talk.md"], "Rank")
    assert [row[0] for row in shown[1:]] == ["1-2", "1-3", "2-3", "4"]
    assert table_with(built(results)[INDEX], "First")[1][5:7] == ["1-2", "a@1"]


def test_a_rank_does_not_follow_from_a_mean(tmp_path: Path) -> None:
    """Without a significant difference every row may have every rank."""
    assert {rank_of(row) for row in task(compared(saved(tmp_path, *FOUR))).rows} == {(1, 4)}


def test_every_pair_of_ranked_rows_is_told_with_effect_interval_and_p(tmp_path: Path) -> None:
    """The better row first, p before and after Holm's correction; the page shows them too."""
    results = compared(saved(tmp_path, *FOUR), lambda better, worse: worse == "d")
    found = task(results)
    names = {row.id: row.recipe for row in found.rows}
    assert [names[one.a] + names[one.b] for one in found.comparisons] == ["ab", "ac", "ad", "bc", "bd", "cd"]
    first = found.comparisons[0]
    assert first.effect == pytest.approx(0.01)
    assert (first.interval.low, first.interval.high) == (pytest.approx(0.0), pytest.approx(0.02))
    assert [one.different for one in found.comparisons] == [False, False, True, False, True, True]
    assert {one.p_adjusted for one in found.comparisons if one.different} == {6e-6}
    shown = table_with(built(results)["talk.md"], "p after Holm")
    assert shown[1] == ["a@1", "b@1", "+1.00", "0.00 to 2.00", "0.500", "1.000", "no"]
    assert shown[3] == ["a@1", "d@1", "+20.00", "19.00 to 21.00", "< 0.001", "< 0.001", "yes"]


def test_holm_is_over_the_whole_table(tmp_path: Path) -> None:
    """A p of 0.02 is significant among two rows, and no longer so among four."""
    for count, last in ((2, 1), (4, 4)):
        results = compared(saved(tmp_path / str(count), *FOUR[: 3 * count]))
        data = json.loads((results / EVIDENCE_FILE).read_text())
        for pair in (pair for others in data["pairs"].values() for pair in others.values()):
            pair.update(p_bootstrap=0.02, p_randomisation=0.02, p_seeds=0.02)
        (results / EVIDENCE_FILE).write_text(json.dumps(data))
        assert rank_of(task(results).rows[0]) == (1, last)


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_seeds_are_shown_and_not_ranked(tmp_path: Path, count: int) -> None:
    """In a table of their own with the reason, whatever their score; three seeds of another row are ranked first."""
    results = compared(saved(tmp_path, *seeds("few", 0.9, count), *seeds("enough", 0.5)))
    assert [(row.name, row.standing, rank_of(row)) for row in task(results).rows] == [
        ("enough@1", "ranked", (1, 1)), ("few@1", "few-seeds", None),
    ]  # fmt: skip
    pages = built(results)
    assert "Not ranked: fewer than three seeds" in pages["talk.md"]
    assert table_with(pages["talk.md"], "Reasons")[1][-1] == ("1 seed" if count == 1 else "2 seeds")
    assert table_with(pages[INDEX], "First")[1][5:7] == ["1", "enough@1"]
    few = built(compared(saved(tmp_path / "few", *seeds("few", 0.9, count))))[INDEX]
    assert table_with(few, "First")[1][5:7] == [f"not ranked: {count} seed{'s' * (count - 1)}", "few@1"]


def test_without_evidence_a_row_is_reproduced_and_has_no_rank(tmp_path: Path) -> None:
    """No interval over dialogues, no rank, and the page says why; a compared row stands before it."""
    results = compared(saved(tmp_path, *seeds("known", 0.5)))
    saved(results, *seeds("new", 0.9))
    known, new = task(results).rows
    assert (known.name, known.status, rank_of(known)) == ("known@1", "verified", (1, 1))
    assert (new.name, new.status, new.standing, rank_of(new)) == ("new@1", "reproduced", "not-compared", None)
    assert new.over_dialogues is None
    board = built(results)["talk.md"]
    assert "Not ranked: not compared yet" in board
    header, row = table_with(board, "Reasons")
    assert row[-1] == "its predictions were not scored again yet"
    assert "Over dialogues" not in header


def test_a_row_that_was_not_compared_with_all_others_has_no_rank(tmp_path: Path) -> None:
    """Where a comparison is missing, the row that lacks most of them is not ranked; the others are."""
    results = compared(saved(tmp_path, *FOUR), lambda better, worse: True)
    keys = {group.shared.recipe: group.key for group in found_groups(results)}
    data = json.loads((results / EVIDENCE_FILE).read_text())
    for other in "ac":
        first, second = sorted((keys["b"], keys[other]))
        del data["pairs"][first][second]
    (results / EVIDENCE_FILE).write_text(json.dumps(data))
    assert [(row.name, row.standing, rank_of(row)) for row in task(results).rows] == [
        ("a@1", "ranked", (1, 1)), ("c@1", "ranked", (2, 2)), ("d@1", "ranked", (3, 3)), ("b@1", "not-compared", None),
    ]  # fmt: skip


CHANGES: dict[str, Callable[[RunRecord], RunRecord]] = {
    "score": lambda one: one.model_copy(update={"scores": record("a", 0.95).scores}),
    "predictions": lambda one: one.model_copy(
        update={"predictions": one.predictions.model_copy(update={"sha256": "1" * 64})}
    ),
    "fingerprint": lambda one: one.model_copy(
        update={"dataset": one.dataset.model_copy(update={"fingerprint": "sha256:" + "3" * 64})}
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_evidence_is_of_exactly_what_it_was_found_for(tmp_path: Path, change: Callable[[RunRecord], RunRecord]) -> None:
    """A record with another score, other predictions or other data has no evidence, so its row has no rank."""
    evidence = (compared(saved(tmp_path / "before", *seeds("a", 0.5))) / EVIDENCE_FILE).read_text()
    results = saved(tmp_path / "after", *(change(one) for one in seeds("a", 0.5)))
    (results / EVIDENCE_FILE).write_text(evidence)
    [row] = task(results).rows
    assert (row.standing, row.status) == ("not-compared", "reproduced")


def test_a_row_whose_predictions_give_other_scores_is_outside_the_rules(tmp_path: Path) -> None:
    """It is neither verified nor ranked, and the reason is told."""
    results = compared(saved(tmp_path, *seeds("a", 0.5)))
    data = json.loads((results / EVIDENCE_FILE).read_text())
    for row in data["rows"].values():
        row.update(verified=False, over_dialogues=None)
    (results / EVIDENCE_FILE).write_text(json.dumps(data))
    [row] = task(results).rows
    assert (row.standing, row.status) == ("outside-rules", "reproduced")
    assert row.reasons == ["its predictions, scored again, give other scores"]


def test_rows_of_the_same_predictions_do_not_differ(tmp_path: Path) -> None:
    """A copy of a row under another name is as good as the row, and shares its rank."""
    results = compared(saved(tmp_path, *seeds("a", 0.5), *seeds("b", 0.5)), lambda better, worse: True)
    assert [rank_of(row) for row in task(results).rows] == [(1, 2), (1, 2)]


def test_of_many_rows_the_best_are_ranked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons grow with the square of the rows; the rest is told to be below, and needs no comparison."""
    monkeypatch.setattr(ranking, "COMPARED", 3)
    results = compared(saved(tmp_path, *FOUR))
    assert [row.standing for row in task(results).rows] == ["ranked", "ranked", "ranked", "not-compared"]
    kept = ranking.needed(found_groups(results), read_evidence(results))
    assert (len(kept.rows), sum(map(len, kept.pairs.values()))) == (4, 3)


def test_a_page_of_many_rows_shows_how_each_differs_from_the_first(tmp_path: Path) -> None:
    """All pairs of a long table would be longer than the board; leaderboard.json has them."""
    results = compared(saved(tmp_path, *rows_of(*((f"m{n:02}", 0.5 - n / 100) for n in range(16)))))
    assert len(task(results).comparisons) == 120
    shown = table_with(built(results)["talk.md"], "p after Holm")[1:]
    assert [row[0] for row in shown] == ["m00@1"] * 15


@settings(max_examples=25)
@given(st.sets(st.sampled_from(list(combinations(range(5), 2)))))
def test_ranks_are_what_counting_gives(better: set[tuple[int, int]]) -> None:
    """For any set of significant differences: counted by a plain loop over all rows."""
    named = [(f"m{number}", 0.7 - number / 50) for number in range(5)]
    places = {name: number for number, (name, _) in enumerate(named)}
    found = in_memory(rows_of(*named))
    ranks = ranking.rank(found, evidence_of(found, lambda a, b: (places[a], places[b]) in better)).rows
    for place, row in enumerate(ranks[group.shared.id] for group in sorted(found, key=ranking.best_first)):
        above = below = 0
        for a, b in better:
            above += b == place
            below += a == place
        assert rank_of(row) == (1 + above, 5 - below)


def test_the_interval_over_seeds_is_that_of_students_t(tmp_path: Path) -> None:
    """Three seeds, two degrees of freedom, by the table of t: 4.302653."""
    [row] = task(saved(tmp_path, *(record("a", f1, seed) for seed, f1 in enumerate((0.5, 0.52, 0.57))))).rows
    assert row.test.deviation is not None
    assert row.test.interval is not None
    half = 4.302653 * row.test.deviation / math.sqrt(3)
    assert row.test.interval.high - row.test.mean == pytest.approx(half, rel=1e-6)


def test_no_evidence_is_needed_of_rows_that_are_gone(tmp_path: Path) -> None:
    """Building drops entries that no row needs, and the file with the last one."""
    results = compared(saved(tmp_path, *FOUR))
    for path in results.glob("records/*/*/[bcd]@1/seed-*"):
        path.unlink()
    assert EVIDENCE_FILE in leaderboard.check(results)
    leaderboard.write_boards(results)
    assert (len(read_evidence(results).rows), read_evidence(results).pairs) == (1, {})
    for path in results.glob("records/*/*/a@1/seed-*"):
        path.unlink()
    leaderboard.write_boards(results)
    assert not (results / EVIDENCE_FILE).exists()
    assert leaderboard.check(results) == ()
    assert read_evidence(results) == Evidence()
