"""``ercbench list``: what plugins offer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ercbench.cli.options import plugin_files

if TYPE_CHECKING:
    from ercbench.catalog import Entry

KINDS = (
    "datasets", "renderers", "encoders", "losses", "curricula", "classifiers", "checkpoints", "tracks", "recipes",
    "trackers",
)  # fmt: skip


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@plugin_files
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(kind: str | None, plugins: tuple[Path, ...], as_json: bool) -> None:
    """List what plugins offer, of one kind or of all.

    \b
    Examples:
      ercbench list
      ercbench list recipes
      ercbench list losses --json
    """  # noqa: D301
    from ercbench.catalog import KINDS as SPEC_TYPES
    from ercbench.catalog import load_with_files

    catalog = load_with_files(plugins)
    offered = {name: _rows(catalog.entries(SPEC_TYPES[name])) for name in ([kind] if kind else KINDS)}
    if as_json:
        click.echo(json.dumps(offered[kind] if kind else offered, indent=2))
    elif kind:
        click.echo(_table(offered[kind]))
    else:
        click.echo("\n\n".join(f"{name}\n\n{_table(rows)}" for name, rows in offered.items()))


def _rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    return [
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


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    from tabulate import tabulate

    return tabulate([[row["name"], row["summary"], row["distribution"]] for row in rows],
                    ["name", "summary", "distribution"], maxcolwidths=[None, 70, None])  # fmt: skip
