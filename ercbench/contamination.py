"""Had an encoder's weights seen the data it is tested on? What plugins declare, against the data set of a run.

A plugin declares it with `CheckpointFacts`, by hub id. Of a local folder nothing is claimed: its name is its owner's,
and what its ``config.json`` says of its origin is neither in the record nor kept by everything that saves a model.
That nothing is claimed does not mean that the weights have not seen the data. No torch here.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from ercbench.catalog import Catalog
from ercbench.checkpoint_specs import CheckpointFacts, TrainingData
from ercbench.records import RunRecord
from ercbench.specs import DatasetSpec

LOCAL = "local folder"
"""The origin of a checkpoint that has no name of its own, see ``checkpoints.py``."""


def contamination(record: RunRecord, catalog: Catalog) -> tuple[str, ...]:
    """RunRecord -> what its encoder's weights had seen of its data set before the run, a sentence each.

    Before: records.py. After: leaderboard/, ``ercbench verify``.
    """
    return seen(catalog, record.encoder.checkpoint, record.encoder.origin, record.dataset.name)


def seen(catalog: Catalog, checkpoint: str, origin: str, dataset: str) -> tuple[str, ...]:
    """A checkpoint -> what its weights had seen of a data set, a sentence each; nothing for a local folder.

    Args:
        catalog: whose plugins declare it.
        checkpoint: hub id.
        origin: where the weights come from, as a record says it.
        dataset: name of the data set.
    """
    if origin == LOCAL:
        return ()
    names = _names(catalog, dataset)
    found = (_sentence(checkpoint, data) for data in _declared(catalog, checkpoint) if data.dataset in names)
    return tuple(dict.fromkeys(found))


def _names(catalog: Catalog, dataset: str) -> set[str]:
    """The names by which a plugin may mean a data set: its own and its family's. A sample only imitates its family."""
    specs = catalog.all(DatasetSpec)
    families = {spec.family for spec in specs if spec.name == dataset}
    return {dataset} | (set() if dataset in {spec.sample for spec in specs} else families)


def _declared(catalog: Catalog, checkpoint: str) -> Iterator[TrainingData]:
    """Everything that any plugin declares of a checkpoint."""
    for facts in catalog.all(CheckpointFacts):
        if any(fnmatchcase(checkpoint.lower(), pattern.lower()) for pattern in facts.checkpoints):
            yield from facts.trained_on


def _sentence(checkpoint: str, data: TrainingData) -> str:
    if data.splits:
        what = f"the weights had been trained on {data.dataset} ({', '.join(data.splits)})"
        what += ", whose test set this is" if "test" in data.splits else ", to which this test set belongs"
    else:
        what = f"the weights had been trained on {data.dataset}, whose test set this is; on which splits is not told"
    return f"{checkpoint}: {what}. Source: {data.source}."
