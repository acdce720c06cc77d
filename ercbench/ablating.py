"""``ercbench ablate``: a recipe with each of its parts switched off, one at a time, against the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ercbench import statistics
from ercbench.catalog import Catalog
from ercbench.comparing import Compared, Pair, row_of
from ercbench.errors import UnknownName, UsageError
from ercbench.grid import Request, find_datasets
from ercbench.specs import DatasetSpec, Recipe, TrackSpec, Values
from ercbench.systems import Found, Task
from ercbench.values import merge
from ercbench.variants import LeftOut, Planned, Variant, VariantRuns, dev_of, variant_counts, variant_folder

WHOLE, WITHOUT = "the full method", "without "
"""What the recipe as it is is called, and what comes before the name of a part that is switched off."""


@dataclass(frozen=True)
class Ablation:
    """What an ablation came to on one data set: the whole in the first row, and a pair for each part, set against it.

    Attributes:
        compared: the rows and pairs.
        dev: weighted F1 on dev by name of the row, averaged over seeds.
        failed: parts without a row because a run without them failed.
        remarks: what was noticed when the parts of a row were tried, by its name.
    """

    compared: Compared
    dev: Mapping[str, float]
    failed: tuple[LeftOut, ...]
    remarks: Mapping[str, tuple[str, ...]]


def parts_of(catalog: Catalog, recipe: Recipe, track: TrackSpec, dataset: DatasetSpec) -> dict[str, Values]:
    """What can be switched off: what the recipe declares; else each of its losses, where there are several.

    Raises:
        UsageError: there is nothing.
    """
    if recipe.ablations:
        return {name: dict(values) for name, values in recipe.ablations.items()}
    values, _ = merge(catalog, recipe, track, dataset, {})
    losses = dict.fromkeys(path.split(".")[1] for path in values if path.startswith("losses."))
    if len(losses) < 2:
        raise UsageError(
            f"There is nothing to switch off. Got {recipe.name!r}, whose losses are: {', '.join(losses) or 'none'}, "
            "and which declares no ablations. Name another recipe, or declare some: Recipe.ablations."
        )
    return {name: {f"losses.{name}": None} for name in losses}


def ablation_variants(catalog: Catalog, request: Request, wanted: Sequence[str]) -> dict[str, list[Variant]]:
    """The whole recipe and one variant for each part, by name of the data set.

    The whole is the recipe's own run: its records are those of ``ercbench run``.

    Args:
        catalog: where names are looked up.
        request: with one recipe and a track.
        wanted: parts; empty for all.

    Raises:
        UnknownName: a part that the recipe does not have.
        UsageError: there is nothing to switch off, or ``--set`` has switched it off.
    """
    recipe, track = catalog.get(Recipe, request.recipes[0]), catalog.get(TrackSpec, str(request.track))
    found: dict[str, list[Variant]] = {}
    for dataset in find_datasets(catalog, request.datasets, request.sample):
        parts = parts_of(catalog, recipe, track, dataset)
        for name in wanted:
            if name not in parts:
                raise UnknownName("part", name, parts, f"Those can be switched off in {recipe.name}.")
        variants = [Variant(WHOLE, dataset, dict(request.overrides), request.results)]
        whole, _ = merge(catalog, recipe, track, dataset, request.overrides)
        for name in wanted or parts:
            # What is switched off stays off, whatever --set says of it.
            asked = {path: value for path, value in request.overrides.items() if path not in parts[name]}
            overrides = {**asked, **parts[name]}
            if merge(catalog, recipe, track, dataset, overrides)[0] == whole:
                raise UsageError(
                    f"{recipe.name} without {name} is what --set makes of it on {dataset.name} already. Leave that "
                    "--set out, or name other parts with --part."
                )
            folder = variant_folder(request.results, "ablate", recipe.name, [name], asked)
            variants.append(Variant(f"{WITHOUT}{name}", dataset, overrides, folder))
        found[dataset.name] = variants
    return found


def ablations(ran: VariantRuns) -> list[Ablation]:
    """Results of the variants -> how they differ, per data set whose whole has run; Holm's correction is over all.

    Raises:
        DataError, RecordError: see `variant_counts`.
    """
    by_dataset: dict[str, list[tuple[Planned, tuple[Found, ...]]]] = {}
    for one in ran.done:
        name = one[0].variant.dataset.name
        if name in by_dataset or one[0].variant.name == WHOLE:  # without the whole there is nothing to be set against
            by_dataset.setdefault(name, []).append(one)
    run = [tuple(zip(*found, strict=True)) for found in by_dataset.values()]
    counted = [variant_counts(planned, records) for planned, records in run]
    found = [[statistics.compare(one, counts[0]) for one in counts[1:]] for counts in counted]
    left = iter(statistics.holm([one.p for pairs in found for one in pairs]))
    many = sum(map(len, found))
    results = []
    for (planned, records), counts, pairs in zip(run, counted, found, strict=True):
        names = [one.variant.name for one in planned]
        rows = tuple(row_of(*row) for row in zip(names, records, counts, strict=True))
        told = tuple(Pair(name, WHOLE, one, next(left), many) for name, one in zip(names[1:], pairs, strict=True))
        task = Task.of(records[0][0][1])
        dev = {name: dev_of(one) for name, one in zip(names, records, strict=True)}
        failed = tuple(one for one in ran.failed if one.variant.dataset.name == task.dataset)
        results.append(Ablation(Compared(task, rows, told), dev, failed, ran.remarks(task.dataset)))
    return results
