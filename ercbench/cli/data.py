"""``ercbench data``: which data sets there are, what they contain, whether the files are what they should be.

``data fetch`` is in ``data_fetch.py``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ercbench.cli.data_doctor import doctor
from ercbench.cli.data_fetch import fetch
from ercbench.cli.data_import import import_
from ercbench.cli.options import plugin_files

if TYPE_CHECKING:
    from ercbench.fingerprints import Fingerprints
    from ercbench.specs import DatasetSpec
    from ercbench.types import Corpus

_data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that holds one folder per data set. Default: ERCBENCH_DATA, else the user's data folder.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def data() -> None:
    """Data sets: list them, bring their files in, count what is in them, check their files.

    \b
    Examples:
      ercbench data list
      ercbench data fetch meld
      ercbench data import iemocap ~/IEMOCAP_full_release
      ercbench data check meld --data-dir ~/erc-data
    """  # noqa: D301


data.add_command(fetch)
data.add_command(import_)
data.add_command(doctor)


@data.command("list")
@_data_dir
@plugin_files
@_json
def list_(data_dir: Path | None, plugins: tuple[Path, ...], as_json: bool) -> None:
    """Show every data set, whether its files are here, and whether they can be downloaded.

    \b
    Examples:
      ercbench data list
      ercbench data list --json
    """  # noqa: D301
    from ercbench.catalog import load_with_files
    from ercbench.specs import DatasetSpec

    rows = [_listed(spec, data_dir) for spec in load_with_files(plugins).all(DatasetSpec)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    columns = ("name", "version", "licence", "files", "fetch", "folder")
    click.echo(_table([[row[column] for column in columns] for row in rows], columns))
    for row in rows:
        if row["files"] == "missing":
            click.echo(f"\n{row['name']}. {row['how_to_get']}")


@data.command()
@click.argument("name")
@_data_dir
@plugin_files
@_json
def stats(name: str, data_dir: Path | None, plugins: tuple[Path, ...], as_json: bool) -> None:
    """Count what the data set NAME, or a folder of your own, contains.

    \b
    Examples:
      ercbench data stats meld-sample
      ercbench data stats iemocap --data-dir ~/erc-data --json
    """  # noqa: D301
    corpus, prints = _load(name, data_dir, plugins)
    if as_json:
        click.echo(json.dumps(_described(corpus, prints), indent=2))
        return
    splits = _described(corpus, prints)["splits"]
    measures = ("dialogues", "turns", "labelled", "speakers", "mean_turns", "max_turns", "mean_words")
    rows = [[measure.replace("_", " "), *(_number(s[measure]) for s in splits.values())] for measure in measures]
    rows += [[f"label {key}", *(_number(s["labels"][key]) for s in splits.values())] for key in corpus.labels.keys]
    click.echo(f"{corpus.name}, version {corpus.version}\n{corpus.fingerprint}\n\n{_table(rows, ('', *splits))}")


@data.command()
@click.argument("name")
@_data_dir
@plugin_files
@_json
def check(name: str, data_dir: Path | None, plugins: tuple[Path, ...], as_json: bool) -> None:
    """Check the files of the data set NAME, or of a folder of your own; every problem is reported at once.

    \b
    Examples:
      ercbench data check meld
      ercbench data check ./my-calls
      ercbench data check emorynlp --data-dir ~/erc-data
    """  # noqa: D301
    corpus, prints = _load(name, data_dir, plugins)
    described = _described(corpus, prints)
    if as_json:
        click.echo(json.dumps({"ok": True, **described}, indent=2))
        return
    counts = "; ".join(
        f"{split} {found['dialogues']} dialogues, {found['labelled']} labelled"
        for split, found in described["splits"].items()
    )
    click.echo(f"{corpus.name}: OK. {counts}. {corpus.fingerprint}")


def _load(name: str, data_dir: Path | None, plugins: Sequence[Path]) -> tuple[Corpus, Fingerprints]:
    from ercbench.catalog import load_with_files
    from ercbench.data import corpus_fingerprints, load
    from ercbench.own import find_dataset

    spec = find_dataset(load_with_files(plugins), name)
    corpus = load(spec, data_dir)
    return corpus, corpus_fingerprints(corpus, spec, data_dir)


def _described(corpus: Corpus, prints: Fingerprints) -> dict[str, Any]:
    from dataclasses import asdict

    from ercbench.data import statistics

    return {
        "name": corpus.name,
        "version": corpus.version,
        "fingerprint": corpus.fingerprint,
        "fingerprints": asdict(prints),
        "splits": {split: asdict(found) for split, found in statistics(corpus).items()},
    }


def _listed(spec: DatasetSpec, data_dir: Path | None) -> dict[str, str | bool | int]:
    from ercbench.data_files import data_folder, find_files
    from ercbench.errors import DataError
    from ercbench.fetching import how_to_get

    try:
        find_files(spec, data_dir)
        files = "here" if spec.bundled is None else "bundled"
    except DataError:
        files = "missing"
    return {
        "name": spec.name,
        "summary": spec.summary,
        "family": spec.family,
        "version": spec.version,
        "labels": len(spec.labels),
        "ranked": spec.ranked,
        "files": files,
        "fetch": "yes" if spec.remote else "",
        "folder": str(data_folder(spec, data_dir)),
        "licence": spec.licence,
        "source": spec.source,
        "how_to_get": "" if spec.bundled else how_to_get(spec, data_dir),
    }


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.1f}"


def _table(rows: list[list[Any]], headers: tuple[str, ...]) -> str:
    from tabulate import tabulate

    align = ("left", *["right" if headers[0] == "" else "left"] * (len(headers) - 1))
    return tabulate(rows, headers=headers, disable_numparse=True, colalign=align)
