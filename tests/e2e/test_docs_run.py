"""What the README, the tutorials and the other texts say can be done: it is done here."""

from __future__ import annotations

import ast
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import fresh_environment
import pytest
import torch
from pages import anchors, blocks, console, prose, shown, write_files

import ercbench
from ercbench.catalog import Catalog, load_catalog, load_target
from ercbench.cli import cli
from ercbench.config import resolve
from ercbench.data_files import data_folder
from ercbench.own import is_folder
from ercbench.records import RunRecord
from ercbench.specs import DatasetSpec, LossSpec, Recipe, TrackSpec
from ercbench.types import EncodedBatch

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted([*(ROOT / "docs" / "tutorial").glob("*.md"), *(ROOT / "docs" / "how-to").glob("*.md")])
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
TEST_COMMAND = (
    'python3 -m venv .venv && .venv/bin/pip install -c constraints.txt ".[mini,test]" && '
    ".venv/bin/pytest -n auto --dist worksteal"
)


def ercbench_commands() -> Iterator[tuple[str, list[str]]]:
    """Every ``ercbench`` command in the shell blocks of all texts: where it stands, and its arguments."""
    for path in TEXTS:
        lines = [line for block in blocks(path, "sh") for line in block.splitlines()]
        for line in [*lines, *(command for command, _ in console(path))]:
            for part in re.split(r"&&|\|\|", line):
                words = [word for word in shlex.split(part, comments=True) if not re.match(r"[A-Z_]+=", word)]
                if words and Path(words[0]).name == "ercbench":
                    yield path.name, words[1:]


def parse(arguments: list[str]) -> click.Context:
    """Parse the arguments of ``ercbench`` as the command line does, and run nothing."""
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        name, *arguments = arguments
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name!r}"
        command = found
    return command.make_context(command.name, arguments)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    """The README's plugin, laid out as pip would install it, and what is found with it."""
    [metadata] = blocks(ROOT / "README.md", "toml")
    project = tomllib.loads(metadata)["project"]
    for block in blocks(ROOT / "README.md", "python"):
        if named := re.match(r"# (my_erc/\w+\.py)\n", block):
            (tmp_path / named[1]).parent.mkdir(exist_ok=True)
            (tmp_path / named[1]).write_text(block, encoding="utf-8")
    info = tmp_path / "my_erc-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = [f"{name} = {module}" for name, module in project["entry-points"]["ercbench"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[ercbench]", *points, ""]))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield load_catalog()
    for module in [name for name in sys.modules if name.split(".")[0] == "my_erc"]:
        del sys.modules[module]


@pytest.mark.pretrained
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_the_commands_of_a_tutorial_run(path: Path, ercbench_command: Path, minilm: None, tmp_path: Path) -> None:
    """Every command succeeds, one after the other in a folder with the files shown, and prints the lines below it."""
    environment = os.environ | {
        "PATH": f"{ercbench_command.parent}{os.pathsep}{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    if any(command.startswith("pip ") for command, _ in console(path)):  # what it installs must go again
        environment = fresh_environment.make(tmp_path / "environment").variables
    write_files(path, tmp_path)
    for command, lines in console(path):
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        missing = [line for line in lines if not shown(line, done.stdout)]
        assert not missing, f"$ {command}\n{done.stdout}\nnot printed: {missing}"


def test_the_tutorial_names_the_core_in_reading_order() -> None:
    """One utterance meets the files in the order that the package's docstring gives, and all of them."""
    order = re.findall(r"``(\w+(?:\.py|/))``", ercbench.__doc__ or "")
    text = (ROOT / "docs" / "tutorial" / "one-utterance.md").read_text(encoding="utf-8")
    named = list(dict.fromkeys(re.findall(r"ercbench/(\w+(?:\.py|/))", text)))
    assert set(named) == set(order)
    spine = "runner.py"  # it calls the others, so it is introduced where they begin to run
    assert [file for file in named if file != spine] == [file for file in order if file != spine]


def test_rows_shown_are_rows_of_the_bundled_files() -> None:
    """A row of a data file that a tutorial shows stands in the bundled corpus."""
    [row] = blocks(ROOT / "docs" / "tutorial" / "one-utterance.md", "csv")
    file = data_folder(load_catalog().get(DatasetSpec, "meld-sample")) / "test_sent_emo.csv"
    assert row.strip() in file.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_python_blocks_compile(path: Path) -> None:
    """Every Python block of a text is Python."""
    for block in blocks(path, "python"):
        assert compile(block, path.name, "exec")


def test_python_example_calls_what_there_is() -> None:
    """The README calls `ercbench.run` with arguments that it takes, and reads fields that a record has."""
    [example] = [block for block in blocks(ROOT / "README.md", "python") if "ercbench.run(" in block]
    tree = ast.parse(example)
    [call] = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "ercbench.run"
    ]
    keywords = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
    inspect.signature(ercbench.run).bind(*[ast.literal_eval(word) for word in call.args], **keywords)
    paths = re.findall(r"\brecord((?:\.\w+)+)", example)
    assert paths
    for path in paths:
        kind: object = RunRecord
        for name in path.split(".")[1:]:
            kind = kind.model_fields[name].annotation  # type: ignore[attr-defined]


