"""The leak tax: sealed predictions, scored for one report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from recorded import edited
from sklearn.metrics import f1_score

from ercbench import runner
from ercbench.catalog import load_catalog
from ercbench.cli import cli
from ercbench.config import resolve
from ercbench.devices import Device
from ercbench.errors import RecordError
from ercbench.gold import GoldLabels
from ercbench.leak_tax import LeakTax, Option, leak_tax
from ercbench.preparing import prepare
from ercbench.progress import Silent
from ercbench.records import read_record
from ercbench.whole_files import sha256_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def sealed_run(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    """The record of a run of EACL over three epochs, on a few dialogues with a tiny encoder."""
    catalog = load_catalog()
    values = {"encoder.checkpoint": str(tiny_checkpoint("bert")), "encoder.width": 16, "training.epochs": 3}
    config = resolve(catalog, "eacl", "mini", "meld-sample", values)
    prepared = prepare(catalog, config, None, 4)
    runner.run(prepared, 0, Device("cpu", "fp32"), tmp_path, Silent(), keep_model=False)
    return runner.cell_path(config, 0, tmp_path)


def test_the_tax_is_the_best_on_test_less_what_dev_chooses() -> None:
    """The first of the best on dev is what an honest run reports."""
    tax = LeakTax((Option("epoch 1", 0.4, 0.5), Option("epoch 2", 0.6, 0.45), Option("epoch 3", 0.6, 0.7)))
    assert (tax.by_dev.name, tax.by_test.name) == ("epoch 2", "epoch 3")
    assert tax.tax == pytest.approx(0.25)


def test_every_epoch_and_state_is_scored(sealed_run: Path) -> None:
    """By hand from the file: scikit-learn's weighted F1 of each column; the chosen state has the record's score."""
    record = read_record(sealed_run)
    gold = GoldLabels(load_catalog()).of(record)
    taxes = leak_tax(sealed_run, record, gold)
    header, *rows = (line.split(",") for line in sealed_run.with_name("seed-0.sealed.csv").read_text().splitlines())
    keys = gold.labels.keys
    truth = [keys[gold.test[row[0]]] for row in rows]
    options = {option.name: option for tax in taxes.values() for option in tax.options}
    assert list(options) == header[1:]
    for column, name in enumerate(header[1:], 1):
        guess = [row[column] for row in rows]
        assert options[name].test == f1_score(truth, guess, labels=keys, average="weighted", zero_division=0)
    chosen = options[f"state {record.training.chosen_candidate}"]
    assert chosen.test == record.scores.test.weighted_f1
    assert [option.dev for option in taxes["epochs"].options] == [e.dev_weighted_f1 for e in record.training.epochs]


def test_a_run_that_seals_nothing_says_how_to(sealed_run: Path) -> None:
    """The message names the record and the command."""
    record = read_record(sealed_run)
    bare = record.model_copy(update={"training": record.training.model_copy(update={"sealed": None})})
    with pytest.raises(RecordError, match=r"seed-0\.json: nothing was sealed in this run"):
        leak_tax(sealed_run, bare, GoldLabels(load_catalog()).of(record))


def _rewrite(path: Path, change: Callable[[str], str], honest: bool) -> None:
    """Change the sealed file; an `honest` change also puts its sha256 into the record."""
    file = path.with_name("seed-0.sealed.csv")
    text = change(file.read_text(encoding="utf-8"))
    file.write_text(text, encoding="utf-8")
    if honest:
        edited(path, lambda values: values["training"]["sealed"].update(sha256=sha256_of(text)))


@pytest.mark.parametrize(
    ("change", "honest", "message"),
    [
        (lambda text: text.replace("neutral", "joy", 1), False, "was changed after it was written"),
        (lambda text: text.replace("epoch 2", "epoch 9"), True, "columns are not the epochs and states"),
        (lambda text: text.replace("uid", "id", 1), True, "cannot read what was sealed"),
        (lambda text: text.replace("\n", ",x\n", 3), True, "cannot read what was sealed"),
        (lambda text: text.replace(",neutral", ",bliss", 1), True, "a predicted label is none of the data set's"),
        (lambda _: "", True, "cannot read what was sealed"),
    ],
)
def test_a_sealed_file_that_is_not_what_was_sealed_is_refused(
    sealed_run: Path, change: Callable[[str], str], honest: bool, message: str
) -> None:
    """Whoever changes it, with or without the record's checksum, is told what is wrong."""
    _rewrite(sealed_run, lambda text: change(text if "neutral" in text else text.replace("joy", "neutral")), honest)
    record = read_record(sealed_run)
    with pytest.raises(RecordError, match=message):
        leak_tax(sealed_run, record, GoldLabels(load_catalog()).of(record))


def test_the_command_prints_a_table_and_json(sealed_run: Path) -> None:
    """Both tell the same tax."""
    text = CliRunner().invoke(cli, ["leak-tax", str(sealed_run), str(sealed_run)])
    assert text.exit_code == 0, text.output
    assert "Leak tax over epochs" in text.output
    assert "Mean over 2 runs" in text.output
    found = json.loads(CliRunner().invoke(cli, ["leak-tax", str(sealed_run), "--json"]).output)
    assert found[0]["epochs"]["tax"] >= 0
    assert len(found[0]["epochs"]["options"]) == 3
    assert found[0]["signature"].endswith(read_record(sealed_run).signature.rpartition("|")[2])


def test_an_interrupted_run_seals_all_epochs(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, sealed_run: Path
) -> None:
    """The file is that of the undisturbed run."""

    class Stop(Silent):
        def advance(self, units: int, doing: str, figures: object = None) -> None:
            if doing.startswith("epoch 3"):
                raise KeyboardInterrupt

    catalog = load_catalog()
    values = {"encoder.checkpoint": str(tiny_checkpoint("bert")), "encoder.width": 16, "training.epochs": 3}
    config = resolve(catalog, "eacl", "mini", "meld-sample", values)
    prepared = prepare(catalog, config, None, 4)
    again = tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        runner.run(prepared, 0, Device("cpu", "fp32"), again, Stop(), keep_model=False)
    runner.run(prepared, 0, Device("cpu", "fp32"), again, Silent(), keep_model=False)
    name = "seed-0.sealed.csv"
    path = runner.cell_path(config, 0, again)
    assert read_record(path).training.resumed_after_epochs == [2]
    assert path.with_name(name).read_bytes() == sealed_run.with_name(name).read_bytes()
