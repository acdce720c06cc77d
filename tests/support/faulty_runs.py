"""Real processes of ``ercbench`` that meet a fault at a chosen moment, many of them for the price of one start.

`Forks` starts a process that imports everything once and then forks a child for each command. A child is a process of
its own, with a number that can be killed; the fault that it is to meet is set up in it and nowhere else. Where the
system allows it the processes have file systems of their own, so that small and read-only ones can be mounted without
anybody else seeing them.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 120.0
"""Seconds after which a child is taken to hang."""
SAMPLE = ("eacl", "--dataset", "meld-sample", "--track", "mini", "--limit", "2", "--device", "cpu")
EPOCHS = 3
MANY = 100
"""Kinds of points, far more than a run has."""


def _text(file: Path) -> str:
    """What a child wrote; nothing where it was killed before it began."""
    return file.read_text(errors="replace") if file.exists() else ""


# In the process that asks.


@dataclass(frozen=True)
class Ended:
    """How a command ended: as `subprocess` counts it, what it printed, and where it touched the results folder."""

    returncode: int
    stdout: str
    stderr: str
    points: tuple[str, ...]

    @property
    def kinds(self) -> list[str]:
        """Each point without what differs from run to run and from epoch to epoch."""
        return [kind_of(point) for point in self.points]


def kind_of(point: str) -> str:
    """``rename .unfinished/<digest>-seed-0/last-2.safetensors`` -> ``rename unfinished/last-N.safetensors``."""
    point = re.sub(r"\.unfinished/\.?[^/.]*-seed-\d+", "unfinished", point)
    point = re.sub(r"logs/[^/]*\.(jsonl|lock)", r"logs/log.\1", point)
    point = re.sub(r"(last|best|sealed)-\d+", r"\1-N", point)
    return re.sub(r"\.[a-z0-9_]{8}\.tmp$", ".tmp", point)


def told(results: Path) -> dict[str, Any]:
    """What a results folder holds: every record without times and restarts, and the text of every file beside one."""
    found: dict[str, Any] = {}
    for path in sorted((results / "records").rglob("*")):
        if path.is_file() and path.parent.suffix != ".model":
            text = path.read_text(encoding="utf-8")
            found[str(path.relative_to(results))] = _without_times(json.loads(text)) if path.suffix == ".json" else text
    return found


def _without_times(record: dict[str, Any]) -> dict[str, Any]:
    for key in ("seconds", "started", "sha256"):
        record.pop(key, None)
    del record["training"]["resumed_after_epochs"]
    for epoch in record["training"]["epochs"]:
        del epoch["seconds"], epoch["utterances_per_second"]
    return record


def the_record(results: Path) -> Path:
    """The only record of a results folder."""
    [path] = results.glob("records/*/*/*/seed-*.json")
    return path


def strays(folder: Path) -> list[str]:
    """Temporary files anywhere in a folder."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if "tmp" in path.name.split(".")]


