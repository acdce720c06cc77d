"""Everything of a run that needs no weights and no seed: done once for all seeds, and all that `--dry-run` does.

The labels of test are thrown away before the first part of a recipe is built, and read again by `Prepared.reveal` when
every prediction has been made. So they are nowhere in the process while an encoder, a loss or a classifier is at work.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ercbench import data, rendering
from ercbench.catalog import Catalog, load_target
from ercbench.cells import CellName
from ercbench.checkpoint_specs import Checkpoint
from ercbench.checkpoints import check_weights, locate
from ercbench.config import Config
from ercbench.errors import DataError, ErcbenchError, PluginError, Problems
from ercbench.fingerprints import Fingerprints
from ercbench.gold import Gold, load_gold
from ercbench.ports import Encoder
from ercbench.progress import TRAINING_COST, Reporter, Silent
from ercbench.slices import slices
from ercbench.specs import PartSpec
from ercbench.types import SPLITS, Corpus, Example, LabelSet, Split, Tokens

SHOWN = ("renderer", "encoder", "context")
"""Sections of a config that decide what an encoder is shown."""


class Clock:
    """Seconds per stage: ``with clock("training"): ...``; `reporter` is told when one begins and ends."""

    def __init__(self, seconds: Mapping[str, float] | None = None, reporter: Reporter | None = None) -> None:
        self.seconds = dict(seconds or {})
        self.reporter = reporter or Silent()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time one stage."""
        self.reporter.stage_started(stage)
        begun = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - begun, 3)
        self.reporter.stage_finished(stage, self.seconds[stage])


@dataclass(frozen=True)
class Prepared:
    """Everything of a run that does not depend on its seed.

    Attributes:
        corpus: without the labels of test.
        speakers: who spoke, by uid, for every labelled utterance.
        gold: label index by uid, for train and dev.
    """

    catalog: Catalog
    config: Config
    data_dir: Path | None
    limit: int | None
    corpus: Corpus
    fingerprints: Fingerprints
    checkpoint: Checkpoint | None
    encoder: Encoder
    tokens: Mapping[Split, list[Tokens]]
    speakers: Mapping[str, str]
    gold: Mapping[Split, dict[str, int]]
    seconds: Mapping[str, float]

    def cell(self, seed: int) -> CellName:
        """Which cell a run from this seed is."""
        config = self.config
        recipe, context = f"{config.recipe.name}@{config.recipe.version}", config.context.protocol
        return CellName(recipe, config.dataset.name, config.track.name, context, seed)

    def identity(self, seed: int) -> str:
        """Of a run from this seed: another value, data set or local plugin gives another."""
        fingerprint = self.corpus.fingerprint.removeprefix("sha256:")[:8]
        files = "".join(f"-{file.sha256[:8]}" for file in self.catalog.local if file.sha256)
        return f"{self.config.digest}-{fingerprint}{files}-seed-{seed}"

    @property
    def work(self) -> int:
        """Work of a whole run that trains on all of train in every epoch; an utterance encoded is one unit."""
        train, dev, test = (len(self.tokens[split]) for split in SPLITS)
        epochs, selection = self.config.training.epochs, self.config.selection
        watched = dev + (test if selection.seal_test or selection.split == "test" else 0)
        fitted = train if self.config.classifier.spec.needs_training else 0
        chosen_from = train if self.config.curriculum else 0
        at_end = (0 if epochs else dev) + (0 if epochs and watched > dev else test)
        return epochs * (chosen_from + TRAINING_COST * train + watched) + fitted + at_end

    @property
    def dev_slices(self) -> dict[str, frozenset[str]]:
        """Uids of each slice of dev."""
        return slices(self.corpus, "dev", self.config.dataset.slices)

    def reveal(self) -> Gold:
        """The gold labels of test, read again. Called when every prediction has been made.

        Raises:
            DataError: the data are not those from which the run was prepared.
        """
        found = load_gold(self.config.dataset, self.data_dir, self.limit)
        if found.corpus.fingerprint != self.corpus.fingerprint:
            raise DataError(
                f"The files of data set {self.corpus.name!r} were changed while the run was going on. Got "
                f"{found.corpus.fingerprint}, it began with {self.corpus.fingerprint}. Bring the files back, and start "
                "the same command again."
            )
        return found

    @property
    def steps(self) -> int:
        """Training steps of a whole run, as the first epoch's plan has them; fewer where a curriculum chooses."""
        plan = self.encoder.plan(self.tokens["train"], self.config.training.batch_size, 0)
        return self.config.training.epochs * len(plan)


