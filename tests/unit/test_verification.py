"""Verification: a record that is what it says passes, and each way of tampering with one is named by file and field."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import Cell, edited, record

from ercbench import records
from ercbench.catalog import Catalog, Entry, Plugin, load_catalog
from ercbench.cli import cli, main
from ercbench.cli.verify import _end
from ercbench.errors import DataError, RecordError, UsageError
from ercbench.specs import DatasetSpec, Recipe
from ercbench.verification import Finding, Verifier, untrusted, verify_folder, verify_record
from ercbench.verification.findings import MANY
from ercbench.verification.folder import FolderReport
from ercbench.verification.verifier import Checked

RECORD = "records/meld-sample/mini/eacl@{version}/seed-0.json"
CATALOG = load_catalog()
VERSION = CATALOG.get(Recipe, "eacl").version
FILE = RECORD.format(version=VERSION)
PREDICTIONS = FILE.replace(".json", ".predictions.csv")
SEALED = FILE.replace(".json", ".sealed.csv")
WITH_DATA, WITHOUT_DATA = Verifier(CATALOG), Verifier(CATALOG, with_data=False)

CELLS: Mapping[str, Cell] = {
    "plain": Cell(overrides={"training.epochs": 3}),
    "overridden": Cell(overrides={"training.batch_size": 16}),
    "test-selected": Cell(recipe="eacl-released"),
    "limited": Cell(limit=4),
    "later turns": Cell(context="full"),
}


@pytest.fixture(scope="session")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results folders of records that are right, one per cell above, called after it."""
    folder = tmp_path_factory.mktemp("right")
    for name, cell in CELLS.items():
        record(folder / name, cell)
    return folder


@pytest.fixture
def results(right: Path, tmp_path: Path) -> Path:
    """A copy of the plain one, to tamper with."""
    return Path(shutil.copytree(right / "plain", tmp_path / "results"))


def found(results: Path, verifier: Verifier = WITH_DATA, kind: str = "fault") -> set[tuple[str, str]]:
    """File and field of every finding of a kind."""
    return {(one.file, one.field) for one in verify_folder(results, verifier).findings if one.kind == kind}


# ------------------------------------------------------------------------------------------------- what is right passes


@pytest.mark.parametrize("cell", CELLS)
def test_a_record_that_is_right_is_verified(right: Path, cell: str) -> None:
    """Its scores were computed again, and nothing is wrong; without data nothing is wrong either."""
    report = verify_folder(right / cell, WITH_DATA)
    assert [(one.status, one.findings) for one in report.records if cell != "test-selected"] in ([], [("verified", ())])
    assert (report.count("verified"), report.of("fault"), report.others) == (1, [], ())
    bare = verify_folder(right / cell, WITHOUT_DATA)
    assert (bare.count("checked without data"), bare.of("fault"), bare.others) == (1, [], ())


def test_a_choice_by_test_is_told(right: Path) -> None:
    """What was chosen by scores that no record holds cannot be checked, and a note says so."""
    notes = found(right / "test-selected", kind="note")
    assert {name for _, name in notes} == {"training.chosen_epoch"}


def test_a_tie_told_apart_by_test_is_a_note(right: Path, tmp_path: Path) -> None:
    """The released code breaks ties by test; which state that gives no record tells, but that it is a state is."""
    results = Path(shutil.copytree(right / "test-selected", tmp_path / "results"))
    edited(
        the_record(results),
        lambda r: r["training"]["candidates_dev_weighted_f1"].__setitem__(1, r["scores"]["dev"]["weighted_f1"]),
    )
    report = verify_folder(results, WITH_DATA)
    assert "training.chosen_candidate" in {one.field for one in report.of("note")}
    assert not report.of("fault")
    edited(the_record(results), lambda r: r["training"].update(chosen_candidate=9))
    assert (RELEASED, "training.chosen_candidate") in found(results)


def test_another_scikit_learn_is_a_note(results: Path) -> None:
    """The release that scored is part of the metric; with another one the scores must agree all the same."""
    metric = "weighted_f1|classes:7|zero_division:0|sklearn:0.1"
    edited(results / FILE, lambda r: r["protocol"].update(metric=metric))
    report = verify_folder(results, WITH_DATA)
    assert [(one.kind, one.field, one.recorded) for one in report.findings] == [("note", "protocol.metric", "'0.1'")]


def test_who_encoded_what_is_a_note(results: Path) -> None:
    """With dropout it decides the numbers, and the command cannot tell all of it."""

    def shared(values: dict[str, Any]) -> None:
        first = values["training"]["epochs"][0]
        values["training"]["epochs"] = [first | {"processes": 2, "chunk": 8}, first | {"epoch": 2, "processes": 1}]
        values["config"]["training.epochs"] = 2

    edited(results / FILE, shared)
    notes = [(one.field, one.recorded) for one in verify_folder(results, WITH_DATA).of("note")]
    assert notes[-2:] == [("training.epochs.processes", "[2, 1]"), ("training.epochs.chunk", "[8, None]")]


def test_boards_ask_for_one_record(results: Path) -> None:
    """`verify_record` says of a path what the whole folder's report says of it."""
    assert verify_record(results / FILE, WITH_DATA) == []
    edited(results / FILE, lambda r: r["scores"]["test"].update(accuracy=0.1))
    assert [one.field for one in verify_record(results / FILE, WITH_DATA)] == ["scores.test.accuracy"]
    with pytest.raises(UsageError, match=r"lies in a results folder.*Got '/seed-0\.json'"):
        verify_record(Path("/seed-0.json"), WITH_DATA)


def test_the_committed_leaderboards_hold_without_data() -> None:
    """Without the data sets, whatever can be told of the repository's records is right; `.ci/run` tells the rest."""
    report = verify_folder(Path(__file__).parents[2] / "leaderboards", WITHOUT_DATA)
    assert (report.of("fault"), report.of("unverified")) == ([], [])


# ------------------------------------------------------------------------------------------------------ tampered copies


def change(path: str, value: Any) -> Callable[[Path], object]:
    """Give a field of the record another value."""

    def edit(values: dict[str, Any]) -> None:
        *above, last = path.split(".")
        for name in above:
            values = values[name]
        values[last] = value(values[last]) if callable(value) else value

    return lambda results: edited(the_record(results), edit)


