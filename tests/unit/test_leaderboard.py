"""Stage 8: boards are the same bytes for the same records, mix nothing, and show hostile text as text."""

from __future__ import annotations

import json
import os
import random
import re
import statistics
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from board_results import (
    ONE,
    OTHER,
    built,
    compared,
    printed,
    publish,
    record,
    saved,
    seeds,
    split_scores,
    table_with,
    tables,
)
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ercbench import leaderboard
from ercbench.cli.leaderboard import leaderboard as command
from ercbench.errors import RecordError
from ercbench.leaderboard import markdown
from ercbench.leaderboard.averages import spread
from ercbench.leaderboard.pages import INDEX, MARKER, pages
from ercbench.records import write_record


def sliced(**parts: tuple[float | None, int]) -> dict[str, Any]:
    """Changes to the scores of a record: weighted F1 and utterances of slices on test."""
    slices = {name: {"weighted_f1": f1, "accuracy": f1, "utterances": count} for name, (f1, count) in parts.items()}
    return {"test": {**split_scores(0.5), "slices": slices}}


SLICED = sliced(short=(0.5, 40), shift=(0.25, 7))


MIXED = [
    record("alpha", 0.61, 0),
    record("alpha", 0.63, 1),
    record("beta", 0.70, 0),
    record("beta", 0.70, 0, track="full"),
    record("gamma", 0.90, 0, protocol={"selection_split": "test"}),
    record("delta", 0.80, 0, dataset={"fingerprint": OTHER}),
    record("delta", 0.80, 0, dataset={"name": "speech"}),
]

VALUES = ("leaderboard.json", "leaderboard.csv", "records.csv")
"""What is written beside the pages."""


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    """Two builds, and a third from records that were written in another order, are equal byte for byte."""
    shuffled = list(MIXED)
    random.Random(1).shuffle(shuffled)
    first = built(publish(saved(tmp_path / "a", *MIXED), printed("theirs"), printed("others")))
    again = built(tmp_path / "a")
    other = built(publish(saved(tmp_path / "b", *shuffled), printed("others"), printed("theirs")))
    assert first == again == other
    assert list(first) == [INDEX, "speech.md", "talk.md"]


def test_the_order_in_which_a_folder_is_listed_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system lists files as it likes; the boards stay the same."""
    before = built(saved(tmp_path, *MIXED))
    scandir = os.scandir

    class Backwards(list):  # type: ignore[type-arg]
        def __enter__(self) -> Backwards:
            return self

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(
        os, "scandir", lambda path: Backwards(sorted(scandir(path), key=lambda e: e.name, reverse=True))
    )
    assert built(tmp_path) == before


def test_nothing_on_a_board_changes_with_the_day(tmp_path: Path) -> None:
    """When and where a run took place is in its record; the board would be different every time."""
    record_a = record("alpha")
    record_b = record_a.model_copy(update={"started": "2031-12-31T23:59:59Z", "seconds": {"training": 5.0}})
    assert built(saved(tmp_path / "a", record_a)) == built(saved(tmp_path / "b", record_b))


def test_rows_are_ranked_by_their_mean_over_seeds(tmp_path: Path) -> None:
    """Best first; the mean with the sample standard deviation over seeds, both intervals, and the status."""
    scores = [0.61, 0.63, 0.665]
    alpha = [record("alpha", f1, seed) for seed, f1 in enumerate(scores)]
    results = compared(saved(tmp_path, *alpha, *seeds("beta", 0.7)), lambda better, worse: True)
    board = built(results)["talk.md"]
    header, first, second = table_with(board, "Rank")
    assert dict(zip(header, first, strict=True)) == {
        "Rank": "1",
        "Recipe": "beta@1",
        "Weighted F1": "70.00 ± 0.10",
        "Over seeds": "69.75 to 70.25",
        "Over dialogues": "68.00 to 72.00",
        "Seeds": "3",
        "Dev": "35.00",
        "Macro F1": "35.00",
        "Status": "verified",
    }
    mean = sum(scores) / 3
    deviation = (sum((value - mean) ** 2 for value in scores) / 2) ** 0.5
    assert second[:3] == ["2", "alpha@1", f"{100 * mean:.2f} ± {100 * deviation:.2f}"]
    records = table_with(board, "Records")
    assert records[0] == ["Recipe", "Encoder", "Selected on", "Records"]
    assert records[2] == ["alpha@1", "small-encoder", "dev", "seed 0, seed 1, seed 2"]


def test_equal_scores_are_in_the_order_of_names(tmp_path: Path) -> None:
    """A tie has a fixed order; of a recipe's versions the latest is first, 10 after 9."""
    rows = [("b", "1"), ("c", "1"), ("a", "9"), ("a", "10"), ("a", "9.1")]
    results = compared(
        saved(tmp_path, *(one for name, version in rows for one in seeds(name, 0.5, recipe={"version": version})))
    )
    names = ["a@10", "a@9.1", "a@9", "b@1", "c@1"]
    assert [row[1] for row in table_with(built(results)["talk.md"], "Rank")[1:]] == names


