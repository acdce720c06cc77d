"""The failure record: a cell that ended without a record says what happened, where, and which epoch was still good.

It lies in ``failures/``, where ``records/`` has the record of a cell that is done. The cell is not run again until
somebody asks for it with ``--retry-failed``; a run of other settings in the same place is another cell.
"""

from __future__ import annotations

import traceback
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from ercbench.cells import CellName, NamedCell
from ercbench.errors import ErcbenchError
from ercbench.whole_files import write_atomically

UNEXPECTED = 1
"""Exit code of an error that is nobody's to mend but the author's of the code that raised it."""


def _as_utf8(text: object) -> object:
    """A message may quote the name of a file that is not UTF-8; it is written with what stands for such a byte."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(text, str) else text


Said = Annotated[str, BeforeValidator(_as_utf8)]
"""What an error says, whoever wrote it."""


@dataclass(frozen=True)
class Facts:
    """What is known of an error, as it can be written down and sent.

    Attributes:
        error: its class.
        message: what it says.
        exit_code: of ercbench.
        traceback: None where the error is the user's to mend.
    """

    error: str
    message: str
    exit_code: int
    traceback: str | None = None


class RemoteError(ErcbenchError):
    """An error on another machine, made of the facts that were sent of it; its exit code is the one it had there."""

    def __init__(self, facts: Facts, node: str = "") -> None:
        self.facts, self.exit_code = facts, facts.exit_code
        where = f" on {node}" if node else ""
        more = "" if facts.traceback is None else f"\n{facts.error}{where}:\n{facts.traceback}"
        super().__init__(facts.message + more)


def facts_of(error: Exception) -> Facts:
    """An error -> its facts."""
    if isinstance(error, RemoteError):
        return error.facts
    ours = isinstance(error, ErcbenchError)
    return Facts(
        type(error).__name__,
        str(error) or type(error).__name__,
        error.exit_code if isinstance(error, ErcbenchError) else UNEXPECTED,
        None if ours else "".join(traceback.format_exception(error)),
    )


class Failure(NamedCell):
    """Why a cell has no record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Annotated[int, Field(ge=1, le=1)] = Field(1, description="of this form")
    identity: str = Field(description="of settings, data and local plugins; another one is another run")
    command: str = Field(description="what runs this cell")
    error: str = Field(description="class of the error")
    message: Said = Field(description="what it says")
    exit_code: Annotated[int, Field(ge=1)] = Field(description="of ercbench, had it been the only cell")
    stage: str | None = Field(description="in which it happened; null: before the first")
    last_epoch: Annotated[int, Field(ge=0)] = Field(description="the last one that was finished and kept; 0: none")
    traceback: Said | None = Field(None, description="of an error that is not the user's to mend")
    failed: str = Field(description="ISO 8601, UTC")

    @property
    def what(self) -> str:
        """What happened, in a line; of an error that is not the user's to mend the class too."""
        first = self.message.splitlines()[0]
        return first if self.traceback is None else f"{self.error}: {first}. Its traceback is in the failure record."

    @property
    def where(self) -> str:
        """Stage and last good epoch, in words."""
        epoch = f"after epoch {self.last_epoch}" if self.last_epoch else "no epoch finished"
        return f"{self.stage or 'before the first stage'}, {epoch}"


def failure_of(
    cell: CellName, identity: str, command: str, error: Exception, reached: tuple[str | None, int]
) -> Failure:
    """An error -> the failure record of a cell; `reached` is the stage and the last finished epoch."""
    facts = facts_of(error)
    return Failure(
        **asdict(cell),
        identity=identity,
        command=command,
        error=facts.error,
        message=facts.message,
        exit_code=facts.exit_code,
        stage=reached[0],
        last_epoch=reached[1],
        traceback=facts.traceback,
        failed=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def write_failure(results: Path, failure: Failure) -> Path:
    """Failure -> its file."""
    path = failure.cell.failure(results)
    write_atomically(path, failure.model_dump_json(indent=2) + "\n")
    return path


def read_failure(path: Path) -> Failure | None:
    """A file -> Failure; None where there is none, or none that can be read: the cell is then run again."""
    try:
        return Failure.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
