"""``--plugin FILE`` loads a plugin that is not packaged, and a run with one says so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ercbench
from ercbench import grid, models
from ercbench.catalog import load_catalog, load_with_files
from ercbench.cli import cli, main
from ercbench.errors import PluginError, RecordError, UsageError
from ercbench.executing import execute
from ercbench.grid import Request
from ercbench.progress import Silent
from ercbench.records import RunRecord
from ercbench.specs import LossSpec
from ercbench.testing import kit

SOURCE = '''
from torch import nn
from ercbench import LossOutput, LossSpec, Recipe, hookimpl

ERCBENCH_API = 1


class Nothing(nn.Module):
    """No loss at all."""

    def __init__(self, settings, labels, dimension):
        super().__init__()

    def forward(self, batch):
        return LossOutput(batch.vectors.sum() * 0)


@hookimpl
def ercbench_losses():
    return [LossSpec(name="nothing", summary="No loss", target=f"{__name__}:Nothing")]


@hookimpl
def ercbench_recipes():
    values = {"losses.nothing.weight": 1.0}
    return [Recipe(name="mine", summary="", version="1", reference="ours", base="eacl", values=values)]
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A sound plugin."""
    path = tmp_path / "my_loss.py"
    path.write_text(SOURCE)
    return path


def test_its_parts_are_listed_under_its_name(file: Path) -> None:
    """The file's name stands where a distribution's would; its code is found where its specs say."""
    found = CliRunner().invoke(cli, ["list", "losses", "--json", "--plugin", str(file)])
    rows = {row["name"]: row for row in json.loads(found.stdout)}
    assert rows["nothing"]["distribution"] == "my_loss.py"
    catalog = load_catalog(local=[file, file])
    assert catalog.get(LossSpec, "my_loss.py:nothing").target == "my_loss:Nothing"
    [plugin] = catalog.local
    assert (plugin.version, plugin.sha256) == ("local file", hashlib.sha256(SOURCE.encode()).hexdigest())


def test_a_file_that_was_changed_is_read_again(file: Path) -> None:
    """No compiled file is kept beside it, which a quick change would not outdate."""
    first = load_catalog(local=[file]).get(LossSpec, "nothing")
    file.write_text(SOURCE.replace("No loss", "No  gain"))
    assert (first.summary, load_catalog(local=[file]).get(LossSpec, "nothing").summary) == ("No loss", "No  gain")
    assert [path.name for path in file.parent.iterdir()] == ["my_loss.py"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("not_there.py", "No such file or directory. Check the path."),
        (".", "Is a directory"),
        ("my-loss.py", "whose name can be that of a module, such as my_loss.py. Got my-loss.py. Rename it."),
        ("class.py", "whose name can be that of a module"),
        ("notes.txt", "whose name can be that of a module"),
        ("json.py", "there is a module json already"),
        ("tabulate.py", "there is a module tabulate already"),
    ],
)
def test_a_file_that_cannot_be_a_module_is_refused(tmp_path: Path, name: str, message: str) -> None:
    """With what is wrong with it."""
    if name not in ("not_there.py", "."):
        (tmp_path / name).write_text(SOURCE)
    with pytest.raises(UsageError, match="--plugin") as caught:
        load_catalog(local=[tmp_path / name])
    assert message in str(caught.value)


def test_two_files_of_one_name_are_refused(file: Path) -> None:
    """One would hide the other."""
    other = file.parent / "other" / file.name
    other.parent.mkdir()
    other.write_text(SOURCE)
    with pytest.raises(UsageError, match=r"two files have the same name\. Got my_loss\.py"):
        load_catalog(local=[file, other])


