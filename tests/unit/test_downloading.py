"""Downloads from a server that breaks off, refuses, says too much, or says nothing."""

from __future__ import annotations

import errno
import hashlib
import io
import socket
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from file_server import ONE, SOON, Heard, Server, content, get, left, raw, refused, status, toy

from ercbench import downloading, part_file
from ercbench.errors import FetchError
from ercbench.part_file import Watcher

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


# ---------------------------------------- more than there should be, or than there is room for


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


def test_a_full_disk_is_told() -> None:
    """The message names the file and the reason, and what to do."""

    class Full(io.BytesIO):
        def write(self, chunk: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    part = part_file.PartFile(Full(), "train.json", None, Watcher())
    with pytest.raises(FetchError, match=r"train\.json cannot be written: No space left on device.*Make room"):
        part.write(b"x")
