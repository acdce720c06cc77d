"""Boards in other formats, for papers and for other people's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ercbench.errors import UnknownName
from ercbench.leaderboard.board_json import Leaderboard, leaderboard_text
from ercbench.leaderboard.build import build
from ercbench.leaderboard.csv_tables import records_csv, rows_csv
from ercbench.leaderboard.every_eval_ever import every_eval_ever
from ercbench.leaderboard.latex import latex
from ercbench.leaderboard.papers_with_code import papers_with_code
from ercbench.leaderboard.seeds import Seen
from ercbench.whole_files import write_atomically

ONE_FILE: Mapping[str, Callable[[Leaderboard], str]] = {
    "latex": latex,
    "csv": rows_csv,
    "records-csv": records_csv,
    "json": leaderboard_text,
    "papers-with-code": papers_with_code,
}
FOLDERS: Mapping[str, Callable[[Leaderboard, Path], dict[str, str]]] = {"every-eval-ever": every_eval_ever}


def export(results: Path, format_: str, to: Path, seen: Seen | None = None) -> tuple[Path, ...]:
    """The boards of a results folder -> files in another format. Needs no data.

    Args:
        results: the folder that holds ``records/``.
        format_: one of `ONE_FILE` or `FOLDERS`.
        to: the file; for `FOLDERS`, the folder.
        seen: as for `build`.

    Returns:
        The files written.

    Raises:
        UnknownName: there is no such format.
        RecordError: as `build` does.
    """
    if format_ not in {*ONE_FILE, *FOLDERS}:
        raise UnknownName("format", format_, {*ONE_FILE, *FOLDERS})
    leaderboard = build(results, seen)
    if format_ in ONE_FILE:
        files = {to: ONE_FILE[format_](leaderboard)}
    else:
        files = {to / name: text for name, text in FOLDERS[format_](leaderboard, results).items()}
    for path, text in files.items():
        write_atomically(path, text)
    return tuple(files)
