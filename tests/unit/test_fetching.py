"""Fetching public files, from a real HTTP server on loopback that fails in every way a server fails."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ercbench_stock.datasets import DATASETS, EMORYNLP, IEMOCAP
from pydantic import ValidationError

from ercbench import downloading, fetching, part_file
from ercbench.downloading import Patience, Unreachable
from ercbench.errors import FetchError, UsageError
from ercbench.fetching import Options, fetch, how_to_get
from ercbench.part_file import Watcher
from ercbench.specs import DatasetSpec, RemoteFile, SplitFile
from ercbench.types import SPLITS, LabelSet

SOON = Patience(tries=4, pause=0.01, longest=2.0, connect=2.0, silence=0.4)
NAMES = ("train.json", "dev.json", "test.json")


def content(name: str, size: int = 60_000) -> bytes:
    """Bytes that belong to a name."""
    return random.Random(name).randbytes(size)


class Server:
    """Serves files below ``/pinned``, with ranges and ETags, unless a path has answers of its own lined up."""

    def __init__(self) -> None:
        self.files = {f"/pinned/{name}": content(name) for name in NAMES}
        self.answers: defaultdict[str, list[Callable[[BaseHTTPRequestHandler], None]]] = defaultdict(list)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.etags = True
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, dict(self.headers.items())))
                lined_up = server.answers[self.path]
                (lined_up.pop(0) if lined_up else server.serve)(self)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def asked(self, name: str) -> list[dict[str, str]]:
        """The headers of every request for a file."""
        return [headers for path, headers in self.requests if path == f"/pinned/{name}"]

    def answer(self, name: str, *answers: Callable[[BaseHTTPRequestHandler], None]) -> None:
        """Line up what the next requests for a file are answered with."""
        self.answers[f"/pinned/{name}"] += answers

    def serve(self, handler: BaseHTTPRequestHandler, ranges: bool = True, upto: int | None = None) -> None:
        """The file, or its end where that is asked for; only the first `upto` bytes of what is announced."""
        body = self.files.get(urlsplit(handler.path).path)
        if body is None:
            return status(404)(handler)
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        start = int(handler.headers.get("Range", "bytes=0-")[6:].rstrip("-"))
        if not ranges or (self.etags and handler.headers.get("If-Range", etag) != etag):
            start = 0
        if start >= len(body):
            return status(416)(handler)
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(body) - start))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if self.etags:
            handler.send_header("ETag", etag)
        handler.end_headers()
        handler.wfile.write(body[start:][:upto])
        return None

    def cut(self, upto: int = 30_000, ranges: bool = True) -> Callable[[BaseHTTPRequestHandler], None]:
        """Break the connection off after so many bytes."""
        return lambda handler: self.serve(handler, ranges, upto)

    def hold(self, until: threading.Event, upto: int = 30_000) -> Callable[[BaseHTTPRequestHandler], None]:
        """Say nothing more after so many bytes until told to, and break off then."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            self.serve(handler, upto=upto)
            handler.wfile.flush()
            until.wait(60)

        return answer


