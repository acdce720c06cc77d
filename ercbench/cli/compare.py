"""``ercbench compare``: whether systems differ by more than chance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ercbench.cli.options import split_names

if TYPE_CHECKING:
    from ercbench.cli.tables import Heading
    from ercbench.comparing import Compared, Pair, Row
    from ercbench.statistics import Comparison, Interval
    from ercbench.systems import Task


@click.command()
@click.argument("systems", nargs=-1, required=True, metavar="SYSTEM SYSTEM...")
@click.option("--dataset", "datasets", multiple=True, callback=split_names, metavar="NAME[,NAME]",
              help="Compare on these data sets alone.  [default: all that two systems share]")  # fmt: skip
@click.option("--results", type=click.Path(file_okay=False, path_type=Path), default=Path("leaderboards"),
              show_default=True, help="Folder that holds records/, where recipes are looked up.")  # fmt: skip
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path),
              help="Folder with one folder per data set.  [default: $ERCBENCH_DATA, else user data]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, scores as fractions.")
def compare(systems: tuple[str, ...], datasets: list[str], results: Path, data_dir: Path | None, as_json: bool) -> None:
    """Test two or more systems in pairs, on the same test dialogues.

    A SYSTEM is a recipe with records in the results folder, such as eacl (its newest version there) or eacl@2, or the
    path of a record or of a folder of records. Only records on the same content of a data set, the same track and the
    same context protocol are compared.

    Each pair has the difference of weighted F1, averaged over seeds, with its 95 % interval over test dialogues, and
    p-values: of the paired bootstrap and of approximate randomisation, both of whole dialogues, and of Welch's t-test
    over seeds. The largest of them is corrected by Holm's method for all pairs that are printed.

    \b
    Examples:
      ercbench compare eacl eacl-shared
      ercbench compare eacl@1 eacl@2 eacl-shared --dataset meld --json
      ercbench compare mine/records/meld/mini/eacl@2 leaderboards/records/meld/mini/eacl@2
    """  # noqa: D301
    from ercbench.catalog import load_catalog
    from ercbench.comparing import compare_systems
    from ercbench.errors import UsageError
    from ercbench.gold import GoldLabels
    from ercbench.systems import find_systems

    if len(systems) < 2:
        raise UsageError(f"It takes two systems to compare. Got {systems[0]!r} alone. Name another.")
    found = find_systems(systems, results, datasets)
    compared = compare_systems(found, GoldLabels(load_catalog(), data_dir))
    notes = [note for system in found for note in system.notes]
    shown = {one.task for one in compared}
    notes += [f"{task}: only {system.name} has records." for system in found for task in system.tasks
              if task not in shown]  # fmt: skip
    if as_json:
        content = {"notes": notes, "comparisons": [_plain(one) for one in compared]}
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        _show(compared, notes)


def _plain(one: Compared) -> dict[str, Any]:
    """One task as JSON has it."""
    return {
        **asdict(one.task),
        "systems": [row_as_json(row) for row in one.rows],
        "pairs": [pair_as_json(pair) for pair in one.pairs],
    }


def row_as_json(row: Row) -> dict[str, Any]:
    """A system on a task as JSON has it."""
    return {
        "name": row.name,
        "records": [{"seed": record.seed, "path": path.as_posix()} for path, record in row.records],
        "signature": row.records[0][1].signature,
        "over_seeds": asdict(row.over_seeds),
        "over_dialogues": asdict(row.over_dialogues),
    }


def pair_as_json(pair: Pair) -> dict[str, Any]:
    """A pair of systems as JSON has it."""
    return {
        "a": pair.a,
        "b": pair.b,
        **asdict(pair.found),
        "p": pair.found.p,
        "p_holm": pair.p_holm,
        "differs": pair.differs,
        "sentence": pair.sentence,
    }


def _show(compared: Sequence[Compared], notes: Sequence[str]) -> None:
    """The tables for a person."""
    from ercbench.cli.tables import Table, show

    for one in compared:
        systems = Table(("System", "Weighted F1", "Over test dialogues", "Seeds", "Deviation", "Over seeds"),
                        [_cells(row) for row in one.rows])  # fmt: skip
        pairs = Table(("Pair", "Difference", "95 % interval", "p bootstrap", "p randomis.", "p seeds", "p Holm"),
                      [_pair_cells(pair) for pair in one.pairs])  # fmt: skip
        show([head_of(one.task), systems, pairs, *(pair.sentence for pair in one.pairs), ""])
    show([f"Note: {note}" for note in notes])


def head_of(task: Task) -> Heading:
    """What all that stands below has in common."""
    from ercbench.cli.tables import Heading

    return Heading(f"{task}, data version {task.version}, {task.fingerprint[:19]}")


def _cells(row: Row) -> tuple[str, ...]:
    spread = row.over_seeds
    deviation = "" if spread.deviation is None else f"{100 * spread.deviation:.2f}"
    seeds = "" if spread.interval is None else interval(spread.interval)
    return row.name, f"{100 * spread.mean:.2f}", interval(row.over_dialogues), str(spread.seeds), deviation, seeds


def _pair_cells(pair: Pair) -> tuple[str, ...]:
    return f"{pair.a} - {pair.b}", *difference_cells(pair.found, pair.p_holm)


def difference_cells(found: Comparison, p_holm: float) -> tuple[str, ...]:
    """A difference with its interval and p-values, as cells of a table."""
    effect, p_values = found.effect, (found.p_bootstrap, found.p_randomisation, found.p_seeds, p_holm)
    return (
        f"{100 * effect.estimate:+.2f}",
        f"{100 * effect.low:+.2f} to {100 * effect.high:+.2f}",
        *("" if p is None else "< 0.0001" if p < 0.0001 else f"{p:.4f}" for p in p_values),
    )


def interval(found: Interval) -> str:
    """An interval in points."""
    return f"{100 * found.low:.2f} to {100 * found.high:.2f}"
