"""``ercbench export``: a trained model for plain transformers."""

from __future__ import annotations

from pathlib import Path

import click

from ercbench.cli.options import plugin_files


@click.command()
@click.argument("record", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@plugin_files
def export(record: Path, folder: Path, plugins: tuple[Path, ...]) -> None:
    """Write the model of RUN, the path of a record, to DIR: encoder, tokenizer, head, classifier and a model card.

    Plain transformers and safetensors load it; the card shows how.

    \b
    Example:
      ercbench export leaderboards/records/meld/mini/eacl@2/seed-0.json eacl-meld
    """  # noqa: D301
    from ercbench.catalog import load_with_files
    from ercbench.exporting import export as write

    files = write(load_with_files(plugins), record, folder)
    click.echo(f"Wrote {folder}: {', '.join(files)}")
