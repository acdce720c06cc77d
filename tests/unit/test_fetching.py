"""Fetching public files: checked, kept, never overwritten, from mirrors, offline, and by two processes at once."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ercbench_stock.datasets import DATASETS, EMORYNLP, IEMOCAP
from file_server import NAMES, ONE, Heard, Server, content, get, left, raw, refused, remote, status, toy
from pydantic import ValidationError

from ercbench import fetching
from ercbench.downloading import Unreachable
from ercbench.errors import FetchError, UsageError
from ercbench.fetching import Options, how_to_get
from ercbench.specs import DatasetSpec
from ercbench.types import SPLITS

# ---------------------------------------- when all goes well


def test_files_arrive_under_their_names_and_a_second_time_nothing_is_asked(server: Server, tmp_path: Path) -> None:
    """Every file has the pinned content, no part is left, and fetching again asks the server for nothing."""
    heard = Heard()
    assert get(toy(server.url), tmp_path / "toy", heard) == [f"{server.url}/pinned/{name}" for name in NAMES]
    assert len(server.requests) == 3
    assert heard.ended == 1
    assert [heard.seen[-1], heard.said] == [("test.json", 60_000, 60_000), []]
    (tmp_path / "toy" / fetching.LOCK).unlink(missing_ok=True)
    assert get(toy(server.url), tmp_path / "toy") == [None, None, None]
    assert len(server.requests) == 3
    assert not (tmp_path / "toy" / fetching.LOCK).exists(), "nothing is written where nothing is missing"


def test_only_what_is_missing_is_fetched(server: Server, tmp_path: Path) -> None:
    """Files that are there and right are kept."""
    (tmp_path / "dev.json").write_bytes(content("dev.json"))
    assert get(toy(server.url), tmp_path)[1] is None
    assert not server.asked("dev.json")


def test_a_file_of_unknown_size_is_checked_by_its_git_blob_id(server: Server, tmp_path: Path) -> None:
    """The id is the one that git computes; bytes with another id get no name."""
    body = content("train.json")
    blob = hashlib.sha1(b"blob 60000\0" + body).hexdigest()
    if shutil.which("git"):
        done = subprocess.run(["git", "hash-object", "--stdin"], input=body, capture_output=True, check=True)
        assert done.stdout.decode().strip() == blob
    heard, pins = Heard(), {"size": None, "sha256": None}
    spec = toy(server.url, ONE, **pins, git_blob=blob)
    get(spec, tmp_path / "right", heard)
    assert heard.seen[0][2] == 60_000, "the server told the size"
    text = refused(toy(server.url, ONE, **pins, git_blob="a" * 40), tmp_path / "wrong")
    assert f"Expected git blob:{'a' * 40}, got git blob:{blob}" in text
    assert left(tmp_path / "wrong") == []


# ---------------------------------------- wrong bytes


def test_wrong_bytes_are_told_and_nothing_of_them_is_kept(server: Server, tmp_path: Path) -> None:
    """Expected and got are named; there is one request, no file, and no part."""
    wrong = b"x" * 60_000
    server.files["/pinned/train.json"] = wrong
    text = refused(toy(server.url, ONE), tmp_path)
    expected, got = (hashlib.sha256(body).hexdigest() for body in (content("train.json"), wrong))
    assert f"Expected sha256:{expected}, got sha256:{got}" in text
    assert len(server.requests) == 1
    assert left(tmp_path) == []


def test_a_page_instead_of_the_file_is_a_wrong_checksum(server: Server, tmp_path: Path) -> None:
    """A shorter body that is whole by its own account is not asked for again and again."""
    page = b"<html>Please log in</html>"
    server.answer("train.json", raw(page, Content_Length=str(len(page))))
    assert f"got sha256:{hashlib.sha256(page).hexdigest()}" in refused(toy(server.url, ONE), tmp_path)
    assert len(server.requests) == 1
    assert left(tmp_path) == []


def test_another_file_of_the_name_is_left_alone_unless_forced(server: Server, tmp_path: Path) -> None:
    """It is told, with both checksums, before anything is fetched; ``force`` replaces it once the right one is here."""
    (tmp_path / "dev.json").write_bytes(b"mine")
    text = refused(toy(server.url), tmp_path)
    assert hashlib.sha256(b"mine").hexdigest() in text
    assert hashlib.sha256(content("dev.json")).hexdigest() in text
    assert "ercbench data fetch toy --force" in text
    assert not server.requests
    server.answer("dev.json", status(404))
    refused(toy(server.url), tmp_path, force=True)
    assert (tmp_path / "dev.json").read_bytes() == b"mine"
    get(toy(server.url), tmp_path, force=True)
    assert len(server.asked("train.json")) == 1, "what is right is kept, forced or not"


def test_a_folder_that_cannot_be_written_to_is_told(server: Server, tmp_path: Path) -> None:
    """A file where the folder should be, a folder where a part or the file should be."""
    (tmp_path / "file").write_text("")
    assert "--data-dir" in refused(toy(server.url, ONE), tmp_path / "file")
    (tmp_path / "a" / "train.json.part").mkdir(parents=True)
    assert "train.json.part cannot be" in refused(toy(server.url, ONE), tmp_path / "a")
    (tmp_path / "b" / "train.json").mkdir(parents=True)
    assert "train.json cannot be read" in refused(toy(server.url, ONE), tmp_path / "b", force=True)


# ---------------------------------------- from elsewhere, or not at all


@pytest.mark.parametrize("layout", ["/pinned", "/toy"])
def test_a_mirror_has_the_layout_of_the_server_or_of_a_data_folder(server: Server, tmp_path: Path, layout: str) -> None:
    """Over http; the publisher's server is not asked."""
    server.files = {f"/base{layout}/{name}": content(name) for name in NAMES}
    origins = get(toy(), tmp_path, mirror=f"{server.url}/base/")
    assert origins == [f"{server.url}/base{layout}/{name}" for name in NAMES]


