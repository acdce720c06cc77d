"""``ercbench leaderboard``: the boards made from records."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group()
def leaderboard() -> None:
    """Make the leaderboards from the records of runs.

    \b
    Example:
      ercbench leaderboard build --check
    """  # noqa: D301


@leaderboard.command()
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("leaderboards"),
    show_default=True,
    help="Folder that holds records/ and, where there is one, published.yaml.",
)
@click.option("--check", "only_check", is_flag=True, help="Write nothing; fail if a board is out of date.")
@click.option("--json", "as_json", is_flag=True, help="Print the names of the files as JSON.")
def build(results: Path, only_check: bool, as_json: bool) -> None:
    """Write README.md and one board per data set into the results folder.

    The same records give the same bytes, so boards can be kept under version control and checked there.

    \b
    Examples:
      ercbench leaderboard build
      ercbench leaderboard build --check
      ercbench leaderboard build --results my-results
    """  # noqa: D301 (click reads the backspace character)
    from ercbench.leaderboard import write_boards

    if only_check:
        _check(results)
    names = () if only_check else write_boards(results)
    if as_json:
        click.echo(json.dumps({"results": results.as_posix(), "up_to_date": True, "written": list(names)}))
    elif only_check:
        click.echo(f"The boards in {results} are up to date.")
    for name in () if as_json else names:
        click.echo(f"Wrote {results / name}")


@leaderboard.command()
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("leaderboards"),
    show_default=True,
    help="Folder that holds leaderboard.json and records/.",
)
@click.option("--to", type=click.Path(path_type=Path), required=True, help="Folder of the site; made where missing.")
@click.option(
    "--link-records", is_flag=True, help="Link to the records where they lie; do not copy them beside the pages."
)
@click.option("--json", "as_json", is_flag=True, help="Print the names of the pages as JSON.")
def site(results: Path, to: Path, link_records: bool, as_json: bool) -> None:
    """Write the boards as a static site: HTML that needs no server and loads nothing from elsewhere.

    It shows what leaderboard.json holds, so run "ercbench leaderboard build" first. The same boards
    give the same bytes.

    \b
    Examples:
      ercbench leaderboard site --to site
      ercbench leaderboard site --results my-results --to my-results/site --link-records
    """  # noqa: D301 (click reads the backspace character)
    from ercbench.leaderboard.board_json import LEADERBOARD_FILE, read_leaderboard
    from ercbench.leaderboard.site import write_site

    names = write_site(read_leaderboard(results / LEADERBOARD_FILE), results, to, copy=not link_records)
    if as_json:
        click.echo(json.dumps({"to": to.as_posix(), "written": list(names)}))
        return
    click.echo(f"Wrote {len(names)} page(s). Open {to / names[0]}")


def _check(results: Path) -> None:
    """Raise `RecordError` where boards are out of date."""
    import shlex

    from ercbench.errors import RecordError
    from ercbench.leaderboard import check

    stale = check(results)
    if stale:
        raise RecordError(
            f"{len(stale)} file(s) in {results} are not what the records give. Got differences in {', '.join(stale)}. "
            f"Run: ercbench leaderboard build --results {shlex.quote(results.as_posix())}"
        )
