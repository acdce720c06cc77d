"""The baselines as recipes: honest controls, alike on both tracks, runnable on the samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ercbench_stock.losses import WeightedCrossEntropyLoss
from ercbench_stock.recipes import RECIPES

from ercbench import models
from ercbench.catalog import load_catalog
from ercbench.config import resolve
from ercbench.devices import Device
from ercbench.errors import CheckpointError, UsageError
from ercbench.exporting import export
from ercbench.inference import Predictor
from ercbench.preparing import prepare
from ercbench.progress import Silent
from ercbench.runner import run
from ercbench.trace import trace
from ercbench.types import ContextProtocol

pytestmark = pytest.mark.usefixtures("one_thread")

CATALOG = load_catalog()
CPU = Device("cpu", "fp32")
CONTROLS = ("ce-context", "ce-weighted", "focal", "supcon-ce")
UNTRAINED = ("majority", "stratified", "tfidf-lr", "tfidf-context-lr", "frozen-lr", "frozen-prompt-lr",
             "bilstm-frozen", "dialogue-rnn", "dag-erc")  # fmt: skip


def values(name: str, track: str, dataset: str) -> Mapping[str, Any]:
    """Every value of a recipe."""
    return resolve(CATALOG, name, track, dataset, {}).values


@pytest.mark.parametrize("track", ["mini", "full"])
@pytest.mark.parametrize("dataset", ["iemocap", "meld", "emorynlp", "meld-sample"])
def test_controls_differ_from_eacl_in_losses_and_classifier_alone(track: str, dataset: str) -> None:
    """Input, encoder, batch, learning rates and epochs are EACL's; ce-utterance has its training and cleaned text."""
    eacl = values("eacl", track, dataset)
    for name in CONTROLS:
        found = values(name, track, dataset)
        changed = {path for path in found.keys() | eacl.keys() if found.get(path) != eacl.get(path)}
        assert {path.split(".")[0] for path in changed} == {"losses", "classifier", "selection"}
        assert {path for path in changed if path.startswith("selection")} == {"selection.classifier"}
    alone = values("ce-utterance", track, dataset)
    kept = [path for path in eacl if path.startswith(("training.", "context.")) or path == "renderer.replace"]
    kept += ["encoder.checkpoint", "encoder.max_tokens", "encoder.dropout", "encoder.attention_dropout"]
    assert {path: alone[path] for path in kept} == {path: eacl[path] for path in kept}


@pytest.mark.parametrize("dataset", ["iemocap", "meld", "emorynlp", "meld-sample"])
def test_spcl_is_trained_like_ce_context_on_mini_and_as_released_on_full(dataset: str) -> None:
    """The prompt is EACL's on both; on full, batch, rates and epochs are those of the released code's command."""
    mini, control = (values(name, "mini", dataset) for name in ("spcl", "ce-context"))
    shared = ("training.", "context.", "renderer.", "selection.")
    kept = [path for path in control if path.startswith(shared)]
    kept += ["encoder.checkpoint", "encoder.max_tokens", "encoder.attention_dropout"]
    assert {path: mini[path] for path in kept} == {path: control[path] for path in kept}
    full = values("spcl", "full", dataset)
    released = {"training.epochs": 16, "training.batch_size": 32, "training.encoder_lr": 1e-5, "training.lr": 1e-3}
    if dataset != "meld-sample":
        assert {path: full[path] for path in released} == released
    loss = {"temperature": 0.05, "pool_size": 256, "support_size": 64, "least": 0.3, "weight": 1.0}
    for found in (mini, full):
        assert {name: found[f"losses.spcl.{name}"] for name in loss} == loss
        assert (found["encoder.read"], found["encoder.detach_head"]) == ("mask", True)
        assert {path for path in found if path.startswith("losses.")} == {
            "losses.cross-entropy.weight", *(f"losses.spcl.{name}" for name in loss)
        }  # fmt: skip


@pytest.mark.parametrize("track", ["mini", "full"])
@pytest.mark.parametrize("name", UNTRAINED)
def test_what_is_not_trained_has_no_epochs_on_any_track(name: str, track: str) -> None:
    """Whatever the track's are."""
    assert values(name, track, "meld")["training.epochs"] == 0


@pytest.mark.parametrize("name", ["bilstm-frozen", "dialogue-rnn", "dag-erc", "dag-erc-finetuned"])
def test_over_dialogues_the_encoder_is_another_recipes(name: str) -> None:
    """As in frozen-lr or ce-utterance; the classifier and the number of turns it reads are all that differs."""
    for track in ("mini", "full"):
        for dataset in ("iemocap", "meld", "emorynlp"):
            found = values(name, track, dataset)
            base = values("ce-utterance" if name == "dag-erc-finetuned" else "frozen-lr", track, dataset)
            changed = {path for path in found.keys() | base.keys() if found.get(path) != base.get(path)}
            assert {path for path in changed if not path.startswith("classifier.")} == {"context.past"}


