"""``ercbench run``: train and score, and write records."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ercbench.cli.options import plugin_files
from ercbench.types import CONTEXT_PROTOCOLS

if TYPE_CHECKING:
    from ercbench.catalog import Catalog
    from ercbench.grid import Plan, Request
    from ercbench.preparing import Prepared


INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells use it."""


def split_names(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> list[str]:
    """``("a,b", "c")`` -> ``["a", "b", "c"]``."""
    return [name.strip() for text in value for name in text.split(",") if name.strip()]


def parse_seeds(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[int] | None:
    """``"0,3"`` -> ``[0, 3]``."""
    if value is None:
        return None
    try:
        seeds = [int(text) for text in value.split(",")]
    except ValueError:
        seeds = [-1]
    if min(seeds) < 0:
        raise click.BadParameter(f"seeds are whole numbers from 0, separated by commas, such as 0,3. Got {value!r}.")
    return list(dict.fromkeys(seeds))


@click.command()
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@click.option("--dataset", "datasets", multiple=True, callback=split_names, metavar="NAME[,NAME]|FOLDER|all",
              help="Data sets, or folders with a dataset.yaml such as ./my-calls; 'all' is MELD, EmoryNLP and "
              "IEMOCAP.  [default: all]")  # fmt: skip
@click.option("--track", help="Default: full on a CUDA GPU, else mini.")
@click.option("--context", type=click.Choice(CONTEXT_PROTOCOLS), default="past", show_default=True,
              help="What of a dialogue is shown: earlier turns, later ones too, or neither. Ranked apart.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(1), metavar="N", help="Run with seeds 0 to N-1.")
@click.option("--seed", callback=parse_seeds, metavar="N[,N]", help="Run with these seeds.  [default: 0]")
@click.option("--set", "assignments", multiple=True, metavar="PATH=VALUE",
              help="Change a value of the recipe, such as training.epochs=1. Recorded, and never ranked.")  # fmt: skip
@click.option("--sample", is_flag=True, help="Use the small bundled corpora instead. Never ranked.")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path),
              help="Folder with one folder per data set.  [default: $ERCBENCH_DATA, else user data]")  # fmt: skip
@click.option("--fetch", is_flag=True, help="First download the public data sets that are not there.")
@click.option("--results", type=click.Path(file_okay=False, path_type=Path),
              help="Folder of the records.  [default: leaderboards, with --sample leaderboards/sample]")  # fmt: skip
@click.option("--device", type=click.Choice(["cpu", "cuda", "mps"]), help="Default: the fastest there is.")
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Only the first N dialogues per split. Never ranked."
)
@click.option("--dry-run", is_flag=True, help="Check and prepare everything, report every problem, train nothing.")
@click.option("--force", is_flag=True, help="Run cells again that are done, and replace their records.")
@click.option(
    "--no-model", is_flag=True, help="Keep no trained model beside the record; `predict` and `export` need it."
)
@click.option("--tracker", "trackers", multiple=True, metavar="NAME",
              help="Tell a tracker of each run, such as jsonl. May be given several times.")  # fmt: skip
@click.option("--tracker-option", "tracker_options", multiple=True, metavar="NAME.FIELD=VALUE",
              help="Set a field of a tracker, such as wandb.project=erc.")  # fmt: skip
