"""A URL -> a part file: streamed, resumed where it broke off, tried again, and never longer than it may be.

``pooch.HTTPDownloader`` makes the request and streams it, through requests, which honours ``HTTP_PROXY``,
``HTTPS_PROXY`` and ``NO_PROXY``. pooch starts every download from nothing, though, and tries all failures again alike;
so the part file, and which failure may pass, are here. (fsspec has no more of this, and brings an event loop.)
Whether the bytes are the right ones is for ``fetching.py`` to say. No network code is loaded before it is needed.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ercbench.errors import FetchError

if TYPE_CHECKING:
    from requests import Response

CHUNK = 8192
"""Bytes read at a time, which is also the most that a broken connection loses."""
CEILING = 256 * 2**20
"""Bytes that a file of unknown size may have."""
MAY_PASS = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses after which the same request may succeed."""
GONE = (404, 410)


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to try.

    Attributes:
        tries: in a row, none of which brought a new byte.
        pause: before the second try, in seconds; doubled before every further one.
        longest: wait between two tries, in seconds; a server that asks for more is not waited for.
        connect: for a connection, in seconds.
        silence: of a server that has answered, in seconds.
    """

    tries: int = 5
    pause: float = 1.0
    longest: float = 60.0
    connect: float = 10.0
    silence: float = 30.0


@dataclass(frozen=True)
class Arrival:
    """Where a file came from, and whether it was put together from more than one response."""

    url: str
    stitched: bool


class Watcher:
    """Is told how a download goes. This one takes no notice; the command line shows it."""

    def say(self, message: str) -> None:
        """Something worth a line of its own."""

    def progress(self, name: str, done: int, total: int | None) -> None:
        """The file `name` has `done` bytes of `total` (None: not known)."""

    def end(self) -> None:
        """The last file is done, well or badly."""


class Unreachable(FetchError):
    """A server that did not answer, or broke off, again and again. Further files need not be asked for."""


class _MayPass(Exception):
    """A failed try; the next may succeed. `wait` is what the server asked for, in seconds, or None."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _NotThere(Exception):
    """The server, or the folder, has no such file."""


def download(urls: Sequence[str], part: Path, size: int | None, patience: Patience, watcher: Watcher) -> Arrival:
    """URL -> part file, going on after what is in it already. What arrived of a broken download is kept.

    Args:
        urls: places of the file, http, https or file; the first that has it is taken.
        part: where the bytes go; its name without ``.part`` is what messages call the file.
        size: of the whole, in bytes; None where it is not known.
        patience: how often to try.
        watcher: told how it goes.

    Raises:
        FetchError: no URL has it, or it is too long, or the part cannot be written; `Unreachable` after too many tries.
    """
    with _opened(part, size, watcher) as target:
        for url in urls:
            try:
                if urlsplit(url).scheme == "file":
                    _copy(url, target)
                else:
                    _persist(url, target, patience, watcher)
                return Arrival(url, target.stitched)
            except _NotThere:
                continue
    raise FetchError(
        f"{part.stem} is not there. Looked at: {', '.join(map(without_password, urls))}. "
        "Check the address, or name another place that has it: ercbench data fetch --mirror URL."
    )


