"""``ercbench predict``: the emotions of conversations without labels."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from ercbench.cli.options import plugin_files

if TYPE_CHECKING:
    from ercbench.conversations import Format
    from ercbench.inference import Emotion

CHUNK = 512
"""Turns that are read, encoded and written together, unless each is answered at once."""


@click.command()
@click.argument("record", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("file", default="-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]),
              help="Of the input.  [default: by the file's ending; jsonl for standard input]")  # fmt: skip
@click.option("--output", type=click.File("w", encoding="utf-8", lazy=False), default="-",
              help="Where to write.  [default: standard output]")  # fmt: skip
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV instead of JSONL.")
@click.option("--live/--no-live", default=None,
              help="Answer every line at once.  [default: for standard input]")  # fmt: skip
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True, help="Turns per batch.")
@click.option("--device", type=click.Choice(["cpu", "cuda", "mps"]), help="Default: the fastest there is.")
@click.option("--precision", type=click.Choice(["fastest", "bf16", "fp32"]), default="fastest", show_default=True,
              help="fastest: bf16 where the device has it. fp32 gives exactly the probabilities of the run, at about "
              "half the speed.")  # fmt: skip
@plugin_files
def predict(record: Path, file: Path, output: IO[str], **options: Any) -> None:
    """Predict the emotions of conversations with the model of RUN, the path of a record.

    FILE holds one turn per row, JSONL or CSV with the fields dialogue, speaker and text, the turns of a dialogue one
    after the other. One row is written per turn, with the probability of each emotion. Memory does not grow with FILE.

    \b
    Examples:
      ercbench predict leaderboards/records/meld/mini/eacl@2/seed-0.json talk.jsonl
      ercbench predict RUN calls.csv --csv --output emotions.csv
      tail -f talk.jsonl | ercbench predict RUN
    """  # noqa: D301
    from ercbench.catalog import load_with_files
    from ercbench.conversations import read_turns
    from ercbench.devices import Device
    from ercbench.inference import Predictor
    from ercbench.models import load

    live = str(file) == "-" if options["live"] is None else options["live"]
    form: Format = options["form"] or ("csv" if file.suffix.lower() == ".csv" else "jsonl")
    with _opened(file) as stream:
        trained = load(load_with_files(options["plugins"]), record)
        device = Device(options["device"], options["precision"])
        if device.precision != trained.record.environment.precision:
            click.echo(
                f"Computing in {device.precision}; the run's own predictions were made in "
                f"{trained.record.environment.precision}, and differ a little. To have those: --precision "
                f"{trained.record.environment.precision}",
                err=True,
            )
        predictor = Predictor(trained, device)
        write = _writer(output, options["as_csv"], trained.labels)
        turns = read_turns(stream, "standard input" if str(file) == "-" else str(file), form)
        for emotion in predictor.predict(turns, 1 if live else CHUNK, options["batch_size"]):
            write(emotion)
            if live:
                output.flush()


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    from ercbench.errors import DataError

    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise DataError(f"Cannot read {file}: {error.strerror}. Name a JSONL or CSV file.") from error
    with stream:
        yield stream


def _writer(output: IO[str], as_csv: bool, labels: tuple[str, ...]) -> Callable[[Emotion], None]:
    """What writes one row."""
    if as_csv:
        table = csv.writer(output, lineterminator="\n")
        table.writerow(["dialogue", "turn", "speaker", "emotion", *labels])
        return lambda found: table.writerow(
            [found.dialogue, found.turn, found.speaker, found.emotion]
            + [f"{found.probabilities[label]:.6f}" for label in labels]
        )

    def write(found: Emotion) -> None:
        row = vars(found) | {"probabilities": {key: round(value, 6) for key, value in found.probabilities.items()}}
        output.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write