@plugin_files
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON at the end, and no progress.")
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
      ercbench run eacl --dataset all --dry-run
    """  # noqa: D301
    import json

    from ercbench.catalog import load_with_files
    from ercbench.cli.progress import downloads, reporter
    from ercbench.grid import execute, fetch_missing, plan

    request = _request(options)
    quiet = options["quiet"] or options["as_json"]
    catalog = load_with_files(options["plugins"])
    fetch_missing(catalog, request, downloads(quiet))
    prepared = plan(catalog, request)
    if not quiet:
        _describe(catalog, prepared, request)
    if options["dry_run"]:
        return
    try:
        new = execute(prepared, request, reporter(quiet))
    except KeyboardInterrupt:
        click.echo("Interrupted. The same command goes on after the last finished epoch.", err=True)
        sys.exit(INTERRUPTED)
    records = [record for _, record in prepared.done] + new
    if options["as_json"]:
        click.echo(json.dumps([record.model_dump(mode="json") for record in records], indent=2))
    elif not quiet:
        _summarise(records, request)


def _request(options: dict[str, Any]) -> Request:
    from ercbench.errors import UsageError
    from ercbench.grid import ALL, SAMPLE_FOLDER, Request
    from ercbench.values import parse_assignment

    if options["seeds"] and options["seed"]:
        raise UsageError("--seeds and --seed exclude each other. Got both. Leave one out.")
    results = Path("leaderboards", SAMPLE_FOLDER) if options["sample"] else Path("leaderboards")
    return Request(
        recipes=options["recipes"],
        datasets=options["datasets"] or [ALL],
        track=options["track"],
        context=options["context"],
        seeds=list(range(options["seeds"])) if options["seeds"] else options["seed"] or [0],
        overrides=dict(parse_assignment(text) for text in options["assignments"]),
        sample=options["sample"],
        limit=options["limit"],
        data_dir=options["data_dir"],
        results=options["results"] or results,
        device=options["device"],
        force=options["force"],
        keep_model=not options["no_model"],
        fetch=options["fetch"],
        trackers=_trackers(options["trackers"], options["tracker_options"]),
    )


def _trackers(names: tuple[str, ...], assignments: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """``("wandb",), ("wandb.project=erc",)`` -> ``{"wandb": {"project": "erc"}}``."""
    from ercbench.errors import BadSetting
    from ercbench.values import parse_assignment

    settings: dict[str, dict[str, Any]] = {name: {} for name in names}
    for text in assignments:
        path, value = parse_assignment(text, "--tracker-option", "NAME.FIELD=VALUE", "wandb.project=erc")
        name, _, field = path.rpartition(".")
        if name not in settings:
            known = ", ".join(names) or "none"
            raise BadSetting(f"--tracker-option is for a tracker named with --tracker. Got {text!r}. Named: {known}.")
        settings[name][field] = value
    return settings


def _describe(catalog: Catalog, plan: Plan, request: Request) -> None:
    """What is about to happen, before it does."""
    chosen = "as asked" if request.track else "the default here; change it with --track"
    click.echo(f"Track {plan.track} ({chosen}), context {request.context}. Records go to {plan.results}.")
    for path, record in plan.done:
        score = 100 * record.scores.test.weighted_f1
        click.echo(f"Done already: {path} (test weighted F1 {score:.2f}). Run it again with --force.")
    for prepared, seeds in plan.groups:
        sizes = ", ".join(f"{split} {len(tokens)}" for split, tokens in prepared.tokens.items())
        origin = f"{prepared.checkpoint.name} ({prepared.checkpoint.origin})" if prepared.checkpoint else "no weights"
        steps = f"{'at most ' if prepared.config.curriculum else ''}{prepared.steps} steps"
        click.echo(
            f"{prepared.config.recipe.name} on {prepared.config.dataset.name}: utterances {sizes}; encoder {origin}; "
            f"{prepared.config.training.epochs} epochs, {steps}; seeds {', '.join(map(str, seeds))}"
        )
        _warn(catalog, prepared)
    click.echo(f"{plan.cells} to run, {len(plan.done)} done." if plan.cells else "Everything is done.")


def _warn(catalog: Catalog, prepared: Prepared) -> None:
    """What is known of data that the encoder's weights had seen before."""
    from ercbench.contamination import seen

    checkpoint = prepared.checkpoint
    if checkpoint:
        for sentence in seen(catalog, checkpoint.name, checkpoint.origin, prepared.config.dataset.name):
            click.echo(f"Contaminated: {sentence}")


def _summarise(records: list[Any], request: Request) -> None:
    """The scores, and where to read more."""
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
    click.echo("\n" + tabulate(rows, headers, floatfmt=".2f"))
    click.echo(f"\nMarkdown leaderboards from these: ercbench leaderboard build --results {request.results}")
