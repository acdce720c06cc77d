"""Starts one run on several processes of this machine: the same command once more, by each of them.

torch's own launcher starts and watches them, and ends all when one fails. Each process finds in its environment which
one it is; `devices.Device` opens the group. What ends a process is left in a file, so that it is told once.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ercbench.errors import ErcbenchError, TrainingError
from ercbench.whole_files import write_atomically

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig

FOLDER = "ERCBENCH_PROCESSES_FOLDER"
"""Variable of the environment: the folder in which a process leaves what ended it."""
STARTED_BY = "ERCBENCH_PROCESSES_PARENT"
"""Variable of the environment: the process that started the others, by its number."""
MODULE = "ercbench.cli.rank"
"""What a process runs, with the arguments of the command."""
AGAIN = "The same command goes on after the last finished epoch."
SHOWN = 2000
"""Characters of what a process printed that are shown when it ended without a word."""


def is_started() -> bool:
    """Whether this process is one of several that were started together."""
    return FOLDER in os.environ


def start(arguments: Sequence[str], processes: int) -> None:
    """Run ``ercbench`` with arguments on several processes, until all of them have ended well.

    Raises:
        ErcbenchError: one of them failed, with its message and its exit code.
        SystemExit: a signal ended this process, and with it the others.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    _be_quiet()
    with tempfile.TemporaryDirectory(prefix="ercbench-processes-") as folder:
        os.environ |= {FOLDER: folder, STARTED_BY: str(os.getpid()), "OMP_NUM_THREADS": _threads(processes)}
        try:
            elastic_launch(_settings(processes, Path(folder)), sys.executable)("-P", "-m", MODULE, *arguments)
        except ChildFailedError as error:
            raise _failure(error, Path(folder), processes) from error
        except SignalException as ended:
            if ended.sigval != signal.SIGINT:  # the main process has told of Ctrl-C
                sys.stderr.write(f"Ended by {signal.Signals(ended.sigval).name}. {AGAIN}\n")
            sys.exit(128 + ended.sigval)
        finally:
            del os.environ[FOLDER], os.environ[STARTED_BY]


def _settings(processes: int, folder: Path) -> LaunchConfig:
    """All processes on this machine, none started twice; what others than the main one print goes to files."""
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, Std
    from torch.distributed.launcher.api import LaunchConfig

    quiet = {rank: Std.ALL if rank else Std.NONE for rank in range(processes)}
    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=folder.name,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=str(folder / "printed"), redirects=quiet),
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
    """What ended the run: a process that was ended by a signal, else the first failure that one left.

    The others fail too then, for they wait for one that is gone.
    """
    signalled = {rank: found.exitcode for rank, found in error.failures.items() if found.exitcode < 0}
    if signalled:
        return _ended(*next(iter(signalled.items())), folder, processes)
    left = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("failure-*.json")]
    if left:
        first: dict[str, Any] = min(left, key=lambda one: float(one["time"]))
        message, exit_code = str(first["message"]), int(first["exit_code"])
    else:  # it has said itself why
        rank, failure = error.get_first_failure()
        exit_code = failure.exitcode
        message = f"Process {rank} of {processes} ended with exit code {exit_code}, and the others with it. {AGAIN}"
    found = ErcbenchError(message)
    found.exit_code = exit_code
    return found


def _ended(rank: int, exit_code: int, folder: Path, processes: int) -> TrainingError:
    """What is known of a process that was ended by a signal."""
    printed = "\n".join(_end_of(path) for path in sorted(folder.glob(f"printed/**/{rank}/stderr.log"))).strip()
    return TrainingError(
        f"Process {rank} of {processes} was ended by {signal.Signals(-exit_code).name}, and the others with it. "
        f"The machine may be out of memory: fewer processes, or a smaller --chunk, take less. {AGAIN}"
        + (f"\nIt had printed:\n{printed}" if printed else "")
    )


def _end_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-SHOWN:]


def end_with_parent() -> None:
    """End this process when the one that started it is gone: nobody would end it when another fails."""
    parent = int(os.environ[STARTED_BY])

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)  # whatever is on disk is whole

    threading.Thread(target=watch, daemon=True).start()