def test_a_broken_file_is_an_error_where_it_is_needed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``plugin list`` shows the reason; a command that would use it ends, for somebody asked for it."""
    file.write_text(SOURCE + "\nraise ValueError('no')\n")
    found = CliRunner().invoke(cli, ["plugin", "list", "--json", "--plugin", str(file)])
    [row] = [row for row in json.loads(found.stdout) if row["distribution"] == "my_loss.py"]
    assert row["problem"].startswith("ValueError: no (")
    assert row["problem"].endswith("my_loss.py, line 28)")
    with pytest.raises(SystemExit) as ended:
        main(["list", "losses", "--plugin", str(file)])
    assert ended.value.code == PluginError.exit_code
    assert "A plugin given with --plugin does not load. my_loss.py: ValueError: no" in capsys.readouterr().err


@pytest.fixture
def run(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> Callable[..., RunRecord]:
    """A recipe on a few dialogues with a tiny encoder, and local files."""

    def go(recipe: str, files: list[Path], **more: Any) -> RunRecord:
        overrides: dict[str, Any] = {"encoder.checkpoint": str(tiny_checkpoint("bert")), "training.epochs": 0}
        request = Request([recipe], ["meld-sample"], "mini", [0], overrides, limit=3, results=tmp_path, device="cpu")
        plan = grid.plan(load_with_files(files), request)
        [record] = [found for _, found in plan.done] + execute(plan, request, Silent()).records
        return record

    return go


def test_a_run_with_one_says_so_and_is_not_ranked(run: Callable[..., RunRecord], file: Path, tmp_path: Path) -> None:
    """The record tells file and sha256, the command names the file, and a board gives the reason."""
    record = run("mine", [file])
    sha256 = hashlib.sha256(SOURCE.encode()).hexdigest()
    local = [plugin for plugin in record.plugins if plugin.sha256]
    assert [(one.distribution, one.version, one.sha256) for one in local] == [("my_loss.py", "local file", sha256)]
    assert record.command.endswith(" --limit 3 --plugin my_loss.py")
    assert f"local plugin my_loss.py, sha256 {sha256[:8]}" in record.unranked_reasons
    assert not record.ranked


def test_any_local_file_counts(run: Callable[..., RunRecord], file: Path) -> None:
    """Its code was run, whether or not the recipe uses what it offers. Without one nothing is said."""
    assert [one.distribution for one in run("eacl", [file]).plugins] == ["ercbench", "my_loss.py"]


def test_a_run_without_one_says_nothing(run: Callable[..., RunRecord]) -> None:
    """The record names distributions alone."""
    record = run("eacl", [])
    assert [one.sha256 for one in record.plugins] == [None]
    assert not any("local plugin" in reason for reason in record.unranked_reasons)
    assert "--plugin" not in record.command


def test_a_changed_file_is_another_run(run: Callable[..., RunRecord], file: Path) -> None:
    """What is done is skipped while the file is the same, and not taken for done once it has changed."""
    first = run("mine", [file])
    assert run("mine", [file]) == first
    file.write_text(SOURCE + "\n")
    with pytest.raises(UsageError, match=r"holds a run of other settings.*Differs in: local plugins"):
        run("mine", [file])


def test_a_model_needs_the_file_it_was_made_with(run: Callable[..., RunRecord], file: Path, tmp_path: Path) -> None:
    """Without it, or with a changed one, the message says which is wanted."""
    record = run("mine", [file])
    [path] = tmp_path.glob("records/*/*/*/seed-0.json")
    assert models.load(load_catalog(local=[file]), path).record == record
    file.write_text(SOURCE + "\n")
    for files in ([], [file]):
        with pytest.raises(RecordError, match=r"Give the same files with --plugin: my_loss\.py \(sha256 "):
            models.load(load_catalog(local=files), path)


def test_files_and_trackers_from_python(tiny_checkpoint: Callable[[str], Path], file: Path, tmp_path: Path) -> None:
    """``ercbench.run`` takes both; trackers by name, or with settings."""
    overrides = {"encoder.checkpoint": str(tiny_checkpoint("bert")), "training.epochs": 0}
    given: list[Any] = ["jsonl", ["jsonl"], {"jsonl": {"folder": str(tmp_path / "here")}}]
    for number, trackers in enumerate(given):
        [record] = ercbench.run(
            "mine", dataset="meld-sample", track="mini", overrides=overrides, limit=3, device="cpu", keep_model=False,
            results=tmp_path / str(number), trackers=trackers, plugins=[file],
        )  # fmt: skip
        folder = tmp_path / "here" if number == 2 else tmp_path / str(number) / "tracking" / "jsonl"
        lines = (folder / "meld-sample" / "mini" / "mine@1" / "seed-0.jsonl").read_text().splitlines()
        assert json.loads(lines[-1])["figures"]["final/test_weighted_f1"] == record.scores.test.weighted_f1


def test_a_file_is_checked_as_a_package_is(file: Path) -> None:
    """The kit takes a file; what only a package can keep to is skipped with the reason."""
    results = {case.id: case.run() for case in kit.cases((), files=[file]) if case.check.kind != "recipe"}
    assert {result.part for result in results.values()} == {"my_loss", "nothing"}
    assert results["plugin/my_loss/light"].outcome == "skipped"
    assert [found for found, result in results.items() if result.outcome == "failed"] == ["loss/nothing/scalar"]


def test_a_broken_file_fails_the_kit_with_its_reason(file: Path) -> None:
    """As a broken package does: the check that it loads tells why, and nothing ends in a traceback."""
    file.write_text("ERCBENCH_API = 1\nimport not_there\n")
    found = CliRunner().invoke(cli, ["plugin", "check", "--plugin", str(file)])
    assert isinstance(found.exception, PluginError)
    assert "No module named 'not_there'" in " ".join(found.output.split())


def test_checking_nothing_is_refused() -> None:
    """Neither a distribution nor a file was named."""
    found = CliRunner().invoke(cli, ["plugin", "check"])
    assert isinstance(found.exception, UsageError)
    assert "--plugin FILE" in str(found.exception)
