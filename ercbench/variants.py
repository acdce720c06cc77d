"""Variants of one recipe: ordinary runs with values laid over it, each with a results folder of its own.

Before: factors.py and ablating.py, which say what the variants are. After: effects.py and comparing.py, which say how
they differ.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from ercbench.catalog import Catalog
from ercbench.cell_runs import Outcome
from ercbench.comparing import counts_of
from ercbench.devices import Device
from ercbench.errors import BadSetting, ErcbenchError, PluginError, Problems, UsageError
from ercbench.executing import execute
from ercbench.gold import load_gold
from ercbench.grid import Plan, Request, plan
from ercbench.preparing import Preparations
from ercbench.progress import Reporter, Whole
from ercbench.records import read_record, record_path
from ercbench.specs import DatasetSpec, Recipe, Values
from ercbench.systems import Found
from ercbench.trial import attempt
from ercbench.types import IntArray

LONGEST = 80
"""Characters of a folder's name that tell what is in it."""


@dataclass(frozen=True)
class Variant:
    """A recipe on a data set with values laid over it.

    Attributes:
        name: for a person.
        dataset: what it runs on.
        overrides: the values, as ``--set`` takes them.
        results: the folder of its records, which no other variant has.
    """

    name: str
    dataset: DatasetSpec
    overrides: Values
    results: Path


