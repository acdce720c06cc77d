"""Paths of records and folders -> records, and what to call the systems among them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ercbench.errors import ErcbenchError, Problems, RecordError, UsageError
from ercbench.records import RunRecord, read_record, record_files

Found = tuple[Path, RunRecord]


def find(paths: Sequence[Path]) -> list[Found]:
    """Records, and folders that hold some at any depth -> every record once, in the order given.

    Raises:
        UsageError: a path does not exist, or a folder holds no record.
        RecordError: a record cannot be read.
        Problems: several of these.
    """
    found: dict[Path, Found] = {}
    errors: list[ErcbenchError] = []
    for path in paths:
        try:
            for file in record_files(path):
                if file.resolve() not in found:
                    found[file.resolve()] = file, read_record(file)
        except (UsageError, RecordError) as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else Problems(errors)
    return list(found.values())


def by_data(found: Sequence[Found]) -> list[list[Found]]:
    """Records -> those about one exact content of a data set together: only they can be compared."""
    return _grouped(
        found,
        lambda r: [r.dataset.name, r.dataset.version, r.dataset.fingerprint, r.dataset.limit, sorted(_keys(r))],
    )


def by_system(found: Sequence[Found]) -> list[list[Found]]:
    """Records about one data set -> the seeds of one system together, by seed.

    Raises:
        RecordError: two records claim the same seed of one system.
    """
    groups = _grouped(found, lambda r: [r.track, r.protocol.context, r.method])
    return [list(_each_seed_once(sorted(group, key=lambda one: one[1].seed))) for group in groups]


def names(systems: Sequence[RunRecord]) -> list[str]:
    """One record of each system -> what to call the systems: recipe@version, and no more than tells them apart."""
    traits = [_traits(record) for record in systems]
    telling = [place for place in range(1, len(traits[0])) if len({trait[place] for trait in traits}) > 1]
    found = [", ".join(filter(None, (trait[0], *(trait[place] for place in telling)))) for trait in traits]
    alike = {name: [record for record, other in zip(systems, found, strict=True) if other == name] for name in found}
    return [
        f"{name}, {_difference(record, alike[name])}" if len(alike[name]) > 1 else name
        for name, record in zip(found, systems, strict=True)
    ]


def _traits(record: RunRecord) -> list[str]:
    """What tells one system from another, in words; the recipe first."""
    changed = " ".join(f"{name}={json.dumps(value)}" for name, value in sorted(record.overrides.items()))
    return [
        f"{record.recipe.name}@{record.recipe.version}",
        f"track {record.track}",
        f"context {record.protocol.context}",
        f"selected on {record.protocol.selection_split}",
        f"encoder {record.encoder.checkpoint}",
        f"with {changed}" if changed else "",
    ]


def _keys(record: RunRecord) -> list[str]:
    return list(record.scores.test.per_class)


def _difference(record: RunRecord, others: Sequence[RunRecord]) -> str:
    """The settings in which a record differs from others of its name, else the weights it started from."""
    keys = sorted({key for other in others for key in other.settings})
    telling = [key for key in keys if len({json.dumps(other.settings.get(key)) for other in others}) > 1]
    values = [f"{key}={json.dumps(record.settings[key])}" if key in record.settings else f"no {key}" for key in telling]
    return " ".join(values) or f"weights {(record.encoder.sha256 or 'unknown')[:8]}"


def _grouped(found: Sequence[Found], key: Callable[[RunRecord], object]) -> list[list[Found]]:
    """Records by what they have in common, in the order in which it first comes up."""
    groups: dict[str, list[Found]] = {}
    for path, record in found:
        groups.setdefault(json.dumps(key(record), sort_keys=True), []).append((path, record))
    return list(groups.values())


def _each_seed_once(found: Sequence[Found]) -> Iterator[Found]:
    for number, (path, record) in enumerate(found):
        if number and found[number - 1][1].seed == record.seed:
            raise RecordError(
                f"Two records of one system have the same seed. Got seed {record.seed} in {found[number - 1][0]} and "
                f"{path}. Name one of them."
            )
        yield path, record
