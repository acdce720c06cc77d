"""Somebody's own data set: how it is named, what a record tells of it, and what a model of it needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from recorded import edited

import ercbench
from ercbench import data
from ercbench.catalog import load_catalog
from ercbench.cli.data import data as data_command
from ercbench.cli.show import show
from ercbench.cli.trace import trace
from ercbench.conversations import Turn
from ercbench.devices import Device
from ercbench.errors import DataError, RecordError, UnknownName, UsageError
from ercbench.exporting import model_card
from ercbench.grid import find_datasets
from ercbench.inference import Predictor
from ercbench.leaderboard.build import build, texts
from ercbench.manifest import read_manifest
from ercbench.models import load
from ercbench.own import described, find_dataset, is_folder, of_corpus, of_record
from ercbench.records import RunRecord, read_record
from ercbench.types import Corpus, LabelSet

MANIFEST = """\
licence: "*CC0* <b>"
citation: Byron and Hart
labels: {ang: angry, glad: glad, flat: neutral}
neutral: flat
files: {train: train.csv, dev: dev.csv, test: test.csv}
"""


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A folder ``my-calls`` of two dialogues per split."""
    folder = tmp_path / "my-calls"
    folder.mkdir()
    (folder / "dataset.yaml").write_text(MANIFEST, encoding="utf-8")
    for split in ("train", "dev", "test"):
        rows = [("1", "Ann", f"The {split} kettle is on.", "flat"), ("1", "Bob", "Not again!", "ang")]
        rows += [("2", "Cy", f"A {split} party!", "glad"), ("2", "Ann", "Oh.", "")]
        text = "".join(",".join(row) + "\n" for row in [("dialogue", "speaker", "text", "label"), *rows])
        (folder / f"{split}.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def run(tmp_path: Path, tiny_checkpoint: Callable[[str], Path]) -> Callable[..., RunRecord]:
    """One epoch with a tiny encoder, on any data set."""

    def once(dataset: Any, **options: Any) -> RunRecord:
        overrides = {"encoder.checkpoint": str(tiny_checkpoint("bert")), "training.epochs": 1, "classifier.epochs": 1}
        [record] = ercbench.run(
            "eacl", dataset=dataset, track="mini", overrides=overrides, results=tmp_path / "results", **options
        )
        return record

    return once


# ---------------------------------------- names


@pytest.mark.parametrize(
    ("name", "folder"),
    [("./calls", True), (".", True), ("..", True), ("~", True), ("a/b", True), ("/x", True), ("meld", False),
     ("ercbench:meld", False), ("calls", False)],
)  # fmt: skip
def test_what_counts_as_a_folder(name: str, folder: bool) -> None:
    """A separator, or one of the names of folders; never a plain word."""
    assert is_folder(name) == folder


def test_a_folder_is_found_and_a_plain_name_stays_a_plugins(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain name is never a folder, but the message says how to name one that is there."""
    catalog = load_catalog()
    monkeypatch.chdir(calls.parent)
    for name in ("./my-calls", "my-calls/", str(calls)):
        assert find_dataset(catalog, name) == read_manifest(calls)
    monkeypatch.chdir(calls)
    assert find_dataset(catalog, ".").name == "my-calls"
    monkeypatch.chdir(calls.parent)
    with pytest.raises(
        UnknownName, match=r"Got 'my-calls'.* A folder of that name has a dataset\.yaml; .* \./my-calls$"
    ):
        find_dataset(catalog, "my-calls")
    with pytest.raises(UnknownName, match="Did you mean meld"):
        find_dataset(catalog, "melt")


def test_a_plugins_name_cannot_be_taken(calls: Path) -> None:
    """Its records would stand on the board of the other, and its recipes' settings would apply."""
    (calls / "dataset.yaml").write_text(MANIFEST + "name: meld\n", encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"cannot be called what a plugin's is\. Got 'meld'.*dataset\.yaml; or run that"
    ):
        find_dataset(load_catalog(), str(calls))


def test_two_of_one_name_and_samples_are_refused(calls: Path, tmp_path: Path) -> None:
    """Two folders whose records would overwrite each other; ``--sample`` for what has none."""
    (tmp_path / "other").mkdir()
    twin = (tmp_path / "other").joinpath("my-calls")
    twin.symlink_to(calls)
    catalog = load_catalog()
    assert [spec.name for spec in find_datasets(catalog, [str(calls), "meld", str(calls)], False)] == [
        "my-calls",
        "meld",
    ]
    with pytest.raises(UsageError, match="Two data sets have the same name"):
        find_datasets(catalog, [str(calls), str(twin)], False)
    with pytest.raises(UsageError, match="No sample comes with: my-calls"):
        find_datasets(catalog, [str(calls)], True)


def test_every_command_that_names_a_data_set_takes_a_folder(calls: Path) -> None:
    """Check, stats, show and trace; whatever the data folder is."""
    elsewhere = ["--data-dir", "nowhere"]
    checked = CliRunner().invoke(data_command, ["check", str(calls), *elsewhere], catch_exceptions=False)
    assert checked.output.startswith("my-calls: OK. train 2 dialogues, 3 labelled;")
    counted = CliRunner().invoke(data_command, ["stats", str(calls), "--json"], catch_exceptions=False)
    assert json.loads(counted.output)["splits"]["dev"]["labels"] == {"ang": 1, "glad": 1, "flat": 1}
    shown = CliRunner().invoke(
        show, ["eacl", "--dataset", str(calls), "--track", "mini", "--json"], catch_exceptions=False
    )
    values = json.loads(shown.output)
    assert values["dataset"] == "my-calls"
    assert values["values"]["renderer.speaker"] == {"value": "as-is", "from": "default"}
    uid = ["--utterance", "my-calls/test/0/1", "--until", "rendering", "--track", "mini", *elsewhere]
    traced = CliRunner().invoke(trace, ["eacl", "--dataset", str(calls), *uid], catch_exceptions=False)
    assert "Ann says: The test kettle is on." in traced.output


# ---------------------------------------- runs


def test_a_run_on_a_folder_tells_what_no_plugin_tells(
    calls: Path, run: Callable[..., RunRecord], tmp_path: Path
) -> None:
    """The folder's name without its path, labels with their words, no plugin for the data; a board by its name."""
    record = run(calls)
    assert record.command.startswith("ercbench run eacl --dataset ./my-calls --track mini --seed 0 --set ")
    assert str(calls.parent / "my") not in record.model_dump_json()
    assert record.dataset.own == described(read_manifest(calls))
    assert record.dataset.own is not None
    assert list(record.dataset.own.labels.items()) == [("ang", "angry"), ("glad", "glad"), ("flat", "neutral")]
    assert record.unranked_reasons == ["changed with --set"]
    assert [plugin.distribution for plugin in record.plugins] == ["ercbench"]
    boards = texts(build(tmp_path / "results"))
    assert "ercbench run eacl --dataset ./my-calls" in boards["my-calls.md"]
    assert run(calls) == record  # done already
    (calls / "dataset.yaml").write_text(MANIFEST.replace("glad: glad", "glad: joyful"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"Differs in: dataset\.labels"):
        run(calls)


def test_a_model_needs_the_folder_no_more(calls: Path, run: Callable[..., RunRecord], tmp_path: Path) -> None:
    """The record says enough to load it; the card shows what its maker wrote, and only shows it."""
    run(calls)
    calls.rename(tmp_path / "gone")
    path = tmp_path / "results" / "records" / "my-calls" / "mini" / "eacl@2" / "seed-0.json"
    trained = load(load_catalog(), path)
    assert trained.labels == ("ang", "glad", "flat")
    assert trained.config.dataset.labels == LabelSet.of({"ang": "angry", "glad": "glad", "flat": "neutral"}, "flat")
    [emotion] = Predictor(trained, Device("cpu", "fp32")).predict([Turn("1", "Ann", "Hello.")])
    assert list(emotion.probabilities) == ["ang", "glad", "flat"]
    card = model_card(trained)
    assert r"whose licence is: \*CC0\* &lt;b&gt;." in card
    assert "Byron and Hart" in card
    edited(path, lambda values: values["dataset"]["own"].update(labels={"ang": "angry", "a,b": "x"}))
    with pytest.raises(RecordError, match=r"The data set of the record is not acceptable.*Got 'a,b'"):
        load(load_catalog(), path)


def test_a_run_on_objects_equals_one_on_files(calls: Path, run: Callable[..., RunRecord], tmp_path: Path) -> None:
    """The same content and words give the same scores; the command is a call in Python."""
    from_files = run(calls)
    corpus = data.load(read_manifest(calls))
    out = Corpus.from_datasets(corpus.to_datasets(), "calls-in-python", corpus.labels)
    record = run(out)
    assert record.scores == from_files.scores
    assert record.dataset.fingerprint == from_files.dataset.fingerprint
    call, _, remark = record.command.partition("  # ")
    assert remark == "Python; the corpus calls-in-python"
    compile(call, "command", "eval")
    limited = run(corpus.to_datasets(), limit=1)
    assert "limit=1" in limited.command
    assert limited.dataset.own is not None
    assert limited.dataset.own.labels == {"ang": "ang", "glad": "glad", "flat": "flat"}
    assert limited.dataset.name.startswith("dataset-")


def test_who_made_it_may_keep_it_from_being_ranked(calls: Path) -> None:
    """``ranked: false`` is told as the reason, which is not that it is a sample."""
    (calls / "dataset.yaml").write_text(MANIFEST + "ranked: false\n", encoding="utf-8")
    assert read_manifest(calls).ranked is False
    own = described(read_manifest(calls))
    assert own is not None
    [path, *_] = sorted(Path(__file__).parents[2].glob("leaderboards/records/*/*/*/seed-*.json"))
    record = read_record(path)
    changed = record.model_copy(update={"dataset": record.dataset.model_copy(update={"ranked": False, "own": own})})
    assert "data set is not ranked" in changed.unranked_reasons
    assert "sample data" not in changed.unranked_reasons


def test_a_record_of_a_plugins_data_set_names_it() -> None:
    """Nothing changes for those."""
    [path, *_] = sorted(Path(__file__).parents[2].glob("leaderboards/records/*/*/*/seed-*.json"))
    identity = read_record(path).dataset
    assert of_record(identity) == identity.name
    assert described(find_dataset(load_catalog(), identity.name)) is None


def test_every_problem_of_several_data_sets_is_told(calls: Path, run: Callable[..., RunRecord]) -> None:
    """A wrong row of a folder is told like any other, before anything is trained."""
    (calls / "train.csv").write_text("dialogue,speaker,text,label\n1,Ann,x,mad\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)Data set 'my-calls' in .*train\.csv, line 2: unknown label. Got 'mad'"):
        run([calls])


def test_a_corpus_has_no_licence_to_tell(calls: Path) -> None:
    """The record says that it was not told."""
    assert of_corpus(data.load(read_manifest(calls))).licence == "not told"


def test_a_report_names_the_folder_and_every_file_of_a_split(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of `data doctor` tells a command that works beside the folder, and all files of a split."""
    monkeypatch.chdir(calls.parent)
    rows = (calls / "train.csv").read_text(encoding="utf-8").replace("1,", "3,").replace("2,", "4,")
    (calls / "more.csv").write_text(rows, encoding="utf-8")
    manifest = MANIFEST.replace("train: train.csv", "train: [train.csv, more.csv]")
    (calls / "dataset.yaml").write_text(manifest, encoding="utf-8")
    page = CliRunner().invoke(data_command, ["doctor", "./my-calls", "--markdown"], catch_exceptions=False).output
    assert "`ercbench data doctor ./my-calls --markdown`" in page
    assert "train.csv, more.csv" in page
