"""``published.yaml`` -> results printed by others. They are shown beside our own and never ranked with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ercbench.errors import RecordError
from ercbench.leaderboard.board_json import PublishedRow

UNKNOWN = "unknown"
"""The version of a number whose source does not say which version of the data it was measured on."""

Modality = Literal["text", "multimodal"]


def _as_printed(value: object) -> object:
    """A number in quotes -> Decimal, which keeps the digits that were printed; YAML's own numbers drop a last zero."""
    if not isinstance(value, str):
        raise ValueError("write the number in quotes, with the digits that were printed")
    try:
        return Decimal(value)
    except InvalidOperation:
        raise ValueError("is not a number") from None


Points = Annotated[Decimal, BeforeValidator(_as_printed), Field(ge=0, le=100, description="x 100, as printed")]
Text = Annotated[str, Field(min_length=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BoardText(_Frozen):
    """How a board is headed, and which data its published numbers are about."""

    title: Text
    note: str = ""
    data_version: str = Field("", description="as records say it; empty where published numbers are compared with none")


class PublishedScore(_Frozen):
    """One number: the board its version of the data has, or ``unknown``."""

    version: Text
    weighted_f1: Points
    remark: str = ""


class PublishedResult(_Frozen):
    """What one source printed for one method, by data set."""

    method: Text
    kind: Text
    modality: Modality = "text"
    source: Text
    rerun_by: str = Field("", description="who produced the numbers, where that is not the method's authors")
    seeds: str = Field("", coerce_numbers_to_str=True, description="as the source says; empty where it does not")
    selection: Literal["", "dev", "test"] = Field("", description="what the epoch or the model was chosen on, if known")
    recipe: str = Field("", description="name of the recipe that is meant to reproduce it")
    track: str = Field("", description="name of the track with the setting of the source")
    remark: str = ""
    scores: Annotated[dict[str, PublishedScore], Field(min_length=1)]

    @model_validator(mode="after")
    def _track_of_a_recipe(self) -> Self:
        if self.track and not self.recipe:
            raise ValueError("a track is named for the recipe that reproduces the method; name the recipe")
        return self


class Published(_Frozen):
    """The whole file."""

    boards: dict[str, BoardText] = {}
    results: list[PublishedResult] = []


@dataclass(frozen=True)
class Target:
    """A published number that a recipe is meant to reproduce.

    Attributes:
        printed: x 100, with the digits that were printed.
        data_version: of the data it was measured on, as records say it.
        track: with the setting of the source; None where no track has it.
    """

    method: str
    source: str
    printed: Decimal
    data_version: str
    recipe: str
    track: str | None


def read_published(path: Path) -> Published:
    """A YAML file -> Published.

    Raises:
        RecordError: the file cannot be read; or entries are not acceptable, each named with its field.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecordError(f"{path}: cannot read published results: {error}") from error
    try:
        published = Published.model_validate({} if data is None else data)
    except ValidationError as error:
        issues = [
            f"{_place(issue['loc'], data)}: {issue['msg']}. Got {issue['input']!r:.80}" for issue in error.errors()
        ]
        raise _unacceptable(path, issues) from error
    issues = list(_inconsistent(published))
    if issues:
        raise _unacceptable(path, issues)
    return published


def rows(published: Published) -> dict[str, list[PublishedRow]]:
    """Published -> one row per number, by the board it is shown on, best first, then by name.

    A number of a known version goes to that version's board; one of an unknown version to the board of its data set.
    """
    found: dict[str, list[tuple[Decimal, PublishedRow]]] = {}
    for result in published.results:
        for dataset, score in result.scores.items():
            board = dataset if score.version == UNKNOWN else score.version
            found.setdefault(board, []).append((score.weighted_f1, _row(result, score)))
    return {
        board: [
            row for _, row in sorted(of_board, key=lambda one: (-one[0], one[1].method, one[1].source, one[1].remark))
        ]
        for board, of_board in found.items()
    }


def targets(published: Published) -> dict[str, list[Target]]:
    """Published -> the numbers that recipes are meant to reproduce, by board, in the order of the file.

    Only a number of a known version of the data can be reproduced.
    """
    found: dict[str, list[Target]] = {}
    for result in published.results:
        for score in result.scores.values():
            version = published.boards[score.version].data_version if score.version != UNKNOWN else ""
            if result.recipe and version:
                one = Target(
                    result.method, result.source, score.weighted_f1, version, result.recipe, result.track or None
                )
                found.setdefault(score.version, []).append(one)
    return found


def _row(result: PublishedResult, score: PublishedScore) -> PublishedRow:
    return PublishedRow(
        method=result.method,
        kind=result.kind,
        modality=result.modality,
        known_version=score.version != UNKNOWN,
        weighted_f1=str(score.weighted_f1),
        source=result.source,
        seeds=result.seeds,
        selection=result.selection,
        remark=_remark(result, score),
    )


def _remark(result: PublishedResult, score: PublishedScore) -> str:
    """Everything a reader must know about a number, in one line."""
    rerun = f"Re-run by {result.rerun_by}." if result.rerun_by else ""
    return " ".join(part for part in (rerun, result.remark, score.remark) if part)


def _inconsistent(published: Published) -> Iterator[str]:
    """Boards that do not exist, and numbers that are there twice."""
    known = ", ".join(published.boards) or "none"
    seen: Counter[tuple[str, str, str, str]] = Counter()
    for number, result in enumerate(published.results, 1):
        for dataset, score in result.scores.items():
            place = f"entry {number} ({result.method}), field scores.{dataset}"
            if dataset not in published.boards:
                yield f"{place}: no board is called {dataset!r}. Known: {known}"
            if score.version not in (*published.boards, UNKNOWN):
                yield f"{place}.version: no board is called {score.version!r}. Known: {known}, {UNKNOWN}"
            same = (result.method, result.source, dataset, score.version)
            seen[same] += 1
            if seen[same] == 2:
                yield f"{place}: the same method, source and version of the data are there twice"


def _place(where: tuple[int | str, ...], data: Any) -> str:
    """Pydantic's location -> "entry 3 (COSMIC), field scores.meld.weighted_f1"; entries count from 1."""
    if len(where) > 1 and where[0] == "results" and isinstance(where[1], int):
        entry = data["results"][where[1]]
        method = f" ({entry['method']})" if isinstance(entry, Mapping) and "method" in entry else ""
        field = f", field {'.'.join(map(str, where[2:]))}" if len(where) > 2 else ""
        return f"entry {where[1] + 1}{method}{field}"
    return f"field {'.'.join(map(str, where))}" if where else "the file"


def _unacceptable(path: Path, issues: list[str]) -> RecordError:
    lines = "\n".join(f"- {issue}." for issue in issues)
    return RecordError(f"{path}: {len(issues)} problem(s) in the published results. Mend the file.\n{lines}")
