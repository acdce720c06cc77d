"""DatasetSpec -> its files in their folder, downloaded from where they are public, each with the pinned checksum.

A file has its name only when the checksum is right. What is there and right is kept, what is there and wrong is not
touched unless asked to. A mirror need not be trusted: the checksums hold for it too.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from ercbench.downloading import Patience, Unreachable, download, without_password
from ercbench.errors import FetchError, UsageError
from ercbench.part_file import Watcher, megabytes
from ercbench.specs import DatasetSpec, RemoteFile

OFFLINE = "HF_HUB_OFFLINE"
"""The variable that keeps huggingface_hub off the network keeps this off it too."""
LOCK = ".fetch.lock"


@dataclass(frozen=True)
class Options:
    """How to fetch.

    Attributes:
        mirror: base URL of another place, http, https or file; None for where the publishers serve the files.
        offline: open no connection; ``HF_HUB_OFFLINE`` does as much.
        force: replace files that are there with another checksum.
        patience: how often to try, and how long to wait.
    """

    mirror: str | None = None
    offline: bool = False
    force: bool = False
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        """Refuse a mirror that cannot be one.

        Raises:
            UsageError: it is no URL, or one of another kind.
        """
        if self.mirror is None:
            return
        parts = urlsplit(self.mirror)
        hosts = {"http": bool(parts.netloc), "https": bool(parts.netloc), "file": parts.netloc in ("", "localhost")}
        if not hosts.get(parts.scheme) or parts.query or parts.fragment:
            path = Path(self.mirror)
            raise UsageError(
                "--mirror takes the base of http, https or file URLs, such as https://example.org/data or "
                f"file:///srv/data. Got {without_password(self.mirror)!r}."
                + (f" Did you mean {path.absolute().as_uri()}?" if self.mirror and path.exists() else "")
            )


@dataclass(frozen=True)
class Fetched:
    """A file that is there and has the right checksum; `origin` is the URL it was fetched from, None if it was here."""

    file: RemoteFile
    path: Path
    origin: str | None


def fetch(spec: DatasetSpec, folder: Path, options: Options, watcher: Watcher) -> list[Fetched]:
    """DatasetSpec -> its public files in `folder`, in the order of `DatasetSpec.remote`.

    Before: the catalog. After: ``data.py``. A second process that fetches the same data set waits, and finds it there.

    Args:
        spec: the data set.
        folder: its folder; it is made.
        options: from where, and how.
        watcher: told how it goes.

    Raises:
        FetchError: there is nothing public, a file there is another one, or a file could not be had; what could be had
            is there.
    """
    if not spec.remote:
        raise FetchError(f"Data set {spec.name!r}. {how_to_get(spec)}")
    places = {file.name: _places(spec, file, options.mirror) for file in spec.remote}
    origins: dict[str, str] = {}
    if missing := _missing(spec, folder, options.force):  # nothing is locked or made where nothing is to be done
        _check_offline(spec, folder, missing, places, options)
        with _alone(folder, watcher):
            origins = _fetch(spec, folder, places, options, watcher)
    return [Fetched(file, folder / file.name, origins.get(file.name)) for file in spec.remote]


def how_to_get(spec: DatasetSpec, data_dir: Path | None = None) -> str:
    """What to do to have the files of a data set, with the exact command."""
    where = "" if data_dir is None else f" --data-dir {shlex.quote(str(data_dir))}"
    lines = [f"Where it comes from: {spec.source}"]
    if spec.remote:
        lines.append(f"To download it: ercbench data fetch {spec.name}{where} (or add --fetch to `ercbench run`)")
    else:
        lines.append(f"ercbench cannot download it. Once you have it: ercbench data import {spec.name} PATH{where}")
    return "\n".join(lines)


def together(errors: Sequence[FetchError]) -> FetchError:
    """One error that tells of all."""
    lines = [f"{number}. {error}" for number, error in enumerate(errors, 1)]
    return errors[0] if len(errors) == 1 else FetchError("\n".join([f"{len(errors)} problems.", *lines]))


def announcement(spec: DatasetSpec, folder: Path) -> str:
    """What is about to be fetched: licence, source, folder, files and sizes."""
    sizes = [megabytes(file.size) if file.size is not None else "size not known" for file in spec.remote]
    lines = [f"{spec.name}, version {spec.version}", f"  licence: {spec.licence}", f"  source: {spec.source}"]
    lines += [f"  into: {folder}"]
    lines += [f"  {file.name} ({size}), {file.checksum}" for file, size in zip(spec.remote, sizes, strict=True)]
    return "\n".join(lines)


def _places(spec: DatasetSpec, file: RemoteFile, mirror: str | None) -> tuple[str, ...]:
    """The URLs of a file. A mirror is laid out as the publisher's server is, or as a data folder is."""
    if mirror is None:
        return (file.url,)
    base = mirror.rstrip("/")
    return f"{base}{urlsplit(file.url).path}", f"{base}/{spec.name}/{quote(file.name)}"


