"""What it took gold labels to find out: scored again to the last bit, kept by content, and no label told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_results import ONE, found_groups, record
from recorded import edited

from ercbench import leaderboard, scoring
from ercbench.errors import DataError, RecordError
from ercbench.gold import Gold, GoldLabels
from ercbench.leaderboard.evidence import EVIDENCE_FILE, Evidence, evidence_text, read_evidence
from ercbench.leaderboard.gathering import gather
from ercbench.leaderboard.rechecking import recheck
from ercbench.prediction_files import format_predictions, predictions_name
from ercbench.records import RunRecord, record_path
from ercbench.statistics import compare, dialogue_counts, over_dialogues
from ercbench.types import Corpus, LabelSet, Predictions
from ercbench.whole_files import sha256_of

LABELS = LabelSet.of({"neutral": "neutral", "joy": "joy"}, "neutral")
TEST = {f"talk/test/d{turn // 5}/{turn % 5}": turn % 3 % 2 for turn in range(60)}
GOLD = Gold(Corpus("talk", "1", ONE, LABELS, (), (), ()), TEST, {"short": frozenset(list(TEST)[:20])})


class Here(GoldLabels):
    """The gold labels of ``talk``; other data sets are asked for in vain."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def of(self, record: RunRecord) -> Gold:
        """Its gold labels."""
        self.asked.append(record.dataset.name)
        if record.dataset.name != "talk":
            raise DataError(f"{record.dataset.name} is not here.")
        return GOLD


def guesses(right: float, seed: int) -> Predictions:
    """Predictions of which about this share is right."""
    draw = np.random.default_rng(seed)
    scores = np.array([[1 - label, label] for label in TEST.values()], dtype=np.float32)  # (N, C)
    wrong = draw.random(len(TEST)) > right
    scores[wrong] = 1 - scores[wrong]
    return Predictions(tuple(TEST), scores)


