"""The events of a log, and the fields of each: what ``docs/reference/log.md`` lists, and what a reader may count on.

A log is one JSON object per line. Every event has `time` and `event`; an event of one cell has `cell`. Kinds and fields
may be added in a later version of ercbench, so a reader skips what it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, ValidationError

from ercbench.cells import NamedCell
from ercbench.records import EpochRecord

Share = Annotated[float, Field(ge=0, le=1)]
State = Literal["queued", "running", "done", "failed"]


class ListedCell(BaseModel):
    """A cell of the command, as it is when the command begins."""

    cell: NamedCell = Field(description="which one")
    state: State = Field(description="queued; done or failed where that was so before")
    epochs: NonNegativeInt = Field(description="of training; 0 for a cell that is not run")


class LoggedEpoch(EpochRecord):
    """A finished epoch, as the record tells it. A score on test is not told."""

    model_config = ConfigDict(extra="ignore")


class _Event(BaseModel):
    time: AwareDatetime = Field(description="ISO 8601, UTC, with milliseconds")


class _OfCell(_Event):
    cell: NamedCell = Field(description="which one")


class GridStarted(_Event):
    """The command begins; always the first event."""

    host: str = Field(description="name of the machine")
    pid: int = Field(description="of the process on it")
    executor: str = Field(
        description="who runs the cells: serial, one after the other in this process; so with N processes, as many; ray"
    )
    cells: list[ListedCell] = Field(description="those that were done or failed before, then those to run, in order")


class GridFinished(_Event):
    """The command ends; the last event, unless the process was killed."""

    ended: str = Field(description="finished, or the class of what ended it, such as KeyboardInterrupt")
    done: int = Field(description="cells that have their record")
    failed: int = Field(description="cells that have none because of an error")


class CellStarted(_OfCell):
    """A cell begins."""

    work: int = Field(description="units it will take; encoding an utterance is one")
    node: str = Field("", description="the machine that runs it, where it is not the one of the command")


class Progress(_OfCell):
    """How far a cell is; at most one in five seconds."""

    doing: str = Field(description="what is going on")
    share: Share = Field(description="of its work that is done")
    left: FiniteFloat | None = Field(description="seconds to come; null where not known")
    figures: dict[str, FiniteFloat] = Field(default_factory=dict, description="mean losses of the epoch so far, speed")


class StageStarted(_OfCell):
    """A stage of a cell begins."""

    stage: str = Field(description="training, encoding, classifying, scoring")


class StageFinished(_OfCell):
    """A stage of a cell is done."""

    stage: str = Field(description="training, encoding, classifying, scoring")
    seconds: FiniteFloat = Field(description="it took")


class EpochFinished(_OfCell):
    """An epoch is trained, scored on dev and kept: a run that is killed goes on after it."""

    epoch: LoggedEpoch = Field(description="how it went")
    resumed: bool = Field(description="whether an earlier process had finished it")


class Said(_OfCell):
    """A line for a person."""

    message: str = Field(description="the line")


class CellFinished(_OfCell):
    """A cell is done, and its record is on disk."""

    dev_weighted_f1: Share = Field(description="of the chosen epoch, a fraction")
    test_weighted_f1: Share = Field(description="a fraction")
    seconds: FiniteFloat = Field(description="all stages together")


class CellFailed(_OfCell):
    """A cell ended without a record; the failure record says more."""

    error: str = Field(description="class of the error")
    message: str = Field(description="what it says")
    where: str = Field(description="stage and last good epoch, in words")


class CellRequeued(_OfCell):
    """The worker of a cell died; it is run again from its last finished epoch."""

    message: str = Field(description="what happened")


EVENTS: Mapping[str, type[_Event]] = {
    "grid_started": GridStarted,
    "cell_started": CellStarted,
    "stage_started": StageStarted,
    "progress": Progress,
    "epoch_finished": EpochFinished,
    "said": Said,
    "stage_finished": StageFinished,
    "cell_finished": CellFinished,
    "cell_failed": CellFailed,
    "cell_requeued": CellRequeued,
    "grid_finished": GridFinished,
}
"""What each kind of event has, in the order in which they come."""


def is_sound(event: Any) -> bool:
    """Whether an event read from a file has the fields of its kind. Of an unknown kind nothing is asked."""
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return False
    kind = EVENTS.get(event["event"])
    try:
        if kind:
            kind.model_validate(event)
    except ValidationError:
        return False
    return True