def the_record(results: Path) -> Path:
    """The only record of a folder."""
    [path] = results.glob("records/*/*/*/seed-*.json")
    return path


def rows(name: str, edit: Callable[[list[list[str]]], object], hide: bool = True) -> Callable[[Path], object]:
    """Change the rows of a file beside the record, and by default the checksum in the record too."""

    def tamper(results: Path) -> None:
        path = the_record(results)
        file = path.with_suffix(f".{name}.csv")
        table = [line.split(",") for line in file.read_text(encoding="utf-8").splitlines()]
        edit(table)
        file.write_text("".join(",".join(row) + "\n" for row in table), encoding="utf-8")
        if hide:
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
            section = (lambda r: r["predictions"]) if name == "predictions" else (lambda r: r["training"]["sealed"])
            edited(path, lambda r: section(r).update(sha256=sha256))

    return tamper


def flip(table: list[list[str]]) -> None:
    """Another label has the largest score of the first row."""
    scores = [float(cell) for cell in table[1][1:]]
    best, worst = scores.index(max(scores)) + 1, scores.index(min(scores)) + 1
    table[1][best], table[1][worst] = table[1][worst], table[1][best]


def swap(first: int, second: int, start: int) -> Callable[[list[list[str]]], None]:
    """Two columns change places, from a row on."""

    def edit(table: list[list[str]]) -> None:
        for row in table[start:]:
            row[first], row[second] = row[second], row[first]

    return edit


def replaced(file: str, content: bytes) -> Callable[[Path], object]:
    """A file has another content."""
    return lambda results: (results / file).write_bytes(content)


def text(old: str, new: str) -> Callable[[Path], object]:
    """The text of the record has something else in it."""
    return lambda results: (results / FILE).write_text((results / FILE).read_text().replace(old, new))


def linked(file: str) -> Callable[[Path], None]:
    """A file, or a folder, lies outside, and a link leads to it."""

    def tamper(results: Path) -> None:
        outside = results.parent / "outside"
        (results / file).rename(outside)
        (results / file).symlink_to(outside)

    return tamper


def moved(old: str, new: str) -> Callable[[Path], None]:
    """A folder is renamed."""

    def tamper(results: Path) -> None:
        (results / new).parent.mkdir(parents=True, exist_ok=True)
        (results / old).rename(results / new)

    return tamper


def piped(results: Path) -> None:
    """A pipe lies where a file should, which waits for ever for whoever reads it."""
    (results / PREDICTIONS).unlink()
    os.mkfifo(results / PREDICTIONS)


def hidden_text(results: Path) -> None:
    """Something stands in the predictions file that no reader of scores sees."""
    rows("predictions", lambda table: table[1].__setitem__(1, f" {table[1][1]}"))(results)


@dataclass(frozen=True)
class Tampering:
    """One way of tampering with a record that was right.

    Attributes:
        do: given the results folder.
        named: file and field of findings that there must be.
        cell: whose record.
        needs_data: whether only the gold labels can tell.
    """

    do: Callable[[Path], object]
    named: set[tuple[str, str]] = field(default_factory=set)
    cell: str = "plain"
    needs_data: bool = False


