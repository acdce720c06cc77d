"""``ercbench show``: a recipe as it will run."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ercbench.cli.options import plugin_files
from ercbench.types import CONTEXT_PROTOCOLS, ContextProtocol


@click.command()
@click.argument("recipe")
@click.option("--dataset", help="Data set or folder it is resolved for. Default: the first of the benchmark.")
@click.option("--track", help="Default: full on a CUDA GPU, else mini.")
@click.option("--context", type=click.Choice(CONTEXT_PROTOCOLS), default="past", show_default=True,
              help="What of a dialogue is shown.")  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="PATH=VALUE", help="Change a value of the recipe.")
@plugin_files
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(
    *,
    recipe: str,
    dataset: str | None,
    track: str | None,
    context: ContextProtocol,
    assignments: tuple[str, ...],
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Show every value of a recipe on a data set and track, and where it came from.

    \b
    Examples:
      ercbench show eacl
      ercbench show eacl-released --dataset iemocap --track full --json
    """  # noqa: D301
    from tabulate import tabulate

    from ercbench.catalog import load_with_files
    from ercbench.config import resolve
    from ercbench.grid import ALL, default_track, find_datasets
    from ercbench.values import parse_assignment

    catalog = load_with_files(plugins)
    chosen = track or default_track(catalog)
    target = find_datasets(catalog, [dataset or ALL], sample=False)[0]
    overrides = dict(parse_assignment(text) for text in assignments)
    config = resolve(catalog, recipe, chosen, target, overrides, context)
    identity = {
        "recipe": config.recipe.name,
        "version": config.recipe.version,
        "summary": config.recipe.summary,
        "reference": config.recipe.reference,
        "ranked": config.recipe.ranked,
        "track": chosen,
        "dataset": config.dataset.name,
    }
    if as_json:
        values = {path: {"value": value, "from": config.origins[path]} for path, value in config.values.items()}
        click.echo(json.dumps(identity | {"values": values}, indent=2, ensure_ascii=False))
        return
    for key, value in identity.items():
        click.echo(f"{key + ':':<11}{value}")
    rows = [
        [path, json.dumps(value, ensure_ascii=False), config.origins[path]] for path, value in config.values.items()
    ]
    click.echo("\n" + tabulate(rows, ["path", "value", "from"], maxcolwidths=[None, 44, None], disable_numparse=True))
