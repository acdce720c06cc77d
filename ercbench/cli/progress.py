"""Progress on a terminal as a bar, and elsewhere as plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ercbench.part_file import Watcher, megabytes
from ercbench.progress import NOTHING, Reporter, Silent

LINE_EVERY = 30.0
"""Seconds between two plain lines."""


T = TypeVar("T")


def fitting(quiet: bool, nothing: Callable[[], T], live: Callable[[], T], plain: Callable[[], T]) -> T:
    """What is live on a terminal, what is plain elsewhere, nothing when quiet."""
    return (nothing if quiet else live if sys.stderr.isatty() else plain)()


def reporter(quiet: bool) -> Reporter:
    """A bar on a terminal, lines elsewhere, nothing when quiet."""
    return fitting(quiet, Silent, Bar, Lines)


def downloads(quiet: bool) -> Watcher:
    """Shows downloads: bars on a terminal, lines elsewhere, nothing when quiet."""
    return fitting(quiet, Watcher, DownloadBars, DownloadLines)


class Bar(Silent):
    """A live bar: what is going on, losses, dev score, utterances per second, time left."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    def begin(self, title: str, work: int) -> None:
        """Show an empty bar."""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
        )
        self._console.print(f"[bold]{escape(title)}[/bold]")
        self._progress.start()
        self._work = work
        self._task = self._progress.add_task("starting", total=work, figures="")

    def advance(self, work: int, doing: str, figures: Mapping[str, float] = NOTHING) -> None:
        """Move the bar."""
        shown = {"figures": written(figures)} if figures else {}
        self._progress.update(self._task, advance=work, description=escape(doing), **shown)  # type: ignore[arg-type]

    def adjust(self, work: int) -> None:
        """Make the bar longer or shorter."""
        self._work += work
        self._progress.update(self._task, total=self._work)

    def say(self, message: str) -> None:
        """Print a line above the bar."""
        self._console.print(escape(message))

    def end(self) -> None:
        """Leave the bar as it is."""
        self._progress.stop()


class Lines(Silent):
    """A plain line now and then."""

    def begin(self, title: str, work: int) -> None:
        """Print the title."""
        self.say(title)
        self._work, self._done, self._begun = work, 0, time.monotonic()
        self._next = self._begun + LINE_EVERY

    def advance(self, work: int, doing: str, figures: Mapping[str, float] = NOTHING) -> None:
        """Print a line when the last one is long ago."""
        self._done += work
        if doing == "resuming":
            self._work, self._done = self._work - work, 0
        now = time.monotonic()
        if now < self._next or not self._done:
            return
        self._next = now + LINE_EVERY
        left = (now - self._begun) * (self._work - self._done) / self._done
        told = f"{doing}: {100 * self._done / self._work:.0f} %, {left / 60:.1f} min left"
        self.say("; ".join(filter(None, (told, written(figures)))))

    def adjust(self, work: int) -> None:
        """Count with another whole."""
        self._work += work

    def say(self, message: str) -> None:
        """Print a line."""
        sys.stderr.write(message + "\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Nothing to clear away."""


def written(figures: Mapping[str, float]) -> str:
    """``{"total": 3.5}`` -> ``total 3.50``."""
    return "  ".join(f"{name} {value:.2f}" for name, value in figures.items())


class DownloadBars(Watcher):
    """A live bar for every file: how much of it is here, how fast it comes, time left."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def say(self, message: str) -> None:
        """Print a line above the bars."""
        self._console.print(escape(message), highlight=False)

    def progress(self, name: str, done: int, total: int | None) -> None:
        """Move the bar of a file, or begin it."""
        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                DownloadColumn(),
                TransferSpeedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._progress.start()
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(escape(name), total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)

    def end(self) -> None:
        """Leave the bars as they are."""
        if self._progress is not None:
            self._progress.stop()
        self._progress, self._tasks = None, {}


class DownloadLines(Watcher):
    """A plain line when a file begins, and now and then while it comes."""

    def __init__(self) -> None:
        self._name, self._first, self._begun, self._next = "", 0, 0.0, 0.0

    def say(self, message: str) -> None:
        """Print a line."""
        sys.stderr.write(message + "\n")
        sys.stderr.flush()

    def progress(self, name: str, done: int, total: int | None) -> None:
        """Print a line when the file is another one, or the last line is long ago."""
        now = time.monotonic()
        size = "" if total is None else f", {megabytes(total)}"
        if name != self._name or done < self._first:
            self._name, self._first, self._begun, self._next = name, done, now, now + LINE_EVERY
            self.say(f"{name}: downloading{size}")
        elif now >= self._next:
            self._next = now + LINE_EVERY
            left = (now - self._begun) * (total - done) / max(1, done - self._first) if total is not None else None
            self.say(f"{name}: {megabytes(done)} so far" + ("" if left is None else f", {left:.0f} s left"))

    def end(self) -> None:
        """The next file begins with a line of its own, whatever its name."""
        self._name = ""
