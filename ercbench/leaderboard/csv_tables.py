"""Boards as values -> CSV: one line per row, and one line per record. Scores are fractions, unrounded.

A cell of text that a spreadsheet would take for a formula is preceded by an apostrophe.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from ercbench.leaderboard.board_json import Leaderboard, Row, Section, Task
from ercbench.leaderboard.markdown import visible

ROWS_FILE = "leaderboard.csv"
RECORDS_FILE = "records.csv"

_PLACE = ("dataset", "data_version", "fingerprint", "track", "context", "row")
_ROW = (
    *("recipe", "configuration", "encoder", "selected_on", "standing", "reasons", "rank_first", "rank_last", "status"),
    *("contamination", "seeds", "weighted_f1", "weighted_f1_deviation", "seeds_low", "seeds_high"),
    *("dialogues_low", "dialogues_high", "dev_weighted_f1", "macro_f1", "signatures"),
)
_RECORD = ("recipe", "seed", "weighted_f1", "dev_weighted_f1", "path", "predictions_sha256", "signature", "command")


def rows_csv(leaderboard: Leaderboard) -> str:
    """One line per row, in the order of the boards."""
    return _text((*_PLACE, *_ROW), ((*place, *_row(row)) for place, row in _rows(leaderboard)))


def records_csv(leaderboard: Leaderboard) -> str:
    """One line per record, in the order of the boards; ``row`` is that of the other file."""
    lines = (
        (
            *place,
            *(row.name, one.seed, one.weighted_f1, one.dev_weighted_f1),
            *(one.path, one.predictions, one.signature, one.command),
        )
        for place, row in _rows(leaderboard)
        for one in row.records
    )
    return _text((*_PLACE, *_RECORD), lines)


def _rows(leaderboard: Leaderboard) -> Iterator[tuple[tuple[object, ...], Row]]:
    """Every row, and where it stands."""
    for board in leaderboard.boards:
        for section in board.sections:
            for task in section.tasks:
                for row in task.rows:
                    yield _place(board.name, section, task, row), row


def _place(board: str, section: Section, task: Task, row: Row) -> tuple[object, ...]:
    return board, section.version, section.fingerprint, task.track, task.context, row.id


def _row(row: Row) -> tuple[object, ...]:
    rank, over_seeds, over_dialogues = row.rank, row.test.interval, row.over_dialogues
    return (
        *(row.name, row.configuration, row.encoder, row.selected_on, row.standing, "; ".join(row.reasons)),
        *((rank.first, rank.last) if rank else (None, None)),
        *(row.status, " ".join(row.contamination), len(row.records), row.test.mean, row.test.deviation),
        *((over_seeds.low, over_seeds.high) if over_seeds else (None, None)),
        *((over_dialogues.low, over_dialogues.high) if over_dialogues else (None, None)),
        *(row.dev.mean, row.macro.mean, " ".join(dict.fromkeys(one.signature for one in row.records))),
    )


def _text(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Cells -> CSV with line ends of one kind; None is an empty cell."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) if isinstance(value, str) else value for value in line] for line in lines)
    return file.getvalue()


def _cell(text: str) -> str:
    """Text in one line, which no spreadsheet computes."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip().startswith(("=", "+", "-", "@")) else shown