OTHER = "records/iemocap-sample"
RELEASED = f"records/meld-sample/mini/eacl-released@{CATALOG.get(Recipe, 'eacl-released').version}/seed-0.json"
DEEP = b'{"schema_version": 3, "config": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001
TAMPERINGS: Mapping[str, Tampering] = {
    "score edited": Tampering(change("scores.test.weighted_f1", 0.99), {(FILE, "scores.test.weighted_f1")}),
    "score edited in the last digit": Tampering(
        change("scores.test.macro_f1", lambda f1: f1 + 2**-50), {(FILE, "scores.test.macro_f1")}
    ),
    "F1 of an emotion edited": Tampering(
        change("scores.test.per_class.joy.f1", 0.99), {(FILE, "scores.test.per_class.joy.f1")}
    ),
    "slice edited": Tampering(
        change("scores.test.slices.short.weighted_f1", 0.99),
        {(FILE, "scores.test.slices.short.weighted_f1")}, needs_data=True,
    ),
    "slices removed": Tampering(
        change("scores.test.slices", {}), {(FILE, "scores.test.slices.shift.accuracy")}, needs_data=True
    ),
    "confusion edited": Tampering(
        change("scores.test.confusion", lambda table: [[*table[0][:-1], 10**30], *table[1:]]),
        {(FILE, "scores.test.confusion[0][6]")},
    ),
    "dev score edited": Tampering(
        change("scores.dev.weighted_f1", 0.99), {(FILE, "scores.dev.weighted_f1")}
    ),
    "confusion of another shape": Tampering(
        change("scores.test.confusion", [[66]]), {(FILE, "scores.test.confusion[0][1]")}
    ),
    "dev support edited": Tampering(
        change("scores.dev.per_class.joy.support", 99), {(FILE, "scores.dev.per_class.joy.support")}
    ),
    "dev slice edited": Tampering(
        change("scores.dev.slices.short.utterances", 99), {(FILE, "scores.dev.slices")}, needs_data=True
    ),
    "labels in another order": Tampering(
        change("scores.dev.per_class", lambda f1: dict(reversed(f1.items()))), {(FILE, "scores.dev.per_class")}
    ),
    "no states": Tampering(
        change("training.candidates_dev_weighted_f1", []), {(FILE, "training.candidates_dev_weighted_f1")}
    ),
    "dev confusion edited": Tampering(
        change("scores.dev.confusion", lambda table: [[c * 10**9 for c in row] for row in table]),
        {(FILE, "scores.dev.confusion")},
    ),
    "prediction flipped": Tampering(
        rows("predictions", flip, hide=False),
        {(FILE, "predictions.sha256"), (SEALED, "row 2, state 1")},
    ),
    "prediction flipped, checksum too": Tampering(rows("predictions", flip), {(SEALED, "row 2, state 1")}),
    "row dropped": Tampering(
        rows("predictions", lambda t: t.pop(5)), {(FILE, "dataset.utterances.test"), (SEALED, "uid")}
    ),
    "row added": Tampering(
        rows("predictions", lambda t: t.append(["meld-sample/test/99/0", *t[1][1:]])),
        {(FILE, "dataset.utterances.test"), (SEALED, "uid")},
    ),
    "uid twice": Tampering(rows("predictions", lambda t: t[2].__setitem__(0, t[1][0])), {(PREDICTIONS, "uid")}),
    "unknown uid": Tampering(
        rows("predictions", lambda t: t[1].__setitem__(0, "meld-sample/test/99/0")), {(SEALED, "uid")}
    ),
    "uid of another split": Tampering(
        rows("predictions", lambda t: t[1].__setitem__(0, "meld-sample/train/0/0")), {(PREDICTIONS, "row 2, uid")}
    ),
    "NaN in predictions": Tampering(
        rows("predictions", lambda t: t[3].__setitem__(2, "nan")), {(PREDICTIONS, "row 4, disgust")}
    ),
    "no number in predictions": Tampering(
        rows("predictions", lambda t: t[3].__setitem__(2, "=1+1")), {(PREDICTIONS, "row 4, disgust")}
    ),
    "too large a number in predictions": Tampering(
        rows("predictions", lambda t: t[3].__setitem__(2, "1e39")), {(PREDICTIONS, "row 4, disgust")}
    ),
    "cell dropped": Tampering(rows("predictions", lambda t: t[3].pop()), {(PREDICTIONS, "row 4")}),
    "label columns renamed": Tampering(
        rows("predictions", lambda t: swap(1, 2, 0)([t[0]])), {(PREDICTIONS, "header")}
    ),
    "label columns swapped": Tampering(rows("predictions", swap(1, 2, 0)), {(PREDICTIONS, "header")}),
    "scores of two labels swapped": Tampering(
        rows("predictions", swap(1, 2, 1)), {(FILE, "scores.test.weighted_f1")}, needs_data=True
    ),
    "text hidden in predictions": Tampering(hidden_text, {(PREDICTIONS, "the file")}),
    "predictions missing": Tampering(
        lambda results: (results / PREDICTIONS).unlink(), {(PREDICTIONS, "the file")}
    ),
    "predictions empty": Tampering(replaced(PREDICTIONS, b""), {(PREDICTIONS, "the file")}),
    "predictions not UTF-8": Tampering(replaced(PREDICTIONS, b"uid,\xff\n"), {(PREDICTIONS, "the file")}),
    "predictions are a pipe": Tampering(piped, {(PREDICTIONS, "the file")}),
    "path traversal": Tampering(
        change("predictions.file", "../../../../../outside.csv"), {(FILE, "predictions.file")}
    ),
    "absolute path": Tampering(change("predictions.file", "/etc/passwd"), {(FILE, "predictions.file")}),
    "predictions of another seed": Tampering(
        change("predictions.file", "seed-1.predictions.csv"), {(FILE, "predictions.file")}
    ),
    "predictions behind a link": Tampering(linked(PREDICTIONS), {(PREDICTIONS, "the file")}),
    "record behind a link": Tampering(linked(FILE), {(FILE, "the file"), ("records", "the folder")}),
    "folder behind a link": Tampering(
        linked("records/meld-sample"), {("records/meld-sample", "the file"), ("records", "the folder")}
    ),
    "everything behind a link": Tampering(linked("records"), {("records", "the folder")}),
    "sealed file changed": Tampering(
        rows("sealed", lambda t: t[1].__setitem__(1, "joy"), hide=False), {(FILE, "training.sealed.sha256")}
    ),
    "sealed label unknown": Tampering(
        rows("sealed", lambda t: t[1].__setitem__(1, "bliss")), {(SEALED, "row 2, epoch 1")}
    ),
    "sealed epoch dropped": Tampering(
        rows("sealed", lambda t: [row.pop(1) for row in t]), {(SEALED, "header")}
    ),
    "sealed rows in another order": Tampering(rows("sealed", lambda t: t.append(t.pop(1))), {(SEALED, "uid")}),
    "sealed cell dropped": Tampering(rows("sealed", lambda t: t[4].pop()), {(SEALED, "row 5")}),
    "another fingerprint": Tampering(
        change("dataset.fingerprint", "sha256:" + "0" * 64), {(FILE, "dataset.fingerprint")}, needs_data=True
    ),
    "another fingerprint of a split": Tampering(
        change("dataset.split_fingerprints.train", "sha256:" + "0" * 64),
        {(FILE, "dataset.split_fingerprints.train")}, needs_data=True,
    ),
    "another number of training utterances": Tampering(
        change("dataset.utterances.train", 3), {(FILE, "dataset.utterances")}, needs_data=True
    ),
    "limit hidden": Tampering(
        lambda results: edited(
            the_record(results), lambda r: r.update(dataset=r["dataset"] | {"limit": None})
        ),
        {(FILE, "command --limit")}, cell="limited",
    ),
    "data set ranked": Tampering(change("dataset.ranked", True), {(FILE, "dataset.ranked")}),
    "moved to another data set": Tampering(
        moved("records/meld-sample", OTHER), {(FILE.replace("records/meld-sample", OTHER), "dataset.name")}
    ),
    "named after another data set": Tampering(
        change("dataset.name", "iemocap-sample"), {(FILE, "dataset.name"), (FILE, "command --dataset")}
    ),
    "moved too deep": Tampering(
        moved("records/meld-sample", "records/a/b/meld-sample"),
        {(FILE.replace("records/", "records/a/b/"), "the file")},
    ),
    "seed edited": Tampering(
        change("seed", 7), {(FILE, "seed"), (FILE, "command --seed"), (FILE, "predictions.file")}
    ),
    "track edited": Tampering(change("track", "full"), {(FILE, "track"), (FILE, "command --track")}),
    "recipe renamed": Tampering(change("recipe.name", "eacl-released"), {(FILE, "recipe"), (FILE, "command")}),
    "context edited": Tampering(change("protocol.context_past", 3), {(FILE, "protocol.context_past")}),
    "metric edited": Tampering(
        change("protocol.metric", "accuracy|classes:7|zero_division:0|sklearn:1.9"), {(FILE, "protocol.metric")}
    ),
    "selection said to be on dev": Tampering(
        change("protocol.selection_split", "dev"), {(RELEASED, "protocol.selection_split")}, cell="test-selected"
    ),
    "selection changed to dev": Tampering(
        lambda results: edited(
            the_record(results),
            lambda r: (
                r["protocol"].update(selection_split="dev"),
                r["config"].update({"selection.split": "dev", "selection.ties": "first"}),
            ),
        ),
        {(RELEASED, "config.selection.split")}, cell="test-selected",
    ),
    "recipe said to be rankable": Tampering(
        change("recipe.ranked", True), {(RELEASED, "recipe.ranked")}, cell="test-selected"
    ),
    "overrides removed": Tampering(
        change("overrides", {}), {(FILE, "config.training.batch_size"), (FILE, "command --set")}, cell="overridden"
    ),
    "overrides removed from the command too": Tampering(
        lambda results: edited(
            the_record(results), lambda r: r.update(overrides={}, command=r["command"].partition(" --set")[0])
        ),
        {(FILE, "config.training.batch_size")}, cell="overridden",
    ),
    "value edited": Tampering(change("config", lambda c: c | {"training.lr": 9.0}), {(FILE, "config.training.lr")}),
    "value that is no setting": Tampering(
        change("overrides", {"training.magic": 1}), {(FILE, "config"), (FILE, "command --set")}
    ),
    "version of ercbench edited": Tampering(
        change("plugins", [{"distribution": "ercbench", "version": "0.0.1"}]), {(FILE, "plugins[0].version")}
    ),
    "similarity of another shape": Tampering(
        change("training.prototype_similarity", {"before": [[1.0]], "after": [[2.0]]}),
        {(FILE, "training.prototype_similarity.before"), (FILE, "training.prototype_similarity.after")},
    ),
    "plugins emptied": Tampering(change("plugins", []), {(FILE, "plugins")}),
    "chosen epoch edited": Tampering(change("training.chosen_epoch", 3), {(FILE, "training.chosen_epoch")}),
    "chosen state edited": Tampering(change("training.chosen_candidate", 2), {(FILE, "training.chosen_candidate")}),
    "no such state": Tampering(change("training.chosen_candidate", 9), {(FILE, "training.chosen_candidate")}),
    "an epoch dropped": Tampering(
        change("training.epochs", lambda epochs: epochs[1:]), {(FILE, "training.epochs"), (SEALED, "header")}
    ),
    "weights edited": Tampering(change("encoder.sha256", "0" * 64), {(FILE, "encoder.sha256")}),
    "encoder edited": Tampering(change("encoder.checkpoint", "a/b"), {(FILE, "encoder.checkpoint")}),
    "command that does more": Tampering(
        change("command", lambda c: f"{c}; touch /tmp/owned"), {(FILE, "command")}
    ),
    "command with a substitution": Tampering(
        change("command", lambda c: f"{c} --set a=$(touch owned)"), {(FILE, "command")}
    ),
    "another option in the command": Tampering(
        change("command", lambda c: f"{c} --results elsewhere"), {(FILE, "command --results")}
    ),
    "processes that the command does not have": Tampering(
        change("environment.processes", 2), {(FILE, "command --processes")}
    ),
    "processes in the command alone": Tampering(
        change("command", lambda c: f"{c} --processes 2"), {(FILE, "command --processes")}
    ),
    "no shell could read the command": Tampering(change("command", "ercbench run '"), {(FILE, "command")}),
    "HTML in a method's name": Tampering(
        change("recipe.name", "<img src=x onerror=alert(1)>"), {(FILE, "recipe.name"), (FILE, "recipe")}
    ),
    "HTML in a version": Tampering(change("recipe.version", "<b>2</b>"), {(FILE, "recipe.version")}),
    "terminal escapes in a name": Tampering(
        change("environment.hardware", "GPU \x1b[2J\x1b]0;owned\x07"), {(FILE, "environment.hardware")}
    ),
    "direction of writing turned round": Tampering(
        change("encoder.origin", "package \u202egnp.exe"), {(FILE, "encoder.origin")}
    ),
    "future schema": Tampering(change("schema_version", 99), {(FILE, "schema_version")}),
    "no schema": Tampering(change("schema_version", True), {(FILE, "schema_version")}),
    "unknown field": Tampering(change("dataset", lambda d: d | {"path": "/home"}), {(FILE, "dataset.path")}),
    "two fields not acceptable": Tampering(
        lambda results: edited(the_record(results), lambda r: r.update(seed=-1, command=3)),
        {(FILE, "seed"), (FILE, "command")},
    ),
    "NaN in the record": Tampering(change("scores.test.accuracy", float("nan")), {(FILE, "the file")}),
    "infinity in the record": Tampering(
        text('"total": 1.0', '"total": 1e999'),
        {(FILE, "the file")},
    ),
    "key twice": Tampering(
        text('"seed":', '"seed": 1, "seed":'),
        {(FILE, "the file")},
    ),
    "huge JSON": Tampering(
        lambda results: (results / FILE).write_text(" " * (untrusted.RECORD_BYTES + 1)), {(FILE, "the file")}
    ),
    "deeply nested JSON": Tampering(replaced(FILE, DEEP), {(FILE, "the file")}),
    "nested JSON": Tampering(
        change("config", json.loads('{"a":' * 80 + "1" + "}" * 80)), {(FILE, "the file")}
    ),
    "huge number": Tampering(replaced(FILE, b'{"seed": ' + b"9" * 5000 + b"}"), {(FILE, "the file")}),
    "not UTF-8": Tampering(replaced(FILE, b'{"seed": "\xff"}'), {(FILE, "the file")}),
    "cut off": Tampering(replaced(FILE, b'{"seed": 1'), {(FILE, "the file")}),
    "no object": Tampering(replaced(FILE, b"[]"), {(FILE, "the file")}),
    "stray file": Tampering(replaced("records/notes.txt", b"x"), {("records/notes.txt", "the file")}),
    "stray code beside the record": Tampering(
        replaced(FILE.replace(".json", ".py"), b"raise SystemExit"), {(FILE.replace(".json", ".py"), "the file")}
    ),
    "a folder without end": Tampering(
        lambda results: (results / "records" / Path(*"abcdefghijk")).mkdir(parents=True),
        {("records/a/b/c/d/e/f/g/h", "the file")},
    ),
}  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links and pipes are made")
@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_named(right: Path, tmp_path: Path, name: str) -> None:
    """Each way of tampering gives faults that name the file and the field, and the record is not verified."""
    tampering = TAMPERINGS[name]
    results = Path(shutil.copytree(right / tampering.cell, tmp_path / "results"))
    tampering.do(results)
    report = verify_folder(results, WITH_DATA)
    assert tampering.named <= {(fault.file, fault.field) for fault in report.of("fault")}, list(
        map(str, report.findings)
    )
    assert report.count("verified") == 0 or report.others
    for fault in report.of("fault"):
        line = str(fault)
        assert line.isprintable()
        assert line.startswith(f"{untrusted.printable(fault.file)}: ")
        assert fault.fix or fault.what.startswith("and ")


