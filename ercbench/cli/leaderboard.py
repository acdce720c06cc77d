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