@pytest.mark.parametrize("layout", ["pinned", "toy"])
def test_a_folder_is_a_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    """``file:`` URLs do, with blanks in them too, and open no socket."""
    monkeypatch.setattr(socket, "socket", None)
    monkeypatch.setenv(fetching.OFFLINE, "1")
    folder = tmp_path / "a stick" / layout
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_bytes(content(name))
    get(toy(), tmp_path / "toy", mirror=(tmp_path / "a stick").as_uri())
    (folder / "dev.json").write_bytes(b"x" * 60_000)
    text = refused(toy(), tmp_path / "again", mirror=(tmp_path / "a stick").as_uri())
    assert hashlib.sha256(b"x" * 60_000).hexdigest() in text, "a mirror is not trusted"
    assert left(tmp_path / "again") == ["test.json", "train.json"]


def test_a_mirror_without_the_file_says_where_it_was_looked_for(server: Server, tmp_path: Path) -> None:
    """Both places are named, and a password in the address is not."""
    text = refused(toy(names=ONE), tmp_path, mirror=server.url.replace("//", "//ann:secret@") + "/base")
    assert f"{server.url}/base/pinned/train.json, {server.url}/base/toy/train.json" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    "mirror", ["", "/srv/data", "ftp://example.org/x", "http:///x", "file://host/x", "http://a/?b"]
)
def test_a_mirror_that_is_no_base_url_is_refused(mirror: str) -> None:
    """Before anything is done."""
    with pytest.raises(UsageError, match="--mirror takes"):
        Options(mirror=mirror)


def test_a_path_as_a_mirror_is_answered_with_its_url(tmp_path: Path) -> None:
    """Who names a folder learns how to write it."""
    with pytest.raises(UsageError, match="Did you mean file:///"):
        Options(mirror=str(tmp_path))


@pytest.mark.parametrize("way", ["option", "environment"])
def test_offline_says_what_is_missing_and_touches_no_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Neither a connection nor a socket is made; what is complete is fine offline."""

    def touched(*_: object, **__: object) -> None:
        raise AssertionError("a socket was touched")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, touched)
    monkeypatch.setenv(fetching.OFFLINE, "TRUE" if way == "environment" else "0")
    offline = way == "option"
    (tmp_path / "dev.json").write_bytes(content("dev.json"))
    text = refused(toy(), tmp_path, offline=offline)
    assert "- train.json, from http://127.0.0.1:9/pinned/train.json" in text
    assert "test.json" in text
    assert "dev.json" not in text
    assert str(tmp_path) in text
    for name in NAMES:
        (tmp_path / name).write_bytes(content(name))
    assert get(toy(), tmp_path, offline=offline) == [None] * 3


def test_offline_loads_no_network_code(tmp_path: Path) -> None:
    """urllib3 opens a socket when it is imported; offline it is not."""
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from ercbench.cli import cli\n"
        f"found = CliRunner().invoke(cli, ['data', 'fetch', 'meld', '--offline', '--data-dir', {str(tmp_path)!r}])\n"
        "assert 'Offline (--offline)' in str(found.exception), found\n"
        "print([name for name in ('requests', 'urllib3', 'pooch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_proxy_is_used_unless_the_host_is_excepted(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``HTTP_PROXY`` gets the whole address, and ``NO_PROXY`` takes hosts out of it."""
    server.files = {f"/pinned/{name}": content(name) for name in ONE}
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    get(toy("http://files.invalid", ONE), tmp_path / "through")
    assert server.requests[-1][0] == "http://files.invalid/pinned/train.json"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    get(toy(server.url, ONE), tmp_path / "past")
    assert server.requests[-1][0] == "/pinned/train.json"


# ---------------------------------------- more than one process


