"""Boards as values -> files of Every Eval Ever, one per row within the rules.

The form is ``eval.schema.json`` of github.com/evaleval/every_eval_ever, version 0.3.0, in which all details are text.
Times are those of the records, so that the same records give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ercbench.errors import RecordError
from ercbench.leaderboard.board_json import Board, Interval, Leaderboard, Row, Section, Task
from ercbench.leaderboard.markdown import visible
from ercbench.records import RunRecord, read_record
from ercbench.statistics import LEVEL, RESAMPLES

SCHEMA_VERSION = "0.3.0"


def every_eval_ever(leaderboard: Leaderboard, results: Path) -> dict[str, str]:
    """Boards -> relative path to text: ``data/<data set>/ercbench/<recipe>/<uuid>.json``.

    Args:
        leaderboard: the boards.
        results: the folder in which their records lie; when runs took place is in them alone.

    Raises:
        RecordError: a record cannot be read, or does not tell when it was started.

    Before: tables.py. After: nothing.
    """
    files = {}
    for board in leaderboard.boards:
        for section in board.sections:
            for task in section.tasks:
                for row in task.rows:
                    if row.standing != "outside-rules":
                        name = uuid.UUID(bytes=hashlib.sha256(row.id.encode()).digest()[:16], version=4)
                        records = [(results / one.path, read_record(results / one.path)) for one in row.records]
                        text = json.dumps(_file(board, section, task, row, records), indent=1, ensure_ascii=False)
                        files[f"data/{board.name}/ercbench/{_folder(row.name)}/{name}.json"] = text + "\n"
    return files


def _folder(name: str) -> str:
    """A name as a folder that leads nowhere else."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "unnamed"


def _file(
    board: Board, section: Section, task: Task, row: Row, records: Sequence[tuple[Path, RunRecord]]
) -> dict[str, object]:
    started = max(_seconds(path, record.started) for path, record in records)
    first = records[0][1]
    model = f"ercbench/{_folder(row.name)}"
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{board.name}/{model}/{started}/{row.id}",
        "evaluation_timestamp": f"{started}",
        "retrieved_timestamp": f"{started}",
        "source_metadata": {
            "source_name": "ercbench leaderboards",
            "source_type": "evaluation_run",
            "source_organization_name": "ercbench",
            "evaluator_relationship": "other",
            "additional_details": {"status": row.status, "standing": row.standing, "reasons": _text(row.reasons)},
        },
        "eval_library": {"name": "ercbench", "version": first.environment.packages.get("ercbench", "unknown")},
        "model_info": {
            "name": visible(row.name),
            "id": model,
            "additional_details": {
                "deployment_type": "self_deployed",
                "model_availability": "unknown",
                "encoder": visible(row.encoder),
                "reference": visible(row.reference),
                "configuration": row.configuration,
                "track": visible(task.track),
                "contamination": _text(row.contamination),
            },
        },
        "evaluation_results": [
            _result(board, section, task, row, "weighted_f1"),
            _result(board, section, task, row, "macro_f1"),
        ],
    }


def _result(board: Board, section: Section, task: Task, row: Row, metric: str) -> dict[str, object]:
    """One metric of a row. The interval over dialogues is of weighted F1 alone."""
    weighted = metric == "weighted_f1"
    data = {"version": section.version, "fingerprint": section.fingerprint, "split": "test"}
    data["utterances"] = str(section.test_utterances or "unknown")
    return {
        "evaluation_result_id": f"{row.id}/{metric}",
        "evaluation_name": visible(f"{board.title}, track {task.track}, context {task.context}"),
        "source_data": {
            "dataset_name": board.name,
            "source_type": "other",
            "additional_details": {key: visible(value) for key, value in data.items()},
        },
        "metric_config": {
            "evaluation_description": "F1 per emotion on test, " + ("weighted by support" if weighted else "averaged"),
            "metric_id": metric,
            "metric_kind": "f1",
            "metric_unit": "proportion",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0,
            "max_score": 1,
        },
        "score_details": _score(row, section.test_utterances) if weighted else {"score": row.macro.mean},
        "generation_config": {
            "generation_args": {"execution_command": visible(" && ".join(one.command for one in row.records))},
            "additional_details": {"signature": _text(dict.fromkeys(one.signature for one in row.records))},
        },
    }


def _score(row: Row, utterances: int | None) -> dict[str, object]:
    """Weighted F1, averaged over seeds."""
    details = {
        "seeds": ", ".join(str(one.seed) for one in row.records),
        "weighted_f1_per_seed": ", ".join(str(one.weighted_f1) for one in row.records),
        "standard_deviation_over_seeds": str(row.test.deviation),
        "interval_of_mean_over_seeds": _pair(row.test.interval),
    }
    found: dict[str, object] = {"score": row.test.mean, "details": details}
    if row.over_dialogues:
        found["uncertainty"] = {
            "confidence_interval": {
                "lower": row.over_dialogues.low,
                "upper": row.over_dialogues.high,
                "confidence_level": LEVEL,
                "method": "bootstrap of whole dialogues",
            },
            **({"num_samples": utterances} if utterances else {}),
            "num_bootstrap_samples": RESAMPLES,
        }
    return found


def _pair(interval: Interval | None) -> str:
    return "unknown" if interval is None else f"{interval.low} to {interval.high}"


def _text(parts: Sequence[str] | dict[str, None]) -> str:
    return visible("; ".join(parts))


def _seconds(path: Path, started: str) -> int:
    """ISO 8601 -> seconds since 1970; a time without a zone is of UTC."""
    try:
        moment = datetime.fromisoformat(started)
    except ValueError as error:
        raise RecordError(
            f"{path}: field started is no time. Got {started!r:.80}. Run the record's command again."
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