class Child:
    """A command that is running."""

    def __init__(self, forks: Forks, pid: int) -> None:
        self.pid, self._forks = pid, forks

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Until it ends."""
        return Ended(**self._forks.ask("wait", pid=self.pid))

    def wait_for(self, text: str) -> None:
        """Until it has printed something to the standard error."""
        begun = time.monotonic()
        while text not in self._forks.printed(self.pid):
            assert time.monotonic() - begun < PATIENCE, f"{text!r} was not printed: {self._forks.printed(self.pid)}"
            time.sleep(0.005)


class Forks:
    """Starts commands.

    Attributes:
        own_file_systems: whether `mounted` is possible.
        checkpoint: folder of a tiny encoder.
    """

    sample = SAMPLE

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ercbench-forks-"))
        alone = ["unshare", "--user", "--map-root-user", "--mount"]
        self.own_file_systems = (
            bool(shutil.which("unshare"))
            and not subprocess.run(
                [*alone, "mount", "-t", "tmpfs", "tmpfs", str(self._folder)], capture_output=True, check=False
            ).returncode
        )
        command = [*(alone if self.own_file_systems else []), sys.executable, __file__, str(self._folder)]
        unwanted = ("HF_HUB_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
        environment = {name: value for name, value in os.environ.items() if name.upper() not in unwanted}
        environment |= {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        self.checkpoint = self.ask("hello")["checkpoint"]

    def close(self) -> None:
        """End the process, and with it whatever it mounted."""
        self._process.communicate()
        shutil.rmtree(self._folder)
        shutil.rmtree(self.checkpoint)

    def ask(self, what: str, **values: Any) -> Any:
        """One request, one answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"what": what, **values}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer

    def start(
        self, arguments: Sequence[str], results: Path, cache: Path | None = None, fault: Mapping[str, Any] | None = None
    ) -> Child:
        """Start a command.

        Args:
            arguments: of ``ercbench``.
            results: folder in which every creation, sync, renaming and removal of a file is a point.
            cache: folder of the cache; points are counted there too where it lies in `results`.
            fault: ``kill``, ``terminate`` (with SIGTERM) or ``fail`` (for want of room), a point's number, from 1, or
                the kinds of points that are to be passed until another comes; ``limit``, bytes that a file may have;
                ``clock``, seconds that it is set forward and seconds that pass on it in a second; ``path``, a folder to
                import from.
        """
        values = {"arguments": list(arguments), "results": str(results), "cache": str(cache or self._folder / "cache")}
        return Child(self, self.ask("start", **values, fault=dict(fault or {}))["pid"])

    def begin(self, results: Path, *more: str, cache: Path | None = None, **fault: Any) -> Child:
        """Start the sample run, with more options, and a fault as `start` takes it."""
        values = {"encoder.checkpoint": self.checkpoint, "encoder.width": 16, "training.epochs": EPOCHS}
        values["training.encoder_lr"] = 0.001  # so that a later epoch than the first is the best
        settings = [word for path, value in values.items() for word in ("--set", f"{path}={value}")]
        return self.start(["run", *SAMPLE, *settings, "--results", str(results), *more], results, cache, fault)

    def run(self, results: Path, *more: str, cache: Path | None = None, **fault: Any) -> Ended:
        """The same, and wait for it."""
        return self.begin(results, *more, cache=cache, **fault).wait()

    def printed(self, pid: int) -> str:
        """What a child has printed to the standard error."""
        return _text(self._folder / f"{pid}.stderr")

    @contextlib.contextmanager
    def mounted(self, folder: Path, size: str) -> Iterator[None]:
        """A file system of a size, such as ``64k``, seen by commands alone."""
        folder.mkdir(parents=True, exist_ok=True)
        self.ask("call", command=["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)])
        try:
            yield
        finally:
            self.ask("call", command=["umount", str(folder)])

    def remount(self, folder: Path, options: str) -> None:
        """Give a mounted file system another size, or make it read-only."""
        self.ask("call", command=["mount", "-o", f"remount,{options}", str(folder)])

    def copy(self, folder: Path, to: Path) -> Path:
        """What commands see in a folder, where anybody can see it."""
        self.ask("call", command=["cp", "-a", str(folder), str(to)])
        return to


# In the process that forks.


def serve(folder: Path) -> None:
    """Answer requests until there are no more."""
    import torch

    from ercbench.testing.tiny import tiny_checkpoint

    torch.set_num_threads(1)
    checkpoint = tiny_checkpoint().name
    for line in sys.stdin:
        request = json.loads(line)
        match request["what"]:
            case "hello":
                answer: dict[str, Any] = {"checkpoint": str(checkpoint)}
            case "start":
                answer = {"pid": _fork(folder, request)}
            case "wait":
                answer = _wait(folder, request["pid"])
            case _:
                done = subprocess.run(request["command"], capture_output=True, text=True, check=False)
                answer = {"error": done.stderr} if done.returncode else {}
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer
    os._exit(0)  # there is nothing to put away but memory


def _fork(folder: Path, request: Mapping[str, Any]) -> int:
    """A child that runs a command, which never comes back from here."""
    if pid := os.fork():
        return pid
    for name, stream in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(folder / f"{os.getpid()}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), stream)
    code = 1
    try:
        _command(folder, request)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            (folder / f"{os.getpid()}.modules").write_text("\n".join(sys.modules))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _command(folder: Path, request: Mapping[str, Any]) -> None:
    """Set the fault up, and do what the command line does."""
    from ercbench.cli import main

    os.environ["ERCBENCH_CACHE"] = request["cache"]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log = os.open(folder / f"{os.getpid()}.points", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    fault = request["fault"]
    _watch(_Points(Path(request["results"]), log, fault))
    if clock := fault.get("clock"):
        _set_clock(*clock)
    if path := fault.get("path"):
        sys.path.insert(0, path)
    if limit := fault.get("limit"):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    main(request["arguments"])


def _wait(folder: Path, pid: int) -> dict[str, Any]:
    """How a child ended. What it imported is imported here too, so that the next ones need not."""
    begun = time.monotonic()
    while not (found := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() - begun > PATIENCE:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)
    _import_too(folder / f"{pid}.modules")
    texts: dict[str, Any] = {name: _text(folder / f"{pid}.{name}") for name in ("stdout", "stderr", "points")}
    for file in folder.glob(f"{pid}.*"):
        file.unlink()
    return {**texts, "returncode": os.waitstatus_to_exitcode(found[1]), "points": texts["points"].splitlines()}


def _import_too(file: Path) -> None:
    import importlib

    for name in _text(file).splitlines():
        if name not in sys.modules and name.split(".")[0] != "__main__":
            with contextlib.suppress(Exception):  # what cannot be imported alone is left to the children
                importlib.import_module(name)


class _Points:
    """Counts what is done to files in a folder, and does the fault when it is time."""

    def __init__(self, folder: Path, log: int, fault: Mapping[str, Any]) -> None:
        self._folder, self._log, self._fault = str(folder), log, fault
        self._count = 0

    def __call__(self, what: str, path: object, at: int = -1) -> None:
        """Something is about to be done to a path, which may be relative to a folder that is open."""
        name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if isinstance(at, int) and at >= 0:
            name = os.path.join(os.readlink(f"/proc/self/fd/{at}"), name)
        name = os.path.abspath(name)
        if not name.startswith(self._folder + os.sep):
            return
        self._count += 1
        point = f"{what} {name.removeprefix(self._folder + os.sep)}"
        os.write(self._log, f"{point}\n".encode())
        for fault, number in (("kill", signal.SIGKILL), ("terminate", signal.SIGTERM)):
            if self._is_time(fault, point):
                os.kill(os.getpid(), number)
        if what != "remove" and self._is_time("fail", point):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _is_time(self, fault: str, point: str) -> bool:
        when = self._fault.get(fault)
        now = kind_of(point) not in when if isinstance(when, list) else self._count == when
        if now:  # once
            self._fault = {}
        return now


def _watch(points: _Points) -> None:
    """Tell of every creation, sync, renaming and removal of a file or folder, just before it is done."""
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        points("sync", os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(args[2], int) and args[2] & os.O_CREAT and not os.path.exists(args[0]):
            points("create", args[0])
        elif event == "os.rename":
            points("rename", args[1])
        elif event in ("os.remove", "os.rmdir"):
            points("remove", args[0], args[1])
        elif event == "os.mkdir" and not os.path.isdir(args[0]):
            points("mkdir", args[0])

    os.fsync = fsync
    sys.addaudithook(hook)
    import safetensors.torch

    save = safetensors.torch.save_file

    def save_file(tensors: Any, filename: Any, metadata: Any = None) -> None:
        points("create", filename)
        save(tensors, filename, metadata)

    safetensors.torch.save_file = save_file


def _set_clock(forward: float, pace: float) -> None:
    """Another time of day, which may pass backwards; how long things take is not touched."""
    import datetime as of_day

    import ercbench.runner

    real, begun = time.time, time.time()

    def shown() -> float:
        return begun + forward + pace * (real() - begun)

    class Shown(of_day.datetime):
        @classmethod
        def now(cls, tz: of_day.tzinfo | None = None) -> Any:
            return of_day.datetime.fromtimestamp(shown(), tz)

    time.time = shown
    ercbench.runner.datetime = Shown  # type: ignore[attr-defined]


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
