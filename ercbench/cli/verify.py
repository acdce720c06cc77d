"""``ercbench verify``: is everything in a results folder or a submission what it says?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ercbench.catalog import Catalog
    from ercbench.verification import Checked, FolderReport
    from ercbench.verification.folder import EvidenceCheck

ROWS = 100
"""Records that are shown in the table; of more, only those that have something to be said of them."""

PLAIN_WIDTH = 160
"""Columns of the table where nothing tells how wide the output is."""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that holds one folder per data set. Default: ERCBENCH_DATA, else the user's data folder.",
)
@click.option("--without-data", is_flag=True, help="Check everything that needs no gold labels, and look for none.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(folder: Path, data_dir: Path | None, without_data: bool, as_json: bool) -> None:
    """Check every record in DIR, a results folder or one that `ercbench submit` made.

    Scores are computed again from the predictions and the gold labels, and must agree to the last bit. Every
    difference is listed with its file, its field, both values and what to do. Nothing in DIR is executed.

    The exit code is 0 when nothing is wrong, 7 when something is, and 3 when nothing is wrong but the data of a record
    are not here, so that its scores could not be computed again; with --without-data that is no failure.

    \b
    Examples:
      ercbench verify leaderboards
      ercbench verify submission --data-dir ~/erc-data
      ercbench verify leaderboards --without-data --json
    """  # noqa: D301
    from ercbench.catalog import load_catalog
    from ercbench.verification import Verifier, verify_folder

    catalog = load_catalog()
    evidence = None if without_data else _evidence_check(catalog, data_dir)
    report = verify_folder(folder, Verifier(catalog, data_dir, not without_data), evidence)
    if as_json:
        click.echo(json.dumps(_plain(folder, report), indent=2))
    else:
        _show(report)
    _end(report, folder)


def _evidence_check(catalog: Catalog, data_dir: Path | None) -> EvidenceCheck:
    """What compares ``evidence.json`` with all of it computed again."""
    from ercbench.gold import GoldLabels
    from ercbench.leaderboard.evidence import EVIDENCE_FILE
    from ercbench.leaderboard.rechecking import recheck
    from ercbench.verification.findings import Finding
    from ercbench.verification.folder import EVIDENCE_FIX

    def check(results: Path) -> list[Finding]:
        doubts = recheck(results, GoldLabels(catalog, data_dir))
        return [Finding(d.kind, EVIDENCE_FILE, d.field, d.what, d.recorded, d.found, EVIDENCE_FIX) for d in doubts]

    return check


def _plain(folder: Path, report: FolderReport) -> dict[str, object]:
    """The report as JSON has it."""
    return {
        "folder": folder.as_posix(),
        "ok": not report.of("fault") and not report.of("unverified"),
        "counts": _counts(report),
        "records": [
            {
                "file": checked.file,
                "status": checked.status,
                "signature": checked.record.signature if checked.record else None,
                "weighted_f1": checked.record.scores.test.weighted_f1 if checked.record else None,
                "findings": [finding.as_json() for finding in checked.findings],
            }
            for checked in report.records
        ],
        "others": [finding.as_json() for finding in report.others],
    }


def _counts(report: FolderReport) -> dict[str, int]:
    return {
        "records": len(report.records),
        "verified": report.count("verified"),
        "checked_without_data": report.count("checked without data"),
        "not_verified": report.count("not verified"),
        "faulty": report.count("faulty"),
        "faults": len(report.of("fault")),
        "notes": len(report.of("note")),
    }


def _show(report: FolderReport) -> None:
    """A table of the records, then every finding on a line of its own."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("Record", "Test weighted F1", "Status")
    shown = [one for one in report.records if len(report.records) <= ROWS or one.findings]
    for checked in shown:
        table.add_row(*(Text(cell, no_wrap=False, overflow="fold") for cell in _row(checked)))
    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    Console(markup=False, highlight=False, emoji=False, width=width).print(table)
    for title, lines in (
        ("Wrong", list(map(str, report.of("fault")))),
        ("Could not be verified", _by_data(report)),
        ("Notes", list(map(str, report.of("note")))),
    ):
        if lines:
            click.echo("\n".join(["", f"{title}:", *(f"- {line}" for line in lines)]))
    counts = _counts(report)
    parts = [f"{counts['verified']} of {_many(counts['records'], 'record')} verified"]
    parts += [f"{counts['checked_without_data']} checked without data"] if counts["checked_without_data"] else []
    click.echo(f"\n{', '.join(parts)}; {_many(counts['faults'], 'fault')}, {_many(counts['notes'], 'note')}.")


def _by_data(report: FolderReport) -> list[str]:
    """What could not be told, a line per data set and reason."""
    from ercbench.verification.untrusted import printable

    groups: dict[tuple[str, str], list[str]] = {}
    for checked in report.records:
        for finding in checked.findings:
            if finding.kind == "unverified" and checked.record:
                key = checked.record.dataset.name, f"{finding.what} {finding.fix}"
                groups.setdefault(key, []).append(checked.file)
    return [
        printable(f"{name} ({_many(len(files), 'record')}): {what}") for (name, what), files in sorted(groups.items())
    ]


def _row(checked: Checked) -> tuple[str, str, str]:
    from ercbench.verification.untrusted import printable

    record = checked.record
    return printable(checked.file), f"{100 * record.scores.test.weighted_f1:.2f}" if record else "", checked.status


def _end(report: FolderReport, folder: Path) -> None:
    """Raise what gives the exit code."""
    from ercbench.errors import DataError, RecordError

    if found := report.of("fault"):
        raise RecordError(f"{folder} is not what it says: {_many(len(found), 'fault')}, listed in the report.")
    if report.of("unverified"):
        evidence = sum(finding.kind == "unverified" for finding in report.others)
        also = f" and {evidence} of the entries of evidence.json" if evidence else ""
        raise DataError(
            f"The scores of {_many(report.count('not verified'), 'record')}{also} in {folder} could not be computed "
            "again; see the report. Bring the data, or check everything else with --without-data."
        )


def _many(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