@given(values=st.lists(st.floats(0, 1), min_size=2, max_size=6), data=st.data())
def test_a_mean_does_not_depend_on_the_order_of_seeds(values: list[float], data: st.DataObject) -> None:
    """Floating-point sums depend on their order; ours do not, and they agree with a plain count."""
    got = spread(values)
    assert spread(data.draw(st.permutations(values))) == got
    mean = sum(values) / len(values)
    assert got.mean == pytest.approx(mean)
    assert got.deviation == pytest.approx(
        statistics.pvariance(values) ** 0.5 * (len(values) / (len(values) - 1)) ** 0.5
    )


def test_every_emotion_has_its_f1(tmp_path: Path) -> None:
    """Below the ranking: F1 of each emotion in label order, averaged over seeds."""
    board = built(saved(tmp_path, record("alpha", 0.5, 0), record("alpha", 0.6, 1)))["talk.md"]
    assert table_with(board, "neutral") == [["Recipe", "neutral", "joy"], ["alpha@1", "27.50", "37.50"]]


def test_a_board_states_what_it_is_about(tmp_path: Path) -> None:
    """Data version, the whole fingerprint, the number of test utterances and the metric are said."""
    board = built(saved(tmp_path, record()))["talk.md"]
    assert f"Data: version 1, fingerprint {ONE}, 1,234 test utterances." in board
    assert r"Metric: weighted\_f1\|classes:2." in board
    assert board.startswith('<!-- Generated by "ercbench leaderboard build". Do not edit. -->\n')


def test_every_row_links_to_its_records(tmp_path: Path) -> None:
    """The links of a row lead to JSON files that are there, relative to the board."""
    results = saved(tmp_path, record("alpha", seed=0), record("alpha", seed=1), record("a (b) %20", seed=2))
    links = re.findall(r"\[seed \d\]\(([^)]*)\)", built(results)["talk.md"])
    assert len(links) == 3
    assert all((results / unquote(link)).is_file() for link in links)


def test_every_row_has_its_exact_command(tmp_path: Path) -> None:
    """The command of each record is on the board as it was, blanks and special characters included."""
    exact = "ercbench run m --set 'a=[1,  2]' && echo \"<x> | _y_ `z` ```\""
    board = built(saved(tmp_path, record(command=exact), record("other")))["talk.md"]
    blocks = [t.content for t in MarkdownIt("commonmark").parse(board) if t.type == "fence" and t.info == "sh"]
    assert sorted(blocks) == sorted([exact + "\n", "ercbench run other --seed 0\n"])


UNRANKED: dict[str, tuple[dict[str, Any], str]] = {
    "test-selected": ({"protocol": {"selection_split": "test"}}, "selected on test"),
    "not for ranking": ({"recipe": {"ranked": False}}, "recipe is not ranked"),
    "sample": ({"dataset": {"ranked": False}}, "sample data"),
    "limited": ({"dataset": {"limit": 4}}, "limited to 4 dialogues per split"),
    "set": ({"overrides": {"training.epochs": 1}}, "changed with --set"),
}


