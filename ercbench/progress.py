"""What a run tells whoever watches it. The command line shows it; from Python nobody watches unless asked to.

What is told of stages and epochs is for observers, see ``observing.py``, and for the log of a command, see
``run_log.py``; whoever shows progress may leave those methods as `Silent` has them, and the one of cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from ercbench.types import Epoch

if TYPE_CHECKING:
    from ercbench.run_log import GridState

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

    def cells(self, state: GridState) -> None:
        """All cells of a command that runs several at once, as they are now; told again and again."""
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

    def cells(self, state: GridState) -> None:
        """Ignored."""


class Whole(Silent):
    """Shows several runs as one: a line as each begins, and how far all of them are together, with the time left.

    Args:
        reporter: who shows it.
        runs: how many there are.
        work: of all of them.
    """

    def __init__(self, reporter: Reporter, runs: int, work: int) -> None:
        self._reporter, self._runs, self._work = reporter, runs, work
        self._run, self._left = 0, 0
        self.about = ""
        """What the next runs are, for their lines."""

    def begin(self, title: str, work: int) -> None:
        """A run begins; with the first, all of them."""
        if not self._run:
            self._reporter.begin(f"{self._runs} runs", self._work)
        self._run, self._left = self._run + 1, work
        self._reporter.say(f"Run {self._run} of {self._runs}, {self.about}: {title}")

    def advance(self, work: int, doing: str, figures: Mapping[str, float] = NOTHING) -> None:
        """Some of a run is done."""
        self._left -= work
        self._reporter.advance(work, doing, figures)

    def adjust(self, work: int) -> None:
        """A run takes more or less than was said, and so do all of them."""
        self._left += work
        self._reporter.adjust(work)

    def say(self, message: str) -> None:
        """A line."""
        self._reporter.say(message)

    def end(self) -> None:
        """A run is over: what it did less than was thought is done too."""
        if self._left > 0:
            self._reporter.advance(self._left, "done")

    def close(self) -> None:
        """All runs are over, well or badly."""
        if self._run:
            self._reporter.end()
