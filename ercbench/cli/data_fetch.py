"""``ercbench data fetch``: download public data sets, each file checked before it has its name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ercbench.catalog import Catalog
    from ercbench.errors import FetchError
    from ercbench.fetching import Fetched, Options
    from ercbench.part_file import Watcher
    from ercbench.specs import DatasetSpec

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells use it."""


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Every data set that is public.")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path),
              help="Folder with one folder per data set.  [default: $ERCBENCH_DATA, else user data]")  # fmt: skip
@click.option("--mirror", metavar="URL",
              help="Another place to download from: base of http, https or file URLs, laid out as the public server or "
              "as a data folder is. Checksums hold for it too.")  # fmt: skip
@click.option("--offline", is_flag=True,
              help="Open no connection, and say what is missing; HF_HUB_OFFLINE=1 does the same.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace files that are there and have another checksum.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print what is there in the end as JSON, and no progress.")
def fetch(**options: Any) -> None:
    """Download data sets from where they are public, at pinned versions.

    Licence and source are shown first. Every file is checked against its checksum before it gets its name. Files that
    are there already are kept. Started again, the same command goes on where a download broke off.

    \b
    Examples:
      ercbench data fetch meld emorynlp
      ercbench data fetch --all --data-dir ~/erc-data
      ercbench data fetch meld --mirror file:///media/stick/erc-data
    """  # noqa: D301
    import json

    from ercbench.catalog import load_catalog
    from ercbench.cli.progress import downloads
    from ercbench.data_files import data_folder
    from ercbench.fetching import Options, announcement, together

    specs = _chosen(load_catalog(), options["names"], options["everything"], options["data_dir"])
    quiet = options["quiet"] or options["as_json"]
    how = Options(mirror=options["mirror"], offline=options["offline"], force=options["force"])
    chosen = [(spec, data_folder(spec, options["data_dir"])) for spec in specs]
    if not quiet:
        click.echo("\n".join(announcement(spec, folder) for spec, folder in chosen))
    rows, errors = [], []
    try:
        for spec, folder in chosen:
            row, error = _fetch_one(spec, folder, how, downloads(quiet))
            rows.append(row)
            errors += [error] if error else []
            if not quiet:
                _show(row)
    except KeyboardInterrupt:
        click.echo("Interrupted. The same command goes on where it stopped.", err=True)
        sys.exit(INTERRUPTED)
    if options["as_json"]:
        click.echo(json.dumps(rows, indent=2))
    if errors:
        raise together(errors)


def _chosen(catalog: Catalog, names: Sequence[str], everything: bool, data_dir: Path | None) -> list[DatasetSpec]:
    """The data sets that are meant; one that cannot be downloaded is an error, unless its files are here."""
    from ercbench.errors import FetchError, UsageError
    from ercbench.fetching import how_to_get, together
    from ercbench.specs import DatasetSpec

    public = [spec for spec in catalog.all(DatasetSpec) if spec.remote]
    if everything == bool(names):
        got = "both" if everything else "neither"
        known = ", ".join(spec.name for spec in public)
        raise UsageError(f"Name data sets, or give --all. Got {got}. Those that can be downloaded: {known}.")
    named = [catalog.get(DatasetSpec, name) for name in dict.fromkeys(names)]
    errors = [
        FetchError(f"Data set {spec.name!r}. {how_to_get(spec, data_dir)}")
        for spec in named
        if not spec.remote and not _is_here(spec, data_dir)
    ]
    if errors:
        raise together(errors)
    return public if everything else named


def _is_here(spec: DatasetSpec, data_dir: Path | None) -> bool:
    from ercbench.data_files import find_files
    from ercbench.errors import DataError

    try:
        find_files(spec, data_dir)
    except DataError:
        return False
    return True


def _fetch_one(
    spec: DatasetSpec, folder: Path, how: Options, watcher: Watcher
) -> tuple[dict[str, Any], FetchError | None]:
    """Fetch one data set; returns what is there in the end, as JSON, and what went wrong."""
    from ercbench.errors import FetchError
    from ercbench.fetching import fetch as fetch_files

    row = {"name": spec.name, "version": spec.version, "licence": spec.licence, "source": spec.source}
    row |= {"folder": str(folder)}
    try:
        found = fetch_files(spec, folder, how, watcher) if spec.remote else []
    except FetchError as error:
        return row | {"files": [], "error": str(error)}, error
    return row | {"files": [_described(one) for one in found], "error": None}, None


def _described(one: Fetched) -> dict[str, str | int | None]:
    """One file as JSON."""
    return {
        "name": one.file.name,
        "path": str(one.path),
        "bytes": one.path.stat().st_size,
        "checksum": one.file.checksum,
        "state": "fetched" if one.origin else "already here",
        "from": one.origin,
    }


def _show(row: dict[str, Any]) -> None:
    """What is there in the end, as text."""
    if row["error"] is not None:
        return
    click.echo(f"{row['name']}: complete. To check what is in it: ercbench data check {row['name']}")
    for file in row["files"]:
        click.echo(f"  {file['name']}: {file['state']}" + (f" from {file['from']}" if file["from"] else ""))