@pytest.mark.parametrize(("change", "reason"), UNRANKED.values(), ids=UNRANKED.keys())
def test_runs_outside_the_rules_have_no_rank(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    """However good its score, such a run stands in the table without ranks, with the reason."""
    pages = built(compared(saved(tmp_path, *seeds("honest", 0.4), *seeds("winner", 0.9, **change))))
    assert [row[1] for row in table_with(pages["talk.md"], "Rank")[1:]] == ["honest@1"]
    header, row = table_with(pages["talk.md"], "Reasons")
    assert (row[0], row[1], row[-1]) == ("winner@1", "90.00 ± 0.10", reason)
    assert header[0] == "Recipe"
    assert "Not ranked: outside the rules" in pages["talk.md"]
    assert [line[5:8] for line in table_with(pages[INDEX], "First")[1:]] == [["1", "honest@1", "40.00 ± 0.10"]]


def test_seeds_inside_and_outside_the_rules_are_not_averaged(tmp_path: Path) -> None:
    """A seed that was selected on test does not lift the mean of a ranked row of the same name."""
    chosen = record("m", 0.9, 3, protocol={"selection_split": "test"})
    board = built(compared(saved(tmp_path, *seeds("m", 0.4), chosen)))["talk.md"]
    ranked, others = table_with(board, "Rank")[1], table_with(board, "Reasons")[1]
    assert (ranked[1].split()[0], ranked[2]) == ("m@1", "40.00 ± 0.10")
    assert (others[0].split()[0], others[1]) == ("m@1", "90.00")


def test_an_index_without_rows_within_the_rules_says_so(tmp_path: Path) -> None:
    """A board of sample runs only has no first row."""
    index = built(saved(tmp_path, record(dataset={"ranked": False})))[INDEX]
    assert "No runs within the rules yet." in index
    assert table_with(index, "Board")[1] == ["talk", "0", "1", "0"]


SPLITTING: dict[str, dict[str, Any]] = {
    "fingerprint": {"dataset": {"fingerprint": OTHER}},
    "version": {"dataset": {"version": "2"}},
    "track": {"track": "full"},
    "full context": {"protocol": {"context": "full", "context_future": 8}},
    "no context": {"protocol": {"context": "none", "context_past": 0}},
}


@pytest.mark.parametrize("change", SPLITTING.values(), ids=SPLITTING.keys())
def test_what_cannot_be_compared_is_never_in_one_table(tmp_path: Path, change: dict[str, Any]) -> None:
    """Two fingerprints, versions, tracks or context protocols: no table of the board holds both rows."""
    pages = built(saved(tmp_path, record("one", 0.4, scores=SLICED), record("two", 0.6, scores=SLICED, **change)))
    found = tables(pages["talk.md"])
    assert {"one@1", "two@1"} == {cell for table in found for row in table for cell in row if cell.endswith("@1")}
    for table in found:
        assert not {"one@1", "two@1"} <= {cell for row in table for cell in row}
    assert [row[6] for row in table_with(pages[INDEX], "First")[1:]].count("one@1") == 1


def test_a_title_says_the_context_protocol(tmp_path: Path) -> None:
    """On the board always, in the index where it is not the usual one; the usual one comes first."""
    none, full = ({"context": "none", "context_past": 0}, {"context": "full", "context_future": 8})
    results = saved(tmp_path, record("a", protocol=full), record("b"), record("c", protocol=none))
    pages = built(results)
    assert re.findall(r"^#### (.*)", pages["talk.md"], re.MULTILINE) == [
        "Track mini, context past", "Track mini, context full", "Track mini, context none",
    ]  # fmt: skip
    assert [row[4:7:2] for row in table_with(pages[INDEX], "First")[1:]] == [
        ["mini", "b@1"], ["mini, context full", "a@1"], ["mini, context none", "c@1"],
    ]  # fmt: skip


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([ONE, OTHER, "sha256:" + "3" * 64]), st.sampled_from(["mini", "full"]),
            st.sampled_from(["past", "full", "none"]), st.booleans(), st.sampled_from([None, 4]), st.booleans(),
        ),
        min_size=2,
        max_size=9,
    )
)  # fmt: skip
def test_no_column_holds_two_fingerprints(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str, str, bool, int | None, bool]]
) -> None:
    """However records are mixed: the rows of any table of a board are of one fingerprint, track and protocol."""
    about: dict[str, tuple[str, str, str]] = {}
    found = []
    for number, (fingerprint, track, context, ranked, limit, sliced) in enumerate(drawn):
        about[f"m{number}@1"] = (fingerprint, track, context)
        turns = {"past": (8, 0), "full": (8, 8), "none": (0, 0)}[context]
        found.append(
            record(
                f"m{number}", 0.5, track=track, recipe={"ranked": ranked}, scores=SLICED if sliced else {},
                dataset={"fingerprint": fingerprint, "limit": limit},
                protocol={"context": context, "context_past": turns[0], "context_future": turns[1]},
            )
        )  # fmt: skip
    board = built(saved(tmp_path_factory.mktemp("mixed"), *found))["talk.md"]
    shown = [{about[cell] for row in table for cell in row if cell in about} for table in tables(board)]
    assert set().union(*shown) == set(about.values())
    assert all(len(one) == 1 for one in shown)


