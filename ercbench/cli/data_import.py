"""``ercbench data import``: brings the files of a data set to where they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ercbench.importing import ImportReport

SHOWN_NOTES = 50


@click.command("import")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path),
              help="Folder with one folder per data set.  [default: $ERCBENCH_DATA, else user data]")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace files of the same name whose content differs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_(name: str, path: Path, data_dir: Path | None, force: bool, as_json: bool) -> None:
    """Bring the files of the data set NAME from PATH into the data folder, after checking them.

    PATH is a folder that holds the files under their known names, or what the owners of the data set give out, such
    as the released folder of IEMOCAP. Pickles are never opened. What was left out is reported with the reason.

    \b
    Examples:
      ercbench data import iemocap ~/IEMOCAP_full_release
      ercbench data import meld ~/Downloads/MELD --data-dir ~/erc-data
    """  # noqa: D301
    from ercbench.catalog import load_catalog
    from ercbench.importing import import_data
    from ercbench.specs import DatasetSpec

    report = import_data(load_catalog().get(DatasetSpec, name), path.expanduser(), data_dir, force)
    click.echo(_as_json(report) if as_json else _as_text(report))


def _as_json(report: ImportReport) -> str:
    from dataclasses import asdict

    return json.dumps(asdict(report) | {"folder": str(report.folder)}, indent=2)


def _as_text(report: ImportReport) -> str:
    lines = [f"{report.name}: {len(report.written)} files written to {report.folder}"]
    lines += [f"  {name}" for name in report.written]
    lines += [f"  {name}: there already, the same" for name in report.unchanged]
    for split, found in report.counts.items():
        numbers = ", ".join(f"{number} {what}" for what, number in found.items())
        lines.append(f"{split}: {numbers}")
    lines.append(report.fingerprint)
    if report.notes:
        lines.append(f"Left out or read in another way: {len(report.notes)}")
        lines += [f"- {note}" for note in report.notes[:SHOWN_NOTES]]
        if len(report.notes) > SHOWN_NOTES:
            lines.append(f"and {len(report.notes) - SHOWN_NOTES} more; --json prints all")
    lines.append(f"Next: ercbench data doctor {report.name}; ercbench run RECIPE --dataset {report.name}")
    return "\n".join(lines)
