"""What a run tells whoever watches it. The command line shows it; from Python nobody watches unless asked to.

The last three methods are told to observers, see ``observing.py``; whoever shows progress may leave them as `Silent`
has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ercbench.types import Epoch

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

    def adjust(self, work: int) -> None:
        """The whole run will take `work` units more than was said, or fewer where that is negative."""
        ...

    def say(self, message: str) -> None:
        """Something worth a line of its own."""
        ...

    def end(self) -> None:
        """The run is over, well or badly."""
        ...

    def stage_started(self, stage: str) -> None:
        """A stage of the run begins."""
        ...

    def stage_finished(self, stage: str, seconds: float) -> None:
        """A stage of the run is done."""
        ...

    def epoch_finished(self, epoch: Epoch, resumed: bool = False) -> None:
        """An epoch is trained and scored; with `resumed` by an earlier process."""
        ...


class Silent:
    """Nobody watches."""

    def begin(self, title: str, work: int) -> None:
        """Ignored."""

    def advance(self, work: int, doing: str, figures: Mapping[str, float] = NOTHING) -> None:
        """Ignored."""

    def adjust(self, work: int) -> None:
        """Ignored."""

    def say(self, message: str) -> None:
        """Ignored."""

    def end(self) -> None:
        """Ignored."""

    def stage_started(self, stage: str) -> None:
        """Ignored."""

    def stage_finished(self, stage: str, seconds: float) -> None:
        """Ignored."""

    def epoch_finished(self, epoch: Epoch, resumed: bool = False) -> None:
        """Ignored."""