@pytest.mark.parametrize("name", [name for name, tampering in TAMPERINGS.items() if not tampering.needs_data])
def test_most_tampering_is_named_without_the_data(right: Path, tmp_path: Path, name: str) -> None:
    """What no gold label is needed for is named without the data just the same."""
    results = Path(shutil.copytree(right / TAMPERINGS[name].cell, tmp_path / "results"))
    TAMPERINGS[name].do(results)
    faults = found(results, WITHOUT_DATA)
    assert {one for one in TAMPERINGS[name].named if "[" not in one[1]} <= faults
    assert faults


@pytest.mark.parametrize("name", [name for name, tampering in TAMPERINGS.items() if tampering.needs_data])
def test_the_rest_needs_the_data(right: Path, tmp_path: Path, name: str) -> None:
    """What is said to need the data does: without them it goes unseen."""
    results = Path(shutil.copytree(right / TAMPERINGS[name].cell, tmp_path / "results"))
    TAMPERINGS[name].do(results)
    assert not found(results, WITHOUT_DATA) & TAMPERINGS[name].named


def leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    """Dotted path and value of every number."""
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, f"{path}.{key}")]
    if isinstance(value, list):
        return [leaf for number, inner in enumerate(value) for leaf in leaves(inner, f"{path}[{number}]")]
    return [(path, value)]


