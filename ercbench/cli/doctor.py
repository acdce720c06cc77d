"""``ercbench doctor``: is everything here that a run needs?"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import click


@click.command()
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Folder with the data sets.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(data_dir: Path | None, as_json: bool) -> None:
    """Show versions, devices, plugins, which data sets are found, and where each track's encoder comes from.

    \b
    Examples:
      ercbench doctor
      ercbench doctor --data-dir ~/erc-data --json
    """  # noqa: D301
    report = {
        "versions": _versions(),
        "devices": _devices(),
        "plugins": _plugins(),
        "data": _data(data_dir),
        "encoders": _encoders(),
    }
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    for section, lines in report.items():
        click.echo(click.style(section, bold=True))
        for name, state in lines.items():
            click.echo(f"  {name}: {state}")


def _versions() -> dict[str, str]:
    from ercbench.provenance import PACKAGES, package_versions

    return {"python": platform.python_version(), **package_versions(PACKAGES)}


def _devices() -> dict[str, Any]:
    from ercbench.catalog import load_catalog
    from ercbench.devices import available_devices
    from ercbench.grid import default_track

    return {"available": ", ".join(available_devices()), "default track": default_track(load_catalog())}


def _plugins() -> dict[str, str]:
    from ercbench.catalog import load_catalog

    return {f"{p.distribution} {p.version}, {p.name}": p.state for p in load_catalog().plugins}


def _data(data_dir: Path | None) -> dict[str, str]:
    from ercbench.catalog import load_catalog
    from ercbench.data_files import find_files
    from ercbench.errors import DataError
    from ercbench.specs import DatasetSpec

    states = {}
    for spec in load_catalog().all(DatasetSpec):
        try:
            files = find_files(spec, data_dir)
            states[spec.name] = f"found in {next(iter(files.values()))[0].parent}"
        except DataError:
            states[spec.name] = f"not found; `ercbench data check {spec.name}` says where it is looked for"
    return states


def _encoders() -> dict[str, str]:
    from ercbench.catalog import load_catalog
    from ercbench.checkpoints import locate
    from ercbench.errors import CheckpointError
    from ercbench.specs import TrackSpec

    catalog = load_catalog()
    states = {}
    for track in catalog.all(TrackSpec):
        name = str(track.values.get("encoder.checkpoint", "none"))
        try:
            states[f"track {track.name}"] = f"{name} ({locate(name, catalog.packaged_checkpoints()).origin})"
        except CheckpointError as error:
            states[f"track {track.name}"] = str(error)
    return states
