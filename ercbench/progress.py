"""What a run tells whoever watches it. The command line shows it; from Python nobody watches unless asked to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

NOTHING: Mapping[str, float] = {}
TRAINING_COST = 3
"""Work of training on an utterance, in units of encoding one: forward, and backward at twice the price."""


class Reporter(Protocol):
    """Watches runs."""

    def begin(self, title: str, work: int) -> None:
        """A run begins that will take `work` units; an utterance encoded is one unit."""
        ...

    def advance(self, work: int, doing: str, figures: Mapping[str, float] = NOTHING) -> None:
        """`work` more units are done; `doing` and `figures` say what is going on."""
        ...

    def say(self, message: str) -> None:
        """Something worth a line of its own."""
        ...

    def end(self) -> None:
        """The run is over, well or badly."""
        ...


class Silent:
    """Nobody watches."""

    def begin(self, title: str, work: int) -> None:
        """Ignored."""

    def advance(self, work: int, doing: str, figures: Mapping[str, float] = NOTHING) -> None:
        """Ignored."""

    def say(self, message: str) -> None:
        """Ignored."""

    def end(self) -> None:
        """Ignored."""
