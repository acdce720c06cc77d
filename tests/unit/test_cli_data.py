"""``ercbench data``, and how light it is."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from ercbench_stock.datasets import DATASETS

from ercbench import data
from ercbench.cli.data import data as command
from ercbench.errors import DataError, UnknownName
from ercbench.reading import Problem

STOCK = {spec.name: spec for spec in DATASETS}


def test_list_says_which_files_are_here(tmp_path: Path) -> None:
    """Every data set is listed, with its folder; the ones to be fetched with their source."""
    result = CliRunner().invoke(command, ["list", "--data-dir", str(tmp_path), "--json"])
    rows = {row["name"]: row for row in json.loads(result.output)}
    assert set(STOCK) <= set(rows)
    assert rows["meld"]["files"] == "missing"
    assert rows["meld"]["folder"] == str(tmp_path / "meld")
    assert rows["meld-sample"]["files"] == "bundled"
    plain = CliRunner().invoke(command, ["list", "--data-dir", str(tmp_path)]).output
    assert STOCK["iemocap"].source in plain


def test_stats_and_check_agree_with_the_corpus() -> None:
    """Both print the fingerprint and the counts of the corpus, and end with 0."""
    corpus = data.load(STOCK["meld-sample"])
    labelled = data.statistics(corpus)["train"].labelled
    for arguments in (["stats"], ["check"], ["stats", "--json"], ["check", "--json"]):
        result = CliRunner().invoke(command, [*arguments, "meld-sample"], catch_exceptions=False)
        assert result.exit_code == 0
        assert corpus.fingerprint in result.output
        assert str(labelled) in result.output
        if "--json" in arguments:
            found = json.loads(result.output)
            assert found["splits"]["train"]["labelled"] == labelled
            assert found["fingerprints"]["content"] == corpus.fingerprint
            assert set(found["fingerprints"]["splits"]) == {"train", "dev", "test"}
            assert found["fingerprints"]["files"]["dev"][0]["name"] == "dev_sent_emo.csv"
    line = CliRunner().invoke(command, ["check", "meld-sample"]).output
    assert line.startswith("meld-sample: OK.")
    assert line.count("\n") == 1


def test_check_hands_errors_to_the_main_command(tmp_path: Path) -> None:
    """Missing files are a `DataError`, an unknown name an `UnknownName` with the near ones."""
    assert isinstance(CliRunner().invoke(command, ["check", "meld", "--data-dir", str(tmp_path)]).exception, DataError)
    error = CliRunner().invoke(command, ["check", "melt"]).exception
    assert isinstance(error, UnknownName)
    assert "meld" in str(error)


@pytest.mark.parametrize("arguments", [[], ["list"], ["fetch"], ["import"], ["stats"], ["check"], ["doctor"]])
def test_every_help_has_an_example(arguments: list[str]) -> None:
    """The help of each command shows at least one line to copy."""
    assert "  ercbench data " in CliRunner().invoke(command, [*arguments, "--help"]).output


def test_reading_data_loads_no_torch() -> None:
    """Data, readers and data sets stay light."""
    code = (
        "import sys, ercbench.cli.data, ercbench.data\n"
        "from ercbench_stock.datasets import DATASETS\n"
        "[ercbench.data.load(spec) for spec in DATASETS if spec.bundled]\n"
        "print([m for m in ('torch', 'pandas', 'datasets', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_network_is_out_of_reach() -> None:
    """The fixture that guards all tests refuses an address beyond loopback."""
    with pytest.raises(RuntimeError, match="network"), socket.socket() as connection:
        connection.connect(("192.0.2.1", 80))
    with pytest.raises(RuntimeError, match="network"):
        socket.getaddrinfo("example.org", 80)


def test_a_problem_reads_as_place_matter_and_remedy() -> None:
    """The line that a user sees."""
    assert str(Problem("a.csv, line 3", "is empty.", "Fill it.")) == "a.csv, line 3: is empty. Fill it."