def without_password(url: str) -> str:
    """A URL fit to be shown: without what may stand before an @."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def megabytes(size: float) -> str:
    """``1119290`` -> ``1.12 MB``."""
    return f"{size / 1e6:.2f} MB"


class _Part:
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
                raise _MayPass("the server went on at another place than it was asked to")
            total, self.stitched = place[2], True
        elif response.status_code == HTTPStatus.OK:
            self.restart()
        else:
            raise FetchError(f"{self.name}: the server sent no file. Got {_status(response)}. Try another --mirror.")
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
        try:
            self._file.write(chunk)
            self._file.flush()
        except OSError as error:
            raise FetchError(
                f"{self.name} cannot be written: {error.strerror}. Got {megabytes(self.length)} of it so far. "
                "Make room, or choose another folder with --data-dir."
            ) from error
        self.length += len(chunk)
        self._watcher.progress(self.name, self.length, self._total)

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

    def _too_long(self, got: str) -> FetchError:
        self.restart()
        known = "at most" if self._size is None else "exactly"
        return FetchError(
            f"{self.name} is longer than it may be. Expected {known} {self._limit:,} bytes, got {got}. "
            "Nothing was kept. Try another --mirror."
        )


@contextmanager
def _opened(path: Path, size: int | None, watcher: Watcher) -> Iterator[_Part]:
    """The part file, synced in the end, and removed where nothing arrived."""
    try:
        file = path.open("ab")
    except OSError as error:
        raise FetchError(f"{path} cannot be written: {error.strerror}. Choose another folder: --data-dir.") from error
    part = _Part(file, path.stem, size, watcher)
    try:
        with file:
            yield part
            os.fsync(file.fileno())
    finally:
        if not part.length:
            path.unlink(missing_ok=True)


def _persist(url: str, part: _Part, patience: Patience, watcher: Watcher) -> None:
    """Ask until the file is whole, or nothing new came for too many tries."""
    failed, longest = 0, part.length
    while True:
        try:
            return _request(url, part, patience)
        except _MayPass as failure:
            failed = 1 if part.length > longest else failed + 1
            longest = max(longest, part.length)
            reason, wait = str(failure), min(patience.pause * 2 ** (failed - 1), patience.longest)
            if failure.wait is not None:
                wait = failure.wait
            if failed >= patience.tries or wait > patience.longest:
                raise _given_up(url, part, reason, failed, wait) from failure
        watcher.say(f"{part.name}: {reason}. Trying again in {wait:.0f} s, from {megabytes(part.length)} on.")
        time.sleep(wait)


def _given_up(url: str, part: _Part, reason: str, tries: int, wait: float) -> Unreachable:
    kept = f"{megabytes(part.length)} of it are kept, and the same command goes on from there. " if part.length else ""
    return Unreachable(
        f"{part.name} cannot be downloaded from {without_password(url)}. Got: {reason} ({tries} in a row, next in "
        f"{wait:.0f} s). {kept}Check the connection and the proxy, try later, or name another place: ercbench data fetch --mirror URL."
    )


def _request(url: str, part: _Part, patience: Patience) -> None:
    """One GET, from where the part ends."""
    import pooch
    from requests import exceptions

    from ercbench import __version__

    headers = {"User-Agent": f"ercbench/{__version__}", "Accept-Encoding": "identity"}
    if part.length:
        headers["Range"] = f"bytes={part.length}-"
        if part.etag and not part.etag.startswith("W/"):
            headers["If-Range"] = part.etag
    get = pooch.HTTPDownloader(
        chunk_size=CHUNK,
        timeout=(patience.connect, patience.silence),
        headers=headers,
        hooks={"response": part.begin},
    )
    try:
        get(url, part, None)
        if part.broke_off:
            raise _MayPass("the connection ended too early")
    except exceptions.HTTPError as error:
        raise _refusal(url, part) from error
    except exceptions.SSLError as error:
        raise FetchError(f"{part.name}: {without_password(url)} is not to be trusted: {_cause(error)}.") from error
    except (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError) as error:
        raise _MayPass(_cause(error)) from error
    except exceptions.RequestException as error:
        raise FetchError(f"{part.name} cannot be downloaded from {without_password(url)}. Got: {error}") from error
    finally:
        part.close()


def _refusal(url: str, part: _Part) -> Exception:
    """What a status of 400 or more comes to."""
    assert part.response is not None
    response, status = part.response, part.response.status_code
    if status in GONE:
        return _NotThere()
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.length:
        part.restart()
        return _MayPass("the server has less of it than had arrived", wait=0)
    if status in MAY_PASS:
        return _MayPass(f"the server answered {_status(response)}", _asked_to_wait(response))
    return FetchError(
        f"{part.name} cannot be downloaded from {without_password(url)}. Got {_status(response)}. "
        "Name another place that has it: ercbench data fetch --mirror URL."
    )


def _asked_to_wait(response: Response) -> float | None:
    """The header Retry-After, a number of seconds or a date, as seconds."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    try:
        return Retry().parse_retry_after(response.headers["Retry-After"])
    except (KeyError, InvalidHeader):
        return None


def _status(response: Response) -> str:
    """``404 Not Found``, in our words: what a server writes there could hold anything."""
    try:
        return f"{response.status_code} {HTTPStatus(response.status_code).phrase}"
    except ValueError:
        return str(response.status_code)


def _cause(error: BaseException) -> str:
    """What is at the bottom of an error that libraries wrapped several times."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__


def _copy(url: str, part: _Part) -> None:
    """A file URL -> the part, from the beginning."""
    source = Path(url2pathname(urlsplit(url).path))
    if not source.is_file():
        raise _NotThere
    part.restart()
    try:
        with source.open("rb") as file:
            part.expect(os.fstat(file.fileno()).st_size)
            for chunk in iter(lambda: file.read(2**20), b""):
                part.write(chunk)
    except OSError as error:
        raise FetchError(f"{part.name} cannot be read from {source}: {error.strerror}.") from error
