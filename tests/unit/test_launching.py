"""Processes are started together and end together, and what ended them is told once. Those here are small ones."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ercbench import devices, launching
from ercbench.devices import choose_device
from ercbench.errors import ErcbenchError, TrainingError, UsageError

HEAD = """
import os, sys, time
from pathlib import Path
from ercbench.launching import FOLDER, be_one_of_several, leave_failure
be_one_of_several()
rank, folder = os.environ["RANK"], Path(sys.argv[1])
(folder / f"rank-{rank}").write_text(" ".join([os.environ["WORLD_SIZE"], os.environ["OMP_NUM_THREADS"], *sys.argv[2:]]))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the processes find their module and write; the launcher's handlers of signals go afterwards."""
    known = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    handlers = [signal.getsignal(one) for one in known]
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(launching, "MODULE", "small_rank")
    yield tmp_path
    for one, handler in zip(known, handlers, strict=True):
        signal.signal(one, handler)


def start(folder: Path, code: str, processes: int = 2) -> None:
    """Start processes that run some code."""
    (folder / "small_rank.py").write_text(HEAD + code)
    launching.start([str(folder), "--option", "a value"], processes)


def test_each_process_is_given_the_arguments_and_who_it_is(folder: Path) -> None:
    """All of them; when they have ended well, nothing is raised and the environment is as it was."""
    before = dict(os.environ)
    start(folder, "", 3)
    assert [(folder / f"rank-{rank}").read_text() for rank in range(3)] == ["3 1 --option a value"] * 3
    assert dict(os.environ) == before
    assert not launching.is_started()


def test_the_first_failure_is_told_with_its_exit_code(folder: Path) -> None:
    """What another process says because of it comes later, and is not told; nobody is left."""
    code = """
if rank == "1":
    leave_failure("the reason", 3)
    sys.exit(3)
while not list(Path(os.environ[FOLDER]).glob("failure-1.json")):
    time.sleep(0.01)
leave_failure("the other is gone", 1)
sys.exit(1)
"""
    with pytest.raises(ErcbenchError, match=r"^the reason$") as raised:
        start(folder, code)
    assert raised.value.exit_code == 3


def test_a_process_that_is_ended_is_named(folder: Path) -> None:
    """By which signal, what it had printed, and that the others end with it; not what they make of it."""
    code = """
if rank == "1":
    print("no room left", file=sys.stderr, flush=True)
    os.kill(os.getpid(), 9)
time.sleep(60)
"""
    with pytest.raises(
        TrainingError, match=r"(?s)Process 1 of 2 was ended by SIGKILL.*--chunk.*printed:.*no room left"
    ):
        start(folder, code)


def test_an_exit_code_without_a_word_is_told(folder: Path) -> None:
    """It is the exit code of the run."""
    with pytest.raises(
        ErcbenchError, match=r"Process 0 of 2 ended with exit code 7, and the others with it\."
    ) as raised:
        start(folder, 'sys.exit(7) if rank == "0" else time.sleep(60)')
    assert raised.value.exit_code == 7


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_ends_all(folder: Path, capsys: pytest.CaptureFixture[str], sent: signal.Signals, code: int) -> None:
    """With the exit code that shells give it; of Ctrl-C the main process tells, which is given it too."""

    def send() -> None:
        while not (folder / "rank-0").exists() or not (folder / "rank-1").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), sent)

    before = psutil.Process().children()
    threading.Thread(target=send).start()
    with pytest.raises(SystemExit) as raised:
        start(folder, "time.sleep(60)")
    assert raised.value.code == code
    told = "" if sent == signal.SIGINT else f"Ended by {sent.name}. The same command goes on after the last"
    assert capsys.readouterr().err.startswith(told)
    left = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    assert set(left) <= set(before)


def test_a_signal_to_every_process_is_no_error(folder: Path) -> None:
    """A batch system sends SIGTERM to all of them; whoever is told first, the run has been ended."""
    with pytest.raises(SystemExit) as raised:
        start(folder, "os.kill(os.getpid(), 15)")
    assert raised.value.code == 143


def test_a_process_does_not_outlive_the_one_that_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks after it, twice a second."""
    ended: list[int] = []
    parent = os.getppid()
    monkeypatch.setattr(os, "_exit", ended.append)
    threading.Thread(target=launching._watch, args=[parent], daemon=True).start()
    time.sleep(0.1)
    assert not ended
    monkeypatch.setattr(os, "getppid", lambda: parent + 1)
    for _ in range(1000):
        time.sleep(0.02)
        if ended:
            break
    assert ended == [1]


def test_who_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process on its own, and the first of several."""
    assert launching.is_main()
    monkeypatch.setenv("RANK", "1")
    assert launching.is_main()  # of somebody else's processes
    monkeypatch.setenv(launching.FOLDER, "somewhere")
    assert not launching.is_main()
    monkeypatch.setenv("RANK", "0")
    assert launching.is_main()


@pytest.mark.parametrize(
    ("there", "asked", "processes", "wrong"),
    [
        (["cuda", "cpu"], None, 3, r"Each process needs a GPU of its own\. Got --processes 3, and 2 here\."),
        (["cuda", "cpu"], "cpu", 3, None),
        (["cuda", "cpu"], None, 2, None),
        (["cuda", "cpu"], "cpu", 5, r"share the processors\. Got --processes 5, and 4 here\."),
        (["mps", "cpu"], None, 2, r"Device mps takes one process\. Got --processes 2\..*--device cpu"),
        (["mps", "cpu"], "mps", 1, None),
        (["cpu"], "cuda", 1, r"no such device\. Got --device cuda\. Here: cpu\."),
    ],
)
def test_every_process_needs_a_device(
    monkeypatch: pytest.MonkeyPatch, there: list[str], asked: str | None, processes: int, wrong: str | None
) -> None:
    """One GPU each; processors are shared."""
    import torch

    monkeypatch.setattr(devices, "available_devices", lambda: there)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    if wrong is None:
        assert choose_device(asked, processes) == (asked or there[0])
    else:
        with pytest.raises(UsageError, match=wrong):
            choose_device(asked, processes)


def test_a_process_on_its_own_is_none_of_several() -> None:
    """From Python, where nothing was started, the error says how it is."""
    with pytest.raises(UsageError, match=r"not one of 2.*ercbench run \.\.\. --processes N"):
        devices.Device("cpu", "fp32", processes=2)
