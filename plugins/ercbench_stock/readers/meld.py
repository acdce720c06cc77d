"""MELD: one CSV file per split, one row per utterance."""

from __future__ import annotations

import re
from pathlib import Path

from ercbench import Problem, RawTurn, Reading
from ercbench_stock.readers.files import Row, group_rows, parse_rows, read_text

COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
OLD = (
    "This looks like MELD from before 2020-11-15, whose apostrophes are cp1252. Get the current file: "
    "https://github.com/declare-lab/MELD at commit 2d2011b409d3ca2d7e94460cd007d434b1d0a102, folder data/MELD."
)
_CP1252_AS_UNICODE = re.compile("[\x80-\x9f]")


def read_meld(path: Path) -> Reading:
    """Path -> Reading: consecutive rows with the same ``Dialogue_ID`` are one dialogue.

    Before: a file that ``data.py`` found. After: the checks of ``data.py``.
    """
    text = read_text(path, OLD)
    if isinstance(text, Problem):
        return Reading((), (text,))
    if found := _CP1252_AS_UNICODE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        what = f"holds a cp1252 character read as another encoding. Got {found.group()!r}."
        return Reading((), (Problem(f"{path.name}, line {line}", what, OLD),))
    rows, problems = parse_rows(path.name, text, COLUMNS)
    return Reading(group_rows(rows, lambda row: row.cells["Dialogue_ID"], _turn), tuple(problems))


def _turn(row: Row) -> RawTurn:
    cells = row.cells
    label = cells["Emotion"].lower()
    return RawTurn(cells["Speaker"], cells["Utterance"], label, cells["Utterance_ID"], f"line {row.line}")