def test_slices_stand_in_a_table_of_their_own(tmp_path: Path) -> None:
    """Weighted F1 over seeds with the utterances of each slice; rows and seeds without slices have no part in it."""
    one, other = sliced(short=(0.5, 40), shift=(0.25, 7), sung=(None, 0)), sliced(short=(0.6, 40), shift=(0.35, 7))
    board = built(
        saved(
            tmp_path,
            record("a", 0.7, 0, scores=one),
            record("a", 0.7, 1, scores=other),
            record("b", 0.6, 0, scores=one),
            record("b", 0.6, 1),
            record("c", 0.5, 0, scores=sliced(short=(0.4, 41))),
            record("d", 0.4, 0),
            record("e", 0.9, 0, scores=one, recipe={"ranked": False}),
        )
    )["talk.md"]
    ranked, unranked = (table for table in tables(board) if "short (40)" in table[0])
    assert ranked == [
        ["Recipe", "short (40)", "shift (7)", "short (41)"],
        ["a@1", "55.00 ± 7.07", "30.00 ± 7.07", ""],
        ["c@1", "", "", "40.00"],
    ]
    assert unranked == [["Recipe", "short (40)", "shift (7)"], ["e@1", "50.00", "25.00"]]


def test_boards_of_records_without_slices_have_no_such_table(tmp_path: Path) -> None:
    """Records of schema version 1 give the tables that they always gave."""
    assert "slices" not in built(saved(tmp_path, record()))["talk.md"]


@pytest.mark.parametrize(
    "change",
    [{"config": {"training.epochs": 9}}, {"encoder": {"checkpoint": "big-encoder"}}],
    ids=["config", "encoder"],
)
def test_configurations_are_rows_of_their_own(tmp_path: Path, change: dict[str, Any]) -> None:
    """Seeds with another configuration or encoder are not averaged together, and the two rows can be told apart."""
    board = built(saved(tmp_path, record("m", 0.4, 0), record("m", 0.6, 1, **change)))["talk.md"]
    rows = table_with(board, "Reasons")[1:]
    assert [row[1] for row in rows] == ["60.00", "40.00"]
    assert len({row[0] for row in rows}) == 2
    assert all(re.fullmatch(r"m@1 \(config [0-9a-f]{8}\)", row[0]) for row in rows)


def test_a_seed_counts_once(tmp_path: Path) -> None:
    """A record that was copied would count twice in the mean; it is an error that names both files."""
    results = saved(tmp_path, record("m", 0.9), record("m", 0.9))
    with pytest.raises(RecordError, match=r"same seed\. Got seed 0 in .*m@1/seed-0\.json and .*m@1x/seed-0\.json"):
        built(results)


HOSTILE = "<script>alert(1)</script> | a & b `c` **d** [e](http://f) \n\n# g \\| $h$ ~~i~~ <!-- j"


