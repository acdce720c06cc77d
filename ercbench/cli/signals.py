"""What ends a run from outside: Ctrl-C, and SIGTERM as batch systems send it before they kill."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from ercbench.cli.options import INTERRUPTED

TERMINATED = 143
"""Exit code after SIGTERM: 128 and the number of the signal, as shells have it."""


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. A run ends in the same way as after Ctrl-C."""


@contextmanager
def stoppable() -> Iterator[None]:
    """End what is done within, after Ctrl-C or SIGTERM, with one line and the exit code that belongs to it.

    Files are written whole or not at all, so there is nothing to wait for but the running step.
    """
    received: list[int] = []

    def terminate(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt as stop:  # a library that waits may raise its own in the place of ours
        said = "Terminated" if received else "Interrupted"
        click.echo(f"{said}. The same command goes on after the last finished epoch.", err=True)
        raise SystemExit(TERMINATED if received else INTERRUPTED) from stop
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)  # None: one that was not set from Python
