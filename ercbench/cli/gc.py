"""``ercbench gc``: remove what killed and failed runs left and nobody needs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ercbench.cli.options import plugin_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ercbench.leftovers import Leftover


@click.command()
@click.argument("results", default="leaderboards", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Also remove unfinished runs of recipes that are not installed, when nothing was written for so long.",
)
@plugin_files
@click.option("--json", "as_json", is_flag=True, help="Print JSON, sizes in bytes.")
def gc(results: Path, dry_run: bool, older_than: float | None, plugins: tuple[Path, ...], as_json: bool) -> None:
    """Remove from RESULTS, a results folder (default: leaderboards), what killed and failed runs left there and no
    unfinished run needs.

    That is: checkpoints of runs whose record is there, or with nothing whole to go on from; temporary files; locks;
    trained models without a record; all logs but the newest twenty. The same in the results folders of samples and of
    the variants of `grid` and `ablate` in it. A record stays, a failure record too, and whatever a process is at.

    Checkpoints of recipes that are not installed in that version are listed, and kept unless --older-than is given.
    A local plugin is installed where it is named with --plugin.

    \b
    Examples:
      ercbench gc --dry-run
      ercbench gc try
      ercbench gc --older-than 30
    """  # noqa: D205, D301
    from ercbench.catalog import load_with_files
    from ercbench.leftovers import DAY, find_leftovers, remove

    found = find_leftovers(results, load_with_files(plugins), None if older_than is None else older_than * DAY)
    kept = [one for one in found if one.needed]
    removed = [one for one in found if not one.needed] if dry_run else remove(found)
    if as_json:
        plain = {"removed": _plain(removed), "kept": _plain(kept), "bytes": _bytes(removed), "dry_run": dry_run}
        click.echo(json.dumps(plain, indent=2))
    else:
        _show(removed, kept, dry_run)


def _show(removed: Sequence[Leftover], kept: Sequence[Leftover], dry_run: bool) -> None:
    """For a person."""
    from ercbench.leaderboard.markdown import visible
    from ercbench.part_file import megabytes

    done = "Would remove" if dry_run else "Removed"
    for what, ones in ((done, removed), ("Kept", kept)):
        for (path, why), sizes in _together(ones).items():
            many = f"{len(sizes)} files and folders in " if len(sizes) > 1 else ""
            click.echo(visible(f"{what} {many}{path} ({megabytes(sum(sizes))}): {why}"))
    many = "1 file or folder" if len(removed) == 1 else f"{len(removed)} files and folders"
    click.echo(f"{done} {many}, {_bytes(removed)} bytes." if removed else "There is nothing to remove.")


def _together(ones: Sequence[Leftover]) -> dict[tuple[Path, str], list[int]]:
    """Path and reason -> sizes; several things in one folder that go for the same reason have one line."""
    alike = Counter((one.path.parent, one.why) for one in ones)
    found: dict[tuple[Path, str], list[int]] = {}
    for one in ones:
        path = one.path.parent if alike[one.path.parent, one.why] > 1 else one.path
        found.setdefault((path, one.why), []).append(one.size)
    return found


def _bytes(ones: Sequence[Leftover]) -> int:
    return sum(one.size for one in ones)


def _plain(ones: Sequence[Leftover]) -> list[dict[str, Any]]:
    return [{"path": one.path.as_posix(), "bytes": one.size, "why": one.why} for one in ones]
