"""``ercbench plugin check``: the conformance kit as a table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ercbench.testing import Result

LOOKS = {"passed": "green", "failed": "bold red", "skipped": "dim", "known": "yellow"}
"""How an outcome is printed where colours are."""


@click.command()
@click.argument("names", nargs=-1, metavar="DIST...")
@click.option("--plugin", "files", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
              help="Check a plugin in a Python file that is not packaged.")  # fmt: skip
@click.option("--known-failure", "known", multiple=True, metavar="ID=REASON",
              help="A check that is known to fail, and why; it fails the command if it passes.")  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="KIND/NAME.SETTING=VALUE",
              help="A setting of a part whose default cannot be used: encoder/mine.vectors=tiny.txt.")  # fmt: skip
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path),
              help="Folder with one folder per data set.  [default: $ERCBENCH_DATA, else user data]")  # fmt: skip
@click.option("--failed", "only_failed", is_flag=True, help="Show only what failed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(
    *, names: tuple[str, ...], files: tuple[Path, ...], known: tuple[str, ...], assignments: tuple[str, ...],
    data_dir: Path | None, only_failed: bool, as_json: bool,
) -> None:  # fmt: skip
    """Check that installed plugins keep the promises of their parts.

    DIST is an installed distribution, or a plugin as `ercbench plugin list` names it. Every check runs on a CPU,
    without a network, on tiny inputs. The exit code is 0 where none failed.

    \b
    Examples:
      ercbench plugin check my-plugin
      ercbench plugin check --plugin my_idea.py
      ercbench plugin check my-plugin --known-failure "loss/my-loss/permutation=samples negatives"
      ercbench plugin check eacl --json
    """  # noqa: D301
    from ercbench.errors import PluginError, UsageError
    from ercbench.testing import check_plugin

    if not names and not files:
        raise UsageError("Nothing to check. Name an installed distribution, or a file with --plugin FILE.")
    failures = dict(_pair(text, "--known-failure") for text in known)
    results = _watched(
        partial(check_plugin, names, failures, _settings(assignments), data_dir, files=files), quiet=as_json
    )
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], indent=2))
    else:
        _show([result for result in results if result.outcome == "failed" or not only_failed])
    counts = Counter[str](result.outcome for result in results)
    if not as_json:
        counted = ", ".join(f"{counts[outcome]} {outcome}" for outcome in LOOKS if counts[outcome])
        click.echo(f"{len(results)} checks in {sum(result.seconds for result in results):.1f} s: {counted}.")
    if failed := [result.id for result in results if result.outcome == "failed"]:
        raise PluginError(f"{len(failed)} of {len(results)} checks failed: {', '.join(failed)}.")


def _watched(run: Callable[..., list[Result]], quiet: bool) -> list[Result]:
    """The results of a call of `check_plugin`, with a line of progress."""
    from rich.console import Console

    console = Console(stderr=True, quiet=quiet)
    with console.status("Loading") as status:
        return run(watch=lambda case: status.update(case.id))


def _settings(assignments: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """``encoder/mine.width=3`` -> ``{"encoder/mine": {"width": 3}}``."""
    from ercbench.values import parse_assignment

    found: dict[str, dict[str, Any]] = {}
    for text in assignments:
        path, value = parse_assignment(text)
        part, _, setting = path.rpartition(".")
        found.setdefault(part, {})[setting] = value
    return found


def _pair(text: str, option: str) -> tuple[str, str]:
    """``ID=REASON`` -> both."""
    from ercbench.errors import UsageError

    name, _, reason = text.partition("=")
    if not name.strip() or not reason.strip():
        raise UsageError(f"{option} takes the id of a check and a reason: KIND/NAME/CHECK=REASON. Got {text!r}.")
    return name.strip(), reason.strip()


def _show(results: list[Result]) -> None:
    from rich.console import Console

    if results:
        Console().print(_table(results))


def _table(results: list[Result]) -> Any:
    """A row per check; whatever a part wrote is shown as it is."""
    from rich.table import Table
    from rich.text import Text

    table = Table("part", "check", "outcome", "found, and what to change", box=None, pad_edge=False)
    part = ""
    for result in results:
        shown = f"{result.kind}/{result.part}"
        outcome = Text(result.outcome, style=LOOKS[result.outcome])
        table.add_row("" if shown == part else Text(shown), result.check, outcome, Text(result.message))
        part = shown
    return table
