"""The spine: one recipe on one data set and track with one seed, from prepared examples to a record.

Gold labels of dev stay in this file and in ``scoring.py``; no plugin is ever handed them. Those of test are read when
everything has been predicted, unless the recipe says that it chooses on test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
import torch

from ercbench import choosing, classifying, encoding, models, prediction_files, records, scoring, training
from ercbench.catalog import load_target
from ercbench.choosing import TrainingSplit
from ercbench.config import Config, Part
from ercbench.devices import Device
from ercbench.gold import Gold
from ercbench.ports import Candidate, Curriculum, EncoderModel, FittedModel, Loss
from ercbench.preparing import Clock, Prepared
from ercbench.progress import Reporter
from ercbench.record_parts import identity_part, named, training_part
from ercbench.records import RunRecord
from ercbench.resume import Unfinished
from ercbench.seeds import derive_seed
from ercbench.selection import choose
from ercbench.specs import LossSpec
from ercbench.training import Objective, Surroundings, Trained
from ercbench.types import Predictions, Prototypes, Representation, Scores, Split, Subset
from ercbench.unfinished import UNFINISHED
from ercbench.whole_files import sha256_of


def run(
    prepared: Prepared, seed: int, device: Device, results: Path, reporter: Reporter, keep_model: bool = True
) -> RunRecord:
    """Prepared -> RunRecord: train, choose on dev, predict test, score, write the record.

    Args:
        prepared: the checked and tokenised data set, see ``preparing.py``.
        seed: of every random number of this run.
        device: where to compute.
        results: folder of records, and of what an unfinished run keeps.
        reporter: who watches.
        keep_model: whether the trained model is kept beside the record.

    Every process that shares the run calls it; the main one writes the record, and the others read it.

    Raises:
        TrainingError: a loss is not finite.
        PluginError: a part broke its contract.
        UsageError: another process is at this very run.
    """
    config, labels = prepared.config, prepared.corpus.labels
    started, clock = datetime.now(UTC), Clock(prepared.seconds, reporter)
    path = cell_path(config, seed, results)
    folder = unfinished_folder(prepared, seed, results)
    device.ranks.check_same(str(path))
    with Unfinished(folder, reporter.say, device.ranks) as unfinished:
        cell = Cell(prepared, seed, device, reporter, unfinished)
        with clock("training"):
            trained = cell.train()
        with clock("encoding"):
            train = cell.encode("train", "encoding train") if config.classifier.spec.needs_training else None
            dev, test = (cell.chosen(split, trained) for split in ("dev", "test"))
        if not device.ranks.main:  # the main process does the rest
            device.ranks.wait()
            return records.read_record(path)
        with clock("classifying"):
            classifier = classifying.build(config.classifier, labels, config.context)
            prototypes = cell.prototypes(trained)
            candidates = classifying.fit(classifier, train, prototypes, derive_seed(seed, "classifier"))
            on_dev = [cell.weighted_f1(candidate, dev, "dev") for candidate in candidates]
            sealed = cell.sealed(trained, candidates, test)
            kept = choose(config.selection, on_dev, lambda i: cell.weighted_f1(candidates[i], test, "test"))
            on: dict[Split, Predictions] = {
                "dev": cell.predict(candidates[kept], dev),
                "test": cell.predict(candidates[kept], test),
            }
        text = prediction_files.format_predictions(on["test"], labels.keys)
        if keep_model:  # before the labels of test are read: a plugin's code writes its state here
            trained_parts = cell.model, candidates[kept], cell.objective.state_dict()
            models.keep(path, trained_parts, (test, prototypes), sha256_of(text))
        similarity = cell.similarity()
        with clock("scoring"), cell.letting_go():
            scores = {split: asdict(cell.score(on[split], split)) for split in on}
        outcome = {
            "training": {
                **training_part(prepared, trained, on_dev, kept),
                "sealed": named(prediction_files.sealed_name(seed), sealed),
                "prototype_similarity": similarity,
            },
            "scores": scores,
            "predictions": named(prediction_files.predictions_name(seed), text),
            "seconds": clock.seconds,
            "started": started.isoformat(timespec="seconds"),
        }
        record = RunRecord.model_validate({**identity_part(prepared, seed, device, cell.parameters), **outcome})
        records.write_record(path, record, text, sealed)
        unfinished.remove()
    device.ranks.wait()
    return record


def cell_path(config: Config, seed: int, results: Path) -> Path:
    """Where the record of a cell lies."""
    recipe, context = f"{config.recipe.name}@{config.recipe.version}", config.context.protocol
    return records.record_path(results, config.dataset.name, config.track.name, recipe, seed, context)


def unfinished_folder(prepared: Prepared, seed: int, results: Path) -> Path:
    """Where an unfinished run keeps its state."""
    return results / UNFINISHED / prepared.identity(seed)


class Cell:
    """The model of one run, and what the stages do with it."""

    def __init__(
        self, prepared: Prepared, seed: int, device: Device, reporter: Reporter, unfinished: Unfinished
    ) -> None:
        self.prepared, self.seed, self.device, self.reporter = prepared, seed, device, reporter
        self.unfinished = unfinished
        device.chunk.tell = reporter.say
        config, labels = prepared.config, prepared.corpus.labels
        torch.manual_seed(derive_seed(seed, "model"))
        self.model: EncoderModel = prepared.encoder.load().to(device.torch_device)
        self.parameters = sum(parameter.numel() for parameter in self.model.parameters())
        losses = {name: (loss.weight, self.loss(loss.part)) for name, loss in config.losses.items()}
        self.objective = Objective(losses).to(device.torch_device)
        self.fitted = config.encoder.spec.fitted
        self.curriculum: Curriculum | None = None
        if part := config.curriculum:
            self.curriculum = load_target(part.spec.target)(part.settings, labels)
        self.selector = classifying.build(config.selection_classifier, labels, config.context)
        self.before = self.current_prototypes()
        self.best: tuple[float, dict[Split, Representation]] | None = None
        self.revealed: Gold | None = None

    def loss(self, part: Part[LossSpec]) -> Loss:
        """Build a loss."""
        labels = self.prepared.corpus.labels
        carried = Counter(self.prepared.gold["train"].values())
        counts = [carried[label.index] for label in labels]  # (C,)
        more = (counts,) if part.spec.counts else ()
        loss: Loss = load_target(part.spec.target)(part.settings, labels, self.model.dimension, *more)
        return loss

    def train(self) -> Trained:
        """Train and keep the weights of the chosen epoch; an encoder that is fitted is fitted instead."""
        if self.fitted:
            model, size = cast(FittedModel, self.model), self.prepared.config.training.batch_size
            encoding.fit(self.prepared.encoder, model, self.prepared.tokens["train"], size)
        choose = self.choose if self.curriculum else None
        around = Surroundings(self.device, self.seed, self.unfinished, self.reporter, choose)
        settings = self.prepared.config.training
        return training.train(self.model, self.objective, self.split(), settings, self.evaluate, around)

    def split(self, subset: Subset | None = None) -> TrainingSplit:
        """The training split, or a part of it, to be trained on."""
        prepared, size = self.prepared, self.prepared.config.training.batch_size
        return TrainingSplit(prepared.encoder, prepared.tokens["train"], prepared.gold["train"], size, subset)

    def choose(self, epoch: int) -> TrainingSplit:
        """What the curriculum chooses for an epoch, from train as the model encodes it now."""
        assert self.curriculum
        epochs, seed = self.prepared.config.training.epochs, derive_seed(self.seed, f"curriculum {epoch}")
        train = self.encode("train", "choosing utterances")
        return self.split(choosing.choose(self.curriculum, epoch, epochs, train, seed))

    def evaluate(self, epoch: int) -> tuple[float, float]:
        """The dev score of the model as it is, and the score that chooses the epoch."""
        selection = self.prepared.config.selection
        candidate = classifying.fit(self.selector, None, self.current_prototypes(), self.seed)[0]
        found: dict[Split, Representation] = {"dev": self.encode("dev", "scoring dev")}
        dev = selecting = self.weighted_f1(candidate, found["dev"], "dev")
        if selection.seal_test or selection.split == "test":
            found["test"] = self.encode("test", "encoding test")
        if selection.seal_test:
            self.unfinished.seal(epoch, self.decided(candidate, found["test"]))
        if selection.split == "test":
            selecting = self.weighted_f1(candidate, found["test"], "test")
        if self.best is None or selecting > self.best[0]:
            self.best = selecting, found
        return dev, selecting

    def chosen(self, split: Split, trained: Trained) -> Representation:
        """A split as the chosen epoch encodes it: kept from its evaluation, unless that was before an interruption."""
        if self.best is not None and trained.chosen > max(trained.resumed_after, default=0) and split in self.best[1]:
            return self.best[1][split]
        return self.encode(split, f"encoding {split}")

    def sealed(self, trained: Trained, candidates: Sequence[Candidate], test: Representation) -> str | None:
        """What was predicted on test after every epoch and by every state of the classifier, as text of a file."""
        if not self.prepared.config.selection.seal_test or not trained.epochs:
            return None
        columns = {f"epoch {epoch.epoch}": self.unfinished.sealed(epoch.epoch) for epoch in trained.epochs}
        if lost := [name for name, column in columns.items() if column is None]:
            self.reporter.say(f"Nothing is sealed: the predictions of {', '.join(lost)} are not there any more.")
            return None
        columns |= {f"state {n}": self.decided(candidate, test) for n, candidate in enumerate(candidates, 1)}
        return prediction_files.format_sealed(test.uids, {name: found or [] for name, found in columns.items()})

    def similarity(self) -> dict[str, list[list[float]]] | None:
        """Cosine similarities of the label vectors, before training and as they are."""
        after = self.current_prototypes()
        if self.before is None or after is None:
            return None
        return {"before": _cosines(self.before), "after": _cosines(after)}

    def encode(self, split: Split, doing: str) -> Representation:
        """One split through the model. Labels go with the training split and no other."""
        prepared = self.prepared
        size = prepared.config.training.batch_size
        changes = prepared.config.training.epochs or self.fitted
        encode = encoding.encode if changes else encoding.encode_frozen
        found = encode(
            prepared.encoder, self.model, prepared.tokens[split], self.device, size,
            lambda count: self.reporter.advance(count, doing),
        )  # fmt: skip
        found = replace(found, speakers=tuple(prepared.speakers[uid] for uid in found.uids))
        if split != "train":
            return found
        labels = np.array([prepared.gold["train"][uid] for uid in found.uids])
        return replace(found, labels=labels)

    def prototypes(self, trained: Trained) -> Prototypes | None:
        """The label vectors that the classifier is given."""
        if self.prepared.config.selection.prototypes == "best":
            return self.current_prototypes()
        return _prototypes(trained.last_prototypes)

    def current_prototypes(self) -> Prototypes | None:
        """The label vectors of the model as it is."""
        self.model.eval()
        with torch.inference_mode():
            return _prototypes(self.model.prototypes())

    def predict(self, candidate: Candidate, representation: Representation) -> Predictions:
        """Score the utterances of a split, whose labels the candidate is not given."""
        return classifying.predict(candidate, representation, len(self.prepared.corpus.labels))

    def decided(self, candidate: Candidate, representation: Representation) -> list[str]:
        """The key of the label with the largest score, per utterance."""
        keys = self.prepared.corpus.labels.keys
        return [keys[index] for index in self.predict(candidate, representation).scores.argmax(axis=1)]

    def weighted_f1(self, candidate: Candidate, representation: Representation, split: Split) -> float:
        """The score of a candidate on a split."""
        predictions = self.predict(candidate, representation)
        return scoring.weighted_f1(predictions, self.gold(split), self.prepared.corpus.labels)

    def score(self, predictions: Predictions, split: Split) -> Scores:
        """All scores on a split, those of its slices included."""
        parts = self.prepared.dev_slices if split == "dev" else self.reveal().slices
        return scoring.score(predictions, self.gold(split), self.prepared.corpus.labels, parts)

    def gold(self, split: Split) -> Mapping[str, int]:
        """Label index by uid; those of test are read when they are first asked for."""
        return self.reveal().test if split == "test" else self.prepared.gold[split]

    @contextmanager
    def letting_go(self) -> Iterator[None]:
        """Keep no labels of test, however this ends: then observers, who are plugins, are told of it."""
        try:
            yield
        finally:
            self.revealed = None

    def reveal(self) -> Gold:
        """The gold labels of test."""
        if self.revealed is None:
            self.revealed = self.prepared.reveal()
        return self.revealed


def _cosines(prototypes: Prototypes) -> list[list[float]]:
    """Label vectors (C, D) -> their cosine similarities (C, C)."""
    vectors = prototypes.vectors.astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
    return [[float(value) for value in row] for row in (unit @ unit.T).clip(-1, 1)]


def _prototypes(vectors: torch.Tensor | None) -> Prototypes | None:
    return None if vectors is None else Prototypes(vectors.float().cpu().numpy())
