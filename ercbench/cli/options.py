"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ercbench.types import CONTEXT_PROTOCOLS

if TYPE_CHECKING:
    from ercbench.grid import Ray, Request

F = TypeVar("F", bound=Callable[..., Any])

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells use it."""


def plugin_files(command: F) -> F:
    """``--plugin FILE``, handed over as `plugins`."""
    option = click.option(
        "--plugin",
        "plugins",
        multiple=True,
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Also load a plugin from a Python file that is not packaged. Runs with one are never ranked.",
    )
    return option(command)


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


NO_MODEL = click.option(
    "--no-model", is_flag=True, help="Keep no trained model beside the record; `predict` and `export` need it."
)
KEEP_MODELS = click.option(
    "--keep-models", is_flag=True, help="Keep the trained model of every run beside its record; they are large."
)


def run_options(models: Callable[[F], F]) -> Callable[[F], F]:
    """Every option of a command that runs recipes; `models` says whether trained models are kept."""
    options: list[Callable[[F], F]] = [
        click.option("--dataset", "datasets", multiple=True, callback=split_names, metavar="NAME[,NAME]|FOLDER|all",
                     help="Data sets, or folders with a dataset.yaml such as ./my-calls; 'all' is MELD, EmoryNLP and "
                     "IEMOCAP.  [default: all]"),
        click.option("--track", help="Default: full on a CUDA GPU, else mini."),
        click.option("--context", type=click.Choice(CONTEXT_PROTOCOLS), default="past", show_default=True,
                     help="What of a dialogue is shown: earlier turns, later ones too, or neither. Ranked apart."),
        click.option("--seeds", type=click.IntRange(1), metavar="N", help="Run with seeds 0 to N-1."),
        click.option("--seed", callback=parse_seeds, metavar="N[,N]", help="Run with these seeds.  [default: 0]"),
        click.option("--set", "assignments", multiple=True, metavar="PATH=VALUE",
                     help="Change a value of the recipe, such as training.epochs=1. Recorded, and never ranked."),
        click.option("--sample", is_flag=True, help="Use the small bundled corpora instead. Never ranked."),
        click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path),
                     help="Folder with one folder per data set.  [default: $ERCBENCH_DATA, else user data]"),
        click.option("--fetch", is_flag=True, help="First download the public data sets that are not there."),
        click.option("--results", type=click.Path(file_okay=False, path_type=Path),
                     help="Folder of the records.  [default: leaderboards, with --sample leaderboards/sample]"),
        click.option("--device", type=click.Choice(["cpu", "cuda", "mps"]), help="Default: the fastest there is."),
        click.option("--chunk", type=click.IntRange(1), metavar="N",
                     help="Encode at most N utterances at once; losses still see whole batches. Halved by itself when "
                     "memory runs out.  [default: the whole batch]"),
        click.option("--processes", type=click.IntRange(1), default=1, show_default=True, metavar="N",
                     help="Share each run among N processes of this machine, on CUDA one per GPU; losses still see "
                     "whole batches."),
        click.option("--limit", type=click.IntRange(1), metavar="N",
                     help="Only the first N dialogues per split. Never ranked."),
        click.option("--dry-run", is_flag=True,
                     help="Check and prepare everything, report every problem, train nothing."),
        click.option("--force", is_flag=True, help="Run cells again that are done, and replace their records."),
        click.option("--retry-failed", is_flag=True, help="Run cells again that failed before."),
        models,
        click.option("--tracker", "trackers", multiple=True, metavar="NAME",
                     help="Tell a tracker of each run, such as jsonl. May be given several times."),
        click.option("--tracker-option", "tracker_options", multiple=True, metavar="NAME.FIELD=VALUE",
                     help="Set a field of a tracker, such as wandb.project=erc."),
        plugin_files,
        click.option("--quiet", is_flag=True, help="Print nothing but errors."),
    ]  # fmt: skip

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def executor_options(command: F) -> F:
    """``--executor`` and what belongs to it, handed over as `executor`, `ray_address` and so on."""
    options: list[Callable[[F], F]] = [
        click.option("--executor", type=click.Choice(["serial", "ray"]), default="serial", show_default=True,
                     help="Who runs the cells: this process, one after the other, or Ray, as many as fit at once."),
        click.option("--ray-address", metavar="auto|HOST:PORT",
                     help="A cluster that this machine belongs to.  [default: Ray on this machine alone]"),
        click.option("--gpus-per-run", type=click.FloatRange(0), metavar="N",
                     help="GPUs of a run on Ray, such as 0.5 where two fit on one.  [default: 1 on CUDA, else 0]"),
        click.option("--cpus-per-run", type=click.IntRange(1), metavar="N",
                     help="Processors of a run on Ray, and threads of its computation.  [default: 1]"),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def request_of(options: dict[str, Any], recipes: Sequence[str], keep_model: bool) -> Request:
    """The options of `run_options` -> what was asked for.

    Raises:
        UsageError: options exclude each other.
        BadSetting: an assignment is none.
    """
    from ercbench.cells import RESULTS
    from ercbench.errors import UsageError
    from ercbench.grid import ALL, SAMPLE_FOLDER, Request
    from ercbench.values import parse_assignment

    if options["seeds"] and options["seed"]:
        raise UsageError("--seeds and --seed exclude each other. Got both. Leave one out.")
    results = RESULTS / SAMPLE_FOLDER if options["sample"] else RESULTS
    return Request(
        recipes=recipes,
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
        retry_failed=options["retry_failed"],
        keep_model=keep_model,
        fetch=options["fetch"],
        trackers=_trackers(options["trackers"], options["tracker_options"]),
        chunk=options["chunk"],
        processes=options["processes"],
        executor=_executor(options),
    )


def _executor(options: dict[str, Any]) -> Ray | None:
    """The options of `executor_options`, where the command has them."""
    from ercbench.errors import UsageError
    from ercbench.grid import Ray

    given = {name: options.get(name) for name in ("ray_address", "gpus_per_run", "cpus_per_run")}
    if options.get("executor", "serial") == "ray":
        if options["processes"] > 1:
            raise UsageError(
                f"A run on Ray has one process. Got --executor ray and --processes {options['processes']}. Leave one "
                "out: Ray runs several cells at once, --processes shares one among several devices."
            )
        return Ray(options["ray_address"], options["gpus_per_run"], options["cpus_per_run"] or 1)
    if named := [name for name, value in given.items() if value is not None]:
        option = f"--{named[0].replace('_', '-')}"
        raise UsageError(f"{option} is for --executor ray. Got it without. Add --executor ray, or leave it out.")
    return None


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
