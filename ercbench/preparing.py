"""Everything of a run that needs no weights and no seed: done once for all seeds, and all that `--dry-run` does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ercbench import data, rendering
from ercbench.catalog import Catalog, load_target
from ercbench.checkpoints import check_weights, locate
from ercbench.config import Config
from ercbench.fingerprints import Fingerprints
from ercbench.ports import Encoder
from ercbench.progress import TRAINING_COST
from ercbench.types import SPLITS, Checkpoint, Corpus, LabelSet, Split, Tokens


class Clock:
    """Seconds per stage: ``with clock("training"): ...``."""

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds = dict(seconds or {})

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time one stage."""
        begun = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - begun, 3)


@dataclass(frozen=True)
class Prepared:
    """Everything of a run that does not depend on its seed. `gold` maps uid to label index, per split."""

    catalog: Catalog
    config: Config
    limit: int | None
    corpus: Corpus
    fingerprints: Fingerprints
    checkpoint: Checkpoint | None
    encoder: Encoder
    tokens: Mapping[Split, list[Tokens]]
    gold: Mapping[Split, dict[str, int]]
    seconds: Mapping[str, float]

    @property
    def work(self) -> int:
        """Work of a whole run; an utterance encoded is one unit."""
        train, dev, test = (len(self.tokens[split]) for split in SPLITS)
        watched = dev + (test if self.config.selection.split == "test" else 0)
        fitted = train if self.config.classifier.spec.needs_training else 0
        untrained = 0 if self.config.training.epochs else dev
        return self.config.training.epochs * (TRAINING_COST * train + watched) + fitted + untrained + test

    @property
    def steps(self) -> int:
        """Training steps of a whole run, as the first epoch's plan has them."""
        plan = self.encoder.plan(self.tokens["train"], self.config.training.batch_size, 0)
        return self.config.training.epochs * len(plan)


def prepare(catalog: Catalog, config: Config, data_dir: Path | None, limit: int | None) -> Prepared:
    """Config -> Prepared: stages 1 to 3, as far as they need no weights.

    Raises:
        DataError, CheckpointError, PluginError: whatever would stop the run later.
    """
    clock = Clock()
    with clock("data"):
        corpus = data.load(config.dataset, data_dir, limit)
        fingerprints = data.corpus_fingerprints(corpus, config.dataset, data_dir)
        gold = {split: data.gold(corpus, split) for split in SPLITS}
    with clock("rendering"):
        renderer = load_target(config.renderer.spec.target)(config.renderer.settings)
        window = (config.context.past, config.context.protocol, config.context.future)
        prompts = {split: rendering.render(renderer, data.examples(corpus, split, *window)) for split in SPLITS}
    with clock("tokenising"):
        from ercbench.encoding import tokenize

        checkpoint, encoder = build_encoder(catalog, config, corpus.labels)
        if checkpoint:
            check_weights(checkpoint)
        tokens = {split: tokenize(encoder, prompts[split]) for split in SPLITS}
    return Prepared(catalog, config, limit, corpus, fingerprints, checkpoint, encoder, tokens, gold, clock.seconds)


def build_encoder(catalog: Catalog, config: Config, labels: LabelSet) -> tuple[Checkpoint | None, Encoder]:
    """Locate the weights and build the encoder, without loading weights."""
    name = getattr(config.encoder.settings, "checkpoint", None)
    checkpoint = None if name is None else locate(name, catalog.packaged_checkpoints())
    encoder: Encoder = load_target(config.encoder.spec.target)(config.encoder.settings, labels, checkpoint)
    return checkpoint, encoder
