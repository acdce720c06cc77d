"""What commands tell while they run, and when they end: the events of a log, the exit codes. See ``generate.py``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from fields import fields, prose, table
from pydantic import BaseModel

from ercbench import errors, log_events
from ercbench.cells import NamedCell
from ercbench.cli.options import INTERRUPTED
from ercbench.failures import Failure

ABOUT_LOGS = """\
Each command that runs cells writes a log of its own: `logs/<when it began>-<process>.jsonl` in the results folder.
{about}
`ercbench status` shows what a log comes to, and `ercbench gc` removes old ones.
Times are UTC, durations seconds, scores fractions from 0 to 1.
In a path, `[]` stands for every item of a list and `*` for every key of an object."""


def log(marker: str) -> str:
    """Every event of a log, with its fields."""
    about = prose(inspect.cleandoc(log_events.__doc__ or "").partition("\n\n")[2])
    common = [("time", "string", "ISO 8601, UTC, with milliseconds")]
    common += [("event", "string", "which kind it is: the headings below")]
    common += [(f"cell.{name}", kind, told) for name, kind, told in _event_fields(NamedCell)]
    lines = [marker, "", "# The events of a log", "", ABOUT_LOGS.format(about=about.replace(". ", ".\n")), ""]
    lines += ["## What every event has", "", "`cell` is in the events of one cell.", "", *table(common)]
    for name, kind in log_events.EVENTS.items():
        rows = [row for row in _event_fields(kind) if row[0].partition(".")[0] not in ("time", "cell")]
        lines += ["", f"## `{name}`", "", prose(kind.__doc__ or ""), "", *table(rows)]
    return "\n".join([*lines, ""])


def _event_fields(kind: type[BaseModel]) -> list[tuple[str, str, str]]:
    """Path, type and description of every field, those of a cell in a list left out."""
    schema = kind.model_json_schema()
    found = fields(schema, "", schema.get("$defs", {}))
    return [row for row in found if not row[0].startswith("cells[].cell.")]


ENDINGS = {
    0: "It did what it was asked to; `ercbench status --watch`, also after Ctrl-C.",
    1: "An error that is its author's to mend: a bug, or code of a plugin that raises. Its traceback is printed; where "
    "it ended a run, the failure record has it.",
    INTERRUPTED: "Ctrl-C. The same command goes on after the last finished epoch.",
    143: "SIGTERM, as batch systems send it before they take a machine away. The same command goes on.",
}
"""Exit codes that belong to no error of ours."""


def _by_code() -> list[tuple[str, str, str]]:
    """Every exit code, the errors that end with it, and what it means."""
    kinds: dict[int, list[type[errors.ErcbenchError]]] = {}
    for kind in _tree(errors.ErcbenchError):
        if kind not in FIRST and kind is not errors.ErcbenchError:
            kinds.setdefault(kind.exit_code, []).append(kind)
    rows = []
    for code in sorted({*ENDINGS, *kinds}):
        of = kinds.get(code, [])
        about = ENDINGS.get(code) or " ".join((inspect.getdoc(of[0]) or "").split())
        rows.append((f"{code}", ", ".join(f"`{kind.__name__}`" for kind in of), about))
    return rows


OF_CELLS = """\
When a cell fails, the others are run all the same.
Then the command ends with the exit code of the error; where several failed, of the first.
A cell that failed in an earlier call, and that `--retry-failed` does not try again, counts as failed.
A process that is killed by SIGKILL has no say: a shell reports 137, and the same command goes on."""
OF_FAILURES = """\
A cell that fails leaves a JSON file in `failures/` of the results folder, where `records/` would have its record.
It goes when the cell is done.
None is written of what passes by itself, such as another process being at the cell."""
FIRST = {errors.Problems: "that of its first error", errors.RunsFailed: "that of the first cell that failed"}
"""Errors that tell of several."""


def exit_codes(marker: str) -> str:
    """Every error that the command line reports, with its exit code."""
    about, _, tree = inspect.cleandoc(errors.__doc__ or "").partition("::")
    drawn = [line.removeprefix("    ") for line in tree.splitlines() if line.startswith("    ")]
    closing = [line for line in tree.splitlines() if line and not line.startswith("    ")]
    rows = [
        (f"`{kind.__name__}`", FIRST.get(kind) or str(kind.exit_code),
         " ".join((inspect.getdoc(kind) or "").split()))
        for kind in _tree(errors.ErcbenchError)
    ]  # fmt: skip
    return "\n".join(
        [
            marker,
            "",
            "# Errors and exit codes",
            "",
            prose(about),
            "",
            "## Exit codes",
            "",
            *table(_by_code(), ("Exit code", "Errors", "Meaning")),
            "",
            OF_CELLS,
            "",
            "## The failure record",
            "",
            OF_FAILURES,
            "",
            *table(list(fields(Failure.model_json_schema(), "", {}))),
            "",
            "## Errors",
            "",
            *table(rows, ("Error", "Exit code", "Meaning")),
            "",
            "```text",
            *drawn,
            "```",
            "",
            *closing,
            "",
        ]
    )


def _tree(kind: type[errors.ErcbenchError]) -> Iterator[type[errors.ErcbenchError]]:
    """An error and those below it, in the order of the file."""
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _tree(below)
