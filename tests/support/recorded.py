"""Records for tests: of a recipe on a bundled corpus, as a run would have written them, without any training."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ercbench import data, prediction_files, records, scoring
from ercbench.catalog import Catalog, load_catalog
from ercbench.config import resolve
from ercbench.own import described, find_dataset
from ercbench.provenance import command, package_versions, plugins
from ercbench.records import RunRecord
from ercbench.slices import slices
from ercbench.specs import DatasetSpec
from ercbench.types import ContextProtocol, Corpus, Predictions, Split
from ercbench.whole_files import sha256_of

CHECKPOINT = "sentence-transformers/all-MiniLM-L6-v2"
EPOCHS = (0.25, 0.5, 0.5)
"""Dev scores that would have been seen after each epoch, of three at most; the second is the first of the best."""


@dataclass(frozen=True)
class Cell:
    """What is to be recorded. `dataset` is a name, or the folder of somebody's own."""

    recipe: str = "eacl"
    dataset: str = "meld-sample"
    track: str = "mini"
    seed: int = 0
    overrides: Mapping[str, Any] | None = None
    limit: int | None = None
    sealed: bool = True
    context: ContextProtocol = "past"


def record(results: Path, cell: Cell | None = None) -> Path:
    """Write a record that is right in every field, its predictions and what was sealed; the path of the record."""
    cell = cell or Cell()
    catalog = load_catalog()
    spec = find_dataset(catalog, cell.dataset)
    corpus = data.load(spec, None, cell.limit)
    found = {split: _predicted(corpus, split, cell.seed) for split in ("dev", "test")}
    scores = {
        split: asdict(scoring.score(p, data.gold(corpus, split), corpus.labels, slices(corpus, split, spec.slices)))
        for split, p in found.items()
    }
    text = prediction_files.format_predictions(found["test"], corpus.labels.keys)
    values = _values(catalog, cell, spec, corpus)
    sealed = _sealed(corpus, found["test"], len(values["training"]["epochs"])) if cell.sealed else None
    candidates = [scores["dev"]["weighted_f1"], scores["dev"]["weighted_f1"] / 2]
    values["training"] |= {
        "candidates_dev_weighted_f1": candidates,
        "sealed": _named(f"seed-{cell.seed}.sealed.csv", sealed),
    }
    values |= {"scores": scores, "predictions": _named(prediction_files.predictions_name(cell.seed), text)}
    made = RunRecord.model_validate(values)
    path = records.record_path(
        results, corpus.name, made.track, f"{made.recipe.name}@{made.recipe.version}", made.seed, made.protocol.context
    )
    records.write_record(path, made, text, sealed)
    return path


def edited(path: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """Change the JSON of a record in place, as somebody does who knows of its checksum."""
    values = json.loads(path.read_text(encoding="utf-8"))
    values.pop("sha256", None)
    edit(values)
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _predicted(corpus: Corpus, split: Split, seed: int) -> Predictions:
    """Scores of any kind, right about half of the time, the same for the same seed."""
    gold = data.gold(corpus, split)
    generator = np.random.default_rng([seed, len(split)])
    scores = generator.normal(size=(len(gold), len(corpus.labels))).astype(np.float32)  # (N, C)
    scores[np.arange(len(gold)), list(gold.values())] += np.float32(1.5)
    return Predictions(tuple(gold), scores)


def _sealed(corpus: Corpus, predictions: Predictions, epochs: int) -> str:
    keys = corpus.labels.keys
    last = [keys[index] for index in predictions.scores.argmax(axis=1)]
    neutral = [keys[0]] * len(last)
    columns = {f"epoch {number}": neutral for number in range(1, epochs + 1)} | {"state 1": last, "state 2": neutral}
    return prediction_files.format_sealed(predictions.uids, columns)


def _named(name: str, text: str | None) -> dict[str, str] | None:
    return None if text is None else {"file": name, "sha256": sha256_of(text)}


def _values(catalog: Catalog, cell: Cell, spec: DatasetSpec, corpus: Corpus) -> dict[str, Any]:
    """Everything of a record but what was predicted."""
    config = resolve(catalog, cell.recipe, cell.track, spec, cell.overrides or {}, cell.context)
    prints = data.corpus_fingerprints(corpus, spec)
    packaged = next(found for found in catalog.packaged_checkpoints() if found.name == CHECKPOINT)
    selection = config.selection
    counts = {split: len(data.gold(corpus, split)) for split in ("train", "dev", "test")}
    epochs = [
        {
            "epoch": number,
            "losses": {"total": 1.0},
            "dev_weighted_f1": score,
            "seconds": 1.0,
            "utterances_per_second": 9.0,
        }
        for number, score in enumerate(EPOCHS[: config.training.epochs], 1)
    ]
    return {
        "recipe": {key: getattr(config.recipe, key) for key in ("name", "version", "reference", "ranked")},
        "dataset": {
            "name": corpus.name,
            "version": corpus.version,
            "fingerprint": corpus.fingerprint,
            "split_fingerprints": prints.splits,
            "files": {file.name: file.sha256 for files in prints.files.values() for file in files},
            "ranked": spec.ranked,
            "limit": cell.limit,
            "utterances": counts,
            "own": described(spec),
        },
        "track": cell.track,
        "seed": cell.seed,
        "command": command(config, cell.seed, cell.limit),
        "overrides": dict(config.overrides),
        "config": dict(config.values),
        "protocol": {
            "selection_split": "test" if "test" in (selection.split, selection.ties) else "dev",
            "context": config.context.protocol,
            "context_past": config.context.past,
            "context_future": config.context.future,
            "metric": scoring.metric_signature(corpus.labels),
        },
        "encoder": {"checkpoint": CHECKPOINT, "origin": f"package {packaged.distribution} 0.1.0",
                    "sha256": packaged.sha256, "parameters": 23_110_919},
        "plugins": [one.model_dump() for one in plugins(catalog, config)],
        "environment": {"device": "cpu", "hardware": "a processor", "precision": "fp32", "python": "3.11.2",
                        "packages": package_versions(("ercbench", "numpy", "scikit-learn"))},
        "training": {
            "epochs": epochs,
            "chosen_epoch": min(2, len(epochs)),
            "chosen_candidate": 1,
            "effective_batch": config.training.batch_size,
            "resumed_after_epochs": [],
        },
        "seconds": {"training": 3.0},
        "started": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
