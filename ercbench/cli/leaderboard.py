"""``ercbench leaderboard``: the boards made from records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ercbench.leaderboard import Written

FORMATS = ("latex", "csv", "records-csv", "json", "papers-with-code", "every-eval-ever")
SHOWN = 10
"""Of the reasons why rows could not be scored again."""


@click.group()
def leaderboard() -> None:
    """Make the leaderboards from the records of runs.

    \b
    Examples:
      ercbench leaderboard build --check
      ercbench leaderboard export --format latex --to boards.tex
    """  # noqa: D301


RESULTS = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("leaderboards"),
    show_default=True,
    help="Folder that holds records/ and, where there is one, published.yaml.",
)


@leaderboard.command()
@RESULTS
@click.option(
    "--check", "only_check", is_flag=True, help="Write nothing; fail if a file is out of date. Needs no data."
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that holds one folder per data set. Default: ERCBENCH_DATA, else the user's data folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def build(results: Path, only_check: bool, data_dir: Path | None, as_json: bool) -> None:
    """Write README.md, one board per data set, leaderboard.json and CSV into the results folder.

    The same records give the same bytes, so boards can be kept under version control and checked there. What needs
    gold labels (scoring predictions again, intervals over dialogues, comparisons) is kept in evidence.json, and added
    to it where the data sets are at hand.

    \b
    Examples:
      ercbench leaderboard build
      ercbench leaderboard build --check
      ercbench leaderboard build --results my-results
    """  # noqa: D301 (click reads the backspace character)
    if only_check:
        _check(results)
        answer = {"results": results.as_posix(), "up_to_date": True, "written": []}
        click.echo(json.dumps(answer) if as_json else f"The boards in {results} are up to date.")
    else:
        _build(results, data_dir, as_json)


@leaderboard.command()
@RESULTS
@click.option("--format", "format_", type=click.Choice(FORMATS), required=True, help="What to write.")
@click.option("--to", type=click.Path(path_type=Path), required=True,
              help="File to write; for every-eval-ever, the folder.")  # fmt: skip
def export(results: Path, format_: str, to: Path) -> None:
    """Write the boards in another format. Needs no data.

    latex: tables for booktabs. csv: one line per row. records-csv: one line per record. json: everything.
    papers-with-code: evaluation tables of ranked rows. every-eval-ever: one file per row within the rules.

    \b
    Examples:
      ercbench leaderboard export --format latex --to boards.tex
      ercbench leaderboard export --format every-eval-ever --to data/ercbench
    """  # noqa: D301
    from ercbench.leaderboard import export as write

    for path in write(results, format_, to):
        click.echo(f"Wrote {path}")


@leaderboard.command()
@RESULTS
@click.option("--to", type=click.Path(path_type=Path), required=True, help="Folder of the site; made where missing.")
@click.option(
    "--link-records", is_flag=True, help="Link to the records where they lie; do not copy them beside the pages."
)
@click.option("--json", "as_json", is_flag=True, help="Print the names of the pages as JSON.")
def site(results: Path, to: Path, link_records: bool, as_json: bool) -> None:
    """Write the boards as a static site. Needs no data.

    HTML that can be opened as it is or hosted anywhere: it needs no server and loads nothing from elsewhere. The same
    records give the same bytes.

    \b
    Examples:
      ercbench leaderboard site --to site
      ercbench leaderboard site --results my-results --to my-results/site --link-records
    """  # noqa: D301 (click reads the backspace character)
    from ercbench.leaderboard import write_site

    names = write_site(results, to, copy=not link_records)
    if as_json:
        click.echo(json.dumps({"to": to.as_posix(), "written": list(names)}))
    else:
        click.echo(f"Wrote {len(names)} page(s). Open {to / names[0]}")


def _build(results: Path, data_dir: Path | None, as_json: bool) -> None:
    """Write the files, and tell what was found out; raise `RecordError` where predictions are not a record's."""
    import shlex

    from ercbench.catalog import load_catalog
    from ercbench.errors import RecordError
    from ercbench.gold import GoldLabels
    from ercbench.leaderboard import write_boards

    written = write_boards(results, GoldLabels(load_catalog(), data_dir))
    if as_json:
        answer = {"results": results.as_posix(), "up_to_date": True, "written": list(written.names)}
        answer |= {
            "rows_scored_again": written.rows,
            "pairs_compared": written.pairs,
            "problems": list(written.problems),
        }
        click.echo(json.dumps(answer))
    else:
        _tell(results, written)
    if written.damaged:
        raise RecordError(
            f"Predictions of a row are not those of its record. The boards are written, and that row was not scored "
            f"again. Everything that is wrong: ercbench verify {shlex.quote(str(results))}"
        )


def _tell(results: Path, written: Written) -> None:
    """What was written and found out, for a person."""
    for name in written.names:
        click.echo(f"Wrote {results / name}")
    if written.rows or written.pairs:
        click.echo(f"Rows scored again: {written.rows}. Pairs of rows compared: {written.pairs}.")
    for problem in written.problems[:SHOWN]:
        click.echo(f"Not scored again: {problem}", err=True)
    if len(written.problems) > SHOWN:
        click.echo(f"Not scored again: {len(written.problems) - SHOWN} more; --json has all of them.", err=True)


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