def test_hostile_names_are_shown_as_text(tmp_path: Path) -> None:
    """A name made to break out of its cell is one cell that reads as it was written, in every table it is in."""
    dialogue = {"version": HOSTILE, "fingerprint": HOSTILE}
    hostile = record(HOSTILE.replace("/", ":"), track=HOSTILE.replace("/", ":"), dataset=dialogue, command=HOSTILE)
    hostile = hostile.model_copy(
        update={
            "encoder": hostile.encoder.model_copy(update={"checkpoint": HOSTILE}),
            "protocol": hostile.protocol.model_copy(update={"metric": HOSTILE}),
        }
    )
    entry = printed(HOSTILE, source=HOSTILE, remark=HOSTILE, kind=HOSTILE, rerun_by=HOSTILE)
    pages = built(publish(saved(tmp_path, hostile), entry))
    shown = HOSTILE.replace("\n\n", "  ")
    for text in pages.values():
        html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
        assert "<script" not in html
        assert not re.search(r"<(strong|em|code|s)>(alert|c|d|i)</", html)
        assert 'href="http://f"' not in html
        assert [line for line in html.splitlines() if "<!--" in line] == [MARKER]
        assert all(len(row) == len(table[0]) for table in tables(text) for row in table)
        assert not re.search(r"<h\d>g", html)
    (row,) = table_with(pages["talk.md"], "Records")[1:]
    assert row[0] == shown.replace("/", ":") + "@1"
    assert row[1] == shown
    assert table_with(pages["talk.md"], "Source")[1][0] == shown


@pytest.mark.parametrize("hostile", ["run\n```\n\n# out\n<script>", "```", "  `````", "~~~"])
def test_a_hostile_command_cannot_close_its_block(tmp_path: Path, hostile: str) -> None:
    """Backticks and line breaks in a command stay inside the block, as one line."""
    board = built(saved(tmp_path, record(command=hostile)))["talk.md"]
    fences = [token for token in MarkdownIt("commonmark").parse(board) if token.type == "fence"]
    assert [token.info for token in fences] == ["text", "sh"]
    assert [token.content for token in fences[1:]] == [hostile.replace("\n", " ") + "\n"]


@given(text=st.text(max_size=40))
def test_escaped_text_reads_as_it_was(text: str) -> None:
    """Whatever the text, a Markdown reader sees one cell, with exactly the visible characters of the text."""
    table = markdown.table(("a", "b"), [(f"x{text}x", "y")])
    (found,) = tables(table)
    visible = markdown.visible(f"x{text}x")
    assert found == [["a", "b"], [visible, "y"]]


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\u202e", "\u200b", "\ud800"])
def test_characters_that_cannot_be_seen_are_dropped(character: str) -> None:
    """Control characters and marks that turn the direction of writing round do not reach a board."""
    assert markdown.escape(f"a{character}b") == "ab"


@pytest.mark.parametrize("name", ["../outside", "a/b", "readme", "README", ".hidden", "", "a b", "a\n"])
def test_a_data_set_cannot_write_elsewhere(tmp_path: Path, name: str) -> None:
    """A board is a file; a name that leads out of the folder, or to the index, is an error."""
    where = tmp_path / "records" / "x" / "mini" / "m@1" / "seed-0.json"
    write_record(where, record(dataset={"name": name}), "")
    with pytest.raises(RecordError, match="cannot name a board"):
        built(tmp_path)


def test_a_results_folder_without_anything_has_an_index(tmp_path: Path) -> None:
    """Before the first run there is a page that says so; a folder that is not there is an error."""
    assert list(built(tmp_path)) == [INDEX]
    with pytest.raises(RecordError, match="There is no results folder"):
        built(tmp_path / "absent")


def test_written_boards_are_up_to_date(tmp_path: Path) -> None:
    """After a build the check finds nothing, and what is on disk are the pages, and the values as JSON and CSV."""
    results = publish(saved(tmp_path, *MIXED), printed("theirs"))
    names = leaderboard.write_boards(results).names
    assert names == (INDEX, "speech.md", "talk.md", *VALUES)
    pages = {name: (results / name).read_text(encoding="utf-8") for name in names if name.endswith(".md")}
    assert pages == built(results)
    assert leaderboard.read_leaderboard(results / "leaderboard.json") == leaderboard.build(results)
    assert leaderboard.check(results) == ()