def _missing(spec: DatasetSpec, folder: Path, force: bool) -> list[RemoteFile]:
    """The files that are to be fetched.

    Raises:
        FetchError: a file is there that is another one, and it is not to be replaced.
    """
    states = {file: _found(folder / file.name, file) for file in spec.remote}
    wrong = {file: got for file, got in states.items() if got not in (None, file.checksum)}
    if wrong and not force:
        lines = [f"Data set {spec.name!r}: {folder} holds other files under these names. They were left alone."]
        lines += [f"- {file.name}: expected {file.checksum}, got {got}" for file, got in wrong.items()]
        raise FetchError(
            "\n".join([*lines, f"Move them away, or have them replaced: ercbench data fetch {spec.name} --force"])
        )
    return [file for file, got in states.items() if got != file.checksum]


def _found(path: Path, file: RemoteFile) -> str | None:
    """The checksum of what lies at a path, of the kind that is known of the file; None where nothing does."""
    if not path.exists():
        return None
    try:
        with path.open("rb") as content:
            if file.sha256:
                return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
            blob = hashlib.sha1(b"blob %d\0" % os.fstat(content.fileno()).st_size, usedforsecurity=False)
            return f"git blob:{hashlib.file_digest(content, lambda: blob).hexdigest()}"
    except OSError as error:
        raise FetchError(f"{path} cannot be read: {error.strerror}. Move it away, or make it readable.") from error


def _check_offline(
    spec: DatasetSpec,
    folder: Path,
    missing: Sequence[RemoteFile],
    places: dict[str, tuple[str, ...]],
    options: Options,
) -> None:
    named = os.environ.get(OFFLINE, "").upper() in ("1", "ON", "YES", "TRUE")
    if not (named or options.offline) or urlsplit(options.mirror or "").scheme == "file":
        return
    lines = [f"Offline ({'--offline' if options.offline else OFFLINE}), and data set {spec.name!r} is not complete:"]
    lines += [f"- {file.name}, from {without_password(places[file.name][0])}" for file in missing]
    lines.append(f"Put them into {folder}, or go online, or name a folder that has them: --mirror file:///FOLDER.")
    raise FetchError("\n".join(lines))


@contextmanager
def _alone(folder: Path, watcher: Watcher) -> Iterator[None]:
    """Make the folder, and keep other processes from fetching into it."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        watcher.say(f"Another process is fetching into {folder}. Waiting for it.")
        lock.acquire()
    except OSError as error:
        raise FetchError(f"{folder} cannot be written to: {error.strerror}. Choose another: --data-dir.") from error
    try:
        yield
    finally:
        lock.release()


def _fetch(
    spec: DatasetSpec, folder: Path, places: dict[str, tuple[str, ...]], options: Options, watcher: Watcher
) -> dict[str, str]:
    """Fetch what is missing by now, and tell of every file that could not be had; returns URLs by file name."""
    origins: dict[str, str] = {}
    errors: list[FetchError] = []
    try:
        for file in _missing(spec, folder, options.force):
            try:
                origins[file.name] = _fetch_file(file, folder, places[file.name], options.patience, watcher)
            except FetchError as error:
                errors.append(error)
                if isinstance(error, Unreachable):
                    break
    finally:
        watcher.end()
    if errors:
        raise together(errors)
    return origins


def _fetch_file(file: RemoteFile, folder: Path, urls: Sequence[str], patience: Patience, watcher: Watcher) -> str:
    """Fetch one file, and give it its name once it is whole and right.

    A whole that was put together from several responses, and is wrong, is fetched once more: an earlier part may have
    come from elsewhere, or the file may have changed in between.
    """
    part = folder / f"{file.name}.part"
    if _found(part, file) == file.checksum:
        os.replace(part, folder / file.name)
        return f"{part.name} of an earlier download"
    arrival = download(urls, part, file.size, patience, watcher)
    if arrival.stitched and _found(part, file) != file.checksum:
        watcher.say(f"{file.name}: what had arrived before does not fit what came now. Starting anew.")
        part.unlink()
        arrival = download(urls, part, file.size, patience, watcher)
    got = _found(part, file)
    if got != file.checksum:
        part.unlink(missing_ok=True)
        raise FetchError(
            f"{file.name} from {without_password(arrival.url)} is not the file it should be. Expected {file.checksum}, "
            f"got {got or 'nothing'}. Nothing of it was kept. Try again; if it stays so, try another --mirror."
        )
    os.replace(part, folder / file.name)
    return arrival.url