class Preparations:
    """Prepares runs one after the other; those that show the same data to the same encoder share what was made of it.

    The labels of test are in nothing that is shared, as they are in no `Prepared`.
    """

    def __init__(self, catalog: Catalog, data_dir: Path | None, limit: int | None) -> None:
        self._given = catalog, data_dir, limit
        self._made: dict[str, Prepared] = {}

    def prepare(self, config: Config) -> Prepared:
        """Config -> Prepared, as `prepare` does it."""
        shown = {path: value for path, value in config.values.items() if path.split(".")[0] in SHOWN}
        labels = [config.dataset.name, *config.dataset.labels.texts]
        key = json.dumps([labels, shown], sort_keys=True)
        if key not in self._made:
            catalog, data_dir, limit = self._given
            self._made[key] = prepare(catalog, config, data_dir, limit)
        _check_code(config)
        return replace(self._made[key], config=config)


def prepare(catalog: Catalog, config: Config, data_dir: Path | None, limit: int | None) -> Prepared:
    """Config -> Prepared: stages 1 to 3, as far as they need no weights.

    Raises:
        DataError, CheckpointError, PluginError: whatever would stop the run later.
    """
    clock = Clock()
    _check_code(config)
    with clock("data"):
        corpus, fingerprints, examples = _read(config, data_dir, limit)
        gold: dict[Split, dict[str, int]] = {split: data.gold(corpus, split) for split in SPLITS if split != "test"}
    with clock("rendering"):
        renderer = load_target(config.renderer.spec.target)(config.renderer.settings)
        speakers = {example.target.uid: example.target.speaker for split in SPLITS for example in examples[split]}
        prompts = {split: rendering.render(renderer, examples[split]) for split in SPLITS}
    with clock("tokenising"):
        from ercbench.encoding import tokenize

        checkpoint, encoder = build_encoder(catalog, config, corpus.labels)
        if checkpoint:
            check_weights(checkpoint)
        tokens = {split: tokenize(encoder, prompts[split]) for split in SPLITS}
    return Prepared(
        catalog, config, data_dir, limit, corpus, fingerprints, checkpoint, encoder, tokens, speakers, gold,
        clock.seconds,
    )  # fmt: skip


def _check_code(config: Config) -> None:
    """Import the code of every part, so that what is missing is known before anything is trained."""
    specs: list[PartSpec] = [config.renderer.spec, config.encoder.spec, config.classifier.spec]
    specs += [config.selection_classifier.spec, *(loss.part.spec for loss in config.losses.values())]
    specs += [config.curriculum.spec] if config.curriculum else []
    errors: list[ErcbenchError] = []
    for target in dict.fromkeys(spec.target for spec in specs):
        try:
            load_target(target)
        except PluginError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else Problems(errors)


def _read(
    config: Config, data_dir: Path | None, limit: int | None
) -> tuple[Corpus, Fingerprints, dict[Split, list[Example]]]:
    """Files -> the corpus without the labels of test, its fingerprints, and all examples, which have no labels."""
    corpus = data.load(config.dataset, data_dir, limit)
    window = (config.context.past, config.context.protocol, config.context.future)
    examples = {split: data.examples(corpus, split, *window) for split in SPLITS}
    return data.withhold(corpus), data.corpus_fingerprints(corpus, config.dataset, data_dir), examples


def build_encoder(catalog: Catalog, config: Config, labels: LabelSet) -> tuple[Checkpoint | None, Encoder]:
    """Locate the weights and build the encoder, without loading weights."""
    name = getattr(config.encoder.settings, "checkpoint", None)
    checkpoint = None if name is None else locate(name, catalog.packaged_checkpoints())
    encoder: Encoder = load_target(config.encoder.spec.target)(config.encoder.settings, labels, checkpoint)
    return checkpoint, encoder
