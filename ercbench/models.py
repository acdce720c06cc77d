"""The trained model of a finished run, kept beside its record: ``seed-0.json`` has ``seed-0.model/``.

Files of tensors, and a small JSON file, written last, that names them with their sha256 and the predictions they
made. Everything else that a model needs is in the record.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ercbench import classifying
from ercbench.catalog import Catalog, load_target
from ercbench.config import Config, resolve
from ercbench.errors import RecordError
from ercbench.own import of_record
from ercbench.ports import Candidate, Encoder, EncoderModel, Renderer
from ercbench.preparing import build_encoder
from ercbench.records import RunRecord, read_record
from ercbench.tensors import read_tensors, sha256_of_file, write_tensors
from ercbench.types import Prototypes, Representation
from ercbench.whole_files import TEMPORARY, write_atomically, writing

if TYPE_CHECKING:
    from torch import Tensor

ENCODER, CLASSIFIER, DESCRIPTION = "model.safetensors", "classifier.safetensors", "model.json"
VECTORS, LOSSES = "vectors.safetensors", "losses.safetensors"


@dataclass(frozen=True)
class TrainedModel:
    """What is needed to classify an utterance: the recipe's renderer, and encoder and classifier as trained."""

    record: RunRecord
    config: Config
    renderer: Renderer
    encoder: Encoder
    model: EncoderModel
    candidate: Candidate

    @property
    def labels(self) -> tuple[str, ...]:
        """Label keys, in label order."""
        return self.config.dataset.labels.keys


def model_folder(record: Path) -> Path:
    """Where the model of a record is kept."""
    return record.with_suffix(".model")


def keep(
    record: Path,
    trained: tuple[EncoderModel, Candidate, Mapping[str, Tensor]],
    found: tuple[Representation, Prototypes | None],
    predictions_sha256: str,
) -> None:
    """Keep a trained model beside the record that is about to be written.

    Args:
        record: the record's path.
        trained: the encoder, with the weights of the chosen epoch, the chosen state of the classifier, and whatever the
            losses learnt, as it was after the chosen epoch.
        found: test as the model encodes it, in the order of the predictions file, and the label vectors.
        predictions_sha256: of the predictions file, which ties the model to its record.

    Raises:
        WriteError: there is no room for it, or it may not be written there.
    """
    import torch

    model, candidate, losses = trained
    state = {name: torch.from_numpy(array) for name, array in candidate.tensors().items()}
    test, prototypes = found
    vectors = {"vectors": test.vectors} | ({} if prototypes is None else {"prototypes": prototypes.vectors})
    tables: dict[str, Mapping[str, Tensor]] = {ENCODER: model.state_dict(), CLASSIFIER: state, LOSSES: losses}
    if test.vectors.shape[1]:  # an encoder of sparse features, or none, makes no vectors
        tables[VECTORS] = {name: torch.from_numpy(array) for name, array in vectors.items()}
    with _new(model_folder(record)) as folder:
        files = {
            name: write_tensors(folder / name, tensors)
            for name, tensors in tables.items()
            if tensors or name in (ENCODER, CLASSIFIER)
        }
        description = {"files": files, "predictions_sha256": predictions_sha256}
        write_atomically(folder / DESCRIPTION, json.dumps(description, indent=2) + "\n")


@contextmanager
def _new(folder: Path) -> Iterator[Path]:
    """A folder to be filled, which then takes the place of `folder`; where that fails, the earlier one stays."""
    made = folder.with_name(f".{folder.name}{TEMPORARY}")
    shutil.rmtree(made, ignore_errors=True)  # what a killed process left
    try:
        with writing(folder):
            made.mkdir(parents=True)
        yield made
        with writing(folder):
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def load(catalog: Catalog, record: Path) -> TrainedModel:
    """A record's path -> the trained model, on the CPU and in evaluation.

    Raises:
        RecordError: no model was kept, it is damaged or another run's, or the recipe is no longer the recorded one.
        UnknownName: the plugin of the recipe or data set is not installed.
    """
    found = read_record(record)
    tensors = _verified(record, found)
    config = _config(catalog, record, found)
    labels = config.dataset.labels
    _, encoder = build_encoder(catalog, config, labels)
    model = encoder.load()
    model.load_state_dict(tensors[ENCODER])
    model.eval()
    classifier = classifying.build(config.classifier, labels, config.context)
    candidate = classifier.restore({name: tensor.numpy() for name, tensor in tensors[CLASSIFIER].items()})
    renderer: Renderer = load_target(config.renderer.spec.target)(config.renderer.settings)
    return TrainedModel(found, config, renderer, encoder, model, candidate)


def _verified(record: Path, found: RunRecord) -> dict[str, dict[str, Tensor]]:
    """The tensors of both files, after their checksums."""
    folder = model_folder(record)
    again = f"Run it again with --force: {found.command}"
    try:
        description: Mapping[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        files, predictions = dict(description["files"]), description["predictions_sha256"]
    except FileNotFoundError as error:
        raise RecordError(
            f"No model was kept for this run. Got {record}, and there is no {folder}. Models are not part of what is "
            f"committed, and --no-model leaves them out. {again}"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{folder / DESCRIPTION}: cannot be read: {error}. {again}") from error
    for name in (ENCODER, CLASSIFIER):
        if (got := sha256_of_file(folder / name)) != files.get(name):
            raise RecordError(f"{folder / name} is damaged: sha256 should be {files.get(name)}. Got {got}. {again}")
    if predictions != found.predictions.sha256:
        raise RecordError(f"{folder} is the model of another run than {record.name}. {again}")
    return {name: read_tensors(folder / name) for name in (ENCODER, CLASSIFIER)}


def _config(catalog: Catalog, record: Path, found: RunRecord) -> Config:
    """The recipe as it is installed, which must be what the record says."""
    here = {file.sha256 for file in catalog.local}
    if missing := [plugin for plugin in found.plugins if plugin.sha256 and plugin.sha256 not in here]:
        files = ", ".join(f"{plugin.distribution} (sha256 {plugin.sha256})" for plugin in missing)
        raise RecordError(f"{record} was made with local plugins. Give the same files with --plugin: {files}.")
    names = (found.recipe.name, found.track, of_record(found.dataset))
    config = resolve(catalog, *names, found.overrides, found.protocol.context)
    differing = config.differences(found.config)
    if config.recipe.version != found.recipe.version:
        differing.append("recipe.version")
    if differing:
        raise RecordError(
            f"{record}: its model was trained with other settings than {found.recipe.name} has now. Differs in: "
            f"{', '.join(differing)}. Install the plugin version that the record names, or run it again."
        )
    return config
