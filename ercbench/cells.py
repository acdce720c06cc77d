"""The name of one cell of the grid: a recipe on a data set and track, in a context, from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from ercbench.records import RunRecord, record_path
from ercbench.types import ContextProtocol

RESULTS = Path("leaderboards")
"""The results folder where none is named."""
FAILURES = "failures"
"""The folder of the failure records in a results folder."""


@dataclass(frozen=True)
class CellName:
    """One cell by name.

    Attributes:
        recipe: name@version.
        dataset: its name.
        track: its name.
        context: the context protocol.
        seed: of every random number.
    """

    recipe: str
    dataset: str
    track: str
    context: ContextProtocol
    seed: int

    def __str__(self) -> str:
        return f"{self.recipe} on {self.dataset}, track {self.track}, context {self.context}, seed {self.seed}"

    def record(self, results: Path) -> Path:
        """Where its record is, or will be."""
        names = self.dataset, self.track, self.recipe
        return record_path(results, *names, self.seed, self.context)

    def failure(self, results: Path) -> Path:
        """Where it says why it failed: the same place in a folder beside the records."""
        return results / FAILURES / self.record(results).relative_to(results / "records")


class NamedCell(BaseModel):
    """The fields by which a file says which cell it is about."""

    recipe: str = Field(description="name@version")
    dataset: str = Field(description="its name")
    track: str = Field(description="its name")
    context: ContextProtocol = Field(description="the context protocol")
    seed: Annotated[int, Field(ge=0)] = Field(description="of every random number")

    @property
    def cell(self) -> CellName:
        """Which cell it is."""
        return CellName(self.recipe, self.dataset, self.track, self.context, self.seed)


def cell_of(record: RunRecord) -> CellName:
    """Which cell a record is of."""
    recipe = f"{record.recipe.name}@{record.recipe.version}"
    return CellName(recipe, record.dataset.name, record.track, record.protocol.context, record.seed)