def test_a_stale_checksum_does_not_hide_what_was_changed(results: Path) -> None:
    """Whoever edits a number and leaves the checksum is told of both."""
    text = (results / FILE).read_text()
    score = json.loads(text)["scores"]["test"]["accuracy"]
    (results / FILE).write_text(text.replace(f'"accuracy": {score}', '"accuracy": 1.0'))
    assert {(FILE, "sha256"), (FILE, "scores.test.accuracy")} <= found(results)


def test_every_number_of_the_test_scores_counts(results: Path) -> None:
    """Whichever number of scores.test is edited, that very field is named, with both values."""
    values = json.loads(edited(results / FILE, lambda _: None).read_text())
    fields = leaves(values["scores"]["test"], "scores.test")
    assert len(fields) > 90
    for name, value in fields:
        other = 7 if isinstance(value, int) else 0.123456789
        steps = name.replace("[", ".[").split(".")[1:]
        again = json.loads((results / FILE).read_text())
        inner = again["scores"]
        for step in steps[:-1]:
            inner = inner[int(step[1:-1]) if step.startswith("[") else step]
        last = steps[-1]
        inner[int(last[1:-1]) if last.startswith("[") else last] = other
        path = results / FILE
        before = path.read_text()
        path.write_text(json.dumps(again))
        named = {one.field: one for one in WITH_DATA.check(results, FILE).findings}
        path.write_text(before)
        if other != value:
            assert name in named
            assert (named[name].recorded, named[name].found) == (repr(other), repr(value))


def test_every_flipped_row_counts(results: Path) -> None:
    """Whichever row is flipped, with the checksum, the scores do not come out, and the sealed file says which row."""
    lines = (results / PREDICTIONS).read_text().splitlines()
    for number in range(1, len(lines), 9):

        def edit(table: list[list[str]], number: int = number) -> None:
            table.insert(1, table.pop(number))
            flip(table)
            table.insert(number, table.pop(1))

        rows("predictions", edit)(results)
        named = found(results)
        assert (SEALED, f"row {number + 1}, state 1") in named
        assert any(name.startswith("scores.test.confusion") for _, name in named)
        rows("predictions", edit)(results)
        assert not found(results)


def test_one_broken_record_does_not_hide_the_next(results: Path) -> None:
    """Everything is looked at, whatever came before."""
    record(results, Cell(seed=1))
    (results / FILE).write_text("{")
    edited(results / FILE.replace("seed-0", "seed-1"), lambda r: r["scores"]["test"].update(accuracy=0.5))
    report = verify_folder(results, WITH_DATA)
    assert [one.status for one in report.records] == ["faulty", "faulty"]
    assert (FILE.replace("seed-0", "seed-1"), "scores.test.accuracy") in found(results)


def test_a_missing_row_and_a_surplus_one_are_named(results: Path) -> None:
    """With as many rows as before, the gold labels tell which utterance has none, and which row has no utterance."""
    (results / SEALED).unlink()
    edited(results / FILE, lambda r: r["training"].update(sealed=None))
    rows("predictions", lambda t: t[1].__setitem__(0, "meld-sample/test/99/0"))(results)
    findings = [one for one in verify_folder(results, WITH_DATA).of("fault") if one.field == "uid"]
    assert [(one.recorded, one.found) for one in findings] == [
        (None, "'meld-sample/test/0/0'"),
        ("'meld-sample/test/99/0'", None),
    ]


def test_many_faults_of_a_kind_are_counted(results: Path) -> None:
    """Of many rows that are wrong in the same way the first are listed, and the rest are a number."""
    rows("predictions", lambda t: [row.__setitem__(1, "x") for row in t[1:]])(results)
    faults = [one for one in verify_folder(results, WITHOUT_DATA).of("fault") if one.file == PREDICTIONS]
    assert len(faults) == MANY + 1
    assert faults[-1].what == f"and {66 - MANY} more such things."


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


