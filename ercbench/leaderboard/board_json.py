"""What is on the boards, as values: every format is made from these, and ``leaderboard.json`` is these and no more.

A board is one data set. Its sections never share a table: one per version and fingerprint of the data. The tasks of a
section, a track with a context protocol each, never share a table either. A row is one recipe version with one
configuration and encoder, over its seeds. Scores are fractions in [0, 1], unrounded; only what others printed is as
they printed it, x 100.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ercbench.errors import RecordError
from ercbench.types import ContextProtocol

SCHEMA_VERSION: Literal[1] = 1
LEADERBOARD_FILE = "leaderboard.json"

Standing = Literal["ranked", "not-compared", "few-seeds", "outside-rules"]
"""Why a row has a rank or none, in the order in which the rows of a task stand.

ranked: at least three seeds, within the rules, and compared with the other ranked rows of its table. not-compared: the
same, but nobody who has the data compared it yet. few-seeds: within the rules, fewer than three seeds. outside-rules:
`Row.reasons` says which.
"""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Frozen):
    """A 95 % interval; fractions, of a difference perhaps below 0."""

    low: float
    high: float


class Spread(_Frozen):
    """A number over seeds."""

    mean: float
    deviation: float | None = Field(None, description="sample standard deviation; null for one seed")
    interval: Interval | None = Field(None, description="t interval of the mean, where it was computed")


class RankRange(_Frozen):
    """The ranks a row may have: 1 plus how many are significantly above it ... all minus how many are below it."""

    first: Annotated[int, Field(ge=1)]
    last: Annotated[int, Field(ge=1)]


class RecordLine(_Frozen):
    """One record of a row."""

    seed: int
    path: str = Field(description="relative to the results folder, with / between folders")
    weighted_f1: float = Field(description="on test")
    dev_weighted_f1: float
    command: str = Field(description="makes the record again")
    signature: str = Field(description="metric, classes, data, context, selection and framework, in one line")
    predictions: str = Field(description="sha256 of its predictions file")


class SliceScore(_Frozen):
    """Weighted F1 on a part of test."""

    name: str
    utterances: int
    weighted_f1: Spread


class Difference(_Frozen):
    """Reproduced minus published, for a published number of the same version of the data."""

    method: str
    source: str
    printed: str = Field(description="the published weighted F1, x 100, with the digits that were printed")
    track: str | None = Field(description="the track with the setting of the source; null where no track has it")
    same_track: bool = Field(description="whether the row is of that track; otherwise it is no reproduction")
    difference: float
    interval: Interval | None = Field(description="of the row over dialogues, shifted; null where it is not known")


class Row(_Frozen):
    """One line of a board."""

    id: str = Field(description="names the row within the file, and stays the same when others come or go")
    name: str = Field(description="what to call it: recipe@version, and the configuration where several share that")
    recipe: str
    version: str
    reference: str = Field(description="the paper, or how the recipe differs from one")
    configuration: str = Field(description="short digest of the resolved config and encoder")
    encoder: str
    selected_on: str
    standing: Standing
    reasons: list[str] = Field(description="why it has no rank, in words; empty for a ranked row")
    rank: RankRange | None
    status: Literal["reproduced", "verified"] = Field(
        description="verified: every seed was scored again from its predictions and gave exactly these numbers"
    )
    contamination: list[str] = Field(
        description="what the weights of the encoder had seen of the data set before, a sentence each"
    )
    test: Spread = Field(description="weighted F1 on test, with its t interval over seeds")
    over_dialogues: Interval | None = Field(description="of the same, over test dialogues; null where not computed")
    dev: Spread
    macro: Spread = Field(description="macro F1 on test")
    emotions: dict[str, Spread] = Field(description="F1 on test by label key")
    slices: list[SliceScore]
    records: list[RecordLine] = Field(description="in the order of seeds")
    published: list[Difference]


class Comparison(_Frozen):
    """Two rows of a task, tested in pairs: weighted F1 of `a` minus that of `b`."""

    a: str = Field(description="id of a row")
    b: str = Field(description="id of a row")
    effect: float
    interval: Interval = Field(description="of the effect, over dialogues")
    p: float = Field(description="the largest of the bootstrap's, the randomisation's and that over seeds")
    p_adjusted: float = Field(description="after Holm's correction over the task")
    different: bool = Field(description="p_adjusted is below 0.05")


class Task(_Frozen):
    """The rows of one track under one context protocol: by standing, then best first."""

    track: str
    context: ContextProtocol
    rows: list[Row]
    comparisons: list[Comparison] = Field(description="of every pair of ranked rows")


class Section(_Frozen):
    """The part of a board that is about one exact content of a data set."""

    version: str
    fingerprint: str
    test_utterances: int | None
    metrics: list[str]
    emotions: list[str] = Field(description="label keys, in label order")
    tasks: list[Task]


class PublishedRow(_Frozen):
    """A number that others printed. It is never ranked with reproduced rows."""

    method: str
    kind: str = Field(description="LLM or encoder")
    modality: Literal["text", "multimodal"]
    known_version: bool = Field(description="whether the source tells which version of the data it is about")
    weighted_f1: str = Field(description="x 100, with the digits that were printed")
    source: str
    seeds: str = Field(description="as the source says; empty where it does not")
    selection: str = Field(description="what the epoch or the model was chosen on; empty where it is not known")
    remark: str


class Board(_Frozen):
    """All there is about one data set."""

    name: str = Field(description="of the data set; the Markdown board is NAME.md")
    title: str
    note: str
    sections: list[Section]
    published: list[PublishedRow] = Field(description="best first")


class Leaderboard(_Frozen):
    """The whole file."""

    schema_version: Literal[1] = SCHEMA_VERSION
    boards: list[Board] = Field(description="by name")


def leaderboard_text(leaderboard: Leaderboard) -> str:
    """What is on the boards -> the text of ``leaderboard.json``, the same bytes for the same boards."""
    return leaderboard.model_dump_json(indent=1) + "\n"


def read_leaderboard(path: Path) -> Leaderboard:
    """``leaderboard.json`` -> what is on the boards.

    Raises:
        RecordError: the file cannot be read, or holds something else.
    """
    try:
        return Leaderboard.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error}. Run: ercbench leaderboard build") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise RecordError(
            f"{path}: {field} is not acceptable: {first['msg']}. Got {first['input']!r:.80}. "
            "Run: ercbench leaderboard build"
        ) from error
