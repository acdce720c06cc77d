"""Loops that take turns, each in a process of its own, so that none runs with another's settings or memory."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

Build = Callable[..., tuple[Callable[[int], int], dict[str, float]]]
"""Arguments -> a step, which takes its number and returns the utterances it trained on, and figures to report."""


class Lane:
    """One loop in its process; `step` runs one step there and waits for it."""

    def __init__(self, build: Build, arguments: Sequence[Any]) -> None:
        """Start the process and wait until the loop is ready."""
        spawn = multiprocessing.get_context("spawn")
        self._ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(build, tuple(arguments), theirs), daemon=True)
        self._process.start()
        theirs.close()  # so that a process that ends early is noticed: reading from it then fails
        self.figures: dict[str, float] = self._ours.recv()
        self.utterances = 0
        self.seconds = 0.0

    def step(self, number: int, counted: bool = True) -> None:
        """Run one step; the first ones of a loop are not counted, while memory is still being taken."""
        self._ours.send(number)
        utterances, seconds = self._ours.recv()
        if counted:
            self.utterances, self.seconds = self.utterances + utterances, self.seconds + seconds

    def reset(self) -> None:
        """Count from zero."""
        self.utterances, self.seconds = 0, 0.0

    @property
    def rate(self) -> float:
        """Utterances per second of the steps that counted."""
        return self.utterances / self.seconds

    def close(self) -> None:
        """End the process."""
        self._ours.send(None)
        self._process.join()


def _serve(build: Build, arguments: tuple[Any, ...], pipe: Connection) -> None:
    step, figures = build(*arguments)
    pipe.send(figures)
    while (number := pipe.recv()) is not None:
        begun = time.perf_counter()
        utterances = step(number)
        pipe.send((utterances, time.perf_counter() - begun))
