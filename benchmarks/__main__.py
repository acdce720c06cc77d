"""``python -m benchmarks [PART...]``: measure, print, and merge into ``benchmarks/results/latest.json``."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import click

LATEST = Path(__file__).parent / "results" / "latest.json"
MACHINES = "machines"
"""Key of what each part was measured on; every other key is a figure."""
PARTS = (
    "train_step",
    "epoch",
    "loss",
    "predict",
    "text",
    "startup",
    "growth",
    "profile",
    "calibration",
    "boards",
    "executors",
)
WITHOUT_DATA = {"calibration", "boards", "executors"}
"""Parts that make their data up, or use the samples."""


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--data-dir", type=click.Path(path_type=Path, exists=True), envvar="ERCBENCH_DATA",
              help="Folder of the real data sets.  [default: $ERCBENCH_DATA]")  # fmt: skip
@click.option("--quick", is_flag=True, help="A few steps of each, to see that it runs; nothing is written.")
def main(parts: tuple[str, ...], data_dir: Path | None, quick: bool) -> None:
    """Measure PARTs (all by default) and write the figures, each part with the machine and the command.

    \b
    Examples:
      python -m benchmarks train_step loss
      python -m benchmarks --quick
    """  # noqa: D301
    from benchmarks.machine import description
    from benchmarks.parts import Options

    if data_dir is None and not WITHOUT_DATA.issuperset(parts or PARTS):
        raise click.UsageError(
            "The figures are of the real data sets. Name their folder: --data-dir, or ERCBENCH_DATA."
        )
    for name in parts or PARTS:
        click.echo(f"{name} ...")
        figures = import_module(f"benchmarks.parts.{name}").measure(Options(data_dir, quick))
        for key, value in figures.items():
            click.echo(f"  {key}: {'not measured' if value is None else f'{value:.4g}'}")
        if not quick:
            _merge(name, figures, description())


def _merge(part: str, figures: dict[str, float | None], machine: dict[str, object]) -> None:
    """Replace a part's figures in the file, and leave the others."""
    known = json.loads(LATEST.read_text(encoding="utf-8")) if LATEST.is_file() else {MACHINES: {}}
    machines = dict(sorted((known.pop(MACHINES) | {part: machine}).items()))
    kept = {key: value for key, value in known.items() if key.split(".")[0] != part}
    rounded = {key: value and float(f"{value:.5g}") for key, value in figures.items()}
    content = {MACHINES: machines, **dict(sorted((kept | rounded).items()))}
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
