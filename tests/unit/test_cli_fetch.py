"""``ercbench data fetch`` and ``--fetch`` without a network: what is chosen, what is shown, in which order."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ercbench_stock.datasets import DATASETS

import ercbench
from ercbench import fetching, grid
from ercbench.catalog import Catalog, Entry, Plugin
from ercbench.cli import cli
from ercbench.cli.progress import DownloadBars, DownloadLines, downloads
from ercbench.data_files import find_files
from ercbench.errors import DataError, FetchError, UnknownName, UsageError
from ercbench.fetching import Fetched, Options
from ercbench.grid import Plan, Request, fetch_missing
from ercbench.part_file import Watcher
from ercbench.progress import Silent
from ercbench.specs import DatasetSpec

STOCK = {spec.name: spec for spec in DATASETS}
PUBLIC = ["emorynlp", "emorynlp-declare-lab", "meld"]


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, Options]]:
    """What was asked to be fetched, which never is: emorynlp fails, whatever it is."""
    asked: list[tuple[str, Path, Options]] = []

    def fetch(spec: DatasetSpec, folder: Path, options: Options, watcher: Watcher) -> list[Fetched]:
        asked.append((spec.name, folder, options))
        watcher.say(f"fetching {spec.name}")
        if spec.name == "emorynlp":
            raise FetchError("emorynlp is not there.")
        path = folder / "x"
        folder.mkdir(parents=True)
        path.write_bytes(b"12345")
        return [Fetched(spec.remote[0], path, "https://origin")]

    monkeypatch.setattr(fetching, "fetch", fetch)
    return asked


def invoke(*arguments: str) -> Any:
    """Run the command line in this process."""
    return CliRunner().invoke(cli, list(arguments))


# ---------------------------------------- ercbench data fetch


def test_licence_and_source_of_all_are_shown_before_the_first_download(fetched: list[Any], tmp_path: Path) -> None:
    """Then what became of each; one that fails does not keep the next from being fetched."""
    found = invoke("data", "fetch", "emorynlp", "meld", "--data-dir", str(tmp_path))
    before = found.output[: found.output.index("fetching emorynlp")]
    for name in ("emorynlp", "meld"):
        spec = STOCK[name]
        for part in (spec.licence, spec.source, str(tmp_path / name), *(file.name for file in spec.remote)):
            assert part in before
    assert "(1.12 MB)" in before
    assert "(size not known)" in before
    assert "train_sent_emo.csv: fetched from https://origin" in found.output
    assert [name for name, *_ in fetched] == ["emorynlp", "meld"]
    assert str(found.exception) == "emorynlp is not there."


def test_json_has_every_data_set_and_its_error(fetched: list[Any], tmp_path: Path) -> None:
    """Nothing but JSON on standard output, what failed included, and the error besides."""
    found = invoke("data", "fetch", "--all", "--json", "--data-dir", str(tmp_path))
    rows = {row["name"]: row for row in json.loads(found.stdout)}
    assert list(rows) == PUBLIC
    assert rows["emorynlp"]["error"] == "emorynlp is not there."
    [file] = rows["meld"]["files"]
    assert (file["state"], file["from"], file["bytes"]) == ("fetched", "https://origin", 5)
    assert isinstance(found.exception, FetchError)
    assert found.stderr == ""


def test_quiet_prints_nothing(fetched: list[Any], tmp_path: Path) -> None:
    """No licence, no progress."""
    assert invoke("data", "fetch", "meld", "--quiet", "--data-dir", str(tmp_path)).output == ""


def test_the_options_arrive(fetched: list[Any], tmp_path: Path) -> None:
    """Mirror, offline and force are handed on."""
    invoke("data", "fetch", "meld", "--mirror", "file:///srv", "--offline", "--force", "--data-dir", str(tmp_path))
    assert fetched == [("meld", tmp_path / "meld", Options(mirror="file:///srv", offline=True, force=True))]


def test_names_or_all_but_not_both(fetched: list[Any]) -> None:
    """The message lists what can be downloaded; an unknown name is met with near ones; nothing is fetched."""
    for arguments in ([], ["--all", "meld"]):
        error = invoke("data", "fetch", *arguments).exception
        assert isinstance(error, UsageError)
        assert ", ".join(PUBLIC) in str(error)
    assert isinstance(invoke("data", "fetch", "meld", "mled").exception, UnknownName)
    assert not fetched


def test_what_is_not_public_is_said_before_anything_is_fetched(fetched: list[Any], tmp_path: Path) -> None:
    """IEMOCAP is given out on request: where, and how to bring it. Where it is here already, all is well."""
    found = invoke("data", "fetch", "meld", "iemocap", "--data-dir", str(tmp_path))
    assert isinstance(found.exception, FetchError)
    assert "on request from USC SAIL" in str(found.exception)
    assert f"ercbench data import iemocap PATH --data-dir {tmp_path}" in str(found.exception)
    assert not fetched
    (tmp_path / "iemocap").mkdir()
    for split in ("train", "dev", "test"):
        (tmp_path / "iemocap" / f"{split}_data.json").write_text("[]")
    assert "iemocap: complete." in invoke("data", "fetch", "iemocap", "--data-dir", str(tmp_path)).output
    assert "meld-sample: complete." in invoke("data", "fetch", "meld-sample").output


def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An interrupted download ends with 130."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fetching, "fetch", interrupted)
    found = invoke("data", "fetch", "meld", "--data-dir", str(tmp_path))
    assert found.exit_code == 130
    assert "The same command goes on where it stopped." in found.stderr


# ---------------------------------------- ercbench run --fetch, and what others say


def request(tmp_path: Path, *datasets: str, **changes: Any) -> Request:
    """A request for data sets."""
    return Request(["eacl"], list(datasets), "mini", [0], {}, **{"data_dir": tmp_path, "fetch": True} | changes)


@pytest.fixture
def stock() -> Catalog:
    """The stock data sets alone."""
    plugin = Plugin("ercbench", "1", "stock", "ercbench_stock")
    return Catalog([plugin], [Entry(plugin, spec) for spec in DATASETS])


def test_only_public_data_sets_that_are_missing_are_fetched(fetched: list[Any], stock: Catalog, tmp_path: Path) -> None:
    """A data set under other known names counts as being here; IEMOCAP is left to the check that follows."""
    (tmp_path / "emorynlp").mkdir()
    for name in ("EMORY_train.txt", "EMORY_dev.txt", "EMORY_test.txt"):
        (tmp_path / "emorynlp" / name).write_text("")
    fetch_missing(stock, request(tmp_path, "all"), Watcher())
    assert [name for name, *_ in fetched] == ["meld"]
    fetched.clear()
    fetch_missing(stock, request(tmp_path / "a", "all", sample=True), Watcher())
    fetch_missing(stock, request(tmp_path / "a", "all", fetch=False), Watcher())
    assert not fetched


def test_run_fetches_before_it_plans(fetched: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`ercbench run --fetch` shows the licence, fetches, and then does what it does without."""
    planned: list[int] = []

    def plan(catalog: Catalog, request: Request) -> Plan:
        planned.append(len(fetched))
        return Plan([], [], [], "mini", Path("r"))

    monkeypatch.setattr(grid, "plan", plan)
    arguments = ["run", "eacl", "--dataset", "meld", "--data-dir", str(tmp_path), "--dry-run"]
    assert invoke(*arguments).exit_code == 0
    found = invoke(*arguments, "--fetch")
    assert found.exit_code == 0
    assert planned == [0, 1]
    assert found.stderr.index("licence: GPL-3.0") < found.stderr.index("fetching meld")
    assert isinstance(invoke("run", "eacl", "--dataset", "emorynlp", "--fetch", "--data-dir", str(tmp_path)).exception,
                      FetchError)  # fmt: skip
    assert planned == [0, 1]