def status(code: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer without a file."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code, "\x1b[31mred")
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(b"no file\n")

    return answer


def raw(*pieces: bytes, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """200 with these headers alone, and these bytes."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        try:
            for piece in pieces:
                handler.wfile.write(piece)
        except OSError:  # whoever asked has had enough
            return

    return answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A file server; nothing in the environment changes how it is reached."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", fetching.OFFLINE):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    found = Server()
    yield found
    found.close()


def remote(file: str, server: str, **changes: Any) -> RemoteFile:
    """A file as a spec pins it."""
    body = content(file)
    pinned = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    return RemoteFile(**{"name": file, "url": f"{server}/pinned/{file}"} | pinned | changes)


def toy(url: str = "http://127.0.0.1:9", names: tuple[str, ...] = NAMES, **changes: Any) -> DatasetSpec:
    """A data set of three files."""
    return DatasetSpec(
        name="toy",
        summary="a toy",
        family="toy",
        version="1",
        labels=LabelSet.of({"glad": "glad"}),
        files={split: (SplitFile(name=f"{split}.json", reader="somewhere:read"),) for split in SPLITS},
        licence="a licence",
        source="https://example.org/toy",
        remote=tuple(remote(name, url, **changes) for name in names),
    )


class Heard(Watcher):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.seen: list[tuple[str, int, int | None]] = []
        self.ended = 0

    def say(self, message: str) -> None:
        """Kept."""
        self.said.append(message)

    def progress(self, name: str, done: int, total: int | None) -> None:
        """Kept."""
        self.seen.append((name, done, total))

    def end(self) -> None:
        """Counted."""
        self.ended += 1


def get(spec: DatasetSpec, folder: Path, watcher: Watcher | None = None, **options: Any) -> list[str | None]:
    """Fetch, see that all is there and right, and return where each file came from."""
    found = fetch(spec, folder, Options(**{"patience": SOON} | options), watcher or Watcher())
    assert [one.path.read_bytes() for one in found] == [content(file.name) for file in spec.remote]
    assert left(folder) == sorted(file.name for file in spec.remote)
    return [one.origin for one in found]


def refused(spec: DatasetSpec, folder: Path, watcher: Watcher | None = None, **options: Any) -> str:
    """What `fetch` says where it fails."""
    with pytest.raises(FetchError) as caught:
        fetch(spec, folder, Options(**{"patience": SOON} | options), watcher or Watcher())
    return str(caught.value)


def left(folder: Path) -> list[str]:
    """What lies in a folder, but for the lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != fetching.LOCK) if folder.exists() else []


ONE = ("train.json",)


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


# ---------------------------------------- connections that break


def test_a_cut_connection_is_resumed_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    """The second request asks for the rest alone, on condition that the file is still the same."""
    server.answer("train.json", server.cut(30_000))
    heard = Heard()
    get(toy(server.url, ONE), tmp_path, heard)
    first, second = server.asked("train.json")
    assert "Range" not in first
    start = int(second["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 30_000 - downloading.CHUNK <= start <= 30_000
    assert second["If-Range"] == f'"{hashlib.md5(content("train.json")).hexdigest()}"'
    assert "Trying again" in heard.said[0]


def test_a_server_that_knows_no_ranges_is_asked_for_the_whole(server: Server, tmp_path: Path) -> None:
    """What had arrived is dropped where the answer is the whole file again."""
    server.answer("train.json", server.cut(), server.cut(40_000, ranges=False), lambda h: server.serve(h, ranges=False))
    get(toy(server.url, ONE), tmp_path)
    assert len(server.asked("train.json")) == 3


def test_a_range_from_another_place_is_not_appended(server: Server, tmp_path: Path) -> None:
    """206 is believed only where it says that it goes on at the end of the part."""

    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", "bytes 5-59999/60000")
        handler.end_headers()
        handler.wfile.write(content("train.json")[5:])

    server.answer("train.json", server.cut(), elsewhere)
    get(toy(server.url, ONE), tmp_path)
    assert "Range" not in server.asked("train.json")[2]


@pytest.mark.parametrize("etags", [True, False])
def test_a_file_that_changes_between_two_parts_is_fetched_anew(server: Server, tmp_path: Path, etags: bool) -> None:
    """The ETag tells, and where there is none the checksum of the whole does."""

    def other_then_right(handler: BaseHTTPRequestHandler) -> None:
        server.files["/pinned/train.json"] = content("another version")
        server.serve(handler, upto=30_000)
        server.files["/pinned/train.json"] = content("train.json")

    server.etags = etags
    server.answer("train.json", other_then_right)
    heard = Heard()
    get(toy(server.url, ONE), tmp_path, heard)
    assert any("Starting anew" in line for line in heard.said) != etags
    assert len(server.asked("train.json")) == (2 if etags else 3)


def test_the_part_of_an_earlier_process_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    """A part with bytes of the file spares them."""
    (tmp_path / "train.json.part").write_bytes(content("train.json")[:50_000])
    get(toy(server.url, ONE), tmp_path)
    assert server.asked("train.json")[0]["Range"] == "bytes=50000-"


@pytest.mark.parametrize("size", [50_000, 60_000, 70_000])
def test_a_part_of_something_else_does_no_harm(server: Server, tmp_path: Path, size: int) -> None:
    """A part that does not fit, or is as long as the file and wrong, costs another download and no more."""
    (tmp_path / "train.json.part").write_bytes(b"x" * size)
    get(toy(server.url, ONE), tmp_path)
    assert "Range" not in server.asked("train.json")[-1]


def test_a_part_that_is_whole_gets_its_name(server: Server, tmp_path: Path) -> None:
    """Killed between the last byte and the renaming, the next process asks for nothing."""
    (tmp_path / "train.json.part").write_bytes(content("train.json"))
    assert get(toy(server.url, ONE), tmp_path) == ["train.json.part of an earlier download"]
    assert not server.requests


def test_a_server_with_less_than_the_part_is_asked_for_the_whole(server: Server, tmp_path: Path) -> None:
    """416 drops the part."""
    blob = hashlib.sha1(b"blob 60000\0" + content("train.json")).hexdigest()
    (tmp_path / "train.json.part").write_bytes(b"x" * 70_000)
    get(toy(server.url, ONE, size=None, sha256=None, git_blob=blob), tmp_path)
    assert ["Range" in headers for headers in server.asked("train.json")] == [True, False]


def test_a_body_that_just_ends_is_resumed(server: Server, tmp_path: Path) -> None:
    """Without a length in the answer, a body shorter than the file counts as broken off."""
    server.answer("train.json", raw(content("train.json")[:20_000]))
    get(toy(server.url, ONE), tmp_path)
    assert server.asked("train.json")[1]["Range"] == "bytes=20000-"


def test_a_silent_server_is_left_and_asked_again(server: Server, tmp_path: Path) -> None:
    """A server that stops sending is not waited for beyond the limit."""
    never = threading.Event()
    server.answer("train.json", server.hold(never))
    heard, begun = Heard(), time.monotonic()
    get(toy(server.url, ONE), tmp_path, heard)
    assert "Range" in server.asked("train.json")[1]
    assert "timed out" in heard.said[0]
    assert time.monotonic() - begun < 5
    never.set()


def test_progress_goes_on_counting_as_long_as_bytes_come(server: Server, tmp_path: Path) -> None:
    """A connection that breaks more often than there are tries still ends well, as every try brings something."""
    server.answer("train.json", *[server.cut(9_000)] * 6)
    get(toy(server.url, ONE), tmp_path)
    assert len(server.asked("train.json")) == 7 > SOON.tries


def test_a_server_that_cannot_be_reached_is_given_up(tmp_path: Path, server: Server) -> None:
    """After the last try the message says why, how often, what is kept and what to do; further files are not tried."""
    server.answer("train.json", *[server.cut(20_000, ranges=False)] * 9)
    text = refused(toy(server.url), tmp_path)
    assert len(server.asked("train.json")) == SOON.tries
    assert len(server.requests) == SOON.tries, "no other file was asked for"
    for part in ("train.json", server.url, f"tries in a row: {SOON.tries}", "0.02 MB of it are kept", "--mirror"):
        assert part in text
    assert left(tmp_path) == ["train.json.part"]


def test_a_refused_connection_is_named(tmp_path: Path, server: Server) -> None:
    """The cause stands in the message, without what libraries wrapped around it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = refused(toy(f"http://127.0.0.1:{port}", ONE), tmp_path)
    assert "Got: Connection refused (tries in a row: 4)" in text
    assert left(tmp_path) == []


# ---------------------------------------- what servers answer


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it was waited between tries; nobody really waits."""
    taken: list[float] = []
    monkeypatch.setattr(downloading.time, "sleep", taken.append)
    return taken


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_failure_that_may_pass_is_tried_again_ever_later(
    server: Server, tmp_path: Path, naps: list[float], code: int
) -> None:
    """The wait doubles from try to try."""
    server.answer("train.json", *[status(code)] * 3)
    heard = Heard()
    get(toy(server.url, ONE), tmp_path, heard)
    assert naps == [0.01, 0.02, 0.04]
    assert f"the server answered {code} " in heard.said[0]
    assert "\x1b" not in "".join(heard.said), "what a server writes is not printed"


def test_retry_after_is_honoured(server: Server, tmp_path: Path, naps: list[float]) -> None:
    """In seconds or as a date; nonsense is passed over, and a server that asks for too long is not waited for."""
    soon = formatdate(time.time() + 2, usegmt=True)
    server.answer(
        "train.json", status(503, Retry_After="1"), status(429, Retry_After=soon), status(503, Retry_After="later")
    )
    get(toy(server.url, ONE), tmp_path)
    assert naps[0] == 1
    assert 0 < naps[1] <= 2
    assert naps[2] == 0.04
    server.answer("dev.json", status(503, Retry_After="3600"))
    text = refused(toy(server.url, ("dev.json",)), tmp_path)
    assert "asks to wait 3600 s" in text
    assert len(server.asked("dev.json")) == 1


@pytest.mark.parametrize(("code", "words"), [(404, "is not there"), (410, "is not there"), (403, "403 Forbidden")])
def test_a_failure_that_stays_is_not_tried_again(server: Server, tmp_path: Path, code: int, words: str) -> None:
    """One request; the message has the URL. The other files are fetched all the same."""
    server.answer("dev.json", status(code))
    text = refused(toy(server.url), tmp_path)
    assert words in text
    assert f"{server.url}/pinned/dev.json" in text
    assert len(server.asked("dev.json")) == 1
    assert left(tmp_path) == ["test.json", "train.json"]


def test_an_answer_that_is_no_file_is_refused(server: Server, tmp_path: Path) -> None:
    """204 is a success that brings nothing."""
    server.answer("train.json", status(204))
    assert "204 No Content" in refused(toy(server.url, ONE), tmp_path)


def test_every_file_that_failed_is_told(server: Server, tmp_path: Path) -> None:
    """Several problems stand in one message."""
    server.answer("train.json", status(404))
    server.files["/pinned/test.json"] = b"x" * 60_000
    text = refused(toy(server.url), tmp_path)
    assert text.startswith("2 problems.")
    assert "1. train.json is not there" in text
    assert "2. test.json" in text


def test_a_redirect_is_followed_but_not_into_the_file_system(server: Server, tmp_path: Path) -> None:
    """To http it is, to ``file:`` and ``ftp:`` it is not."""
    server.files["/moved"] = content("train.json")
    server.answer("train.json", status(302, Location="/moved"))
    get(toy(server.url, ONE), tmp_path / "http")
    secret = tmp_path / "secret"
    secret.write_bytes(content("train.json"))
    for target in (secret.as_uri(), "ftp://127.0.0.1/moved"):
        server.answer("train.json", status(302, Location=target))
        text = refused(toy(server.url, ONE), tmp_path / "refused")
        assert "No connection adapters" in text
        assert left(tmp_path / "refused") == []


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


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_more_than_the_file_is_cut_off(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, announced: bool, known: bool
) -> None:
    """Bytes beyond the known size, or beyond the ceiling where it is not known, are never written."""
    monkeypatch.setattr(part_file, "CEILING", 60_000)
    largest: list[int] = []
    write = part_file.PartFile.write

    def watched(self: part_file.PartFile, chunk: bytes) -> None:
        write(self, chunk)
        largest.append(self.length)

    monkeypatch.setattr(part_file.PartFile, "write", watched)
    headers = {"Content_Length": "900000"} if announced else {}
    server.answer("train.json", raw(*[b"x" * 9_000] * 100, **headers))
    pins = {} if known else {"size": None, "sha256": None, "git_blob": "a" * 40}
    text = refused(toy(server.url, ONE, **pins), tmp_path)
    assert f"Expected {'exactly' if known else 'at most'} 60,000 bytes, got " in text
    assert max(largest, default=0) <= (0 if announced else 60_000)
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


def test_a_full_disk_is_told() -> None:
    """The message names the file and the reason, and what to do."""

    class Full(io.BytesIO):
        def write(self, chunk: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    part = part_file.PartFile(Full(), "train.json", None, Watcher())
    with pytest.raises(FetchError, match=r"train\.json cannot be written: No space left on device.*Make room"):
        part.write(b"x")


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
