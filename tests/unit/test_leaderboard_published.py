"""Stage 8: what others printed stands beside our own, is never ranked with it, and is told apart from it."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from board_results import built, compared, printed, publish, record, saved, seeds, table_with, tables

from ercbench import leaderboard
from ercbench.errors import RecordError
from ercbench.leaderboard.board_json import Difference
from ercbench.leaderboard.pages import INDEX
from ercbench.leaderboard.published import read_published

SHIPPED = Path(__file__).parents[2] / "leaderboards" / "published.yaml"


BAD_ENTRIES: dict[str, tuple[dict[str, Any], str]] = {
    "not in quotes": (printed("m", 70.1), r"entry 2 \(m\), field scores\.talk\.weighted_f1: .*in quotes.*Got 70\.1"),  # type: ignore[arg-type]
    "no number": (printed("m", "high"), r"entry 2 \(m\), field scores\.talk\.weighted_f1: .*not a number"),
    "nan": (printed("m", "nan"), r"entry 2 \(m\), field scores\.talk\.weighted_f1"),
    "out of range": (printed("m", "167.1"), r"entry 2 \(m\), field scores\.talk\.weighted_f1: .*100.*Got '167\.1'"),
    "no source": (printed("m", source=""), r"entry 2 \(m\), field source"),
    "unknown field": (printed("m", sauce="x"), r"entry 2 \(m\), field sauce"),
    "modality": (printed("m", modality="smell"), r"entry 2 \(m\), field modality"),
    "version": (printed("m", version="tlak"), r"entry 2 \(m\), field scores\.talk\.version: no board is called 'tlak'"),
    "data set": (
        printed("m", scores={"x": {"version": "talk", "weighted_f1": "1"}}),
        r"entry 2 \(m\), field scores\.x: no board is called 'x'\. Known: talk, talk-short",
    ),
    "twice": (printed("first", "70.10"), r"entry 2 \(first\), field scores\.talk: .*there twice"),
}


def test_published_and_reproduced_are_never_in_one_table(tmp_path: Path) -> None:
    """Both are on the board of their data set, in different tables, and only reproduced rows have ranks."""
    results = publish(compared(saved(tmp_path, *seeds("ours", 0.5))), printed("theirs", "70.10"))
    board = built(results)["talk.md"]
    mixed = [table for table in tables(board) if {"ours@1", "theirs"} <= {cell for row in table for cell in row}]
    assert mixed == []
    header = ["Method", "Kind", "Weighted F1", "Seeds", "Selected on", "Source", "Remark"]
    assert table_with(board, "Source")[0] == header
    assert "theirs" not in [cell for row in table_with(board, "Rank") for cell in row]
    assert "theirs" not in built(results)[INDEX]


def test_published_numbers_go_to_the_board_of_their_version(tmp_path: Path) -> None:
    """A known version has its own board; an unknown one its own table; other modalities theirs."""
    pages = built(
        publish(
            tmp_path,
            printed("known", "60.10"),
            printed("short", "60.20", version="talk-short"),
            printed("vague", "99.90", version="unknown"),
            printed("seen", "60.3", modality="multimodal"),
        )
    )
    assert [[row[0] for row in table[1:]] for table in tables(pages["talk.md"])] == [["known"], ["vague"], ["seen"]]
    assert [[row[0] for row in table[1:]] for table in tables(pages["talk-short.md"])] == [["short"]]
    heads = re.findall(r"^### (.*)", pages["talk.md"], re.MULTILINE)
    assert heads == ["Text only", "Text only, version of the data unknown", "Text with audio or video"]
    assert "# Talk, short\n" in pages["talk-short.md"]


def test_published_digits_are_as_printed(tmp_path: Path) -> None:
    """67.1 does not become 67.10, nor 66.20 66.2; a re-run says whose."""
    entries = (printed("a", "67.1", rerun_by="somebody", remark="5 seeds."), printed("b", "66.20"))
    rows = table_with(built(publish(tmp_path, *entries))["talk.md"], "Source")[1:]
    assert [row[2] for row in rows] == ["67.1", "66.20"]
    assert rows[0][6] == "Re-run by somebody. 5 seeds."


@pytest.mark.parametrize(("entry", "message"), BAD_ENTRIES.values(), ids=BAD_ENTRIES.keys())
def test_a_bad_published_entry_is_named(tmp_path: Path, entry: dict[str, Any], message: str) -> None:
    """The message says which entry and which field, and what was there."""
    with pytest.raises(RecordError, match=message):
        built(publish(tmp_path, printed("first"), entry))


@pytest.mark.parametrize("text", ["a: [", "- 1", "results: 3", "results: [3]", "\x00", "!!python/object:os.system {}"])
def test_a_file_that_is_not_published_results_is_refused(tmp_path: Path, text: str) -> None:
    """Broken YAML, YAML of another shape and YAML that would run code are errors that name the file."""
    (tmp_path / "published.yaml").write_text(text)
    with pytest.raises(RecordError, match=r"published\.yaml"):
        built(tmp_path)


def test_the_published_results_we_ship_are_sound() -> None:
    """The file is acceptable, has a number for each board, and holds the headline of the paper we reproduce."""
    published = read_published(SHIPPED)
    versions = {score.version for result in published.results for score in result.scores.values()}
    assert versions == {*published.boards, "unknown"}
    (eacl,) = (result for result in published.results if result.method == "EACL")
    assert {name: str(score.weighted_f1) for name, score in eacl.scores.items()} == {
        "iemocap": "70.41",
        "meld": "67.12",
        "emorynlp": "40.24",
    }


def test_seeds_and_selection_of_a_source_are_told(tmp_path: Path) -> None:
    """They have columns of their own; where a source is silent, so is the board."""
    entries = (printed("a", "60.1", seeds=5, selection="test"), printed("b", "60.0", seeds="3 (0 to 2)"), printed("c"))
    rows = table_with(built(publish(tmp_path, *entries))["talk.md"], "Source")[1:]
    assert [row[3:5] for row in rows] == [["", ""], ["5", "test"], ["3 (0 to 2)", ""]]


def differences(results: Path) -> dict[str, list[Difference]]:
    """Reproduced minus published, by the name of the row."""
    [board] = leaderboard.build(results).boards
    return {
        f"{row.name} {task.track}": row.published
        for section in board.sections
        for task in section.tasks
        for row in task.rows
        if row.published
    }


REPRODUCED = printed("Method", "70.10", recipe="ours", track="full")


def test_reproduced_minus_published_has_an_interval(tmp_path: Path) -> None:
    """The difference of the means, with the row's interval over dialogues shifted by the published number."""
    results = compared(publish(saved(tmp_path, *seeds("ours", 0.7, track="full"), *seeds("x", 0.6)), REPRODUCED))
    [(name, [one])] = differences(results).items()
    assert name == "ours@1 full"
    assert one.difference == pytest.approx(0.7 - 0.701)
    assert one.interval is not None
    assert (one.interval.low, one.interval.high) == (pytest.approx(0.68 - 0.701), pytest.approx(0.72 - 0.701))
    assert (one.method, one.printed, one.same_track) == ("Method", "70.10", True)
    [row] = table_with(built(results)["talk.md"], "Published as")[1:]
    assert row == ["ours@1", "Method", "70.10", "A paper, Table 1", "-0.10", "-2.10 to 1.90", "same track"]


