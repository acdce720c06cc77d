"""The part file: what has arrived of a download, on disk, so that the next try or the next process goes on from there.

pooch writes to it as to any file, and requests hands it every response before the body is read; that is where it
decides whether what comes continues what is here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ercbench.errors import FetchError

if TYPE_CHECKING:
    from requests import Response

CEILING = 256 * 2**20
"""Bytes that a file of unknown size may have."""


class Watcher:
    """Is told how a download goes. This one takes no notice; the command line shows it."""

    def say(self, message: str) -> None:
        """Something worth a line of its own."""

    def progress(self, name: str, done: int, total: int | None) -> None:
        """The file `name` has `done` bytes of `total` (None: not known)."""

    def end(self) -> None:
        """The last file is done, well or badly."""


class MayPass(Exception):
    """A failed try; the next may succeed. `wait` is what the server asked for, in seconds, or None."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class PartFile:
    """The part file, as something pooch writes to and requests hands the response to."""

    def __init__(self, file: IO[bytes], name: str, size: int | None, watcher: Watcher) -> None:
        self.name, self.length = name, file.seek(0, os.SEEK_END)
        self.etag, self.stitched = "", False
        self._file, self._size, self._watcher = file, size, watcher
        self._limit = CEILING if size is None else size
        self._total: int | None = size
        self.response: Response | None = None
        self._told_end = True

    def begin(self, response: Response, *_: object, **__: object) -> None:
        """Called by requests before the body is read: go on where the part ends, or start anew."""
        self.response = response
        if response.is_redirect or not response.ok:
            return
        place = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        total = response.headers.get("Content-Length", "")
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            if not place or int(place[1]) != self.length:
                self.restart()
                raise MayPass("the server went on at another place than it was asked to")
            total, self.stitched = place[2], True
        elif response.status_code == HTTPStatus.OK:
            self.restart()
        else:
            raise FetchError(
                f"{self.name}: the server sent no file. Got {status_line(response)}. Try another --mirror."
            )
        self.etag = response.headers.get("ETag", "")
        self._told_end = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
        self.expect(int(total) if total.isdecimal() else None)

    def expect(self, total: int | None) -> None:
        """Note how long the whole will be, and refuse it where that is too long."""
        if total is not None and total > self._limit:
            raise self._too_long(f"{total:,} bytes")
        self._total = total if self._size is None else self._size

    def write(self, chunk: bytes) -> None:
        """Append what arrived, unless there is more than there should be."""
        if self.length + len(chunk) > self._limit:
            raise self._too_long("more")
        with self._writing():
            self._file.write(chunk)
            self._file.flush()
        self.length += len(chunk)
        self._watcher.progress(self.name, self.length, self._total)

    def sync(self) -> None:
        """See that what arrived is on the disk."""
        with self._writing():
            os.fsync(self._file.fileno())

    def flush(self) -> None:
        """Nothing to do: `write` has."""

    def restart(self) -> None:
        """Forget what has arrived."""
        self._file.seek(0)
        self._file.truncate()
        self.length, self.etag, self.stitched = 0, "", False

    def close(self) -> None:
        """Let go of the connection."""
        if self.response is not None:
            self.response.close()

    @property
    def broke_off(self) -> bool:
        """Whether the body ended too early, and nothing in the response tells that it is not its end."""
        return not self._told_end and self._size is not None and self.length < self._size

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """What the system says of a write that fails -> an error that says what to do."""
        try:
            yield
        except OSError as error:
            raise FetchError(
                f"{self.name} cannot be written: {error.strerror}. Got {megabytes(self.length)} of it so far. "
                "Make room, or choose another folder with --data-dir."
            ) from error

    def _too_long(self, got: str) -> FetchError:
        self.restart()
        known = "at most" if self._size is None else "exactly"
        return FetchError(
            f"{self.name} is longer than it may be. Expected {known} {self._limit:,} bytes, got {got}. "
            "Nothing was kept. Try another --mirror."
        )


@contextmanager
def opened(path: Path, size: int | None, watcher: Watcher) -> Iterator[PartFile]:
    """The part file, synced in the end, and removed where nothing arrived."""
    try:
        file = path.open("ab")
    except OSError as error:
        raise FetchError(f"{path} cannot be written: {error.strerror}. Choose another folder: --data-dir.") from error
    part = PartFile(file, path.stem, size, watcher)
    try:
        with file:
            yield part
            part.sync()
    finally:
        if not part.length:
            path.unlink(missing_ok=True)


def status_line(response: Response) -> str:
    """``404 Not Found``, in our words: what a server writes there could hold anything."""
    try:
        return f"{response.status_code} {HTTPStatus(response.status_code).phrase}"
    except ValueError:
        return str(response.status_code)


def megabytes(size: float) -> str:
    """``1119290`` -> ``1.12 MB``."""
    return f"{size / 1e6:.2f} MB"
