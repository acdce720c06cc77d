"""``ercbench status``: what runs, what is unfinished, what failed, from another terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ercbench.run_log import GridState
    from ercbench.status import Command, Status

EVERY = 2.0
"""Seconds between two looks with ``--watch``."""
AROUND = 8
"""Lines of a terminal that are left for what stands around a table."""
PLAIN_WIDTH = 160
"""Columns of a table where nothing tells how wide the output is."""


@click.command()
@click.argument("results", default="leaderboards", type=click.Path(path_type=Path))
@click.option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, times in seconds, scores as fractions.")
def status(results: Path, watch: bool, as_json: bool) -> None:
    """Show the commands that run cells in RESULTS, a results folder (default: leaderboards): every cell with its epoch,
    dev score, how far it is, and the time left.

    The logs in RESULTS are read, and those of samples and of the variants of `grid` and `ablate` in it. Where nothing
    runs, it shows how the last command ended, what is unfinished and what failed; of a grid every combination that the
    command has come to. Of a command on another machine it is known whether it lives if the disk that both use knows
    locks.

    \b
    Examples:
      ercbench status
      ercbench status leaderboards/sample --watch
      ercbench status try --json
    """  # noqa: D205, D301
    from rich.console import Console
    from rich.text import Text

    from ercbench.errors import UsageError
    from ercbench.status import Watch

    if watch and as_json:
        raise UsageError("--watch and --json exclude each other. Got both. Leave one out.")
    looking = Watch(results)
    if as_json:
        click.echo(json.dumps(_plain(looking.look()), indent=2))
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    if watch:
        _watch(looking, console)
        return
    for part in _parts(looking.look(), results, None):
        console.print(part, soft_wrap=isinstance(part, Text))


def _watch(looking: Any, console: Console) -> None:
    """Draw again and again, until Ctrl-C."""
    from rich.console import Group
    from rich.live import Live

    def now() -> RenderableType:
        return Group(*_parts(looking.look(), looking.results, max(1, console.height - AROUND)))

    try:
        with Live(now(), console=console, auto_refresh=False) as live:
            while True:
                time.sleep(EVERY)
                live.update(now(), refresh=True)
    except KeyboardInterrupt:
        return


def _parts(found: Status, results: Path, rows: int | None) -> Iterator[RenderableType]:
    """Everything, for a person; of each table at most so many rows."""
    for command in found.running:
        yield _line(f"Running for {_duration(command.seconds)} {_where(command)}.", "bold")
        yield _cells(command, rows)
    for command in found.ended if not found.running else [one for one in found.ended if one.killed or one.went_on]:
        yield from _ended(command, rows)
    if not found.running:
        yield _line(f"Nothing is running in {results}.", "bold")
        yield from _waiting(found)


def _ended(command: Command, rows: int | None) -> Iterator[RenderableType]:
    told = f"{command.told:%Y-%m-%d %H:%M} UTC" if command.told else "before its first event"
    if command.killed:
        yield _line(f"Ended without saying so, last heard of {told}, {_where(command)}.", "bold red")
        yield _line("It was killed, or its machine went down. Start the same command again.")
    elif command.ended == "finished":
        yield _line(f"Finished {told} after {_duration(command.seconds)} {_where(command)}.", "bold")
    else:
        yield _line(f"Ended by {command.ended} {told} {_where(command)}. The same command goes on.", "bold")
    yield _cells(command, rows)


def _waiting(found: Status) -> Iterator[RenderableType]:
    """What is unfinished, and what failed."""
    if found.unfinished:
        yield _line("Unfinished; the same command goes on:", "bold")
    for run in found.unfinished:
        if run.description:
            epochs = run.epochs()
            begin = f"after epoch {epochs}" if epochs else "from the beginning"
            yield _line(f"- {run.description.cell}: {begin}, in {run.results}")
            yield _line(f"  {run.description.command}")
    if found.failed:
        yield _line("Failed; the same command with --retry-failed runs them again:", "bold")
    for folder, failure in found.failed:
        yield _line(f"- {failure.cell}: {failure.what} ({failure.where}; {failure.cell.failure(folder)})")


def _line(text: str, style: str = "") -> RenderableType:
    """A line of text, which comes from files and is never markup."""
    from rich.text import Text

    from ercbench.leaderboard.markdown import visible

    return Text(visible(text), style)


def _where(command: Command) -> str:
    about = command.state.about
    return f"on {about.get('host', '?')}, process {about.get('pid', '?')}, {command.results}"


def _duration(seconds: float) -> str:
    from ercbench.cli.cell_table import duration

    return duration(seconds)


def _cells(command: Command, rows: int | None) -> RenderableType:
    """The table of a command's cells."""
    from ercbench.cli.cell_table import table

    return table(command.state if command.running else _stopped(command.state), rows)


def _stopped(state: GridState) -> GridState:
    """Cells that were running when their command ended wait to be taken up."""
    from ercbench.run_log import GridState

    cells = {
        name: replace(cell, state="queued", message="was running", left=None) if cell.state == "running" else cell
        for name, cell in state.cells.items()
    }
    return GridState(cells, state.about)


def _plain(found: Status) -> dict[str, Any]:
    """The same as JSON has it."""
    return {
        "running": [_command(one) for one in found.running],
        "ended": [_command(one) for one in found.ended],
        "unfinished": [
            {
                **asdict(run.description.cell),
                "results": run.results.as_posix(),
                "epochs": run.epochs(),
                "command": run.description.command,
            }
            for run in found.unfinished
            if run.description
        ],
        "failed": [{**one.model_dump(), "file": one.cell.failure(folder).as_posix()} for folder, one in found.failed],
    }


def _command(command: Command) -> dict[str, Any]:
    about, state = command.state.about, command.state if command.running else _stopped(command.state)
    return {
        "log": command.log.as_posix(),
        "results": command.results.as_posix(),
        **{name: about.get(name) for name in ("host", "pid", "executor")},
        "started": about.get("time"),
        "seconds": command.seconds,
        "ended": command.ended,
        "killed": command.killed,
        "went_on": command.went_on,
        "cells": [{**asdict(cell.cell), **_without_cell(asdict(cell))} for cell in state.cells.values()],
    }


def _without_cell(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "cell"}
