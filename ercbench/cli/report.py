"""``ercbench report``: what runs got right and wrong, on one page."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "page", type=click.Path(dir_okay=False, path_type=Path), default=Path("report.html"),
              metavar="FILE", show_default=True, help="The page, an .html file.")  # fmt: skip
@click.option("--markdown", is_flag=True, help="Write Markdown too, beside the page: tables instead of pictures.")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path),
              help="Folder with one folder per data set.  [default: $ERCBENCH_DATA, else user data]")  # fmt: skip
@click.option("--no-text", is_flag=True, help="Show no dialogue text, also where the data are at hand.")
@click.option("--json", "as_json", is_flag=True, help="Print the names of the files as JSON, and no progress.")
def report(
    runs: tuple[Path, ...], page: Path, markdown: bool, data_dir: Path | None, no_text: bool, as_json: bool
) -> None:
    """Write a page on what RUNs got right and wrong: scores with intervals, emotions, confusions, mistakes.

    RUN is the path of a record, or a folder that holds some. Several seeds are averaged; several systems on one data
    set are set against the first. What needs gold labels is left out where the data are not at hand.

    \b
    Examples:
      ercbench report leaderboards/records/iemocap/mini/eacl@1/seed-0.json
      ercbench report leaderboards/records/meld --to meld.html --markdown
      ercbench report RUN --no-text
    """  # noqa: D301
    from ercbench.catalog import load_catalog
    from ercbench.errors import UsageError
    from ercbench.report import Wishes, write

    if page.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"The page must be an .html file. Got --to {str(page)!r}.")

    def tell(line: str) -> None:
        if not as_json:
            click.echo(line, err=True)

    written = write(load_catalog(), runs, page, Wishes(data_dir, not no_text, markdown), tell)
    names = [file.as_posix() for file in written.files]
    if as_json:
        click.echo(json.dumps({"written": names, "dialogue_text": written.has_text}))
        return
    for name in names:
        click.echo(f"Wrote {name}")
    if written.has_text:
        click.echo("Dialogue text is in it: keep to the terms of the data set. --no-text leaves it out.")
