"""``ercbench submit``: runs as a folder that is ready for a pull request."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "folder", metavar="DIR", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option("--submitter", metavar="NAME", help="Who sends it, for the manifest.")
@click.option("--contact", metavar="TEXT", help="How to reach them, for the manifest.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that holds one folder per data set. Default: ERCBENCH_DATA, else the user's data folder.",
)
@click.option("--without-data", is_flag=True, help="Do not compute the scores again.")
@click.option("--force", is_flag=True, help="Replace an earlier submission.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def submit(
    *,
    runs: tuple[Path, ...],
    folder: Path,
    submitter: str | None,
    contact: str | None,
    data_dir: Path | None,
    without_data: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Verify each RUN, a record or a folder that holds records, and pack them into DIR.

    DIR gets the records, their predictions, what they sealed, a manifest and a README.md. Models and data stay where
    they are. A run that is not what it says is refused, with everything that is wrong with it.

    \b
    Examples:
      ercbench submit leaderboards/records/meld/mini/eacl@2 --to submission
      ercbench submit results/records/*/full/my-method@1 --to submission --submitter "A. Person"
    """  # noqa: D301
    from ercbench import submission
    from ercbench.catalog import load_catalog
    from ercbench.verification import Verifier
    from ercbench.verification.submitted import Submitter

    verifier = Verifier(load_catalog(), data_dir, not without_data)
    who = Submitter(name=submitter, contact=contact)
    found = submission.submit(runs, folder, verifier, who, force)
    if as_json:
        click.echo(found.manifest.model_dump_json(indent=2))
        return
    for note in found.notes:
        click.echo(f"Note: {note}")
    many = "1 record" if len(found.manifest.records) == 1 else f"{len(found.manifest.records)} records"
    click.echo(f"Packed {many} into {folder}. Check: ercbench verify {folder}")