def test_run_from_python_fetches_too(fetched: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`ercbench.run(..., fetch=True)` tells the reporter what it fetches."""
    said: list[str] = []

    class Told(Silent):
        def say(self, message: str) -> None:
            """Kept."""
            said.append(message)

    monkeypatch.setattr("ercbench.api.plan", lambda catalog, request: Plan([], [], [], "mini", Path("r")))
    assert ercbench.run("eacl", dataset="meld", data_dir=tmp_path, fetch=True, reporter=Told()) == []
    assert said[-1] == "fetching meld"
    assert "GPL-3.0" in said[0]
    ercbench.run("eacl", dataset="emorynlp-declare-lab", data_dir=tmp_path)
    assert len(fetched) == 1


def test_missing_files_are_met_with_the_exact_command(tmp_path: Path) -> None:
    """To be copied; for a data set that is not public, what to bring."""
    with pytest.raises(DataError) as caught:
        find_files(STOCK["meld"], tmp_path)
    assert f"ercbench data fetch meld --data-dir {tmp_path} (or add --fetch to `ercbench run`)" in str(caught.value)
    with pytest.raises(DataError, match="ercbench data import iemocap PATH"):
        find_files(STOCK["iemocap"], tmp_path)


def test_list_says_what_can_be_downloaded(tmp_path: Path) -> None:
    """In a column, and with the command for what is missing."""
    rows = {
        row["name"]: row for row in json.loads(invoke("data", "list", "--data-dir", str(tmp_path), "--json").output)
    }
    assert sorted(name for name, row in rows.items() if row["fetch"] == "yes" and name in STOCK) == PUBLIC
    assert "ercbench data fetch meld" in rows["meld"]["how_to_get"]
    assert rows["meld-sample"]["how_to_get"] == ""
    assert "ercbench data fetch meld --data-dir" in invoke("data", "list", "--data-dir", str(tmp_path)).output


# ---------------------------------------- progress


def test_plain_lines_say_how_much_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A line when a file begins, one now and then with the time left, and one when it begins anew."""
    now = iter([0.0, 10.0, 60.0, 61.0, 62.0, 99.0])
    monkeypatch.setattr("ercbench.cli.progress.time.monotonic", lambda: next(now))
    lines = DownloadLines()
    for done in (1_000_000, 2_000_000, 4_000_000, 500_000):
        lines.progress("a.csv", done, 10_000_000)
    lines.end()
    lines.progress("b.json", 1, None)
    lines.progress("b.json", 2_000_000, None)
    assert capsys.readouterr().err.splitlines() == [
        "a.csv: downloading, 10.00 MB",
        "a.csv: 4.00 MB so far, 120 s left",
        "a.csv: downloading, 10.00 MB",
        "b.json: downloading",
        "b.json: 2.00 MB so far",
    ]


def test_bars_show_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets in names and messages are no markup; without a first byte there is no bar to clear away."""
    bars = DownloadBars()
    bars.end()
    bars.say("[bold]x[/bold]")
    bars.progress("[a].csv", 500, None)
    bars.progress("[a].csv", 1000, 1000)
    bars.end()
    text = capsys.readouterr().err
    assert "[bold]x[/bold]" in text
    assert "[a].csv" in text
    assert "1.0/1.0 kB" in text


def test_who_watches_depends_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars on a terminal, lines elsewhere, nobody when quiet."""
    assert type(downloads(quiet=True)) is Watcher
    for terminal, kind in ((True, DownloadBars), (False, DownloadLines)):
        monkeypatch.setattr(sys.stderr, "isatty", lambda here=terminal: here)
        assert isinstance(downloads(quiet=False), kind)


def test_the_announcement_has_checksums_of_both_kinds() -> None:
    """Whoever wants to check by hand finds what to compare with."""
    text = fetching.announcement(STOCK["emorynlp"], Path("/d"))
    assert "git blob:0f40b44b249e199bfd9c75f8383688f9c81a2d67" in text
    assert text.count("sha256:") == 2