@dataclass(frozen=True)
class Planned:
    """A variant that can be run.

    Attributes:
        variant: what it is.
        request: the same as a request.
        plan: what is to be run of it.
        paths: where its records are or will be, in the order of seeds.
        remarks: what was noticed when its parts were tried.
    """

    variant: Variant
    request: Request
    plan: Plan
    paths: tuple[Path, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class LeftOut:
    """A variant that there are no results of, and why."""

    variant: Variant
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        """A line of a list."""
        return f"- {self.variant.name} on {self.variant.dataset.name}: {' '.join(self.reasons)}"


def plan_variants(
    catalog: Catalog, request: Request, variants: Sequence[Variant]
) -> tuple[list[Planned], list[LeftOut]]:
    """Variants -> those that can be run, tried on a few utterances, and those that cannot.

    Args:
        catalog: where names are looked up.
        request: with one recipe, a track, and everything else that the variants have in common.
        variants: any number, on any data sets.

    Raises:
        ErcbenchError: something is wrong with all of them, or with anything but the parts of one; `Problems` for
            several.
    """
    preparations = Preparations(catalog, request.data_dir, request.limit)
    planned: list[Planned] = []
    impossible: list[LeftOut] = []
    errors: list[ErcbenchError] = []
    for variant in variants:
        mine = replace(
            request, datasets=[variant.dataset], overrides=variant.overrides, results=variant.results, sample=False
        )
        try:
            planned.append(_planned(catalog, mine, variant, preparations))
        except ErcbenchError as error:
            said = list(error.errors) if isinstance(error, Problems) else [error]
            errors += [one for one in said if not _of_parts(one)]
            impossible.append(LeftOut(variant, tuple(map(str, said))))
    if not errors and not planned and impossible:
        alike = len({one.reasons for one in impossible}) == 1
        errors = said if alike else [UsageError("\n".join(["Nothing can be run.", *map(str, impossible)]))]
    unique = list({str(error): error for error in errors}.values())
    if unique:
        raise unique[0] if len(unique) == 1 else Problems(unique)
    return planned, impossible


@dataclass(frozen=True)
class VariantRuns:
    """What running variants came to.

    Attributes:
        done: the variants all of whose seeds have a record, with these, in the order of seeds.
        failed: the others, and why.
        outcome: everything that went wrong.
        names: the variant of each of its failures.
    """

    done: tuple[tuple[Planned, tuple[Found, ...]], ...]
    failed: tuple[LeftOut, ...]
    outcome: Outcome
    names: tuple[str, ...]

    def remarks(self, dataset: str) -> dict[str, tuple[str, ...]]:
        """What was noticed of the variants on a data set that have results, by their names."""
        found = [one for one, _ in self.done if one.variant.dataset.name == dataset]
        return {one.variant.name: one.remarks for one in found if one.remarks}

    def check(self) -> None:
        """Raise what went wrong.

        Raises:
            Exception: a run failed; `RunsFailed` for several.
        """
        self.outcome.check(self.names)


def run_variants(planned: Sequence[Planned], reporter: Reporter) -> VariantRuns:
    """Run what is left to be run, one after the other; a run that fails does not end the others."""
    plans = [one.plan for one in planned]
    work = sum(prepared.work * len(seeds) for one in plans for prepared, seeds in one.groups)
    whole = Whole(reporter, sum(one.cells for one in plans), work)
    outcome, names, done, failed = Outcome(), list[str](), list[Planned](), list[LeftOut]()
    try:
        for place, one in enumerate(planned, 1):
            whole.about = one.variant.name
            found = execute(one.plan, one.request, whole, last=not any(later.cells for later in plans[place:]))
            outcome.add(found)
            names += [one.variant.name] * len(found.failures)
            for error in found.errors:
                error.add_note(f"It is a run of {one.variant.name}; its log is in {one.plan.results / 'logs'}.")
            if found.failures:
                reasons = tuple(f"seed {failure.seed}: {failure.what}" for failure in found.failures)
                failed.append(LeftOut(one.variant, reasons))
            else:
                done.append(one)
    finally:
        whole.close()
    records = (tuple((path, read_record(path)) for path in one.paths) for one in done)
    return VariantRuns(tuple(zip(done, records, strict=True)), tuple(failed), outcome, tuple(names))


def variant_counts(planned: Sequence[Planned], records: Sequence[Sequence[Found]]) -> list[IntArray]:
    """Records of variants on one data set -> confusion counts of each (S, G, C, C). Reads the gold labels of test.

    Raises:
        DataError: the data are not here any more.
        RecordError: a record's predictions or score are not what it says.
    """
    request = planned[0].request
    gold = load_gold(planned[0].variant.dataset, request.data_dir, request.limit)
    return [counts_of(found, gold) for found in records]


def dev_of(records: Sequence[Found]) -> float:
    """Weighted F1 on dev, averaged over seeds."""
    return sum(record.scores.dev.weighted_f1 for _, record in records) / len(records)


def variant_folder(
    results: Path, kind: str, recipe: str, names: Iterable[str], values: Mapping[str, JsonValue]
) -> Path:
    """``RESULTS/KIND/RECIPE/NAMES-DIGEST``: what tells a variant of a recipe from others, readable as far as it goes.

    Args:
        results: where the recipe's own records are.
        kind: of command.
        recipe: its name.
        names: of what is varied.
        values: other values that were asked for.
    """
    listed = list(names)
    digest = hashlib.sha256(json.dumps([recipe, listed, dict(values)], sort_keys=True).encode()).hexdigest()[:8]
    readable = "_".join(_plain(name.rpartition("=")[2]) for name in listed)[:LONGEST]
    return results / kind / _plain(recipe) / f"{readable}-{digest}"


def _plain(name: str) -> str:
    """A name with nothing in it that a file system minds."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", name).strip("-.")


def _planned(catalog: Catalog, request: Request, variant: Variant, preparations: Preparations) -> Planned:
    """Check one variant."""
    found = plan(catalog, request, preparations)
    remarks: list[str] = []
    for prepared in found.prepared:
        remarks += attempt(prepared, Device(request.device, prepared.config.training.precision))
    recipe = catalog.get(Recipe, request.recipes[0])
    names = variant.dataset.name, found.track, f"{recipe.name}@{recipe.version}"
    paths = (record_path(variant.results, *names, seed, request.context) for seed in request.seeds)
    return Planned(variant, request, found, tuple(paths), tuple(remarks))


def _of_parts(error: ErcbenchError) -> bool:
    """Whether it says that parts do not go together, and not that anything else is wrong."""
    return isinstance(error, BadSetting | PluginError)