def test_plugin_example_works(plugin: Catalog) -> None:
    """The README's plugin is found like any other, its recipe resolves, and its loss is what it says."""
    assert [(found.distribution, found.problem) for found in plugin.plugins if found.name == "smooth"] == [
        ("my-erc", None)
    ]
    config = resolve(plugin, "eacl-smooth", "mini", "meld-sample", {})
    assert sorted(config.losses) == ["anchor-contrastive", "separation", "smooth-cross-entropy"]
    part = config.losses["smooth-cross-entropy"].part
    loss = load_target(plugin.get(LossSpec, "smooth-cross-entropy").target)(part.settings, config.dataset.labels, 4)
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 1.0]])  # (B, C)
    labels = torch.tensor([0, 2])  # (B,)
    output = loss(EncodedBatch(("a", "b"), torch.zeros(2, 4), torch.zeros(2, 4), logits, None, labels))
    log_p = logits - logits.exp().sum(1, keepdim=True).log()  # (B, C)
    share = part.settings.model_dump()["smoothing"]
    expected = -((1 - share) * log_p[[0, 1], labels] + share * log_p.mean(1)).mean()
    torch.testing.assert_close(output.total, expected)


def test_commands_name_options_and_things_that_exist(plugin: Catalog) -> None:
    """Every ercbench command in a text is accepted by the command line; its recipes, data sets and tracks exist."""
    seen = 0
    examples = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "examples").glob("*/*/__init__.py")]
    begun = {name for text in examples for name in re.findall(r'name="([\w-]+)"', text)}
    begun |= {arguments[2] for _, arguments in ercbench_commands() if arguments[:2] == ["plugin", "new"]}
    for where, arguments in ercbench_commands():
        seen += 1
        try:
            parameters = parse(arguments).params
        except click.UsageError as error:
            pytest.fail(f"{where}: ercbench {shlex.join(arguments)}: {error.format_message()}")
        recipes = [*parameters.get("recipes", ()), *filter(None, [parameters.get("recipe")])]
        datasets = [*parameters.get("datasets", ()), *filter(None, [parameters.get("dataset")])]
        for recipe in recipes:
            assert recipe in begun or parameters.get("plugins") or plugin.get(Recipe, recipe)
        for dataset in datasets:
            assert dataset == "all" or is_folder(dataset) or dataset in begun or plugin.get(DatasetSpec, dataset)
        if parameters.get("track"):
            plugin.get(TrackSpec, parameters["track"])
    assert seen > 10


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link of a text names a file of the project, and a heading of it where it names one."""
    links = [target.partition("#") for target in re.findall(r"\]\(([^)]+)\)", prose(path)) if "://" not in target]
    targets = [((path.parent / name) if name else path, anchor) for name, _, anchor in links]
    assert not [target for target, _ in targets if not target.exists()]
    assert not [f"{target}#{anchor}" for target, anchor in targets if anchor and anchor not in anchors(target)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_of_a_page_stay_within_the_site(path: Path) -> None:
    """A page links to pages alone; what lies outside docs/ is not on the site."""
    targets = [target for target in re.findall(r"\]\(([^)#]+)", prose(path)) if "://" not in target]
    assert not [target for target in targets if not (path.parent / target).resolve().is_relative_to(DOCS)]


def test_every_page_is_in_the_navigation() -> None:
    """mkdocs.yml names every page but those of single methods, which their index names."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:- |: )([\w/-]+\.md)$", text, re.MULTILINE))
    index = DOCS / "reference" / "methods" / "index.md"
    methods = {path for path in PAGES if path.parent == index.parent and path != index}
    assert named == {path.relative_to(DOCS).as_posix() for path in PAGES if path not in methods}
    assert {path.name for path in methods} == set(re.findall(r"\]\((\S+\.md)\)", index.read_text(encoding="utf-8")))


