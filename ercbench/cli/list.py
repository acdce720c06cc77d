"""``ercbench list``: what plugins offer."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ercbench.cli.options import plugin_files

KINDS = (
    "datasets", "renderers", "encoders", "losses", "curricula", "classifiers", "checkpoints", "tracks", "recipes",
    "trackers",
)  # fmt: skip


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS))
@plugin_files
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(kind: str, plugins: tuple[Path, ...], as_json: bool) -> None:
    """List what plugins offer, by kind.

    \b
    Examples:
      ercbench list recipes
      ercbench list losses --json
    """  # noqa: D301
    from tabulate import tabulate

    from ercbench.catalog import KINDS as SPEC_TYPES
    from ercbench.catalog import load_with_files

    entries = load_with_files(plugins).entries(SPEC_TYPES[kind])
    rows = [
        {
            "name": entry.spec.name,
            "summary": entry.spec.summary,
            "distribution": entry.plugin.distribution,
            **{
                field: getattr(entry.spec, field)
                for field in ("version", "ranked", "reference", "needs_training", "checkpoints")
                if hasattr(entry.spec, field)
            },
        }
        for entry in entries
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        click.echo(tabulate([[row["name"], row["summary"], row["distribution"]] for row in rows],
                            ["name", "summary", "distribution"], maxcolwidths=[None, 70, None]))  # fmt: skip
