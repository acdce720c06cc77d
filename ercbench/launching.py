"""Starts one run on several processes of this machine: the same command once more, by each of them.

torch's own launcher starts and watches them, and ends all when one fails. Each process finds in its environment which
one it is; `devices.Device` opens the group. What ends a process is left in a file, so that it is told once.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ercbench.errors import ErcbenchError, TrainingError
from ercbench.whole_files import write_atomically
from ercbench.workspaces import workspace

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig

FOLDER = "ERCBENCH_PROCESSES_FOLDER"
"""Variable of the environment: the folder in which a process leaves what ended it."""
STARTED_BY = "ERCBENCH_PROCESSES_PARENT"
"""Variable of the environment: the process that started the others, by its number."""
MORE = "more"
"""File in that folder: the processes end because a cell failed, and cells are left."""
MODULE = "ercbench.cli.rank"
"""What a process runs, with the arguments of the command."""
AGAIN = "The same command goes on after the last finished epoch."
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))
"""Signals that somebody sends who wants a run to end; batch systems send them to every process of it."""
SLOW = 10
"""Seconds after a failure in which another process that is killed is its reason; later the launcher has done it."""
WATCH = 0.1
"""Seconds between two looks whether the process that started this one is still there."""
SHOWN = 2000
"""Characters of what a process printed that are shown when it ended without a word."""


def is_started() -> bool:
    """Whether this process is one of several that were started together."""
    return FOLDER in os.environ


def started_process() -> int:
    """The process that somebody started: this one, or the one that started this among others."""
    return int(os.environ.get(STARTED_BY, os.getpid()))


def is_main() -> bool:
    """Whether this process writes and prints: the only one, or the main one of several."""
    return not is_started() or os.environ.get("RANK") == "0"


def start(arguments: Sequence[str], processes: int) -> None:
    """Run ``ercbench`` with arguments on several processes, until all of them have ended well.

    Raises:
        ErcbenchError: one of them failed, with its message and its exit code.
        SystemExit: a signal ended this process, and with it the others.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    _be_quiet()
    before = dict(os.environ)
    with workspace("ercbench-processes-") as folder:
        os.environ |= {FOLDER: str(folder), STARTED_BY: str(os.getpid()), "OMP_NUM_THREADS": _threads(processes)}
        try:
            _launch(arguments, processes, folder)
        except ChildFailedError as error:
            first = error.get_first_failure()[1].exitcode
            if -first in ENDING:
                _end(signal.Signals(-first))
            raise _failure(error, folder, processes) from error
        except SignalException as ended:
            _end(signal.Signals(ended.sigval))
        finally:
            os.environ.clear()
            os.environ.update(before)


def _launch(arguments: Sequence[str], processes: int, folder: Path) -> None:
    """Start the processes, and start them again where a cell failed and others are left.

    Raises:
        ChildFailedError: a process failed, and nothing is left to be done.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    while True:
        try:
            elastic_launch(_settings(processes, folder), sys.executable)("-P", "-m", MODULE, *arguments)
            return
        except ChildFailedError:
            if not (folder / MORE).exists():
                raise
            for path in (folder / MORE, *folder.glob("failure-*.json")):
                path.unlink()


def ended_cells() -> frozenset[str]:
    """The cells that are done or failed since the command began, by identity."""
    folder = os.environ.get(FOLDER)
    return frozenset(path.stem for path in Path(folder).glob("*.ended")) if folder else frozenset()


def cell_ended(identity: str, again: bool = False) -> None:
    """Note that a cell is done or failed; with `again` the processes end here, and are to be started for others."""
    folder = Path(os.environ[FOLDER])
    (folder / f"{identity}.ended").touch()
    if again:
        (folder / MORE).touch()


def _end(by: signal.Signals) -> NoReturn:
    """End as a program does that a signal ends."""
    if by != signal.SIGINT:  # the main process has told of Ctrl-C
        sys.stderr.write(f"Ended by {by.name}. {AGAIN}\n")
    sys.exit(128 + by)


def _settings(processes: int, folder: Path) -> LaunchConfig:
    """All processes on this machine, none of them started twice."""
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig

    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=folder.name,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=str(folder / "launcher")),  # or it leaves a folder of its own behind
    )


def _threads(processes: int) -> str:
    """Threads of each process: what the environment says, else an equal share."""
    import torch

    return os.environ.get("OMP_NUM_THREADS") or str(max(1, torch.get_num_threads() // processes))


def _be_quiet() -> None:
    """The launcher logs what is told here in one message."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def leave_failure(message: str, exit_code: int) -> None:
    """Keep what ends this process, for the one that started it."""
    content = {"message": message, "exit_code": exit_code, "time": time.time()}
    write_atomically(Path(os.environ[FOLDER]) / f"failure-{os.environ.get('RANK', '0')}.json", json.dumps(content))


def _failure(error: ChildFailedError, folder: Path, processes: int) -> ErcbenchError:
    """What ended the run: a process that was killed, else the first failure that one left.

    The others fail then too, for they wait for one that is gone, and the launcher ends them.
    """
    left = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("failure-*.json")]
    first: dict[str, Any] = min(left, key=lambda one: float(one["time"]), default={})
    latest = first.get("time", math.inf) + SLOW
    killed = [
        rank
        for rank, found in error.failures.items()
        if found.exitcode < 0 and -found.exitcode not in ENDING and found.timestamp < latest
    ]
    if killed:
        return _ended(killed[0], error.failures[killed[0]].exitcode, folder, processes)
    rank, failure = error.get_first_failure()
    by_itself = (
        f"Process {rank} of {processes} ended with exit code {failure.exitcode}, and the others with it. {AGAIN}"
    )
    found = ErcbenchError(first.get("message", by_itself))
    found.exit_code = first.get("exit_code", failure.exitcode)
    return found


def _ended(rank: int, exit_code: int, folder: Path, processes: int) -> TrainingError:
    """What is known of a process that was ended by a signal."""
    path = folder / f"printed-{rank}.txt"
    printed = path.read_text(encoding="utf-8", errors="replace")[-SHOWN:].strip() if path.exists() else ""
    return TrainingError(
        f"Process {rank} of {processes} was ended by {signal.Signals(-exit_code).name}, and the others with it. "
        f"The machine may be out of memory: fewer processes, or a smaller --chunk, take less. {AGAIN}"
        + (f"\nIt had printed:\n{printed}" if printed else "")
    )


def be_one_of_several() -> None:
    """Print to a file unless this is the main process, and end with the one that started this.

    Otherwise whatever libraries warn of would be on the terminal once per process, and nobody would end this process
    where another one fails.
    """
    if not is_main():
        file = os.open(Path(os.environ[FOLDER]) / f"printed-{os.environ['RANK']}.txt", os.O_WRONLY | os.O_CREAT, 0o600)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file, stream.fileno())
        os.close(file)
    threading.Thread(target=_watch, args=[int(os.environ[STARTED_BY])], daemon=True).start()


def _watch(parent: int) -> None:
    """End this process when its parent is another one."""
    while os.getppid() == parent:
        time.sleep(WATCH)
    os._exit(1)  # whatever is on disk is whole


def close() -> None:
    """Leave the group of processes, where this one has joined it."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()
