"""A results folder -> the files of its boards, written or compared with what is there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ercbench import contamination
from ercbench.errors import RecordError
from ercbench.leaderboard.board_json import LEADERBOARD_FILE, Leaderboard, leaderboard_text
from ercbench.leaderboard.csv_tables import RECORDS_FILE, ROWS_FILE, records_csv, rows_csv
from ercbench.leaderboard.evidence import EVIDENCE_FILE, Evidence, evidence_text, read_evidence
from ercbench.leaderboard.pages import INDEX, MARKER, pages
from ercbench.leaderboard.published import Published, read_published
from ercbench.leaderboard.ranking import needed
from ercbench.leaderboard.seeds import Group, Seen, groups
from ercbench.leaderboard.tables import boards
from ercbench.records import read_records
from ercbench.whole_files import write_atomically

if TYPE_CHECKING:
    from ercbench.catalog import Catalog
    from ercbench.gold import GoldLabels

_BOARD_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True)
class Written:
    """What a build did.

    Attributes:
        names: of the files written, relative to the results folder.
        rows: how many rows were scored again.
        pairs: how many pairs of rows were compared.
        problems: why others could not be, a sentence each.
        damaged: whether that is so of one because its predictions are not those of its record.
    """

    names: tuple[str, ...]
    rows: int = 0
    pairs: int = 0
    problems: tuple[str, ...] = ()
    damaged: bool = False


def build(results: Path, seen: Seen | None = None) -> Leaderboard:
    """Records, published results and evidence -> boards, as values. Needs no data, and computes no evidence.

    Args:
        results: the folder that holds ``records/``, and where there are such ``published.yaml``, ``evidence.json``.
        seen: tells of encoders whose weights had seen the data; None for what the plugins here declare.

    Raises:
        RecordError: the folder is missing; a record, the published results or the evidence are not acceptable; or a
            data set's name cannot be the name of a file.

    Before: records.py. After: `texts`, or another format.
    """
    found = _groups(results, seen)
    return _boards(results, found, needed(found, read_evidence(results)))


def texts(leaderboard: Leaderboard) -> dict[str, str]:
    """Boards -> files: relative path to text, the same bytes for the same boards; the Markdown first."""
    return {
        **pages(leaderboard),
        LEADERBOARD_FILE: leaderboard_text(leaderboard),
        ROWS_FILE: rows_csv(leaderboard),
        RECORDS_FILE: records_csv(leaderboard),
    }


def write_boards(results: Path, gold: GoldLabels | None = None, seen: Seen | None = None) -> Written:
    """Build the boards of a results folder and write them; a generated board that has no records left is removed.

    Args:
        results: as for `build`.
        gold: finds gold labels, for evidence that is missing; None to do with what there is.
        seen: as for `build`.

    Raises:
        RecordError: as `build` does.
    """
    found = _groups(results, seen)
    known, new = read_evidence(results), None
    if gold:
        from ercbench.leaderboard.gathering import gather  # a check needs no data, and none of what reads them

        new = gather(results, found, known, gold)
    evidence = new.evidence if new else needed(found, known)
    files = _files(_boards(results, found, evidence), evidence)
    for name, text in files.items():
        write_atomically(results / name, text)
    for name in _left_over(results, files):
        (results / name).unlink()
    return Written(tuple(files), new.rows, new.pairs, new.problems, new.damaged) if new else Written(tuple(files))


def check(results: Path, seen: Seen | None = None) -> tuple[str, ...]:
    """The names of files that `write_boards` without data would change, sorted. Writes nothing.

    Raises:
        RecordError: as `build` does.
    """
    found = _groups(results, seen)
    evidence = needed(found, read_evidence(results))
    files = _files(_boards(results, found, evidence), evidence)
    changed = [name for name, text in files.items() if _bytes(results / name) != text.encode()]
    return tuple(sorted([*changed, *_left_over(results, files)]))


def published_file(results: Path) -> Path | None:
    """``published.yaml`` of a results folder, None where there is none."""
    path = results / "published.yaml"
    return path if path.is_file() else None


def _groups(results: Path, seen: Seen | None) -> list[Group]:
    """The rows of a results folder."""
    if not results.is_dir():
        raise RecordError(f"There is no results folder. Got {str(results)!r}. Name the folder that holds records/.")
    return groups(read_records(results), seen or _declared())


def _declared() -> Seen:
    """What plugins declare of encoders; each is asked for once, and plugins are found when the first one is."""

    @cache
    def plugins() -> Catalog:
        from ercbench.catalog import load_catalog

        return load_catalog()

    return cache(lambda checkpoint, origin, dataset: contamination.seen(plugins(), checkpoint, origin, dataset))


def _boards(results: Path, found: list[Group], evidence: Evidence) -> Leaderboard:
    file = published_file(results)
    published = read_published(file) if file else Published()
    _check_names({group.shared.dataset for group in found} | published.boards.keys())
    return boards(found, evidence, published)


def _files(leaderboard: Leaderboard, evidence: Evidence) -> dict[str, str]:
    """All files that are generated; no evidence, no file of it."""
    files = texts(leaderboard)
    return files | {EVIDENCE_FILE: evidence_text(evidence)} if evidence.rows else files


def _check_names(names: Iterable[str]) -> None:
    """A board is a file called after its data set, so the name must not lead anywhere else."""
    for name in sorted(names):
        if not _BOARD_NAME.fullmatch(name) or f"{name}.md" == INDEX.lower():
            raise RecordError(
                f"A data set of a record or of the published results cannot name a board. Got {name!r}. "
                "Use lower-case letters, digits, '.', '_' and '-'; not 'readme'."
            )


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _left_over(results: Path, files: Mapping[str, str]) -> list[str]:
    """Generated files that nothing generates any more."""
    paths = sorted(path for path in results.glob("*.md") if path.name not in files)
    left = [path.name for path in paths if path.read_bytes().startswith(MARKER.encode())]
    return [*left, EVIDENCE_FILE] if EVIDENCE_FILE not in files and (results / EVIDENCE_FILE).is_file() else left