def test_one_changed_byte_is_found(tmp_path: Path) -> None:
    """A board that was edited by hand, by as little as a byte or a line end, does not pass."""
    leaderboard.write_boards(saved(tmp_path, *MIXED))
    for name, number in (("talk.md", b"70.00"), ("leaderboard.json", b"0.7"), ("records.csv", b"0.7")):
        good = (tmp_path / name).read_bytes()
        for bad in (good.replace(number, b"0.71", 1), good + b"\n", good.replace(b"\n", b"\r\n"), b"\xff" + good):
            assert bad != good
            (tmp_path / name).write_bytes(bad)
            assert leaderboard.check(tmp_path) == (name,)
        (tmp_path / name).write_bytes(good)


def test_missing_and_left_over_boards_are_found(tmp_path: Path) -> None:
    """A board that is not there and one whose records are gone are named; a page of one's own is left alone."""
    leaderboard.write_boards(saved(tmp_path, *MIXED))
    (tmp_path / "talk.md").unlink()
    (tmp_path / "old.md").write_text(f"{MARKER}\n\nold\n")
    (tmp_path / "notes.md").write_text("mine\n")
    assert leaderboard.check(tmp_path) == ("old.md", "talk.md")
    leaderboard.write_boards(tmp_path)
    assert leaderboard.check(tmp_path) == ()
    assert sorted(path.name for path in tmp_path.glob("*.md")) == [INDEX, "notes.md", "speech.md", "talk.md"]


def test_the_command_builds_and_checks(tmp_path: Path) -> None:
    """``build`` names what it wrote; ``--check`` writes nothing, names what differs and the command that mends it."""
    saved(tmp_path, *MIXED)
    arguments = ["build", "--results", str(tmp_path)]
    with pytest.raises(RecordError, match=r"Got differences in README\.md, leaderboard\.csv, .*talk\.md\. Run: ercb"):
        CliRunner().invoke(command, [*arguments, "--check"], catch_exceptions=False)
    assert list(tmp_path.glob("*.md")) == []
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    names = (INDEX, "speech.md", "talk.md", *VALUES)
    assert result.stdout.splitlines() == [f"Wrote {tmp_path / name}" for name in names]
    assert "Not scored again: speech, delta@1: Unknown dataset. Got 'speech'." in result.stderr
    assert CliRunner().invoke(command, [*arguments, "--check"], catch_exceptions=False).exit_code == 0
    as_json = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    answer = json.loads(as_json.output)
    assert answer["written"] == list(names)
    assert (answer["rows_scored_again"], answer["pairs_compared"], len(answer["problems"])) == (0, 0, 2)


def test_an_encoder_that_had_seen_the_data_is_flagged(tmp_path: Path) -> None:
    """What a plugin declares of its weights stands on the row, with its source; other rows say nothing."""
    told = {"checkpoint": "tae898/emoberta-base", "origin": "hub"}
    results = saved(tmp_path, record("a", 0.6, encoder=told, dataset={"name": "meld"}), record("b", 0.5))
    shown = built(results)
    header, row = table_with(shown["meld.md"], "Contamination")
    flag = row[header.index("Contamination")]
    assert flag.startswith("tae898/emoberta-base: the weights had been trained on meld")
    assert "Source: " in flag
    assert "Contamination" not in shown["talk.md"]


def test_who_tells_of_encoders_can_be_somebody_else(tmp_path: Path) -> None:
    """Each encoder and data set is asked for by name, and what is told is escaped like everything else."""
    results = saved(tmp_path, record("a", 0.6, encoder={"checkpoint": "x", "origin": "hub"}))
    page = pages(leaderboard.build(results, lambda *asked: (f"<b>{', '.join(asked)}</b>",)))["talk.md"]
    assert "&lt;b&gt;x, hub, talk&lt;/b&gt;" in page
