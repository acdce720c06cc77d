"""Boards as values -> evaluation tables in the JSON of Papers with Code: tasks, data sets, tables, rows.

The form is that of ``evaluation-tables.json`` as sota-extractor describes it (github.com/paperswithcode/sota-extractor,
README and ``taskdb/v01/schemas.py``). Only ranked rows are in it, x 100 with two decimals. A track with a context
protocol is a subdataset, so that no table mixes two.
"""

from __future__ import annotations

import json
import re

from ercbench.leaderboard.board_json import Board, Leaderboard, Row, Section, Task
from ercbench.leaderboard.markdown import points, visible

TASK = "Emotion Recognition in Conversation"
METRICS = ("Weighted-F1", "Macro-F1")
_ARXIV = re.compile(r"arXiv[: ]?(\d{4}\.\d{4,5})")


def papers_with_code(leaderboard: Leaderboard) -> str:
    """Boards -> JSON text: a list with one task.

    Before: tables.py. After: nothing.
    """
    datasets = [_dataset(board) for board in leaderboard.boards if board.sections]
    task = {
        "task": TASK,
        "description": "Given a conversation, which emotion does each utterance carry? On text.",
        "categories": ["Natural Language Processing"],
        "synonyms": [],
        "source_link": None,
        "subtasks": [],
        "datasets": datasets,
    }
    return json.dumps([task], indent=1, ensure_ascii=False) + "\n"


def _dataset(board: Board) -> dict[str, object]:
    parts = [(section, task) for section in board.sections for task in section.tasks]
    return {
        "dataset": visible(board.title),
        "description": visible(board.note),
        "dataset_links": [],
        "dataset_citations": [],
        "sota": {"metrics": [], "rows": []},
        "subdatasets": [
            _subdataset(section, task) for section, task in parts if any(row.rank is not None for row in task.rows)
        ],
    }


def _subdataset(section: Section, task: Task) -> dict[str, object]:
    data = f"data version {section.version}, {section.fingerprint}"
    return {
        "subdataset": visible(f"Track {task.track}, context {task.context}, {data}"),
        "description": "",
        "dataset_links": [],
        "dataset_citations": [],
        "sota": {"metrics": list(METRICS), "rows": [_row(row) for row in task.rows if row.rank is not None]},
        "subdatasets": [],
    }


def _row(row: Row) -> dict[str, object]:
    paper = _ARXIV.search(row.reference)
    return {
        "model_name": visible(row.name),
        "metrics": dict(zip(METRICS, (points(row.test.mean), points(row.macro.mean)), strict=True)),
        "paper_title": visible(row.reference),
        "paper_url": f"https://arxiv.org/abs/{paper[1]}" if paper else "",
        "paper_date": None,
        "code_links": [],
        "model_links": [],
        "uses_additional_data": bool(row.contamination),
    }