def test_on_full_classifiers_over_dialogues_have_their_sources_settings() -> None:
    """COSMIC's training for the recurrent ones; for DAG-ERC those of its authors, which differ by data set."""
    names = ("lr", "l2", "dropout", "batch_size", "epochs")

    def shown(name: str, dataset: str, *settings: str) -> tuple[Any, ...]:
        found = values(name, "full", dataset)
        return tuple(found[f"classifier.{setting}"] for setting in settings)

    for dataset in ("iemocap", "meld", "emorynlp"):
        for name in ("bilstm-frozen", "dialogue-rnn"):
            assert shown(name, dataset, *names) == (1e-4, 3e-4, 0.5, 8, 40)
        for name in ("dag-erc", "dag-erc-finetuned"):
            assert shown(name, dataset, "width", "omega", "deciding_layers", "clip_norm", "l2") == (300, 1, 2, 5.0, 0.0)
    dag = ("layers", "lr", "batch_size", "epochs", "dropout")
    assert shown("dag-erc", "iemocap", *dag) == (4, 5e-4, 16, 30, 0.2)
    assert shown("dag-erc", "meld", *dag) == (2, 1e-5, 64, 70, 0.1)
    assert shown("dag-erc", "emorynlp", *dag) == (2, 5e-5, 32, 100, 0.3)
    assert shown("dag-erc-finetuned", "emorynlp-sample", *dag) == shown("dag-erc", "emorynlp", *dag)


def test_the_prompt_is_eacls_own() -> None:
    """What a frozen encoder is shown is what EACL shows."""
    for dataset in ("iemocap", "meld", "emorynlp"):
        frozen, eacl = (values(name, "mini", dataset) for name in ("frozen-prompt-lr", "eacl"))
        assert {p: v for p, v in frozen.items() if p.startswith("renderer.")} == {
            p: v for p, v in eacl.items() if p.startswith("renderer.")
        }


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_baseline_runs_keeps_its_model_and_is_traced(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, recipe: Any
) -> None:
    """To a record; the kept model is loaded again and classifies; a trace shows every stage."""
    shown = values(recipe.name, "mini", "iemocap-sample")
    overrides = {"encoder.checkpoint": str(tiny_checkpoint("bert"))} if "encoder.checkpoint" in shown else {}
    config = resolve(CATALOG, recipe.name, "mini", "iemocap-sample", overrides)
    record = run(prepare(CATALOG, config, None, 2), 0, CPU, tmp_path, Silent())
    assert record.recipe.name == recipe.name
    assert [epoch.epoch for epoch in record.training.epochs] == list(range(1, config.training.epochs + 1))
    [path] = tmp_path.glob("records/*/*/*/seed-0.json")
    trained = models.load(CATALOG, path)
    assert trained.labels == config.dataset.labels.keys
    assert Predictor(trained, CPU)
    stages = trace(CATALOG, config, "iemocap-sample/test/0/0", "classifying", None)
    assert stages["representation"]["vectors"][0] == 1
    assert (config.training.epochs == 0) == ("note" in stages["classifying"])


@pytest.mark.parametrize("context", ["past", "full", "none"])
@pytest.mark.parametrize("name", ["majority", "stratified"])
def test_a_floor_is_there_under_every_context_protocol(name: str, context: ContextProtocol) -> None:
    """It looks at no turn, so none can be missing."""
    assert resolve(CATALOG, name, "mini", "meld", {}, context).context.protocol == context


def test_weights_of_classes_come_from_the_labels_of_train(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss that asks for counts is given those of the training split, in label order."""
    given: list[Sequence[int]] = []
    make = WeightedCrossEntropyLoss.__init__
    monkeypatch.setattr(
        WeightedCrossEntropyLoss, "__init__", lambda self, *args: (given.append(args[-1]), make(self, *args))[1]
    )
    overrides = {"encoder.checkpoint": str(tiny_checkpoint("bert")), "training.epochs": 0}
    prepared = prepare(CATALOG, resolve(CATALOG, "ce-weighted", "mini", "meld-sample", overrides), None, 3)
    run(prepared, 0, CPU, tmp_path, Silent(), keep_model=False)
    labels = [turn.label for dialogue in prepared.corpus.train for turn in dialogue.utterances]
    assert given == [[labels.count(key) for key in prepared.corpus.labels.keys]]
    assert sum(given[0]) == len(prepared.tokens["train"])


@pytest.mark.parametrize("name", ["majority", "tfidf-lr"])
def test_what_is_no_transformer_is_not_exported(tmp_path: Path, name: str) -> None:
    """The message says what it is and what can be done with it, and leaves no folder behind."""
    run(prepare(CATALOG, resolve(CATALOG, name, "mini", "meld-sample", {}), None, 2), 0, CPU, tmp_path, Silent())
    [path] = tmp_path.glob("records/*/*/*/seed-0.json")
    with pytest.raises(CheckpointError, match="Only encoders of transformers can be exported"):
        export(CATALOG, path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").touch()
    with pytest.raises(UsageError, match="must be new or empty"):
        export(CATALOG, path, tmp_path / "out")