def write(results: Path, name: str, right: float, seed: int, slices: bool = True, **changes: Any) -> Path:
    """A record with predictions whose scores are in it."""
    predictions = guesses(right, 100 * sum(map(ord, name)) + seed)
    test = asdict(scoring.score(predictions, TEST, LABELS, GOLD.slices if slices else None))
    text = format_predictions(predictions, LABELS.keys)
    file = {"file": predictions_name(seed), "sha256": sha256_of(text)}
    made = record(name, 0.5, seed, predictions=file, scores={"test": test}, **changes)
    path = record_path(results, made.dataset.name, "mini", f"{name}@1", seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(made.model_dump_json(), encoding="utf-8")
    (path.parent / predictions_name(seed)).write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two rows of three seeds, a good and a bad one, and a row of one seed without slices."""
    for name, right in (("good", 0.95), ("bad", 0.4)):
        for seed in range(3):
            write(tmp_path, name, right, seed)
    write(tmp_path, "few", 0.7, 0, slices=False)
    return tmp_path


def gathered(results: Path, evidence: Evidence | None = None, gold: GoldLabels | None = None) -> Any:
    """What a build finds out."""
    return gather(results, found_groups(results), evidence or read_evidence(results), gold or Here())


def counts(results: Path, name: str) -> Any:
    """Confusion counts of a row, (S, G, C, C), from its predictions as they were made."""
    return np.stack([dialogue_counts(guesses(right, 100 * sum(map(ord, name)) + seed), TEST, LABELS)[1]
                     for right in [{"good": 0.95, "bad": 0.4}[name]] for seed in range(3)])  # fmt: skip


def test_rows_are_scored_again_and_compared(results: Path) -> None:
    """Every row is verified, has its interval, and the rows with enough seeds are compared; nothing is done twice."""
    found = gathered(results)
    assert (found.rows, found.pairs, found.problems) == (3, 1, ())
    assert all(row.verified for row in found.evidence.rows.values())
    keys = {group.shared.recipe: group.key for group in found_groups(results)}
    interval = over_dialogues(counts(results, "good"))
    kept = found.evidence.rows[keys["good"]].over_dialogues
    assert (kept.estimate, kept.low, kept.high) == (interval.estimate, interval.low, interval.high)
    assert found.evidence.comparison(keys["good"], keys["bad"]) == compare(
        counts(results, "good"), counts(results, "bad")
    )
    nobody = Here()
    again = gathered(results, found.evidence, nobody)
    assert (again.rows, again.pairs, again.evidence, nobody.asked) == (0, 0, found.evidence, [])


def test_a_comparison_reads_the_same_from_both_sides(results: Path) -> None:
    """The effect and its interval change their sign, the p-values stay."""
    evidence = gathered(results).evidence
    keys = {group.shared.recipe: group.key for group in found_groups(results)}
    one, other = evidence.comparison(keys["good"], keys["bad"]), evidence.comparison(keys["bad"], keys["good"])
    assert one.effect.estimate == -other.effect.estimate > 0
    assert (one.effect.low, one.effect.high) == (-other.effect.high, -other.effect.low)
    assert (one.p_bootstrap, one.p_randomisation, one.p_seeds) == (
        other.p_bootstrap, other.p_randomisation, other.p_seeds,
    )  # fmt: skip
    assert evidence.comparison(keys["good"], keys["few"]) is None


def test_a_build_writes_what_it_found_out_and_later_ones_need_no_data(results: Path) -> None:
    """The boards are the same with and without data once the evidence is there, and pass the check."""
    first = leaderboard.write_boards(results, Here())
    assert first.names[-1] == EVIDENCE_FILE
    files = {name: (results / name).read_bytes() for name in first.names}
    assert leaderboard.check(results) == ()
    assert leaderboard.write_boards(results).names == first.names
    assert {name: (results / name).read_bytes() for name in first.names} == files
    assert b"| 1 | good@1 |" in files["talk.md"]


def test_a_new_row_is_added_and_the_rest_is_kept(results: Path) -> None:
    """Only what is missing is computed."""
    known = gathered(results).evidence
    for seed in range(3):
        write(results, "new", 0.8, seed)
    found = gathered(results, known)
    assert (found.rows, found.pairs) == (1, 2)
    assert known.rows.items() <= found.evidence.rows.items()
    assert evidence_text(found.evidence) == evidence_text(gathered(results, Evidence()).evidence)


EDITS: dict[str, Callable[[dict[str, Any]], None]] = {
    "weighted F1": lambda test: test.update(weighted_f1=test["weighted_f1"] + 1e-12),
    "of an emotion": lambda test: test["per_class"]["joy"].update(f1=0.5),
    "confusion": lambda test: test["confusion"][0].reverse(),
    "of a slice": lambda test: test["slices"]["short"].update(accuracy=0.123),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_a_score_that_was_edited_is_not_verified(results: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """By as little as a last digit, and in whatever score: the row is told apart and not ranked."""
    [path] = results.glob("records/talk/mini/good@1/seed-1.json")
    edited(path, lambda values: edit(values["scores"]["test"]))
    leaderboard.write_boards(results, Here())
    [board] = leaderboard.build(results).boards
    rows = {row.recipe: row for row in board.sections[0].tasks[0].rows}
    assert (rows["good"].standing, rows["good"].status) == ("outside-rules", "reproduced")
    assert rows["good"].over_dialogues is None
    assert rows["bad"].standing == "ranked"


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "changed": (lambda file: file.write_text(file.read_text().replace("1.0", "0.9", 1)), "was changed after"),
    "missing": (lambda file: file.unlink(), "cannot be read"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES.keys())
def test_predictions_that_are_not_the_records_are_told_of(
    results: Path, damage: Callable[[Path], None], message: str
) -> None:
    """The row has no evidence then, the others do; the problem names the row and the file."""
    [file] = results.glob("records/talk/mini/good@1/seed-1.predictions.csv")
    damage(file)
    found = gathered(results)
    assert (found.rows, found.pairs) == (2, 0)
    [problem] = found.problems
    assert problem.startswith("talk, good@1: ")
    assert message in problem
    assert "seed-1.predictions.csv" in problem
    assert found.damaged


def test_a_data_set_that_is_not_here_is_asked_for_once(results: Path) -> None:
    """One problem for all of its rows; what is here is computed all the same."""
    for name in ("x", "y"):
        write(results, name, 0.9, 0, dataset={"name": "speech"})
    gold = Here()
    found = gathered(results, gold=gold)
    assert found.problems == ("speech, x@1 and 1 more: speech is not here.",)
    assert not found.damaged
    assert gold.asked.count("speech") == 1
    assert found.rows == 3


def test_no_label_can_be_read_from_the_evidence(results: Path) -> None:
    """It holds digests, intervals and p-values; neither a uid nor a count stands in it."""
    text = evidence_text(gathered(results).evidence)
    assert "talk" not in text
    numbers = [value for row in json.loads(text)["rows"].values() for value in row.values()]
    assert not any(isinstance(value, int) and not isinstance(value, bool) for value in numbers)
    assert not any(key in text for key in LABELS.keys)


def test_the_order_of_entries_does_not_matter(results: Path) -> None:
    """The same entries give the same bytes."""
    evidence = gathered(results).evidence
    turned = Evidence(rows=dict(reversed(evidence.rows.items())), pairs=dict(reversed(evidence.pairs.items())))
    assert evidence_text(turned) == evidence_text(evidence)


DIGEST, LARGER = "a" * 64, "b" * 64
ROW = {"fingerprint": ONE, "predictions": ["0" * 64], "verified": False, "over_dialogues": None}
PAIR = {
    "effect": {"estimate": 0.1, "low": 0.0, "high": 0.2}, "p_bootstrap": 0.5, "p_randomisation": 0.5, "p_seeds": None,
}  # fmt: skip
BAD: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "the file"),
    "another version": ({"schema_version": 1}, r"schema_version.*Got 1"),
    "surplus": ({"votes": 1}, r"votes.*Got 1"),
    "no digest": ({"rows": {"x": ROW}}, r"rows\.x.*Got 'x'"),
    "an interval unverified": ({"rows": {DIGEST: {**ROW, "over_dialogues": PAIR["effect"]}}}, "if it is verified"),
    "outside its interval": ({"rows": {DIGEST: {**ROW, "over_dialogues": {"estimate": 0.5, "low": 0.6, "high": 0.7}}}},
                             "within its interval"),
    "pair of nobody": ({"pairs": {DIGEST: {LARGER: PAIR}}}, "must name two rows"),
    "pair turned round": ({"rows": {DIGEST: ROW, LARGER: ROW}, "pairs": {LARGER: {DIGEST: PAIR}}}, "smaller key first"),
    "no probability": ({"pairs": {DIGEST: {LARGER: {**PAIR, "p_seeds": 1.5}}}}, r"p_seeds.*Got 1\.5"),
    "not a number": (json.dumps({"rows": {DIGEST: {**ROW, "over_dialogues": {"estimate": float("nan")}}}}), "estimate"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD.keys())
def test_a_file_that_is_no_evidence_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    """The message names the file, the field and the value."""
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / EVIDENCE_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(RecordError, match=rf"(?s)evidence\.json: .*{message}"):
        read_evidence(tmp_path)


def test_rechecking_finds_nothing_where_nothing_is_wrong(results: Path) -> None:
    """Every entry of a build, computed again, is the same."""
    leaderboard.write_boards(results, Here())
    assert recheck(results, Here()) == []


def _first(entries: dict[str, Any]) -> Any:
    return next(iter(entries.values()))


FORGED: dict[str, tuple[Callable[[dict[str, Any]], object], list[tuple[str, str]]]] = {
    "interval": (
        lambda data: _first(data["rows"])["over_dialogues"].update(low=0.0), [("fault", "is another one")]
    ),
    "verified": (
        lambda data: _first(data["rows"]).update(verified=False, over_dialogues=None), [("fault", "is another one")]
    ),
    "p-value": (lambda data: _first(_first(data["pairs"])).update(p_bootstrap=1e-9), [("fault", "is another one")]),
    "no pair": (lambda data: data.update(pairs={}), [("fault", "is missing")]),
    "surplus": (lambda data: data["rows"].update({DIGEST: ROW}), [("fault", "No row needs")]),
    "surplus pair": (
        lambda data: data.update(pairs={a: {b: PAIR for b in data["rows"] if a < b} for a in data["rows"]}),
        [("fault", "is another one"), ("fault", "No row needs"), ("fault", "No row needs")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("forge", "doubts"), FORGED.values(), ids=FORGED.keys())
def test_a_forged_entry_is_found(
    results: Path, forge: Callable[[dict[str, Any]], object], doubts: list[tuple[str, str]]
) -> None:
    """Whatever was written into the file by hand: computed again it is another, needless, or missing."""
    leaderboard.write_boards(results, Here())
    data = json.loads((results / EVIDENCE_FILE).read_text())
    forge(data)
    (results / EVIDENCE_FILE).write_text(json.dumps(data))
    found = sorted(recheck(results, Here()), key=lambda doubt: "No row" in doubt.what)
    assert len(found) == len(doubts)
    assert all(doubt.kind == kind and text in doubt.what for doubt, (kind, text) in zip(found, doubts, strict=True))


def test_entries_whose_data_are_not_here_are_unverified(results: Path) -> None:
    """They may be right; nobody can tell."""
    leaderboard.write_boards(results, Here())

    class Nowhere(Here):
        def of(self, record: RunRecord) -> Gold:
            raise DataError("not here")

    found = recheck(results, Nowhere())
    assert [doubt.kind for doubt in found] == ["unverified"] * 4
