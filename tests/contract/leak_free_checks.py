"""No plugin can get at the labels of test while a run goes on: a plugin that looks everywhere finds none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import leak_attack
import pytest

from ercbench import data, scoring
from ercbench.catalog import Catalog, Entry, Plugin, load_catalog
from ercbench.config import resolve
from ercbench.devices import Device
from ercbench.errors import RecordError
from ercbench.observing import Observer, observe, run_info
from ercbench.preparing import prepare
from ercbench.progress import Reporter, Silent
from ercbench.records import RunRecord
from ercbench.runner import cell_path, run
from ercbench.specs import (
    ClassifierSpec,
    DatasetSpec,
    EncoderSpec,
    LossSpec,
    PackagedCheckpoint,
    Recipe,
    RendererSpec,
    Spec,
    TrackSpec,
)
from ercbench.types import Predictions, Scores

pytestmark = pytest.mark.usefixtures("one_thread")

PLACES = {
    "renderer: made", "renderer: render",
    "encoder: made", "encoder: tokenize", "encoder: plan", "encoder: collate", "encoder: load",
    "model: forward, train", "model: forward, dev", "model: forward, test", "model: prototypes",
    "loss: made", "loss: forward",
    "classifier: made", "classifier: fit", "classifier: tensors", "classifier: score, dev", "classifier: score, test",
    "observer: run started", "observer: epoch finished", "observer: scoring started", "observer: scoring finished",
    "observer: run finished",
}  # fmt: skip
DATA = "meld-sample"


def spy_catalog(**selection: object) -> Catalog:
    """The installed data sets and tracks, and a recipe all of whose parts spy."""
    spy, installed = Plugin("spy", "1.0", "spy", "leak_attack"), load_catalog()
    parts: list[Spec] = [
        RendererSpec(name="spy", summary="", target="leak_attack:Renderer"),
        EncoderSpec(name="spy", summary="", target="leak_attack:Encoder"),
        LossSpec(name="spy", summary="", target="leak_attack:Loss"),
        ClassifierSpec(name="spy", summary="", target="leak_attack:Classifier", needs_training=True),
        ClassifierSpec(name="spy-head", summary="", target="leak_attack:Classifier", needs_training=False),
        TrackSpec(name="spying", summary="", values={"training.epochs": 2}),
        Recipe(
            name="spy", version="1", summary="", reference="",
            values={
                "renderer.name": "spy", "encoder.name": "spy", "losses.spy.weight": 1.0, "classifier.name": "spy",
                "selection.classifier": "spy-head", **{f"selection.{key}": value for key, value in selection.items()},
            },
        ),
    ]  # fmt: skip
    kept = [entry for kind in (DatasetSpec, PackagedCheckpoint) for entry in installed.entries(kind)]
    return Catalog([spy], [*kept, *(Entry(spy, part) for part in parts)])


@pytest.fixture
def spied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder that the spy knows, and an empty list of what it found."""
    monkeypatch.setenv(leak_attack.RESULTS, str(tmp_path))
    monkeypatch.setattr(leak_attack, "FOUND", {})
    return tmp_path


def leaks() -> dict[str, set[str]]:
    """By place, the test utterances whose gold label was found there."""
    catalog = load_catalog()
    corpus = data.load(catalog.get(DatasetSpec, DATA), None, 4)
    index = data.gold(corpus, "test")
    keys = {uid: corpus.labels.keys[label] for uid, label in index.items()}
    texts = {u.text: (u.uid, u.label) for d in corpus.test for u in d.utterances}
    elsewhere = {u.text for split in ("train", "dev") for d in corpus.split(split) for u in d.utterances}
    found: dict[str, set[str]] = {}
    for place, pairs in leak_attack.FOUND.items():
        of_uid: dict[str, set[object]] = {}
        for name, label in pairs:
            uid = texts[name][0] if name in texts and name not in elsewhere else name
            of_uid.setdefault(uid, set()).add(label)
        found[place] = {
            uid for uid, labels in of_uid.items() if uid in index and labels & {index[uid], str(index[uid]), keys[uid]}
        }
    return found


def play(results: Path, seeds: tuple[int, ...] = (0,), **selection: object) -> None:
    """Run the spy, one seed after another."""
    catalog = spy_catalog(**selection)
    prepared = prepare(catalog, resolve(catalog, "spy", "spying", DATA, {}), None, 4)
    device = Device("cpu", "fp32")
    for seed in seeds:
        info = run_info(prepared, seed, device, results, cell_path(prepared.config, seed, results))

        def one(told: Reporter, seed: int = seed) -> RunRecord:
            return run(prepared, seed, device, results, told)

        observe(one, Silent(), [Observer("Tracker spy", leak_attack.Tracker)], info)


def test_a_plugin_that_looks_everywhere_finds_no_label_of_test(spied: Path) -> None:
    """Arguments, callers' variables, modules, every living object: nowhere is a test uid with its label."""
    play(spied, seal_test=False)
    assert leak_attack.FOUND.keys() == PLACES
    assert {place: uids for place, uids in leaks().items() if uids} == {}


def test_an_observer_of_a_failure_finds_no_label_of_test(spied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends with the labels of test in its hands lets go of them before anybody is told."""
    score = scoring.score

    def full(predictions: Predictions, *rest: Any) -> Scores:
        if "/test/" in predictions.uids[0]:
            raise RecordError("The disk is full.")
        return score(predictions, *rest)

    monkeypatch.setattr(scoring, "score", full)
    monkeypatch.setattr(leak_attack, "PLACES", {"observer: run failed"})
    with pytest.raises(RecordError, match="full"):
        play(spied, seal_test=False)
    assert leak_attack.FOUND.keys() == {"observer: run failed"}
    assert not leaks()["observer: run failed"]


def test_what_a_finished_run_leaves_behind_holds_no_labels(spied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later run finds predictions in the results folder, sealed ones too, and they tell what was predicted alone."""
    monkeypatch.setattr(leak_attack, "PLACES", {"encoder: load"})
    play(spied, (0, 1))
    monkeypatch.setattr(leak_attack, "FOUND", {"files": set(leak_attack.labels_in_files(spied))})
    guesses: dict[str, set[str]] = {}
    for path in spied.rglob("*.sealed.csv"):
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            uid, *keys = line.split(",")
            guesses.setdefault(uid, set()).update(keys)
    corpus = data.load(load_catalog().get(DatasetSpec, DATA), None, 4)
    right = {u.uid for d in corpus.test for u in d.utterances if u.label in guesses.get(u.uid, set())}
    assert 0 < len(right) < len(data.gold(corpus, "test"))
    assert leaks()["files"] <= right


def test_the_spy_finds_labels_where_there_are_some(spied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that chooses on test has them in memory from the first epoch on, and the spy sees them: it can see."""
    monkeypatch.setattr(leak_attack, "PLACES", {"classifier: tensors"})
    play(spied, split="test")
    everything = set(data.gold(data.load(load_catalog().get(DatasetSpec, DATA), None, 4), "test"))
    assert leaks()["classifier: tensors"] == everything