FETCH = """
import json
import sys
from pathlib import Path
from ercbench.fetching import Options, fetch
from ercbench.part_file import Watcher
from ercbench.specs import DatasetSpec
from ercbench.types import LabelSet

class Told(Watcher):
    def say(self, message):
        print(message, flush=True)

spec = DatasetSpec(labels=LabelSet.of({"glad": "glad"}), **json.loads(sys.argv[1]))
for one in fetch(spec, Path(sys.argv[2]), Options(), Told()):
    print("fetched" if one.origin else "here", one.file.name)
"""


def start(spec: DatasetSpec, folder: Path) -> subprocess.Popen[str]:
    """A process that fetches."""
    values = json.dumps(spec.model_dump(mode="json", exclude={"labels"}))
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, values, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_two_processes_at_once_fetch_every_file_once(server: Server, tmp_path: Path) -> None:
    """The second waits, says so, and finds everything there."""
    go_on = threading.Event()
    server.answer("train.json", server.hold(go_on))
    first = start(toy(server.url), tmp_path)
    wait_for(tmp_path / "train.json.part", first)
    second = start(toy(server.url), tmp_path)
    assert second.stdout is not None
    assert "Waiting for it." in second.stdout.readline()
    go_on.set()
    texts = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], texts
    assert [text.count("fetched") for text in texts] == [3, 0]
    assert texts[1].splitlines() == [f"here {name}" for name in NAMES]
    assert [len(server.asked(name)) for name in NAMES] == [2, 1, 1]
    get(toy(server.url), tmp_path)


def test_a_process_that_was_killed_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    """After ``kill -9`` the lock is free, and the next process asks for the rest alone."""
    never = threading.Event()
    server.answer("train.json", server.hold(never))
    process = start(toy(server.url, ONE), tmp_path)
    part = wait_for(tmp_path / "train.json.part", process)
    process.kill()
    process.communicate()
    assert not (tmp_path / "train.json").exists()
    size = part.stat().st_size
    get(toy(server.url, ONE), tmp_path)
    assert server.asked("train.json")[-1]["Range"] == f"bytes={size}-"
    never.set()


def wait_for(part: Path, process: subprocess.Popen[str]) -> Path:
    """Wait until some of a file has arrived."""
    while not part.exists() or part.stat().st_size < 16_384:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return part


# ---------------------------------------- what specs say


@pytest.mark.parametrize(
    "changes",
    [
        {"git_blob": "a" * 40},
        {"sha256": None},
        {"sha256": "xyz"},
        {"size": 0},
        {"name": "../up.json"},
        {"name": "a/b.json"},
        {"name": ".hidden"},
        {"url": "file:///etc/hostname"},
        {"url": "http://host"},
    ],
    ids=str,
)
def test_a_remote_file_is_pinned_by_one_checksum_and_stays_in_its_folder(changes: dict[str, Any]) -> None:
    """Anything else is refused when the plugin loads."""
    with pytest.raises(ValidationError):
        remote("train.json", "http://127.0.0.1:9", **changes)


@pytest.mark.parametrize("spec", [spec for spec in DATASETS if spec.remote], ids=lambda spec: spec.name)
def test_public_data_sets_pin_a_file_for_every_split(spec: DatasetSpec) -> None:
    """Each split's first known file name is served, at a full commit over https."""
    names = [file.name for file in spec.remote]
    assert names == [spec.files[split][0].name for split in SPLITS]
    for file in spec.remote:
        host, *_, name = file.url.removeprefix("https://").split("/")
        assert (host, name) == ("raw.githubusercontent.com", file.name)
        assert any(len(step) == 40 and set(step) <= set("0123456789abcdef") for step in file.url.split("/"))
        assert file.name in spec.source


@pytest.mark.real_data
def test_the_pinned_checksums_are_those_of_the_real_files(real_data: Path) -> None:
    """Every public file that is here has the checksum and the size that its spec gives."""
    seen = 0
    for spec in DATASETS:
        for file in spec.remote:
            path = real_data / spec.name / file.name
            if path.exists():
                seen += 1
                assert f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" == file.checksum
                assert path.stat().st_size == file.size
    assert seen


def test_what_to_do_is_said_with_the_exact_command(tmp_path: Path) -> None:
    """For a public data set, and for one that is given out on request."""
    assert f"ercbench data fetch emorynlp --data-dir '{tmp_path}/a b'" in how_to_get(EMORYNLP, tmp_path / "a b")
    assert "--fetch to `ercbench run`" in how_to_get(EMORYNLP)
    text = refused(IEMOCAP, tmp_path)
    assert "sail.usc.edu" in text
    assert "ercbench data import iemocap PATH" in text


def test_being_given_up_has_the_exit_code_of_fetching() -> None:
    """Scripts can tell a network that does not work from data that are not right."""
    assert Unreachable("x").exit_code == FetchError.exit_code == 8
