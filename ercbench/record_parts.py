"""The parts of a record that say what ran on what, and how training went. Part of ``runner.py``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ercbench import scoring
from ercbench.own import described
from ercbench.preparing import Prepared
from ercbench.provenance import command, environment, plugins
from ercbench.whole_files import sha256_of

if TYPE_CHECKING:
    from ercbench.devices import Device
    from ercbench.training import Trained


def named(name: str, text: str | None) -> dict[str, str] | None:
    """A file beside a record, as the record tells it."""
    return None if text is None else {"file": name, "sha256": sha256_of(text)}


def training_part(prepared: Prepared, trained: Trained, on_dev: list[float], kept: int) -> dict[str, Any]:
    """How training went, as the record tells it. A score on test is not told."""
    epochs = [asdict(epoch) for epoch in trained.epochs]
    for epoch in epochs:
        del epoch["selection_score"]
    return {
        "epochs": epochs,
        "chosen_epoch": trained.chosen,
        "candidates_dev_weighted_f1": on_dev,
        "chosen_candidate": kept + 1,
        "effective_batch": prepared.config.training.batch_size,
        "resumed_after_epochs": list(trained.resumed_after),
    }


def _dataset(prepared: Prepared) -> dict[str, Any]:
    """Which data it ran on, as the record tells it."""
    corpus = prepared.corpus
    return {
        "name": corpus.name,
        "version": corpus.version,
        "fingerprint": corpus.fingerprint,
        "split_fingerprints": prepared.fingerprints.splits,
        "files": {file.name: file.sha256 for files in prepared.fingerprints.files.values() for file in files},
        "ranked": prepared.config.dataset.ranked,
        "limit": prepared.limit,
        "utterances": {split: len(tokens) for split, tokens in prepared.tokens.items()},
        "own": described(prepared.config.dataset),
    }


def identity_part(prepared: Prepared, seed: int, device: Device, parameters: int) -> dict[str, Any]:
    """What ran on what, as the record tells it."""
    config, corpus, checkpoint = prepared.config, prepared.corpus, prepared.checkpoint
    recipe, files = config.recipe, [file.distribution for file in prepared.catalog.local]
    return {
        "recipe": {key: getattr(recipe, key) for key in ("name", "version", "reference", "ranked")},
        "dataset": _dataset(prepared),
        "track": config.track.name,
        "seed": seed,
        "command": command(config, seed, prepared.limit, files, device.ranks.processes),
        "overrides": dict(config.overrides),
        "config": dict(config.values),
        "protocol": {
            "selection_split": "test" if "test" in (config.selection.split, config.selection.ties) else "dev",
            "context": config.context.protocol,
            "context_past": config.context.past,
            "context_future": config.context.future,
            "metric": scoring.metric_signature(corpus.labels),
        },
        "encoder": {
            "checkpoint": checkpoint.name if checkpoint else config.encoder.spec.name,
            "origin": checkpoint.origin if checkpoint else "none",
            "sha256": checkpoint.sha256 if checkpoint else None,
            "parameters": parameters,
        },
        "plugins": plugins(prepared.catalog, config),
        "environment": environment(device),
    }
