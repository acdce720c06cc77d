"""``ercbench plugin``: which plugins were found; `plugin_check.py` checks them and `plugin_new.py` begins one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from ercbench.cli import plugin_check, plugin_new
from ercbench.cli.options import plugin_files


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
@plugin_files
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(plugins: tuple[Path, ...], as_json: bool) -> None:
    """List plugins with what they offer and the seconds they took, and the reason where one did not load.

    ERCBENCH_PLUGINS=a,b loads these distributions alone, and ERCBENCH_PLUGINS=-c all but c; what comes with ercbench is
    always loaded. ERCBENCH_PLUGIN_SECONDS=60 lets each take so long instead of 10 s. ERCBENCH_STRICT_PLUGINS=1 makes
    every problem an error.

    \b
    Examples:
      ercbench plugin list
      ercbench plugin list --json
      ercbench plugin list --plugin my_loss.py
    """  # noqa: D301
    from tabulate import tabulate

    from ercbench.catalog import KINDS, load_catalog

    catalog = load_catalog(local=plugins)
    rows = []
    for found in catalog.plugins:
        offers = {
            kind: [entry.spec.name for entry in catalog.entries(spec_type) if entry.plugin == found]
            for kind, spec_type in KINDS.items()
        }
        offered = {kind: names for kind, names in offers.items() if names}
        rows.append(asdict(found) | {"state": found.state, "clashes": catalog.clashes(found), "offers": offered})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = [
        [row["distribution"], row["version"], row["name"], "; ".join([row["state"], *row["clashes"]]),
         row["seconds"], ", ".join(f"{len(names)} {kind}" for kind, names in row["offers"].items())]
        for row in rows
    ]  # fmt: skip
    click.echo(
        tabulate(
            table, ["distribution", "version", "plugin", "state", "seconds", "offers"], maxcolwidths=50, floatfmt=".3f"
        )
    )


plugin.add_command(plugin_check.check)
plugin.add_command(plugin_new.new)
