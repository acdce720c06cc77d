"""``ercbench run``: train and score, and write records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ercbench.cli.options import NO_MODEL, executor_options, request_of, run_options
from ercbench.cli.signals import stoppable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ercbench.catalog import Catalog
    from ercbench.failures import Failure
    from ercbench.grid import Plan, Request
    from ercbench.preparing import Prepared


@click.command()
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@run_options(NO_MODEL)
@executor_options
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON at the end, and no progress.")
@stoppable()
def run(**options: Any) -> None:
    """Train recipes on data sets, choose the epoch on dev, score test once, and write one record per seed.

    Started again after an interruption, the same command goes on after the last finished epoch; what is done is
    skipped.

    \b
    Examples:
      ercbench run eacl --dataset all --sample
      ercbench run eacl --dataset meld,iemocap --track mini --seeds 3
      ercbench run eacl eacl-no-anchors --dataset meld --set training.epochs=5 --results try
      ercbench run eacl --dataset ./my-calls
      ercbench run eacl --dataset meld --tracker jsonl --tracker wandb --tracker-option wandb.project=erc
      ercbench run eacl dialogue-rnn --dataset all --seeds 5 --executor ray
      ercbench run eacl --dataset all --dry-run
    """  # noqa: D301
    import json

    from ercbench.catalog import load_with_files
    from ercbench.cli.cell_progress import reporter
    from ercbench.cli.processes import share_out
    from ercbench.cli.progress import downloads
    from ercbench.cli.progress import reporter as one_by_one
    from ercbench.executing import execute
    from ercbench.grid import fetch_missing, plan

    request = request_of(options, options["recipes"], not options["no_model"])
    quiet = options["quiet"] or options["as_json"]
    catalog = load_with_files(options["plugins"])
    fetch_missing(catalog, request, downloads(quiet))
    share_out(request, options["dry_run"])
    prepared = plan(catalog, request)
    if not quiet:
        _describe(catalog, prepared, request)
    if options["dry_run"]:
        return
    outcome = execute(prepared, request, reporter(quiet) if request.executor else one_by_one(quiet))
    records = [record for _, record in prepared.done] + outcome.records
    if options["as_json"]:
        click.echo(json.dumps([record.model_dump(mode="json") for record in records], indent=2))
    elif not quiet:
        _summarise(records, outcome.failures, request)
    outcome.check()


def _describe(catalog: Catalog, plan: Plan, request: Request) -> None:
    """What is about to happen, before it does."""
    chosen = "as asked" if request.track else "the default here; change it with --track"
    click.echo(f"Track {plan.track} ({chosen}), context {request.context}. Records go to {plan.results}.")
    for path, record in plan.done:
        score = 100 * record.scores.test.weighted_f1
        click.echo(f"Done already: {path} (test weighted F1 {score:.2f}). Run it again with --force.")
    for failure in plan.failed:
        click.echo(f"Failed before: {failure.cell}: {failure.what} Run it again with --retry-failed.")
    for prepared, seeds in plan.groups:
        sizes = ", ".join(f"{split} {len(tokens)}" for split, tokens in prepared.tokens.items())
        origin = f"{prepared.checkpoint.name} ({prepared.checkpoint.origin})" if prepared.checkpoint else "no weights"
        steps = f"{'at most ' if prepared.config.curriculum else ''}{prepared.steps} steps"
        click.echo(
            f"{prepared.config.recipe.name} on {prepared.config.dataset.name}: utterances {sizes}; encoder {origin}; "
            f"{prepared.config.training.epochs} epochs, {steps}; seeds {', '.join(map(str, seeds))}"
        )
        for sentence in contaminations(catalog, prepared):
            click.echo(sentence)
    failed = f", {len(plan.failed)} failed before" if plan.failed else ""
    everything = plan.cells or plan.failed
    click.echo(f"{plan.cells} to run, {len(plan.done)} done{failed}." if everything else "Everything is done.")


def contaminations(catalog: Catalog, prepared: Prepared) -> list[str]:
    """What is known of data that the encoder's weights had seen before."""
    from ercbench.contamination import seen

    checkpoint = prepared.checkpoint
    if not checkpoint:
        return []
    found = seen(catalog, checkpoint.name, checkpoint.origin, prepared.config.dataset.name)
    return [f"Contaminated: {sentence}" for sentence in found]


def _summarise(records: list[Any], failures: Sequence[Failure], request: Request) -> None:
    """The scores, what failed, and where to read more."""
    from textwrap import shorten

    from tabulate import tabulate

    rows = [
        [
            r.recipe.name,
            r.dataset.name,
            r.track,
            r.protocol.context,
            r.seed,
            100 * r.scores.dev.weighted_f1,
            100 * r.scores.test.weighted_f1,
        ]
        for r in records
    ]
    headers = ["recipe", "data set", "track", "context", "seed", "dev wF1", "test wF1"]
    if rows:
        click.echo("\n" + tabulate(rows, headers, floatfmt=".2f"))
    if failures:
        columns = ["recipe", "data set", "seed", "failed", "where", "failure record"]
        shown = [
            [f.recipe, f.dataset, f.seed, shorten(f.what, 60), f.where, path if path.exists() else ""]
            for f in failures
            for path in [f.cell.failure(request.results)]
        ]
        click.echo("\n" + tabulate(shown, columns))
    if records:
        click.echo(f"\nMarkdown leaderboards from these: ercbench leaderboard build --results {request.results}")
