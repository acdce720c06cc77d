"""A small data set of one's own, and records of runs on it that nobody trained: what a report is made from."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from ercbench import scoring
from ercbench.gold import Gold, load_gold
from ercbench.manifest import read_manifest
from ercbench.own import described
from ercbench.prediction_files import format_predictions
from ercbench.records import SCHEMA_VERSION, RunRecord, record_path, write_record
from ercbench.types import Predictions

WORDS = {"hap": "happy", "exc": "excited", "ang": "angry", "fru": "frustrated", "neu": "neutral"}


def made_data(
    root: Path, name: str = "talk", words: Mapping[str, str] = WORDS, text: str = "turn", speaker: str = "Ann"
) -> Path:
    """A data set below `root`: fourteen dialogues of test, each with up to seven turns, some of them unlabelled."""
    folder = root / name
    folder.mkdir(parents=True)
    labels = json.dumps(dict(words))  # JSON is YAML
    manifest = [
        f"labels: {labels}",
        "neutral: null",
        "licence: only for reading",
        "citation: nobody",
        "summary: made for tests",
    ]
    manifest.append("files: {train: train.csv, dev: dev.csv, test: test.csv}")
    (folder / "dataset.yaml").write_text("\n".join(manifest) + "\n", encoding="utf-8")
    chance = np.random.default_rng(7)
    for split in ("train", "dev", "test"):
        with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("dialogue", "speaker", "text", "label"))
            for dialogue in range(14):
                for turn in range(int(chance.integers(2, 8))):
                    label = "" if turn == 3 else list(words)[int(chance.integers(len(words)))]
                    who = (speaker, "Bob")[turn % 2]
                    rows.writerow((dialogue, who, f"{text} {split} {dialogue}.{turn}" + " more" * (turn % 3), label))
    return folder


def made_run(results: Path, data: Path, seed: int = 0, right: float = 0.6, **changes: Any) -> Path:
    """A record with its predictions, of which about the share `right` is right.

    Args:
        results: the folder that gets ``records/``.
        data: what `made_data` made.
        seed: of the record, and of its guesses.
        right: how good it is.
        changes: fields of the record by dotted path with ``__`` for the dots.
    """
    gold = gold_of(data)
    predictions = guesses(gold, seed, right)
    text = format_predictions(predictions, gold.labels.keys)
    fields = record_fields(data, gold, predictions, seed)
    fields["predictions"] = {
        "file": f"seed-{seed}.predictions.csv",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    for path, value in changes.items():
        *sections, field = path.split("__")
        place = fields
        for section in sections:
            place = place[section]
        place[field] = value
    record = RunRecord.model_validate(fields)
    folder = f"{record.recipe.name}@{record.recipe.version}".encode("ascii", "ignore").decode().replace("/", "")
    path = record_path(results, data.name, record.track, folder, seed)
    write_record(path, record, text)
    return path


def gold_of(data: Path) -> Gold:
    """The gold labels of a made data set."""
    return load_gold(read_manifest(data), None, None)


def guesses(gold: Gold, seed: int, right: float) -> Predictions:
    """Scores (N, C) for every utterance of test."""
    chance = np.random.default_rng([seed, round(1000 * right)])
    scores = chance.normal(size=(len(gold.test), len(gold.labels))).astype(np.float32)
    for row, label in enumerate(gold.test.values()):
        if chance.random() < right:
            scores[row, label] = scores[row].max() + chance.random()
    return Predictions(tuple(gold.test), scores)


def keep_vectors(record: Path, width: int = 6, prototypes: bool = True) -> None:
    """Vectors beside a record, as a kept model has them."""
    fields = json.loads(record.read_text(encoding="utf-8"))
    keys = list(fields["scores"]["test"]["per_class"])
    rows = sum(map(sum, fields["scores"]["test"]["confusion"]))
    chance = np.random.default_rng(3)
    arrays = {"vectors": chance.normal(size=(rows, width)).astype(np.float32)}
    if prototypes:
        arrays["prototypes"] = chance.normal(size=(len(keys), width)).astype(np.float32)
    content = save(arrays)
    folder = record.with_suffix(".model")
    folder.mkdir()
    (folder / "vectors.safetensors").write_bytes(content)
    files = {"vectors.safetensors": hashlib.sha256(content).hexdigest()}
    description = {"files": files, "predictions_sha256": fields["predictions"]["sha256"]}
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")


def epochs(scores: Sequence[float]) -> list[dict[str, Any]]:
    """Epochs of training with these scores on dev."""
    return [
        {
            "epoch": number,
            "losses": {"total": 2.0 / number, "cross-entropy": 1.0 / number},
            "dev_weighted_f1": score,
            "seconds": 1.0,
            "utterances_per_second": 10.0,
        }
        for number, score in enumerate(scores, 1)
    ]


def record_fields(data: Path, gold: Gold, predictions: Predictions, seed: int) -> dict[str, Any]:
    """A record as JSON, but for the predictions file."""
    spec, corpus = read_manifest(data), gold.corpus
    scores = asdict(scoring.score(predictions, gold.test, gold.labels, gold.slices))
    own = described(spec)
    assert own is not None
    size = len(gold.labels)
    similar = [[1.0 if i == j else 0.5 for j in range(size)] for i in range(size)]
    after = [[1.0 if i == j else -0.25 for j in range(size)] for i in range(size)]
    return {
        "schema_version": SCHEMA_VERSION,
        "recipe": {"name": "method", "version": "1", "reference": "none", "ranked": True},
        "dataset": {
            "name": corpus.name,
            "version": corpus.version,
            "fingerprint": corpus.fingerprint,
            "ranked": True,
            "utterances": {"test": len(gold.test)},
            "own": own.model_dump(),
        },
        "track": "mini",
        "seed": seed,
        "command": f"ercbench run method --dataset ./talk --seed {seed}",
        "overrides": {},
        "config": {"training.epochs": 3},
        "protocol": {"selection_split": "dev", "context": "past", "context_past": 8, "metric": "weighted_f1|classes:5"},
        "encoder": {"checkpoint": "small-encoder", "origin": "local folder", "sha256": None, "parameters": 10},
        "plugins": [],
        "environment": {
            "device": "cpu",
            "hardware": "a processor",
            "precision": "fp32",
            "python": "3.11",
            "packages": {"ercbench": "0.1.0"},
        },
        "training": {
            "epochs": epochs([0.3, 0.5, 0.4]),
            "chosen_epoch": 2,
            "candidates_dev_weighted_f1": [0.5],
            "chosen_candidate": 1,
            "effective_batch": 8,
            "resumed_after_epochs": [],
            "prototype_similarity": {"before": similar, "after": after},
        },
        "scores": {"dev": deepcopy(scores), "test": scores},
        "seconds": {},
        "started": "2026-01-01T00:00:00Z",
    }
