"""The example plugins of the documentation: built, installed, checked, tested, run as READMEs say, uninstalled."""

from __future__ import annotations

import ast
import json
import re
import shutil
from pathlib import Path

import pytest
from fresh_environment import Environment

import ercbench
from ercbench.testing.tiny import tiny_checkpoint

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NAMES = {"ercbench-char-conv": "encoder", "ercbench-dailydialog": "dataset", "ercbench-prototype-loss": "loss"}
"""By distribution, the kind of part that it is an example of."""
SMALL = "--limit 2 --results records --quiet --device cpu"


def runs(name: str) -> str:
    """The run that a README begins with."""
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^ercbench run .*$", text, re.MULTILINE)[0]


def test_the_examples_are_built_installed_checked_and_run(environment: Environment, tmp_path: Path) -> None:
    """Wheels of all of them keep the kit's promises, pass tests of their own, and do what the READMEs say."""
    assert {path.name for path in EXAMPLES.iterdir()} == NAMES.keys()
    run = environment.run
    # Building leaves files behind: none here, and none from elsewhere.
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    run(f"pip wheel -q --wheel-dir wheels {' '.join(f'./examples/{name}' for name in NAMES)}", tmp_path)
    run("pip install -q wheels/*.whl", tmp_path)
    try:
        found = json.loads(run(f"ercbench plugin check {' '.join(NAMES)} --json 2> /dev/null", tmp_path))
        assert {row["kind"] for row in found} == {"plugin", "recipe", *NAMES.values()}
        assert {row["outcome"] for row in found} <= {"passed", "skipped"}
        # What the kit checks has just been checked: that each check is a test is enough.
        told = run("pytest -q -p no:cacheprovider --import-mode=importlib -k 'not conformance' examples", tmp_path)
        assert f" passed, {len(found)} deselected" in told
        one_epoch, tiny = "--set training.epochs=1", f"--set encoder.checkpoint={tiny_checkpoint().path}"
        run(f"{runs('ercbench-char-conv')} {SMALL} {one_epoch}", tmp_path)
        run(f"{runs('ercbench-dailydialog')} {SMALL}", tmp_path)
        run(f"{runs('ercbench-prototype-loss')} {SMALL} {one_epoch} {tiny}", tmp_path)
        made = {path.parts[-4] for path in tmp_path.glob("records/records/*/*/*/seed-0.json")}
        assert made == {"dailydialog-sample", "emorynlp-sample", "iemocap-sample", "meld-sample"}
    finally:
        run(f"pip uninstall -q -y {' '.join(NAMES)}", tmp_path)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*/*.py")), ids=lambda path: "/".join(path.parts[-2:]))
def test_the_examples_import_public_names_only(path: Path) -> None:
    """Of ercbench they use the names of `ercbench` itself, and in tests those of `ercbench.testing`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.startswith("ercbench.")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ercbench":
            public = {"ercbench": ercbench.__all__, "ercbench.testing": ["parametrize_with_checks"]}
            assert {alias.name for alias in node.names} <= set(public.get(node.module or "", ()))
