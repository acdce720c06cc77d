"""``ercbench plugin new``: begin a package of one's own."""

from __future__ import annotations

from pathlib import Path

import click

KINDS = ("loss", "encoder", "classifier", "dataset", "renderer", "recipe", "tracker")
"""As in ``scaffolding.py``, which is imported when it is used."""


@click.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What it brings.")
@click.option("--to", "folder", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Where it goes; a new or empty folder.  [default: NAME]")  # fmt: skip
def new(name: str, kind: str, folder: Path | None) -> None:
    """Write a complete package with a plugin that works, to be changed into your own.

    It has a pyproject.toml, an example of its kind, tests that run the conformance kit, a README and a workflow for
    continuous integration. No licence is chosen for you.

    \b
    Examples:
      ercbench plugin new my-loss --kind loss
      ercbench plugin new phone-calls --kind dataset --to ../phone-calls
    """  # noqa: D301
    from ercbench.scaffolding import PLUGIN_KINDS, new_plugin

    [chosen] = [known for known in PLUGIN_KINDS if known == kind]
    written = new_plugin(name, chosen, folder)
    click.echo(f"Wrote {len(written.files)} files to {written.folder}. Next:")
    for command in written.commands:
        click.echo(f"  {command}")
