"""``ercbench trace``: one utterance through the stages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ercbench.cli.options import plugin_files
from ercbench.types import CONTEXT_PROTOCOLS

STAGES = ("data", "rendering", "encoding", "representation", "classifying")


@click.command()
@click.argument("recipe")
@click.option("--dataset", required=True, help="Data set of the utterance.")
@click.option("--utterance", required=True, metavar="UID", help="dataset/split/dialogue/turn, positions from 0.")
@click.option(
    "--until", type=click.Choice(STAGES), default=STAGES[-1], show_default=True, help="Stop after this stage."
)
@click.option("--track", help="Default: full on a CUDA GPU, else mini.")
@click.option("--context", type=click.Choice(CONTEXT_PROTOCOLS), default="past", show_default=True,
              help="What of a dialogue is shown.")  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="PATH=VALUE", help="Change a value of the recipe.")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Folder with the data sets.")
@plugin_files
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def trace(recipe: str, **options: Any) -> None:
    """Show what one utterance becomes, stage by stage.

    Up to encoding only a tokenizer is needed. The later stages load the pre-trained weights, before any training.

    \b
    Examples:
      ercbench trace eacl --dataset meld-sample --utterance meld-sample/train/0/3
      ercbench trace eacl --dataset meld --utterance meld/test/0/2 --until encoding --json
    """  # noqa: D301
    from ercbench.catalog import load_with_files
    from ercbench.config import resolve
    from ercbench.grid import default_track
    from ercbench.own import find_dataset
    from ercbench.trace import trace as trace_utterance
    from ercbench.values import parse_assignment

    catalog = load_with_files(options["plugins"])
    overrides = dict(parse_assignment(text) for text in options["assignments"])
    track, dataset = options["track"] or default_track(catalog), find_dataset(catalog, options["dataset"])
    config = resolve(catalog, recipe, track, dataset, overrides, options["context"])
    stages = trace_utterance(catalog, config, options["utterance"], options["until"], options["data_dir"])
    if options["as_json"]:
        click.echo(json.dumps(stages, indent=2, ensure_ascii=False))
        return
    for stage, found in stages.items():
        click.echo(click.style(stage, bold=True))
        for key, value in found.items():
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            click.echo(f"  {key}: {shown}")
