"""``ercbench grid``: the factorial of parts on one recipe. What is asked for -> cells -> records -> effects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from ercbench.catalog import Catalog
from ercbench.comparing import Row, row_of
from ercbench.effects import REST, Combination, Effect, Factor, combinations, corrected, main_effects, shares
from ercbench.errors import BadSetting, ErcbenchError, Problems, UsageError
from ercbench.grid import Request, find_datasets
from ercbench.specs import (
    ClassifierSpec,
    EncoderSpec,
    PartSpec,
    Recipe,
    RendererSpec,
    TrackSpec,
    Values,
)
from ercbench.systems import Task
from ercbench.values import merge
from ercbench.variants import LeftOut, Variant, VariantRuns, dev_of, variant_counts, variant_folder

LOSS = "loss"
PARTS: Mapping[str, type[PartSpec]] = {
    "renderer": RendererSpec,
    "encoder": EncoderSpec,
    "classifier": ClassifierSpec,
}
FACTORS = ("renderer", "encoder", LOSS, "classifier")
"""What can be varied, in the order in which a run uses it."""
NOTHING = "none"
"""The level of ``loss`` that trains nothing."""
TERM = re.compile(r"(?:(?P<weight>\d+(?:\.\d+)?)\*)?(?P<name>[A-Za-z0-9][\w.:-]*)")


@dataclass(frozen=True)
class GridResult:
    """What a grid came to on one data set.

    Attributes:
        task: what all cells have in common.
        factors: in order.
        cells: combination and row of each that was run.
        dev: weighted F1 on dev of each, averaged over seeds.
        effects: of each factor.
        interactions: share of the variance between cells that no single factor explains; None where it has no meaning.
        impossible: what was not run, and why.
        failed: what has no results because a run of it failed.
        remarks: what was noticed when the parts of a combination were tried, by its name.
    """

    task: Task
    factors: tuple[Factor, ...]
    cells: Mapping[Combination, Row]
    dev: Mapping[Combination, float]
    effects: tuple[Effect, ...]
    interactions: float | None
    impossible: tuple[LeftOut, ...]
    failed: tuple[LeftOut, ...]
    remarks: Mapping[str, tuple[str, ...]]

    @property
    def partial(self) -> bool:
        """Whether combinations are missing."""
        return bool(self.impossible or self.failed)

    @property
    def alike(self) -> list[tuple[str, ...]]:
        """Names of combinations that predict the same with every seed, where several do."""
        found: dict[tuple[str, ...], list[str]] = {}
        for row in self.cells.values():
            found.setdefault(tuple(record.predictions.sha256 for _, record in row.records), []).append(row.name)
        return [tuple(names) for names in found.values() if len(names) > 1]


def find_factors(asked: Mapping[str, Sequence[str]]) -> list[Factor]:
    """Levels by factor -> those factors that have some, in the order of `FACTORS`.

    Raises:
        UsageError: none has two, or a level of ``loss`` is no sum of losses; `Problems` for several.
    """
    factors = [Factor(name, tuple(dict.fromkeys(asked[name]))) for name in FACTORS if asked.get(name)]
    errors: list[ErcbenchError] = []
    if not any(len(factor.levels) > 1 for factor in factors):
        given = ", ".join(f"--{factor.name} {','.join(factor.levels)}" for factor in factors) or "nothing"
        errors.append(
            UsageError(f"A grid varies something. Got {given}. Name two levels, such as --loss cross-entropy,focal.")
        )
    for factor in factors:
        if factor.name == LOSS:
            errors += [error for level in factor.levels for error in _faults(level)]
    if errors:
        raise errors[0] if len(errors) == 1 else Problems(errors)
    return factors


def losses_of(level: str) -> dict[str, float]:
    """``"0.1*cross-entropy+0.9*supcon"`` -> weights by name; 1 where none is given, nothing for ``none``.

    Raises:
        UsageError: it is no sum of different losses.
    """
    if level == NOTHING:
        return {}
    found: dict[str, float] = {}
    for term in level.split("+"):
        match = TERM.fullmatch(term.strip())
        if match is None or match["name"] in found:
            raise UsageError(
                "A level of --loss is a loss or a sum of different ones, such as cross-entropy+supcon or "
                f"0.1*cross-entropy+0.9*supcon, or none. Got {level!r}."
            )
        found[match["name"]] = float(match["weight"] or 1)
    return found


def grid_variants(
    catalog: Catalog, request: Request, factors: Sequence[Factor]
) -> dict[str, dict[Combination, Variant]]:
    """Every combination on every data set, by name of the data set.

    Raises:
        UnknownName: a part that there is not.
        BadSetting: a ``--set`` value is about what is varied, or about a part that no cell has; `Problems` for several.
    """
    recipe, track = catalog.get(Recipe, request.recipes[0]), catalog.get(TrackSpec, str(request.track))
    found: dict[str, dict[Combination, Variant]] = {}
    taken: set[str] = set()
    refuse_varied(request.overrides, factors)
    for dataset in find_datasets(catalog, request.datasets, request.sample):
        base, origins = merge(catalog, recipe, track, dataset, {})
        cells = found.setdefault(dataset.name, {})
        for combination in combinations(factors):
            levels = {factor.name: level for factor, level in zip(factors, combination, strict=True)}
            cell = _Cell(catalog, base, origins, levels)
            asked = {path: value for path, value in request.overrides.items() if cell.has(path)}
            taken |= asked.keys()
            names = [f"{name}={level}" for name, level in levels.items()]
            folder = variant_folder(request.results, "grid", recipe.name, names, asked)
            cells[combination] = Variant(", ".join(names), dataset, {**cell.overrides, **asked}, folder)
    if unused := [_useless(path, factors, catalog) for path in request.overrides if path not in taken]:
        raise unused[0] if len(unused) == 1 else Problems(unused)
    return found


def _useless(path: str, factors: Sequence[Factor], catalog: Catalog) -> BadSetting:
    """What is wrong with a ``--set`` value that no combination takes."""
    section = path.partition(".")[0]
    [levels] = [factor.levels for factor in factors if factor.name == section] or [()]
    known = dict.fromkeys(name for level in levels for name in catalog.get(PARTS[section], level).settings.model_fields)
    told = f" What there is: {', '.join(f'{section}.{name}' for name in known) or 'nothing'}." if levels else ""
    return BadSetting(f"{path} would change no cell of the grid: none has it.{told} Leave it out, or change it.")


def refuse_varied(overrides: Mapping[str, JsonValue], factors: Sequence[Factor]) -> None:
    """A ``--set`` value must not say what a factor says.

    Raises:
        BadSetting: one does; `Problems` for several.
    """
    errors: list[ErcbenchError] = []
    for path in overrides:
        section, _, rest = path.partition(".")
        for factor in factors:
            decided = rest in ("", "name") if factor.name != LOSS else rest.partition(".")[2] in ("", "name", "weight")
            if section == {LOSS: "losses"}.get(factor.name, factor.name) and decided:
                errors.append(BadSetting(f"{path} is what --{factor.name} varies. Got both. Leave one out."))
    if errors:
        raise errors[0] if len(errors) == 1 else Problems(errors)


def grid_results(
    factors: Sequence[Factor],
    variants: Mapping[str, Mapping[Combination, Variant]],
    ran: VariantRuns,
    impossible: Sequence[LeftOut],
) -> list[GridResult]:
    """Records of the cells -> scores and effects, per data set; Holm's correction is over all data sets.

    Args:
        factors: what was varied.
        variants: what `grid_variants` gave.
        ran: what running them came to.
        impossible: those that could not be run.

    Raises:
        DataError, RecordError: see `variant_counts`.
    """
    tables: list[tuple[dict[Combination, Row], dict[Combination, float]]] = []
    effects: list[list[Effect]] = []
    for dataset, cells in variants.items():
        by_name = {variant.name: cell for cell, variant in cells.items()}
        mine = [one for one in ran.done if one[0].variant.dataset.name == dataset]
        if mine:
            there = [by_name[planned.variant.name] for planned, _ in mine]
            records = dict(zip(there, (of for _, of in mine), strict=True))
            counted = variant_counts([planned for planned, _ in mine], list(records.values()))
            counts = dict(zip(there, counted, strict=True))
            effects.append(main_effects(factors, counts))
            rows = {cell: row_of(cells[cell].name, records[cell], counts[cell]) for cell in there}
            tables.append((rows, {cell: dev_of(records[cell]) for cell in there}))
    return [
        _result(factors, (rows, dev), found, impossible, ran)
        for (rows, dev), found in zip(tables, corrected(effects), strict=True)
    ]


def _result(
    factors: Sequence[Factor],
    scored: tuple[Mapping[Combination, Row], Mapping[Combination, float]],
    effects: Sequence[Effect],
    impossible: Sequence[LeftOut],
    ran: VariantRuns,
) -> GridResult:
    """Everything of one data set."""
    rows, dev = scored
    task = Task.of(next(iter(rows.values())).records[0][1])
    rest = shares(factors, {cell: row.over_seeds.mean for cell, row in rows.items()}).get(REST)
    left_out, failed = (
        tuple(one for one in of if one.variant.dataset.name == task.dataset) for of in (impossible, ran.failed)
    )
    remarks = ran.remarks(task.dataset)
    return GridResult(task, tuple(factors), rows, dev, tuple(effects), rest, left_out, failed, remarks)


class _Cell:
    """What is laid over the recipe for one combination, and which other values concern it."""

    def __init__(self, catalog: Catalog, base: Values, origins: Mapping[str, str], levels: Mapping[str, str]) -> None:
        self.base, self.origins, self.levels = base, origins, levels
        self.specs = {name: catalog.get(kind, levels[name]) for name, kind in PARTS.items() if name in levels}
        self.losses = losses_of(levels[LOSS]) if LOSS in levels else {}

    @property
    def overrides(self) -> Values:
        """The values that make the combination."""
        values: Values = {}
        for name in self.levels:
            values |= dict(self._losses() if name == LOSS else self._part(name))
        return values

    def has(self, path: str) -> bool:
        """Whether a value is about something that the cell has, as far as that is varied."""
        section, _, rest = path.partition(".")
        if section in ("training", "curriculum") and LOSS in self.levels and not self.losses:
            return False  # nothing is trained
        if section == "losses" and LOSS in self.levels:
            return rest.partition(".")[0] in {_key(name) for name in self.losses}
        return section not in self.specs or rest.partition(".")[0] in self.specs[section].settings.model_fields

    def _part(self, name: str) -> Iterator[tuple[str, JsonValue]]:
        """The name of a part, and those of the recipe's settings that it has too."""
        spec, level = self.specs[name], self.levels[name]
        before = str(self.base.get(f"{name}.name"))
        told = {path: value for path, value in self.base.items() if path.startswith(f"{name}.")}
        kept = {path: value for path, value in told.items() if self._keeps(spec, path)}
        if level != before and len(kept) + 1 < len(told):
            yield name, None
            yield f"{name}.name", level
            yield from kept.items()
        else:
            yield f"{name}.name", level
        chooser = "selection.classifier"
        if isinstance(spec, ClassifierSpec) and not spec.needs_training and self.base.get(chooser) == before:
            yield chooser, level  # a recipe that chooses the epoch by its own classifier goes on doing so

    def _keeps(self, spec: PartSpec, path: str) -> bool:
        """Whether a setting of the recipe or its track is one of a part; a track speaks of pre-trained encoders."""
        if isinstance(spec, EncoderSpec) and spec.fitted and self.origins[path].startswith("track "):
            return False
        return path.split(".")[1] in spec.settings.model_fields

    def _losses(self) -> Iterator[tuple[str, JsonValue]]:
        """The losses with their weights, and those of the recipe's settings that are theirs."""
        if any(path.startswith("losses.") for path in self.base):
            yield "losses", None
        for name, weight in self.losses.items():
            prefix = f"losses.{_key(name)}"
            if ":" in name:
                yield f"{prefix}.name", name
            yield f"{prefix}.weight", weight
            for path, value in self.base.items():
                if path.startswith(f"{prefix}.") and path not in (f"{prefix}.name", f"{prefix}.weight"):
                    yield path, value


def _key(name: str) -> str:
    """Under which name a loss stands in a recipe: ``pml:TripletMarginLoss`` -> ``TripletMarginLoss``."""
    return name.rpartition(":")[2]


def _faults(level: str) -> Iterator[UsageError]:
    try:
        losses_of(level)
    except UsageError as error:
        yield error
