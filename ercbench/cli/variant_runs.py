"""What ``ercbench grid`` and ``ercbench ablate`` have in common: what will be run, running it, what it gave."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ercbench.cli.options import request_of

if TYPE_CHECKING:
    from ercbench.catalog import Catalog
    from ercbench.cli.tables import Block
    from ercbench.grid import Request
    from ercbench.variants import LeftOut, Planned, VariantRuns

MARKDOWN = click.option(
    "--markdown",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the tables as a page of Markdown too.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, scores as fractions.")


def begin(options: dict[str, Any], recipe: str) -> tuple[Catalog, Request]:
    """Load plugins, read options, download what is to be downloaded; the request has a track."""
    from ercbench.catalog import load_with_files
    from ercbench.cli.processes import share_out
    from ercbench.cli.progress import downloads
    from ercbench.grid import default_track, fetch_missing

    request = request_of(options, [recipe], options["keep_models"])
    catalog = load_with_files(options["plugins"])
    fetch_missing(catalog, request, downloads(_silent(options)))
    share_out(request, options["dry_run"])
    return catalog, replace(request, track=request.track or default_track(catalog))


def carry_out(
    catalog: Catalog, options: dict[str, Any], planned: Sequence[Planned], impossible: Sequence[LeftOut]
) -> VariantRuns | None:
    """Say what is planned, and run it; None where nothing is to be run."""
    from ercbench.cli.progress import reporter
    from ercbench.variants import run_variants

    if not _silent(options):
        _describe(catalog, planned, impossible)
    if options["dry_run"]:
        return None
    return run_variants(planned, reporter(_silent(options)))


def noted(remarks: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What was noticed, a line each: a row that says little is not to be taken for one that says something."""
    yield from (f"Note on {name}: {remark}" for name, found in remarks.items() for remark in found)


def left_out(impossible: Sequence[LeftOut], failed: Sequence[LeftOut]) -> Iterator[str]:
    """What there are no results of, a line each."""
    if impossible:
        yield "Left out, because it cannot be run:"
        yield from map(str, impossible)
    if failed:
        yield "Left out, because a run of it failed; the same command with --retry-failed runs it again:"
        yield from map(str, failed)


def left_out_as_json(variants: Sequence[LeftOut]) -> list[dict[str, Any]]:
    """The same as JSON has it."""
    return [{"name": one.variant.name, "reasons": list(one.reasons)} for one in variants]


def finish(options: dict[str, Any], title: str, content: object, blocks: Sequence[Block], ran: VariantRuns) -> None:
    """Print what was found, and write it where that was asked for; then raise what went wrong.

    Raises:
        Exception: a run failed; `RunsFailed` for several.
    """
    from ercbench.cli.tables import as_markdown, show
    from ercbench.launching import is_main
    from ercbench.whole_files import write_atomically

    if not blocks:  # nothing was found, because of what went wrong
        ran.check()
    if options["page"] and is_main():
        write_atomically(options["page"], as_markdown(title, blocks))
    if options["as_json"]:
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
    elif not options["quiet"]:
        show(blocks)
        if options["page"]:
            click.echo(f"Wrote {options['page']}")
    ran.check()


def _silent(options: dict[str, Any]) -> bool:
    return bool(options["quiet"] or options["as_json"])


def _describe(catalog: Catalog, planned: Sequence[Planned], impossible: Sequence[LeftOut]) -> None:
    """What is about to happen, before it does."""
    from ercbench.cli.run import contaminations

    request = planned[0].request
    click.echo(f"Track {request.track}, context {request.context}, seeds {', '.join(map(str, request.seeds))}.")
    for one in planned:
        plan = one.plan
        failed = f", {len(plan.failed)} failed before" if plan.failed else ""
        state = f"{plan.cells} to run, {len(plan.done)} done{failed}" if plan.cells or failed else "done already"
        click.echo(f"{one.variant.name} on {one.variant.dataset.name}: {state}; records in {plan.results}")
        for failure in plan.failed:
            click.echo(f"  Failed before: {failure.cell}: {failure.what} Run it again with --retry-failed.")
        for remark in one.remarks:
            click.echo(f"  Note: {remark}")
    for line in left_out(impossible, []):
        click.echo(line)
    seen = [line for one in planned for prepared, _ in one.plan.groups for line in contaminations(catalog, prepared)]
    for line in dict.fromkeys(seen):
        click.echo(line)
    counts = [(one.plan.cells, len(one.plan.done), len(one.plan.failed)) for one in planned]
    left, done, before = (sum(column) for column in zip(*counts, strict=True))
    failed = f", {before} failed before" if before else ""
    click.echo(f"{left} to run, {done} done{failed}." if left or before else "Everything is done.")
