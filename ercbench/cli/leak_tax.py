"""``ercbench leak-tax``: what choosing on test would have added."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ercbench.cli.options import plugin_files

if TYPE_CHECKING:
    from ercbench.leak_tax import LeakTax
    from ercbench.records import RunRecord

Found = tuple[Path, "RunRecord", "dict[str, LeakTax]"]


@click.command("leak-tax")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path),
              help="Folder with one folder per data set.  [default: $ERCBENCH_DATA, else user data]")  # fmt: skip
@plugin_files
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, scores as fractions.")
def leak_tax(runs: tuple[Path, ...], data_dir: Path | None, plugins: tuple[Path, ...], as_json: bool) -> None:
    """Score what each RUN sealed, a record or a folder that holds some: the test score of the epoch that dev chooses,
    and of the epoch that test would have chosen. The difference is what a number chosen on test leaves out.

    The same is told of the states of the classifier, where it had several. Nothing else in ercbench reads sealed
    predictions.

    \b
    Examples:
      ercbench leak-tax leaderboards/records/meld/mini/eacl@2/seed-0.json
      ercbench leak-tax leaderboards/records/meld/mini/eacl@2/seed-*.json --json
    """  # noqa: D205, D301
    from ercbench.catalog import load_with_files
    from ercbench.gold import GoldLabels
    from ercbench.leak_tax import leak_tax as tax_of
    from ercbench.records import read_record, record_files

    gold = GoldLabels(load_with_files(plugins), data_dir)
    read = [(path, read_record(path)) for run in runs for path in record_files(run)]
    found = [(path, record, tax_of(path, record, gold.of(record))) for path, record in read]
    if as_json:
        click.echo(json.dumps([_plain(*one) for one in found], indent=2))
    else:
        _show(found)


def _plain(path: Path, record: RunRecord, taxes: Mapping[str, LeakTax]) -> dict[str, Any]:
    """One run as JSON has it."""
    return {
        "record": path.as_posix(),
        "recipe": f"{record.recipe.name}@{record.recipe.version}",
        "seed": record.seed,
        "signature": record.signature,
        **{
            kind: {
                "tax": tax.tax,
                "chosen_on_dev": vars(tax.by_dev),
                "chosen_on_test": vars(tax.by_test),
                "options": [vars(option) for option in tax.options],
            }
            for kind, tax in taxes.items()
        },
    }


def _show(found: Sequence[Found]) -> None:
    """The tables for a person."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(soft_wrap=True)
    for path, record, taxes in found:
        console.print(f"[bold]{escape(record.recipe.name)}@{escape(record.recipe.version)}[/], seed {record.seed}: "
                      f"{escape(str(path))}\n{escape(record.signature)}")  # fmt: skip
        for kind, tax in taxes.items():
            table = Table("", "Dev", "Test", "Chosen on")
            for option in tax.options:
                by = [split for split, one in (("dev", tax.by_dev), ("test", tax.by_test)) if one is option]
                table.add_row(option.name, f"{100 * option.dev:.2f}", f"{100 * option.test:.2f}", ", ".join(by))
            console.print(table)
            console.print(
                f"Leak tax over {kind}: {100 * tax.by_test.test:.2f} chosen on test, {100 * tax.by_dev.test:.2f} "
                f"chosen on dev, [bold]{100 * tax.tax:.2f} points[/].\n"
            )
    if len(found) > 1:
        taxes_of_epochs = [100 * taxes["epochs"].tax for _, _, taxes in found]
        mean = sum(taxes_of_epochs) / len(taxes_of_epochs)
        console.print(f"Mean over {len(found)} runs, epochs: {mean:.2f} points.")
