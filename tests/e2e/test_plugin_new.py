"""What `ercbench plugin new` writes: built, installed, checked, tested, run, and uninstalled, for every kind."""

from __future__ import annotations

import json
import keyword
from pathlib import Path

import pytest
from click.testing import CliRunner
from fresh_environment import Environment

from ercbench.cli import cli
from ercbench.errors import UsageError
from ercbench.scaffolding import PLUGIN_KINDS, Kind, new_plugin
from ercbench.testing.tiny import tiny_checkpoint

NAMES = {kind: f"trial-{kind}" for kind in PLUGIN_KINDS}


def test_every_kind_is_built_installed_checked_run_and_uninstalled(environment: Environment, tmp_path: Path) -> None:
    """Each kind's package works as it is written: wheel, kit, its own tests, a run on a few dialogues; then it goes."""
    run = environment.run
    for kind, name in NAMES.items():
        lines = run(f"ercbench plugin new {name} --kind {kind}", tmp_path).splitlines()
        assert lines[0].endswith(f"files to {name}. Next:")
        assert [line.split()[0] for line in lines[1:]] == ["pip", "pytest", "ercbench"]
    folders = " ".join(f"./{name}" for name in NAMES.values())
    run(f"pip wheel -q --wheel-dir wheels {folders}", tmp_path)
    run("pip install -q wheels/*.whl", tmp_path)
    found = json.loads(run(f"ercbench plugin check {' '.join(NAMES.values())} --json 2> /dev/null", tmp_path))
    assert {row["part"] for row in found} == set(NAMES.values())
    assert {row["kind"] for row in found} == {"plugin", *NAMES}
    assert {row["outcome"] for row in found} <= {"passed", "skipped"}
    run(f"pytest -q -p no:cacheprovider --import-mode=importlib {' '.join(NAMES.values())}", tmp_path)
    small = "--limit 3 --results records --quiet --set training.epochs=1 --device cpu --track mini"
    tiny = f"--set encoder.checkpoint={tiny_checkpoint().path}"
    derived = " ".join(name for kind, name in NAMES.items() if kind not in ("encoder", "dataset", "tracker"))
    run(f"ercbench run {derived} --dataset meld --sample {small} {tiny}", tmp_path)
    run(f"ercbench run {NAMES['encoder']} --dataset meld --sample {small}", tmp_path)
    tracked = f"--tracker {NAMES['tracker']}"
    run(f"ercbench run {NAMES['recipe']} --dataset {NAMES['dataset']} {small} {tiny} {tracked}", tmp_path)
    assert len(list(tmp_path.glob("records/records/*/*/*/seed-0.json"))) == len(NAMES) - 1
    [table] = tmp_path.glob(f"records/tracking/{NAMES['tracker']}/**/*.csv")
    assert table.read_text(encoding="utf-8").startswith("epoch,dev_weighted_f1,total")
    run(f"pip uninstall -q -y {' '.join(NAMES.values())}", tmp_path)
    assert "trial-" not in run("ercbench plugin list", tmp_path)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("my loss", "A name has letters"), ("-x", "A name has letters"), ("x-", "A name has letters"),
        ("../up", "A name has letters"), ("", "A name has letters"), ("é", "A name has letters"),
        ("2fast", "cannot import"), (keyword.kwlist[3], "cannot import"), ("json", "cannot import"),
        ("ERCBENCH", "is installed"), ("eacl", "is installed"), ("cross.entropy", "offers something"),
        ("Torch", "can be imported"),
    ],
)  # fmt: skip
def test_names_that_cannot_be_used_are_refused(name: str, says: str, tmp_path: Path) -> None:
    """A name that no distribution or package can have, or that is taken, is refused before anything is written."""
    with pytest.raises(UsageError, match=says):
        new_plugin(name, "loss", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder that holds something, or a file of its name, is left alone; an empty folder is used."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    for taken in (tmp_path / "full", tmp_path / "full" / "thesis.txt"):
        with pytest.raises(UsageError, match="something already"):
            new_plugin("trial", "loss", taken)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]
    (tmp_path / "empty").mkdir()
    assert new_plugin("trial", "loss", tmp_path / "empty").folder == tmp_path / "empty"


@pytest.mark.parametrize("kind", PLUGIN_KINDS)
def test_what_is_written_is_complete(kind: Kind, tmp_path: Path) -> None:
    """The command writes an example, tests that use the kit, a workflow, a README; names are normalised."""
    folder = tmp_path / "a b"
    found = CliRunner().invoke(cli, ["plugin", "new", "My.Trial_1", "--kind", kind, "--to", str(folder)])
    assert found.exit_code == 0, found.output
    assert f"pip install -e '{folder.as_posix()}[test]'" in found.output
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    wanted = {"pyproject.toml", "README.md", ".gitignore", "my_trial_1/__init__.py", "tests/test_conformance.py"}
    assert wanted | {".github/workflows/test.yml"} <= files.keys()
    for name, path in files.items():
        text = path.read_text(encoding="utf-8")
        assert "{%" not in text
        assert name.endswith(".yml") or "{{" not in text
        if name.endswith(".py"):
            assert compile(text, name, "exec")
    assert 'parametrize_with_checks("my-trial-1"' in files["tests/test_conformance.py"].read_text(encoding="utf-8")