def test_another_track_is_no_reproduction(tmp_path: Path) -> None:
    """The difference is shown, and that the source's setting is another; without evidence there is no interval."""
    results = publish(saved(tmp_path, record("ours", 0.6)), REPRODUCED)
    [row] = table_with(built(results)["talk.md"], "Published as")[1:]
    assert row[4:] == ["-10.10", "", "no reproduction: the source's track is full"]


@pytest.mark.parametrize(
    ("entry", "change"),
    [
        (REPRODUCED, {"dataset": {"version": "2"}}),
        (printed("Method", "70.10", "unknown", recipe="ours"), {}),
        (printed("Method", "70.10", "talk-short", recipe="ours"), {}),
        (printed("Method", "70.10", recipe="other"), {}),
        (printed("Method", "70.10"), {}),
        (REPRODUCED, {"protocol": {"selection_split": "test"}}),
    ],
    ids=["other version", "unknown version", "other board", "other recipe", "no recipe", "outside the rules"],
)
def test_only_what_is_of_the_same_data_and_recipe_is_compared(
    tmp_path: Path, entry: dict[str, Any], change: dict[str, Any]
) -> None:
    """A number of another version of the data is no number to reproduce; neither does a row outside the rules."""
    results = publish(saved(tmp_path, record("ours", 0.6, **change)), entry)
    assert "Reproduced minus published" not in built(results)["talk.md"]


def test_a_track_needs_a_recipe(tmp_path: Path) -> None:
    """Whose setting it would be is not said otherwise."""
    with pytest.raises(RecordError, match=r"entry 1 \(m\): .*name the recipe"):
        built(publish(tmp_path, printed("m", track="full")))


def test_the_recipes_we_say_reproduce_something_exist() -> None:
    """A recipe or track that was renamed, or a version of data that no plugin offers, would go unnoticed."""
    from ercbench.catalog import load_catalog
    from ercbench.specs import DatasetSpec, Recipe, TrackSpec

    catalog, published = load_catalog(), read_published(SHIPPED)
    named = {result.recipe for result in published.results if result.recipe}
    assert named == {"eacl"}
    assert named <= {recipe.name for recipe in catalog.all(Recipe)}
    assert {result.track for result in published.results if result.track} <= {t.name for t in catalog.all(TrackSpec)}
    versions = {spec.name: spec.version for spec in catalog.all(DatasetSpec)}
    told = {name: board.data_version for name, board in published.boards.items() if board.data_version}
    assert told == {name: versions[name] for name in told}
    assert len(told) == 4


def test_digits_are_kept_as_printed() -> None:
    """70.10 is read as 70.10."""
    [eacl] = (result for result in read_published(SHIPPED).results if result.method == "EACL")
    assert eacl.scores["meld"].weighted_f1 == Decimal("67.12")
