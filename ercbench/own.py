"""Somebody's own data set, which no plugin offers: named as a folder, given as a corpus, or told by a record."""

from __future__ import annotations

import os
from pathlib import Path

from ercbench.catalog import Catalog
from ercbench.errors import RecordError, UnknownName, UsageError
from ercbench.manifest import FILE, label_faults, name_fault, read_manifest
from ercbench.records import DatasetIdentity, OwnDataset
from ercbench.specs import DatasetSpec
from ercbench.types import Corpus, LabelSet


def is_folder(name: str) -> bool:
    """Whether what was given as a data set is a folder: it has a path separator, or is ``.``, ``..`` or ``~``."""
    separators = {"/", os.sep, os.altsep or os.sep}
    return name in (".", "..", "~") or any(separator in name for separator in separators)


def find_dataset(catalog: Catalog, dataset: str | DatasetSpec) -> DatasetSpec:
    """A name, a folder or a spec -> DatasetSpec.

    Before: the command line. After: ``config.py``.

    Args:
        catalog: where names are looked up.
        dataset: what a plugin calls it, a folder with a ``dataset.yaml``, or the spec of somebody's own.

    Raises:
        UnknownName: no plugin offers it.
        DataError: the folder holds no manifest, or a wrong one.
        UsageError: somebody's own data set has the name of one that a plugin offers.
    """
    known = {spec.name for spec in catalog.all(DatasetSpec)}
    if isinstance(dataset, str) and not is_folder(dataset):
        if dataset not in known and os.path.isfile(Path(dataset) / FILE):
            hint = f"A folder of that name has a {FILE}; to use it, write ./{dataset}"
            raise UnknownName("dataset", dataset, known, hint)
        return catalog.get(DatasetSpec, dataset)
    spec = read_manifest(Path(dataset)) if isinstance(dataset, str) else dataset
    if spec.own and spec.name in known:
        raise UsageError(
            f"A data set of your own cannot be called what a plugin's is. Got {spec.name!r}. "
            f"Name it otherwise, {f'in {spec.folder / FILE}' if spec.folder else 'where the corpus is made'}; "
            f"or run that one: --dataset {spec.name}."
        )
    return spec


def of_corpus(corpus: Corpus) -> DatasetSpec:
    """A corpus in memory -> DatasetSpec. Whoever made it knows its terms; a record says so."""
    return DatasetSpec(
        name=corpus.name,
        summary=f"The data set {corpus.name}, given as an object",
        family=corpus.name,
        version=corpus.version,
        labels=corpus.labels,
        files={},
        licence="not told",
        source="whoever made the record",
        corpus=corpus,
    )


def described(spec: DatasetSpec) -> OwnDataset | None:
    """What a record must tell of somebody's own data set, since no plugin tells it; None for a plugin's."""
    if not spec.own:
        return None
    return OwnDataset(
        labels={label.key: label.text for label in spec.labels},
        neutral=spec.labels.neutral,
        summary=spec.summary,
        licence=spec.licence,
        citation=spec.citation,
        source=spec.source,
    )


def of_record(identity: DatasetIdentity) -> str | DatasetSpec:
    """The data set of a record, to resolve its recipe again: its name, or its spec where it was somebody's own.

    Raises:
        RecordError: what the record tells of it is not acceptable.
    """
    own = identity.own
    if own is None:
        return identity.name
    if faults := [
        *filter(None, [name_fault(identity.name)]),
        *(what for _, what in label_faults(own.labels, own.neutral)),
    ]:
        raise RecordError(f"The data set of the record is not acceptable: {faults[0]} Got {identity.name!r}.")
    return DatasetSpec(
        name=identity.name,
        summary=own.summary,
        family=identity.name,
        version=identity.version,
        labels=LabelSet.of(own.labels, own.neutral),
        files={},
        ranked=identity.ranked,
        licence=own.licence,
        source=own.source,
        citation=own.citation,
    )
