"""The plugins that come with ercbench pass the conformance kit, and the kit tells what it should to whoever runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import ercbench.testing
from ercbench.cli import cli
from ercbench.errors import PluginError, UnknownName, UsageError
from ercbench.testing import Result, check_plugin, kit, parametrize_with_checks

pytestmark = pytest.mark.usefixtures("one_thread")


QUICK = {"epochs": 12, "lr": 0.02, "dropout": 0.1}
SETTINGS = {
    "loss/pml": {"class_name": "TripletMarginLoss"},
    "classifier/bilstm": {**QUICK, "state": 16},
    "classifier/dialogue-rnn": {**QUICK, "global_state": 16, "party_state": 16, "emotion_state": 16},
    "classifier/dag-erc": {**QUICK, "width": 16},
}


@parametrize_with_checks("stock", settings=SETTINGS)
def test_stock_conforms(check: Callable[[], None]) -> None:
    """The stock plugin keeps every promise; data sets that are not here are skipped with the reason."""
    check()


@parametrize_with_checks("eacl", settings={"encoder/dialogue-shared": {"width": 16}})
def test_eacl_conforms(check: Callable[[], None]) -> None:
    """EACL keeps every promise."""
    check()


def result(outcome: str) -> Result:
    """What came of a check that does not exist."""
    return Result("loss", "mine", "scalar", outcome, "It is so.", 0.1)  # type: ignore[arg-type]


def test_a_known_failure_is_strict() -> None:
    """Listed and failing is known; listed and passing fails; a skipped check stays skipped."""
    assert kit.strict(result("failed"), "why").outcome == "known"
    assert kit.strict(result("failed"), "why").message == "why"
    passing = kit.strict(result("passed"), "why")
    assert passing.outcome == "failed"
    assert "Take it off the list" in passing.message
    assert kit.strict(result("skipped"), "why") == result("skipped")
    assert kit.strict(result("failed"), None) == result("failed")


def test_unknown_names_are_refused() -> None:
    """A plugin, a known failure or a part that does not exist is an error that says what there is."""
    with pytest.raises(UnknownName, match="Did you mean stock"):
        check_plugin("stok")
    with pytest.raises(UsageError, match=r"known failure.*loss/cross-entropy/scaler"):
        check_plugin("stock", {"loss/cross-entropy/scaler": "a slip of the pen"})
    with pytest.raises(UsageError, match="part with settings"):
        check_plugin("stock", settings={"loss/entropy": {}})


FEW = [case for case in kit.cases("stock") if case.subject.name in ("cross-entropy", "majority")]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin of a few cases."""
    monkeypatch.setattr(kit, "cases", lambda *_: FEW)


@pytest.mark.usefixtures("few")
def test_the_command_prints_a_table_and_ends_with_an_exit_code() -> None:
    """A table with a row per check and a last line with the counts; 0 where nothing failed."""
    found = CliRunner().invoke(cli, ["plugin", "check", "stock"])
    assert found.exit_code == 0, found.output
    assert "batch-of-one" in found.output
    assert "passed" in found.output.splitlines()[-1]


@pytest.mark.usefixtures("few")
def test_the_command_fails_with_a_failing_check() -> None:
    """A check that passes though it is listed as failing fails the command, in the table and in JSON."""
    arguments = ["plugin", "check", "stock", "--known-failure", "loss/cross-entropy/scalar=not written yet"]
    found = CliRunner().invoke(cli, arguments)
    assert isinstance(found.exception, PluginError), found.output
    assert "Take it off the list" in " ".join(found.output.split())
    as_json = CliRunner().invoke(cli, [*arguments, "--json"])
    assert isinstance(as_json.exception, PluginError)
    rows = json.loads(as_json.stdout)
    assert {row["outcome"] for row in rows} == {"passed", "failed", "skipped"}
    assert rows[0].keys() == {"kind", "part", "check", "outcome", "message", "seconds"}


def test_the_decorator_skips_fails_and_expects(tmp_path: Path) -> None:
    """In a project's own test run: ids name kind, part and check; a known failure that passes fails the run."""
    (tmp_path / "test_it.py").write_text(
        "from ercbench.testing import kit, parametrize_with_checks, pytesting\n"
        "pytesting.cases = lambda *given: [case for case in kit.cases(*given) if case.check.kind == 'loss']\n"
        "@parametrize_with_checks('stock', {'loss/cross-entropy/permutation': 'samples negatives'})\n"
        "def test_conformance(check):\n"
        "    check()\n"
    )
    arguments = [
        sys.executable,
        "-m",
        "pytest",
        "-rA",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "test_it.py",
    ]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "PASSED test_it.py::test_conformance[loss/cross-entropy/scalar]" in done.stdout
    assert "FAILED test_it.py::test_conformance[loss/cross-entropy/permutation] - [XPASS(" in done.stdout
    assert "names no parts" in done.stdout
    assert done.returncode == 1


def test_public_names_of_the_kit() -> None:
    """`ercbench.testing.__all__` is sorted and importable, and importing it loads neither pytest nor torch."""
    assert ercbench.testing.__all__ == sorted(ercbench.testing.__all__)
    code = (
        "import sys, ercbench.testing as kit\n"
        "[getattr(kit, name) for name in kit.__all__]\n"
        "print('pytest' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_a_part_that_asks_for_the_network_fails() -> None:
    """A check runs without a network: whatever asks for it is refused, and the message says so."""
    import socket

    def asks(_: object) -> None:
        """It asks for nothing.

        Bring the file in the package.
        """
        socket.create_connection(("198.51.100.1", 80))

    case = replace(FEW[0], check=replace(FEW[0].check, run=asks))
    assert "asked for the network" in case.run().message
