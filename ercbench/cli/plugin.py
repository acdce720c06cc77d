"""``ercbench plugin``: which plugins were found; `plugin_check.py` checks them and `plugin_new.py` begins one."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from ercbench.cli import plugin_check, plugin_new


@click.group()
def plugin() -> None:
    """Plugins: which were found and which did not load and why, begin one of your own, check it.

    \b
    Examples:
      ercbench plugin list
      ercbench plugin new my-loss --kind loss
      ercbench plugin check my-loss
    """  # noqa: D301


@plugin.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List plugins with what they offer, and the reason where one did not load.

    \b
    Examples:
      ercbench plugin list
      ercbench plugin list --json
    """  # noqa: D301
    from tabulate import tabulate

    from ercbench.catalog import KINDS, load_catalog

    catalog = load_catalog()
    rows = []
    for found in catalog.plugins:
        offers = {
            kind: [entry.spec.name for entry in catalog.entries(spec_type) if entry.plugin == found]
            for kind, spec_type in KINDS.items()
        }
        rows.append(asdict(found) | {"offers": {kind: names for kind, names in offers.items() if names}})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = [
        [row["distribution"], row["version"], row["name"], row["problem"] or "loaded",
         ", ".join(f"{len(names)} {kind}" for kind, names in row["offers"].items())]
        for row in rows
    ]  # fmt: skip
    click.echo(tabulate(table, ["distribution", "version", "plugin", "state", "offers"], maxcolwidths=60))


plugin.add_command(plugin_check.check)
plugin.add_command(plugin_new.new)
