"""A file server on loopback that fails in every way a server fails, and a data set whose files it serves."""

from __future__ import annotations

import hashlib
import random
import threading
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ercbench import fetching
from ercbench.downloading import Patience
from ercbench.errors import FetchError
from ercbench.fetching import Options, fetch
from ercbench.part_file import Watcher
from ercbench.specs import DatasetSpec, RemoteFile, SplitFile
from ercbench.types import SPLITS, LabelSet

SOON = Patience(tries=4, pause=0.01, longest=2.0, connect=2.0, silence=0.4)
NAMES = ("train.json", "dev.json", "test.json")
ONE = ("train.json",)


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
