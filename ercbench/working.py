"""One cell on a machine of a cluster: laid out in a folder of its own, checked, run, and sent back.

What it is told, and how it talks back, is all it knows of where the command was given. Everything that goes wrong is
sent back as text: an exception of a plugin's could not be read over there.

Before: shipping.py, which says what is to be run. After: collecting.py, which takes in what is made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from ercbench.catalog import load_with_files
from ercbench.cell_runs import run_cell
from ercbench.collecting import CHUNK, Place
from ercbench.failures import facts_of
from ercbench.grid import plan
from ercbench.progress import Silent
from ercbench.resume import STATE
from ercbench.run_log import Logged
from ercbench.runner import unfinished_folder
from ercbench.shipping import (
    Files,
    Order,
    check_cell,
    check_encoder,
    check_plugins,
    other_packages,
    plugin_paths,
    unpack,
)
from ercbench.tensors import sha256_of_file
from ercbench.workspaces import workspace

PREFIX = "ercbench-cell-"
Handed = tuple[Callable[[], Files], Files]
"""The data set's files, fetched when they are laid out and let go then, for labels of test are among them; and local
plugins."""


class Link(Protocol):
    """The way to the `Collector`: calls its methods, and waits for what they return."""

    def __call__(self, method: str, *arguments: Any) -> Any:
        """Call a method."""
        ...


def work(order: Order, handed: Handed, link: Link, node: str) -> dict[str, Any]:
    """Order -> the finished files, with the sha256 of each, which the collector has by then; or the facts of an error.

    Args:
        order: the cell.
        handed: what it is made from.
        link: to the collector.
        node: this machine, in words.
    """
    sender = Sender(link, order, node)
    try:
        sender.start()
        with workspace(PREFIX) as folder, sender.warnings(), _threads(order.threads):
            results = _run(order, handed, sender, folder)
            return {"files": sender.finished(results)}
    # A plugin's code may raise anything; whatever it is becomes the failure record of this cell.
    except Exception as error:
        return refused(error, node, sender.stage, sender.epoch)


def refused(error: Exception, node: str, stage: str | None = None, epoch: int = 0) -> dict[str, Any]:
    """What is sent back where a cell ended with an error, or did not begin."""
    return {"error": asdict(facts_of(error)), "stage": stage, "epoch": epoch, "node": node}


def _run(order: Order, handed: Handed, sender: Sender, folder: Path) -> Path:
    """Check the cell and run it; returns its results folder."""
    files, plugins = handed
    catalog = load_with_files(plugin_paths(plugins, folder))
    check_plugins(order, catalog, sender.node)
    check_encoder(order, sender.node)
    request = unpack(order, files(), folder)
    planned = plan(catalog, request)
    prepared, _ = planned.groups[0]
    check_cell(order, prepared, sender.node)
    for message in other_packages(order, sender.node):
        sender.warn(message)
    told = sender.reporter(unfinished_folder(prepared, order.cell.seed, request.results))
    told.begin(str(prepared.cell(order.cell.seed)), prepared.work)
    run_cell(planned, request, prepared, order.cell.seed, told)
    return request.results


class Sender:
    """Sends what one start of a cell has to tell.

    Attributes:
        stage: the one that is running, None before the first.
        epoch: the last that was finished and sent.
    """

    def __init__(self, link: Link, order: Order, node: str) -> None:
        self.node, self._link, self._order = node, link, order
        self._cell = asdict(order.cell)
        self._key = order.expected.identity, 0
        self._checkpoint: dict[str, int] = {}
        self._sent: dict[str, tuple[int, int]] = {}
        self._told: Logged | None = None

    @property
    def stage(self) -> str | None:
        """Handed on from what the cell told."""
        return self._told.stage if self._told else None

    @property
    def epoch(self) -> int:
        """Handed on from what the cell told."""
        return self._told.epoch if self._told else 0

    def start(self) -> None:
        """Say that this machine begins.

        Raises:
            MachinesLost: too many machines were lost over this cell.
        """
        order = self._order
        number, self._checkpoint = self._link("start", self._key[0], self.node, self._cell)
        self._key = self._key[0], number
        if number > order.attempts:
            raise MachinesLost(number - 1)

    def tell(self, event: str, **fields: Any) -> None:
        """Send an event."""
        self._link("tell", self._key, [{"event": event, **fields}])

    def warn(self, message: str) -> None:
        """Send a line that somebody should read."""
        self.tell("warned", cell=self._cell, message=message)

    @contextmanager
    def warnings(self) -> Iterator[None]:
        """What is logged here would be read by nobody: it is sent."""
        handler = _Sent(self)
        logger = logging.getLogger("ercbench")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)

    def reporter(self, folder: Path) -> Logged:
        """Who is told of the run: events are sent as they come, and after every epoch the checkpoint in `folder`."""
        self._bring(folder)

        def write(event: str, **fields: Any) -> None:
            if event == "cell_started":
                fields["node"] = self.node
            if event == "epoch_finished" and not fields["resumed"]:
                self.checkpoint(folder)  # before it is told: an epoch that is told is one that is kept
            self.tell(event, **fields)

        self._told = Logged(self._order.cell, write, Silent())
        return self._told

    def _bring(self, folder: Path) -> None:
        """Fetch the newest checkpoint; whether it is whole is seen when it is read."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, size in self._checkpoint.items():
            path = folder / name
            with path.open("wb") as file:
                while file.tell() < size:
                    piece: bytes = self._link("read", self._key[0], name, file.tell())
                    if not piece:
                        break
                    file.write(piece)
            self._sent[name] = _version(path)

    def checkpoint(self, folder: Path) -> None:
        """Send what is new in a checkpoint, and last the file that names the others."""
        names = sorted((path.name for path in folder.iterdir() if path.is_file()), key=lambda name: name == STATE)
        for name in names:
            if self._sent.get(name) != (version := _version(folder / name)):
                self.file("checkpoint", folder / name, name)
                self._sent[name] = version
        self._link("keep", self._key, names)

    def finished(self, results: Path) -> dict[str, str]:
        """Send everything that the run made: sha256 by name."""
        found = sorted(path.relative_to(results) for path in results.rglob("*") if path.is_file())
        return {
            path.as_posix(): self.file("arrived", results / path, path.as_posix())
            for path in found
            if path.parts[0] != ".unfinished"
        }

    def file(self, place: Place, path: Path, name: str) -> str:
        """Send a file in pieces; returns its sha256."""
        with path.open("rb") as file:
            while (piece := file.read(CHUNK)) or not file.tell():
                self._link("write", self._key, place, name, file.tell() - len(piece), piece)
                if not piece:
                    break
        sha256 = sha256_of_file(path)
        self._link("close", self._key, place, name, sha256)
        return sha256


class _Sent(logging.Handler):
    """Sends what is logged."""

    def __init__(self, sender: Sender) -> None:
        super().__init__(logging.WARNING)
        self._sender = sender

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        self._sender.warn(record.getMessage())


class MachinesLost(Exception):
    """A cell whose machine was lost each time: it may well be what loses them, by needing too much memory perhaps."""

    def __init__(self, times: int) -> None:
        super().__init__(
            f"{times} machines or processes were lost while they ran this cell. It may need more memory than there is: "
            "give each run more of a machine with --cpus-per-run or --gpus-per-run, or a smaller batch."
        )


def _version(path: Path) -> tuple[int, int]:
    """Tells a file from what had its name before."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Let torch and the libraries of linear algebra use as many threads as the run was given processors."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with threadpool_limits(limits=number):
            yield
    finally:
        torch.set_num_threads(before)
