"""The how-to page of each kind of plugin: its example passes the kit, and the kit tells of each mistake it lists."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pages
import pytest
from click.testing import CliRunner

from ercbench.cli import cli
from ercbench.scaffolding import PLUGIN_KINDS
from ercbench.testing import kit

FOLDER = Path(__file__).parents[2] / "docs" / "how-to" / "plugins"
MISTAKES = [(kind, *row) for kind in PLUGIN_KINDS for row in pages.rows(FOLDER / f"{kind}.md", "Instead of")]


@pytest.fixture
def page(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page of a kind; its files lie in the current folder."""
    path = FOLDER / f"{request.param}.md"
    pages.write_files(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield path
    for file in tmp_path.glob("*.py"):
        sys.modules.pop(file.stem, None)


def test_every_kind_has_a_page() -> None:
    """There is a page for each kind that `ercbench plugin new` knows, and no other."""
    assert sorted(path.stem for path in FOLDER.glob("*.md")) == sorted(PLUGIN_KINDS)


@pytest.mark.parametrize("page", PLUGIN_KINDS, indirect=True)
@pytest.mark.usefixtures("one_thread")
def test_the_commands_of_a_page_run(page: Path) -> None:
    """Every command succeeds; the kit fails nothing, and skips nothing but what does not apply."""
    commands = pages.console(page)
    assert commands[0][0].startswith("ercbench plugin check --plugin ")
    for command, lines in commands:
        program, *arguments = shlex.split(command)
        assert program == "ercbench"
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == 0, f"$ {command}\n{done.output}\n{done.exception}"
        assert not [line for line in lines if not pages.shown(line, done.output)], done.output


@pytest.mark.parametrize(("page", "right", "wrong", "check"), MISTAKES, indirect=["page"])
@pytest.mark.usefixtures("one_thread")
def test_the_kit_tells_of_a_mistake(page: Path, right: str, wrong: str, check: str, tmp_path: Path) -> None:
    """With one piece of the example written otherwise, the check that the page names fails."""
    [file] = tmp_path.glob("*.py")
    source = file.read_text(encoding="utf-8")
    assert right in source
    file.write_text(source.replace(right, wrong), encoding="utf-8")
    name = check.split("`")[1]
    data = tmp_path / "data"
    cases = kit.cases((), data_dir=data if data.is_dir() else None, files=[file])
    outcomes = [case.run().outcome for case in cases if (case.check.kind, case.check.name) == (page.stem, name)]
    assert "failed" in outcomes
