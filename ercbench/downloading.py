"""A URL -> a part file: streamed, resumed where it broke off, tried again, and never longer than it may be.

``pooch.HTTPDownloader`` makes the request and streams it, through requests, which honours ``HTTP_PROXY``,
``HTTPS_PROXY`` and ``NO_PROXY``. pooch starts every download from nothing, though, and tries all failures again alike;
so the part file, and which failure may pass, are here. (fsspec has no more of this, and brings an event loop.)
Whether the bytes are the right ones is for ``fetching.py`` to say. No network code is loaded before it is needed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ercbench.errors import FetchError
from ercbench.part_file import MayPass, PartFile, Watcher, megabytes, opened, status_line

if TYPE_CHECKING:
    from requests import Response

CHUNK = 8192
"""Bytes read at a time, which is also the most that a broken connection loses."""
MAY_PASS = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses after which the same request may succeed."""
GONE = (404, 410)


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to try.

    Attributes:
        tries: in a row before giving up; one that brought new bytes begins the count anew.
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


class Unreachable(FetchError):
    """A server that did not answer, or broke off, again and again. Further files need not be asked for."""


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
    with opened(part, size, watcher) as target:
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


def _persist(url: str, part: PartFile, patience: Patience, watcher: Watcher) -> None:
    """Ask until the file is whole, or nothing new came for too many tries."""
    failed, longest = 0, part.length
    while True:
        try:
            return _request(url, part, patience)
        except MayPass as failure:
            failed = 1 if part.length > longest else failed + 1
            longest = max(longest, part.length)
            reason, wait = str(failure), min(patience.pause * 2 ** (failed - 1), patience.longest)
            if failure.wait is not None:
                wait = failure.wait
                reason += f" and asks to wait {wait:.0f} s"
            if failed >= patience.tries or wait > patience.longest:
                raise _given_up(url, part, reason, failed) from failure
        kept = f", from {megabytes(part.length)} on" if part.length else ""
        watcher.say(f"{part.name}: {reason}. Trying again in {wait:.0f} s{kept}.")
        time.sleep(wait)


def _given_up(url: str, part: PartFile, reason: str, tries: int) -> Unreachable:
    kept = f"{megabytes(part.length)} of it are kept, and the same command goes on from there. " if part.length else ""
    return Unreachable(
        f"{part.name} cannot be downloaded from {without_password(url)}. Got: {reason} (tries in a row: {tries}). "
        f"{kept}Check the connection and the proxy, try later, or name another place: ercbench data fetch --mirror URL."
    )


def _request(url: str, part: PartFile, patience: Patience) -> None:
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
            raise MayPass("the connection ended too early")
    except exceptions.HTTPError as error:
        raise _refusal(url, part) from error
    except exceptions.SSLError as error:
        raise FetchError(f"{part.name}: {without_password(url)} is not to be trusted: {_cause(error)}.") from error
    except (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError) as error:
        raise MayPass(_cause(error)) from error
    except exceptions.RequestException as error:
        raise FetchError(f"{part.name} cannot be downloaded from {without_password(url)}. Got: {error}") from error
    finally:
        part.close()


def _refusal(url: str, part: PartFile) -> Exception:
    """What a status of 400 or more comes to."""
    assert part.response is not None
    response, status = part.response, part.response.status_code
    if status in GONE:
        return _NotThere()
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.length:
        part.restart()
        return MayPass("the server has less of it than had arrived")
    if status in MAY_PASS:
        return MayPass(f"the server answered {status_line(response)}", _asked_to_wait(response))
    return FetchError(
        f"{part.name} cannot be downloaded from {without_password(url)}. Got {status_line(response)}. "
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


def _cause(error: BaseException) -> str:
    """What is at the bottom of an error that libraries wrapped several times."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return (error.strerror if isinstance(error, OSError) else str(error)) or str(error) or type(error).__name__


def _copy(url: str, part: PartFile) -> None:
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
