"""``ercbench grid``: what each part of a method contributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ercbench.cli.options import KEEP_MODELS, F, run_options, split_names
from ercbench.cli.signals import stoppable
from ercbench.cli.variant_runs import AS_JSON, MARKDOWN, begin, carry_out, finish, left_out, left_out_as_json, noted

if TYPE_CHECKING:
    from ercbench.cli.tables import Block, Table
    from ercbench.effects import Effect, Level
    from ercbench.factors import GridResult
    from ercbench.variants import LeftOut

PARTIAL = (
    "Some combinations are missing: a difference is over those that both levels have, and shares of the variance "
    "have no meaning."
)


def _levels(name: str, about: str) -> Callable[[F], F]:
    return click.option(f"--{name}", name, multiple=True, callback=split_names, metavar="A,B", help=about)


@click.command()
@click.option("--recipe", default="ce-context", show_default=True, metavar="NAME",
              help="What everything else comes from: the parts that are not varied, training, selection.")  # fmt: skip
@_levels("renderer", "Renderers to vary.")
@_levels("encoder", "Encoders to vary.")
@_levels("loss", "Losses to vary; a level may be a sum, such as 0.1*cross-entropy+0.9*supcon, or none.")
@_levels("classifier", "Classifiers to vary.")
@click.option("--skip-impossible", is_flag=True, help="Leave out combinations that cannot be run.")
@run_options(KEEP_MODELS)
@MARKDOWN
@AS_JSON
@stoppable()
def grid(**options: Any) -> None:
    """Run every combination of parts on one recipe, and print what each part contributes.

    Each combination is a run like any other; its record lies below RESULTS/grid and says in its overrides which parts
    it has. A part that the recipe does not have keeps those of the recipe's settings that it has too. All combinations
    are tried on a few utterances before the first is trained.

    For each level there is its mean over all combinations of the others, and its difference to the first level: with a
    95 % interval over test dialogues, and p-values as in `ercbench compare`, corrected by Holm's method for all
    differences that are printed.

    \b
    Examples:
      ercbench grid --loss cross-entropy,cross-entropy+supcon --classifier linear-head,logistic-regression --set classifier.reads=hidden --dataset meld
      ercbench grid --encoder eacl,transformer --loss cross-entropy,focal --dataset meld,iemocap --seeds 3 --dry-run
      ercbench grid --recipe tfidf-lr --renderer utterance,turns --classifier logistic-regression,majority --sample --dataset meld
    """  # noqa: D301, E501
    from ercbench.errors import UsageError
    from ercbench.factors import FACTORS, find_factors, grid_results, grid_variants
    from ercbench.variants import plan_variants

    factors = find_factors({name: options[name] for name in FACTORS})
    catalog, request = begin(options, options["recipe"])
    by_dataset = grid_variants(catalog, request, factors)
    variants = [variant for cells in by_dataset.values() for variant in cells.values()]
    planned, impossible = plan_variants(catalog, request, variants)
    if impossible and not options["skip_impossible"]:
        raise UsageError(_refusal(len(variants), impossible))
    ran = carry_out(catalog, options, planned, impossible)
    if ran is None:
        return
    results = grid_results(factors, by_dataset, ran, impossible)
    blocks = [block for result in results for block in _blocks(result)]
    content = {"recipe": options["recipe"], "grids": [_plain(result) for result in results]}
    finish(options, f"Grid on {options['recipe']}", content, blocks, ran)


def _refusal(many: int, impossible: Sequence[LeftOut]) -> str:
    return "\n".join(
        [
            f"{len(impossible)} of {many} combinations cannot be run; nothing was started.",
            *map(str, impossible),
            "Leave those levels out, or run the others with --skip-impossible.",
        ]
    )


def _blocks(result: GridResult) -> Iterator[Block]:
    """One data set for a person."""
    from ercbench.cli.compare import head_of

    yield head_of(result.task)
    yield _cells(result)
    yield from noted(result.remarks)
    for names in result.alike:
        yield f"The same predictions, whatever tells these apart: {'; '.join(names)}."
    for effect in result.effects:
        yield _effect(effect, partial=result.partial)
        yield from _sentences(effect)
    if result.interactions is None:
        yield PARTIAL if result.partial else "All combinations score the same."
    else:
        told = [(effect.factor, effect.share or 0.0) for effect in result.effects]
        words = ", ".join(
            f"{name} {100 * share:.1f} %" for name, share in (*told, ("interactions", result.interactions))
        )
        yield f"Of the variance between combinations: {words}."
    yield from left_out(result.impossible, result.failed)
    yield ""


def _cells(result: GridResult) -> Table:
    """Every combination."""
    from ercbench.cli.compare import interval
    from ercbench.cli.tables import Table

    names = [factor.name for factor in result.factors]
    rows = []
    for cell, row in result.cells.items():
        spread = row.over_seeds
        deviation = "" if spread.deviation is None else f"{100 * spread.deviation:.2f}"
        scores = (f"{100 * result.dev[cell]:.2f}", f"{100 * spread.mean:.2f}", interval(row.over_dialogues))
        rows.append((*cell, *scores, str(spread.seeds), deviation))
    header = (*names, "Dev", "Test", "Over test dialogues", "Seeds", "Deviation")
    return Table(header, rows, names=len(names))


def _effect(effect: Effect, partial: bool) -> Table:
    """The levels of one factor; with combinations missing, also over how many a difference is."""
    from ercbench.cli.compare import difference_cells
    from ercbench.cli.tables import Table

    rows = []
    for level in effect.levels:
        mean = "" if level.score is None else f"{100 * level.score.estimate:.2f}"
        found = level.difference
        cells = difference_cells(found.found, found.p_holm) if found else ("",) * 6
        over = (str(found.combinations) if found else "",) if partial else ()
        rows.append((level.name, mean, str(level.cells), *cells, *over))
    header = (effect.factor, "Mean", "Of", "Difference", "95 % interval")
    p_values = ("p bootstrap", "p randomis.", "p seeds", "p Holm")
    return Table((*header, *p_values, *(("Over",) if partial else ())), rows)


def _sentences(effect: Effect) -> Iterator[str]:
    """What the differences say, in words."""
    from ercbench.comparing import Pair

    first, *others = effect.levels
    for level in others:
        if level.difference is None:
            yield f"{level.name} and {first.name} have no combination in common."
        else:
            found = level.difference
            yield Pair(level.name, first.name, found.found, found.p_holm, found.compared).sentence


def _plain(result: GridResult) -> dict[str, Any]:
    """One data set as JSON has it."""
    from ercbench.cli.compare import row_as_json

    names = [factor.name for factor in result.factors]
    return {
        **asdict(result.task),
        "cells": [
            {"levels": dict(zip(names, cell, strict=True)), "dev": result.dev[cell], **row_as_json(row)}
            for cell, row in result.cells.items()
        ],
        "remarks": result.remarks,
        "alike": [list(names) for names in result.alike],
        "effects": [
            {"factor": effect.factor, "share": effect.share, "levels": [_level(level) for level in effect.levels]}
            for effect in result.effects
        ],
        "interactions": result.interactions,
        "impossible": left_out_as_json(result.impossible),
        "failed": left_out_as_json(result.failed),
    }


def _level(level: Level) -> dict[str, Any]:
    found = level.difference
    difference = None if found is None else {
        **asdict(found.found), "p": found.found.p, "p_holm": found.p_holm, "combinations": found.combinations,
    }  # fmt: skip
    score = None if level.score is None else asdict(level.score)
    return {"name": level.name, "cells": level.cells, "score": score, "difference": difference}
