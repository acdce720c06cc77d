"""`ercbench data fetch` through the installed command, from a folder that serves as the mirror."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

TURNS = [[{"text": "The kettle is on.", "speaker": "Ada", "label": "glad"}]]
FILES = {
    f"{split}.json": json.dumps([*TURNS, *TURNS * number]) for number, split in enumerate(("train", "dev", "test"))
}

PLUGIN = """
import hashlib
from ercbench import DatasetSpec, LabelSet, RemoteFile, SplitFile, hookimpl

ERCBENCH_API = 1
FILES = {files!r}


@hookimpl
def ercbench_datasets():
    return [
        DatasetSpec(
            name="toy",
            summary="a toy",
            family="toy",
            version="1",
            labels=LabelSet.of({{"glad": "glad"}}),
            files={{
                split: (SplitFile(name=split + ".json", reader="ercbench_stock.readers.iemocap:read_iemocap"),)
                for split in ("train", "dev", "test")
            }},
            licence="a licence of its own",
            source="a source of its own",
            remote=tuple(
                RemoteFile(
                    name=name,
                    url="https://pinned.invalid/v1/" + name,
                    size=len(text),
                    sha256=hashlib.sha256(text.encode()).hexdigest(),
                )
                for name, text in FILES.items()
            ),
        )
    ]
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment with a plugin that brings the data set ``toy``."""
    site = tmp_path / "site"
    info = site / "toy_plugin-0.1.dist-info"
    info.mkdir(parents=True)
    (site / "toy_plugin.py").write_text(PLUGIN.format(files=FILES))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-plugin\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[ercbench]\ntoy = toy_plugin\n")
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "ERCBENCH_DATA": str(tmp_path / "data"), "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A folder laid out as the server of the toy's files is."""
    folder = tmp_path / "a mirror"
    (folder / "v1").mkdir(parents=True)
    for name, text in FILES.items():
        (folder / "v1" / name).write_text(text)
    return folder


def ercbench(
    command: Path, environment: dict[str, str], *arguments: str, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run the installed command, and see that it ends with `code`."""
    found = subprocess.run(
        [command, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert found.returncode == code, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    return found


def test_fetched_files_pass_the_check_and_are_kept(
    ercbench_command: Path, environment: dict[str, str], mirror: Path, tmp_path: Path
) -> None:
    """Licence and source are shown, the files arrive, the data set loads, and fetching again is content."""
    fetch = ("data", "fetch", "toy", "--mirror", mirror.as_uri())
    text = ercbench(ercbench_command, environment, *fetch).stdout
    assert text.index("a licence of its own") < text.index("a source of its own") < text.index("fetched from file://")
    assert {path.name: path.read_text() for path in (tmp_path / "data" / "toy").glob("*.json")} == FILES
    assert "toy: OK." in ercbench(ercbench_command, environment, "data", "check", "toy").stdout
    [row] = json.loads(ercbench(ercbench_command, environment, *fetch, "--json").stdout)
    assert [file["state"] for file in row["files"]] == ["already here"] * 3
    assert row["files"][0]["bytes"] == len(FILES["train.json"])
    listed = json.loads(ercbench(ercbench_command, environment, "data", "list", "--json").stdout)
    assert [(one["files"], one["fetch"]) for one in listed if one["name"] == "toy"] == [("here", "yes")]


def test_a_served_data_folder_is_a_mirror_for_others(
    ercbench_command: Path, environment: dict[str, str], mirror: Path, tmp_path: Path
) -> None:
    """What one fetched, another can fetch from there, into a folder of their own."""
    ercbench(ercbench_command, environment, "data", "fetch", "toy", "--mirror", mirror.as_uri(), "--quiet")
    arguments = ("--mirror", (tmp_path / "data").as_uri(), "--data-dir", str(tmp_path / "other"))
    ercbench(ercbench_command, environment, "data", "fetch", "toy", *arguments)
    assert (tmp_path / "other" / "toy" / "dev.json").read_text() == FILES["dev.json"]


def test_wrong_bytes_end_with_the_code_of_fetching(
    ercbench_command: Path, environment: dict[str, str], mirror: Path, tmp_path: Path
) -> None:
    """Expected and got are printed, and nothing wrong is kept; what is right is."""
    wrong = FILES["dev.json"].replace("kettle", "bottle")
    (mirror / "v1" / "dev.json").write_text(wrong)
    found = ercbench(ercbench_command, environment, "data", "fetch", "toy", "--mirror", mirror.as_uri(), code=8)
    assert hashlib.sha256(wrong.encode()).hexdigest() in found.stderr
    assert hashlib.sha256(FILES["dev.json"].encode()).hexdigest() in found.stderr
    assert sorted(path.name for path in (tmp_path / "data" / "toy").glob("[a-z]*")) == ["test.json", "train.json"]


def test_offline_lists_what_is_missing(ercbench_command: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """With ``HF_HUB_OFFLINE`` set, nothing is asked for; every public data set is told."""
    found = ercbench(ercbench_command, environment, "data", "fetch", "--all", code=8)
    for name in ("train.json", "train_sent_emo.csv", "emotion-detection-trn.json", "emorynlp_dev_final.csv"):
        assert f"- {name}, from https://" in found.stderr
    assert "Offline (HF_HUB_OFFLINE)" in found.stderr


def test_run_on_missing_data_says_what_to_do_and_does_it_when_asked(
    ercbench_command: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """The message has the command; with ``--fetch`` it is fetching that reports (here, that it is offline)."""
    run = ("run", "eacl", "--dataset", "toy", "--track", "mini", "--dry-run", "--results", str(tmp_path / "results"))
    found = ercbench(ercbench_command, environment, *run, code=3)
    assert "ercbench data fetch toy (or add --fetch to `ercbench run`)" in found.stderr
    found = ercbench(ercbench_command, environment, *run, "--fetch", code=8)
    assert "a licence of its own" in found.stderr
    assert "Offline (HF_HUB_OFFLINE), and data set 'toy' is not complete" in found.stderr


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["meld", "emorynlp-declare-lab"])
def test_the_real_files_are_accepted(
    ercbench_command: Path, environment: dict[str, str], real_data: Path, tmp_path: Path, name: str
) -> None:
    """The folder of the real data sets serves as a mirror: every pinned checksum holds, and the check passes."""
    ercbench(ercbench_command, environment, "data", "fetch", name, "--mirror", real_data.as_uri())
    assert f"{name}: OK." in ercbench(ercbench_command, environment, "data", "check", name).stdout