# hypothesis at times takes the function above, which uses its argument, for one that does not.
@pytest.mark.filterwarnings("ignore:extend=:hypothesis.errors.HypothesisDeprecationWarning")
@settings(max_examples=100)
@given(data=st.data())
def test_no_value_brings_verification_down(right: Path, tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    """Whatever stands in whichever field, there is a report, and each line of it is printable."""
    results = tmp_path_factory.mktemp("any")
    shutil.copytree(right / "plain", results, dirs_exist_ok=True)
    values = json.loads((results / FILE).read_text())
    inner: Any = values
    while True:
        steps = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        step = data.draw(st.sampled_from(steps))
        if isinstance(inner[step], dict | list) and inner[step] and data.draw(st.booleans()):
            inner = inner[step]
            continue
        inner[step] = data.draw(JSON)
        break
    (results / FILE).write_text(json.dumps(values))
    for verifier in (WITH_DATA, WITHOUT_DATA):
        assert all(str(one).isprintable() for one in verify_folder(results, verifier).findings)


# -------------------------------------------------------------------------------- what is elsewhere, or of another time


def catalog_with(*specs: Recipe | DatasetSpec) -> Catalog:
    """The installed plugins, with these specs in place of those of the same name."""
    names = {spec.name for spec in specs}
    plugin = Plugin("another-plugin", "1.0", "main", "module")
    kinds = (Recipe, DatasetSpec)
    kept = [e for e in CATALOG._entries if not (isinstance(e.spec, kinds) and e.spec.name in names)]
    return Catalog(CATALOG.plugins, [*kept, *(Entry(plugin, spec) for spec in specs)])


def catalog_without(*names: str) -> Catalog:
    """The installed plugins without what is called so."""
    return Catalog(CATALOG.plugins, [e for e in CATALOG._entries if e.spec.name not in names])


def test_another_version_of_the_recipe_is_a_note(results: Path) -> None:
    """A record of an earlier version of its recipe is verified; that its values cannot be checked is said."""
    newer = CATALOG.get(Recipe, "eacl").model_copy(update={"version": "99", "values": {}})
    report = verify_folder(results, Verifier(catalog_with(newer)))
    assert [(one.kind, one.field, one.recorded, one.found) for one in report.findings] == [
        ("note", "recipe.version", repr(VERSION), "'99'")
    ]
    assert report.count("verified") == 1


def test_an_unknown_recipe_is_a_note(results: Path) -> None:
    """A record of a plugin that is not installed is verified; what only the plugin could tell is said."""
    report = verify_folder(results, Verifier(catalog_without("eacl")))
    assert [(one.kind, one.field) for one in report.findings] == [("note", "recipe.name")]
    assert "It cannot be checked here: Unknown recipe. Got 'eacl'." in report.findings[0].what


def test_another_version_of_a_plugin_is_a_note(results: Path) -> None:
    """Versions of distributions are compared with what is installed, one that is not installed included."""
    plugins = [{"distribution": "ercbench", "version": "0.0.1"}, {"distribution": "no-such-thing", "version": "3"}]
    edited(results / FILE, lambda r: r.update(plugins=plugins))
    edited(results / FILE, lambda r: r["environment"]["packages"].update(ercbench="0.0.1"))
    notes = [(one.field, one.recorded, one.found) for one in verify_folder(results, WITH_DATA).of("note")]
    assert notes == [("plugins[0].version", "'0.0.1'", repr("0.1.0")), ("plugins[1].version", "'3'", None)]


def test_a_local_plugin_is_a_note_and_is_never_run(results: Path, tmp_path: Path) -> None:
    """A record made with somebody's file is verified as far as that goes; the file is never looked for."""
    mark = tmp_path / "mark"
    (results.parent / "my_loss.py").write_text(f"open({str(mark)!r}, 'w')")
    (results / "my_loss.py").write_text(f"open({str(mark)!r}, 'w')")
    local = {"distribution": "my_loss.py", "version": "local file", "sha256": "a" * 64}
    edited(results / FILE, lambda r: r["plugins"].append(local))
    assert found(results) == {(FILE, "command --plugin")}
    edited(results / FILE, lambda r: r.update(command=f"{r['command']} --plugin my_loss.py"))
    report = verify_folder(results, WITH_DATA)
    assert [(one.kind, one.field, one.recorded) for one in report.findings] == [
        ("note", "plugins[1].version", repr("a" * 64))
    ]
    assert "my_loss.py was a local file, which nobody can install." in report.findings[0].what
    assert not mark.exists()


def test_an_unknown_data_set_is_not_verified(results: Path) -> None:
    """Where no plugin offers the data set, nothing can be scored; everything else is checked."""
    report = verify_folder(results, Verifier(catalog_without("meld-sample")))
    assert [(one.kind, one.field) for one in report.findings] == [("note", "config"), ("unverified", "dataset.name")]
    assert "Unknown dataset. Got 'meld-sample'" in report.findings[1].what
    assert report.count("not verified") == 1


def test_missing_data_are_not_verified(results: Path, tmp_path: Path) -> None:
    """Where the data are not here, a record is not verified, which is no fault of the record."""
    spec = CATALOG.get(DatasetSpec, "meld-sample").model_copy(update={"bundled": None})
    verifier = Verifier(catalog_with(spec), tmp_path)
    report = verify_folder(results, verifier)
    assert [one.kind for one in report.findings if one.field != "plugins"] == ["unverified"]
    assert "Data set 'meld-sample' lacks its files for train, dev, test." in report.of("unverified")[0].what


def test_another_version_of_the_data_is_not_verified(results: Path) -> None:
    """Where another version of the data set is here, nothing can be scored, which is no fault of the record."""
    edited(results / FILE, lambda r: r["dataset"].update(version="2020", fingerprint="sha256:" + "0" * 64))
    report = verify_folder(results, WITH_DATA)
    assert [(one.kind, one.field) for one in report.findings] == [("unverified", "dataset.version")]


def test_another_copy_of_the_same_dialogues_is_a_note(results: Path) -> None:
    """A file that was another byte by byte, and holds the same dialogues, is told and no fault."""
    edited(results / FILE, lambda r: r["dataset"]["files"].update({"test_sent_emo.csv": "0" * 64}))
    report = verify_folder(results, WITH_DATA)
    assert [(one.kind, one.field) for one in report.findings] == [("note", "dataset.files.test_sent_emo.csv")]


def test_a_record_of_version_1_is_verified(results: Path) -> None:
    """A record of before slices, fingerprints of splits and sealed files lacks them, and that is no fault."""

    def older(values: dict[str, Any]) -> None:
        values["schema_version"] = 1
        for name in ("context.protocol", "context.future"):
            del values["config"][name]
        del values["protocol"]["context"]
        for name in ("split_fingerprints", "files", "own"):
            del values["dataset"][name]
        for name in ("sealed", "prototype_similarity"):
            del values["training"][name]
        for split in ("dev", "test"):
            del values["scores"][split]["slices"]

    edited(results / FILE, older)
    (results / SEALED).unlink()
    report = verify_folder(results, WITH_DATA)
    assert [one.kind for one in report.findings if one.field != "training.sealed"] == []
    assert report.count("verified") == 1
    edited(results / FILE, lambda r: r["scores"]["test"].update(accuracy=0.5))
    assert found(results) == {(FILE, "scores.test.accuracy")}


def test_slices_are_left_out_of_records_that_have_none_to_score(results: Path) -> None:
    """Only a record of schema version 1 may lack slices."""
    edited(results / FILE, lambda r: r.update(schema_version=2))
    edited(results / FILE, lambda r: r["scores"]["test"].update(slices={}))
    assert (FILE, "scores.test.slices.shift.utterances") in found(results)


def test_two_records_of_one_cell_are_named(results: Path) -> None:
    """A copy of a record elsewhere is named with the one it repeats."""
    shutil.copytree(results / "records/meld-sample", results / "records/meld-sample-x")
    report = verify_folder(results, WITH_DATA)
    copy = FILE.replace("meld-sample", "meld-sample-x")
    [fault] = [one for one in report.others if one.kind == "fault"]
    assert (fault.file, fault.field) == (copy, "seed")
    assert FILE in fault.what
    assert (copy, "dataset.name") in found(results)


def test_the_same_predictions_under_two_seeds_are_a_note(results: Path) -> None:
    """Two runs that train do not predict the same to the last bit, as a rule; a reader is told."""
    other = results / FILE.replace("seed-0", "seed-1")
    for suffix in (".json", ".predictions.csv", ".sealed.csv"):
        shutil.copy((results / FILE).with_suffix(suffix), other.with_suffix(suffix))

    def edit(values: dict[str, Any]) -> None:
        values["seed"] = 1
        values["command"] = values["command"].replace("--seed 0", "--seed 1")
        values["predictions"]["file"] = "seed-1.predictions.csv"
        values["training"]["sealed"]["file"] = "seed-1.sealed.csv"

    edited(other, edit)
    report = verify_folder(results, WITH_DATA)
    assert [(one.kind, one.file, one.field) for one in report.findings] == [
        ("note", FILE.replace("seed-0", "seed-1"), "predictions.sha256")
    ]


def test_a_kept_model_is_no_stray_file(results: Path) -> None:
    """A results folder may hold the models of its runs; what lies below them is not looked at as a record."""
    folder = (results / FILE).with_suffix(".model")
    folder.mkdir()
    (folder / "model.json").write_text("{}")
    assert found(results) == set()


def test_evidence_is_checked_by_whoever_made_it(results: Path) -> None:
    """What checks evidence.json is handed in; without it a note says that nobody looked."""
    assert verify_folder(results, WITH_DATA, lambda _: [Finding("fault", "evidence.json", "x", "y")]).others == ()
    (results / "evidence.json").write_text("{}")
    assert found(results, kind="note") == {("evidence.json", "the file")}
    wrong = Finding("fault", "evidence.json", "rows", "It is another.")
    report = verify_folder(results, WITH_DATA, lambda folder: [wrong] if folder == results else [])
    assert report.others == (wrong,)


def test_evidence_that_needs_the_data_is_a_note_without_them(results: Path) -> None:
    """What only the data can tell is told apart, as for records."""
    (results / "evidence.json").write_text("{}")
    open_ = Finding("unverified", "evidence.json", "rows", "It could not be computed again.")
    assert verify_folder(results, WITH_DATA, lambda _: [open_]).others == (open_,)
    [finding] = verify_folder(results, WITHOUT_DATA, lambda _: [open_]).others
    assert (finding.kind, finding.field) == ("note", "rows")


def test_evidence_that_cannot_be_read_is_a_fault(results: Path) -> None:
    """A link, and whatever its check refuses, are faults; while a record is broken nothing is computed from it."""

    def refusing(_: Path) -> list[Finding]:
        raise RecordError("evidence.json: rows is not acceptable.")

    (results / "evidence.json").write_text("{}")
    [finding] = verify_folder(results, WITH_DATA, refusing).others
    assert (finding.kind, finding.what) == ("fault", "evidence.json: rows is not acceptable.")
    (results / FILE).write_text("{")
    assert ("note", "It is not looked at while a record cannot be read.") in [
        (one.kind, one.what) for one in verify_folder(results, WITH_DATA, refusing).others
    ]
    (results / "evidence.json").unlink()
    (results / "evidence.json").symlink_to("/dev/null")
    assert ("evidence.json", "the file") in found(results)


def test_text_of_the_record_is_shown_as_text(results: Path) -> None:
    """A sequence that a terminal would obey is shown by its code, in both kinds of output."""
    edited(results / FILE, lambda r: r["environment"].update(hardware="\x1b[31m\u202e\n- all is well"))
    for arguments in ([], ["--json"]):
        done = CliRunner().invoke(cli, ["verify", str(results), *arguments])
        assert "\x1b" not in done.output
        assert "\u202e" not in done.output
        assert "\n- all is well" not in done.output
        assert r"x1b[31m" in done.output or r"u001b[31m" in done.output


# ------------------------------------------------------------------------------------------------- somebody's own data


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A results folder with a record of somebody's own data set, which lies in ``data/my-calls``."""
    folder = tmp_path / "data" / "my-calls"
    folder.mkdir(parents=True)
    manifest = "licence: CC0\ncitation: none\nlabels: {ang: angry, flat: neutral}\nneutral: flat\n"
    (folder / "dataset.yaml").write_text(manifest + "files: {train: train.csv, dev: dev.csv, test: test.csv}\n")
    for split in ("train", "dev", "test"):
        lines = [f"1,Ann,The {split} kettle is on.,flat", "1,Bob,Not again!,ang", f"2,Cy,A {split}!,flat"]
        (folder / f"{split}.csv").write_text("\n".join(["dialogue,speaker,text,label", *lines, ""]))
    record(tmp_path / "results", Cell(dataset=str(folder)))
    return tmp_path / "results"


def test_somebodys_own_data_set_is_verified_where_it_is(own: Path) -> None:
    """With its folder in the data folder, a record of it is verified as any other; without, that is said."""
    report = verify_folder(own, Verifier(CATALOG, own.parent / "data"))
    assert (report.count("verified"), report.findings) == (1, [])
    [finding] = verify_folder(own, Verifier(CATALOG, own.parent / "nowhere")).findings
    assert (finding.kind, finding.field) == ("unverified", "dataset.name")
    assert "somebody's own data set, which is not here" in finding.what


OWN: Mapping[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "other words": (lambda r: r["dataset"]["own"].update(neutral="ang"), "dataset.own.labels"),
    "two labels of one word": (lambda r: r["dataset"]["own"]["labels"].update(ang="neutral"), "dataset.own"),
    "name of a plugin's": (lambda r: r["dataset"].update(name="meld"), "dataset.own"),
    "name that leads elsewhere": (lambda r: r["dataset"].update(name="../my-calls"), "dataset.name"),
    "another data set in the command": (
        lambda r: r.update(command=r["command"].replace("./my-calls", "../../home")), "command --dataset",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_tampering_with_what_is_told_of_it_is_named(own: Path, name: str) -> None:
    """What no plugin tells of a data set must agree with its own manifest, and with itself."""
    edit, field = OWN[name]
    edited(the_record(own), edit)
    faults = verify_folder(own, Verifier(CATALOG, own.parent / "data")).of("fault")
    assert field in {one.field for one in faults}


def test_a_corpus_in_memory_has_a_call_for_a_command(own: Path) -> None:
    """Of a data set that was an object, the record tells the call in Python; another call than its own is named."""
    call = "ercbench.run('eacl', dataset=corpus, track='mini', seeds=[0]{})  # Python; the corpus my-calls"
    verifier = Verifier(CATALOG, own.parent / "data")
    edited(the_record(own), lambda r: r.update(command=call.format("")))
    assert verify_folder(own, verifier).findings == []
    local = {"distribution": "my_loss.py", "version": "local file", "sha256": "a" * 64}
    edited(
        the_record(own),
        lambda r: (r["plugins"].append(local), r.update(command=call.format(", plugins=['my_loss.py']"))),
    )
    assert verify_folder(own, verifier).of("fault") == []
    edited(the_record(own), lambda r: r.update(command=call.format(", limit=3")))
    assert [one.field for one in verify_folder(own, verifier).of("fault")] == ["command"]


# ---------------------------------------------------------------------------------------------------------- the command


def test_the_command_ends_with_0_when_nothing_is_wrong(results: Path) -> None:
    """It says how many records are verified, and of how many notes a reader should know."""
    done = CliRunner().invoke(cli, ["verify", str(results)], catch_exceptions=False)
    assert done.exit_code == 0
    assert f"{FILE}" in done.output
    assert done.output.endswith("\n1 of 1 record verified; 0 faults, 0 notes.\n")


def test_records_and_evidence_that_need_the_data_are_counted_apart() -> None:
    """An entry of the evidence is no record."""
    open_ = Finding("unverified", "evidence.json", "rows", "It could not be computed again.")
    left = Checked("a.json", None, "not verified", (replace(open_, file="a.json"),))
    with pytest.raises(DataError, match=r"^The scores of 1 record and 2 of the entries of evidence\.json in there"):
        _end(FolderReport((left,), (open_, open_)), Path("there"))


@pytest.mark.parametrize(("options", "code"), [((), 3), (("--without-data",), 0)])
def test_the_command_tells_missing_data_apart(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, options: tuple[str, ...], code: int
) -> None:
    """Data that are not here end it with 3, each data set on a line, unless they are not asked for."""
    spec = CATALOG.get(DatasetSpec, "meld-sample").model_copy(update={"bundled": None})
    known = CATALOG.entry(Recipe, "eacl").plugin
    entries = [Entry(known, spec) if e.spec.name == "meld-sample" else e for e in CATALOG._entries]
    monkeypatch.setattr("ercbench.catalog.load_catalog", lambda: Catalog(CATALOG.plugins, entries))
    record(results, Cell(seed=1, dataset="iemocap-sample"))
    if code:
        with pytest.raises(SystemExit) as ended:
            main(["verify", str(results), "--data-dir", str(tmp_path), *options])
        assert ended.value.code == DataError.exit_code == code
        printed, said = capsys.readouterr()
        assert f"The scores of 1 record in {results} could not be computed again" in said
        assert "- meld-sample (1 record): The scores could not be computed again." in printed
        assert "1 of 2 records verified; 0 faults, 0 notes." in printed
    else:
        done = CliRunner().invoke(cli, ["verify", str(results), *options], catch_exceptions=False)
        assert "0 of 2 records verified, 2 checked without data; 0 faults, 0 notes." in done.output


def test_the_command_ends_with_7_when_something_is_wrong(results: Path, capsys: Any) -> None:
    """Every fault is on a line of its own, with file, field, both values and what to do."""
    edited(results / FILE, lambda r: r["scores"]["test"].update(accuracy=0.5))
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(results)])
    assert ended.value.code == RecordError.exit_code == 7
    printed = capsys.readouterr()
    [line] = [line for line in printed.out.splitlines() if "scores.test.accuracy" in line]
    values = json.loads((results / FILE).read_text())["scores"]["test"]["confusion"]
    right = sum(values[i][i] for i in range(7)) / sum(map(sum, values))
    assert line == (
        f"- {FILE}: scores.test.accuracy: Scoring the predictions again gives another value. Recorded: 0.5. "
        f"Found: {right!r}. Bring the file back as its run wrote it, or run the record's command again."
    )
    assert printed.err == f"ercbench: {results} is not what it says: 1 fault, listed in the report.\n"


def test_the_command_prints_json(results: Path) -> None:
    """As JSON, the report has every record with its status and every finding with its parts, right or wrong."""
    edited(results / FILE, lambda r: r["scores"]["test"].update(accuracy=0.5))
    done = CliRunner().invoke(cli, ["verify", str(results), "--json"])
    report = json.loads(done.stdout)
    assert report["ok"] is False
    assert report["counts"]["faulty"] == report["counts"]["faults"] == 1
    [one] = report["records"]
    assert (one["file"], one["status"]) == (FILE, "faulty")
    assert one["signature"] == records.read_record(results / FILE).signature
    [finding] = one["findings"]
    assert sorted(finding) == ["field", "file", "fix", "found", "kind", "recorded", "what"]
    assert isinstance(done.exception, RecordError)


def test_a_folder_without_records_is_no_success(tmp_path: Path) -> None:
    """A folder that is not there is a usage error; one that holds no records is faulty, so that CI notices."""
    with pytest.raises(UsageError, match="no folder to verify"):
        verify_folder(tmp_path / "absent", WITH_DATA)
    assert found(tmp_path) == {("records", "the folder")}
