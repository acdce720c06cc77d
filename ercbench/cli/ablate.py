"""``ercbench ablate``: what is left of a method without each of its parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ercbench.cli.options import KEEP_MODELS, run_options, split_names
from ercbench.cli.signals import stoppable
from ercbench.cli.variant_runs import AS_JSON, MARKDOWN, begin, carry_out, finish, left_out, left_out_as_json, noted

if TYPE_CHECKING:
    from ercbench.ablating import Ablation
    from ercbench.cli.tables import Block


@click.command()
@click.argument("recipe")
@click.option("--part", "parts", multiple=True, callback=split_names, metavar="NAME[,NAME]",
              help="Switch these off, each alone.  [default: every part]")  # fmt: skip
@run_options(KEEP_MODELS)
@MARKDOWN
@AS_JSON
@stoppable()
def ablate(**options: Any) -> None:
    """Run RECIPE whole and with each of its parts switched off, and print how they differ.

    A recipe declares its parts; of one that declares none, each loss is switched off in turn. The whole is the recipe's
    own run, so its records in RESULTS are used where they are there; those of the others lie below RESULTS/ablate.

    Differences are to the whole: with a 95 % interval over test dialogues, and p-values as in `ercbench compare`,
    corrected by Holm's method for all differences that are printed.

    \b
    Examples:
      ercbench ablate eacl --dataset meld --seeds 3
      ercbench ablate eacl --dataset meld --part separation,adaptation --markdown ablation.md
      ercbench ablate supcon-ce --dataset meld --sample
    """  # noqa: D301
    from ercbench.ablating import WHOLE, ablation_variants, ablations
    from ercbench.errors import UsageError
    from ercbench.variants import plan_variants

    catalog, request = begin(options, options["recipe"])
    by_dataset = ablation_variants(catalog, request, options["parts"])
    variants = [variant for of in by_dataset.values() for variant in of]
    planned, impossible = plan_variants(catalog, request, variants)
    if whole := [reason for one in impossible if one.variant.name == WHOLE for reason in one.reasons]:
        raise UsageError("\n".join(dict.fromkeys(whole)))
    if impossible:
        raise UsageError("\n".join([
            f"{options['recipe']} cannot be run without some of its parts; nothing was started.",
            *map(str, impossible), "Name the others with --part.",
        ]))  # fmt: skip
    ran = carry_out(catalog, options, planned, impossible)
    if ran is None:
        return
    results = ablations(ran)
    blocks = [block for result in results for block in _blocks(result)]
    content = {"recipe": options["recipe"], "ablations": [_plain(result) for result in results]}
    finish(options, f"Ablation of {options['recipe']}", content, blocks, ran)


def _blocks(result: Ablation) -> Iterator[Block]:
    """One data set for a person, in the form that papers use."""
    from ercbench.ablating import WITHOUT
    from ercbench.cli.compare import difference_cells, head_of
    from ercbench.cli.tables import Table

    pairs = {pair.a: difference_cells(pair.found, pair.p_holm) for pair in result.compared.pairs}
    rows = []
    for row in result.compared.rows:
        name = f"- {row.name.removeprefix(WITHOUT)}" if row.name in pairs else row.name
        scores = f"{100 * result.dev[row.name]:.2f}", f"{100 * row.over_seeds.mean:.2f}"
        rows.append((name, *scores, *pairs.get(row.name, ("",) * 6)))
    p_values = ("p bootstrap", "p randomis.", "p seeds", "p Holm")
    yield head_of(result.compared.task)
    yield Table(("", "Dev", "Test", "Difference", "95 % interval", *p_values), rows)
    yield from (pair.sentence for pair in result.compared.pairs)
    yield from noted(result.remarks)
    yield from left_out([], result.failed)
    yield ""


def _plain(result: Ablation) -> dict[str, Any]:
    """One data set as JSON has it."""
    from ercbench.cli.compare import pair_as_json, row_as_json

    return {
        **asdict(result.compared.task),
        "rows": [{**row_as_json(row), "dev": result.dev[row.name]} for row in result.compared.rows],
        "differences": [pair_as_json(pair) for pair in result.compared.pairs],
        "remarks": result.remarks,
        "failed": left_out_as_json(result.failed),
    }