def test_generated_pages_are_up_to_date() -> None:
    """docs/reference is what docs/generate.py makes of the code as it is."""
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


STUB = """#!/bin/sh
echo "$(basename "$0") $* [data: ${ERCBENCH_DATA:-none}]" >> "$CALLS"
"""
STUB_PYTHON = """#!/bin/sh
echo "python3 $*" >> "$CALLS"
mkdir -p "$3/bin"
cp "$STUBS/pip" "$STUBS/pytest" "$STUBS/ruff" "$STUBS/ercbench" "$3/bin"
"""
SUMMARY = "===== 7 passed in 0.01s ====="


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with data beside it, whose tools only write down how they were called."""
    stubs, copy = tmp_path / "stubs", tmp_path / "checkout"
    stubs.mkdir()
    (copy / "leaderboards" / "records").mkdir(parents=True)
    (tmp_path / "shared" / "data").mkdir(parents=True)
    shutil.copytree(ROOT / ".ci", copy / ".ci")
    shutil.copy(ROOT / "README.md", copy)
    tools = {"python3": STUB_PYTHON, "pytest": STUB + f'echo "{SUMMARY}"\nexit "$PYTEST_CODE"\n'}
    for name, text in {**tools, "pip": STUB, "ruff": STUB, "ercbench": STUB}.items():
        (stubs / name).write_text(text)
        (stubs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{stubs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STUBS", str(stubs))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("ERCBENCH_DATA", raising=False)
    return copy


@pytest.mark.skipif(shutil.which("bash") is None, reason="continuous integration is a bash script")
@pytest.mark.parametrize("code", [0, 1])
def test_continuous_integration_runs_the_readmes_test_command(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """`.ci/run` runs the README's line in a new environment with the data beside the checkout, and fails with it."""
    assert blocks(ROOT / "README.md", "sh")[1].strip() == TEST_COMMAND
    monkeypatch.setenv("PYTEST_CODE", str(code))
    done = subprocess.run([checkout / ".ci" / "run"], cwd=checkout.parent, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == (code != 0), done.stdout + done.stderr
    assert f"+ {TEST_COMMAND}" in done.stdout
    assert done.stdout.splitlines()[-1] == SUMMARY
    calls = (checkout.parent / "calls").read_text().splitlines()
    environment = calls[0].removeprefix("python3 -m venv ")
    assert environment.startswith("/")
    assert not Path(environment).exists()
    data = f"[data: {checkout.parent / 'shared' / 'data'}]"
    assert calls[1:3] == [
        f"pip install -c constraints.txt .[mini,test] {data}",
        f"pytest -n auto --dist worksteal {data}",
    ]
    rest = [f"ruff check {data}", f"ercbench leaderboard build --check {data}", f"ercbench verify leaderboards {data}"]
    assert [call for call in calls[3:] if not call.startswith("pip")] == ([] if code else rest)


@pytest.mark.skipif(shutil.which("bash") is None, reason="continuous integration is a bash script")
def test_continuous_integration_verifies_the_records_without_the_data_too(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the data sets are not at hand, the records are checked as far as that goes."""
    shutil.rmtree(checkout.parent / "shared")
    monkeypatch.setenv("PYTEST_CODE", "0")
    done = subprocess.run([checkout / ".ci" / "run"], cwd=checkout.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    calls = (checkout.parent / "calls").read_text().splitlines()
    assert calls[-1] == "ercbench verify leaderboards --without-data [data: none]"
