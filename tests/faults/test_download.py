"""A download is killed in the middle."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

from faulty_runs import Forks
from file_server import NAMES, Server, content, left

PLUGIN = """
from ercbench import hookimpl
from file_server import toy

ERCBENCH_API = 1


@hookimpl
def ercbench_datasets():
    return [toy({url!r})]
"""


def plugin(folder: Path, url: str) -> Path:
    """A folder from which a plugin is found that has the data set ``toy``."""
    info = folder / "toy_plugin-0.1.dist-info"
    info.mkdir(parents=True)
    (folder / "toy_plugin.py").write_text(PLUGIN.format(url=url))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-plugin\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[ercbench]\ntoy = toy_plugin\n")
    return folder


def test_a_download_killed_half_way_goes_on(forks: Forks, server: Server, tmp_path: Path) -> None:
    """Started again it asks for the rest alone, and ends with every file whole and with its checksum."""
    command, go_on = ["data", "fetch", "toy", "--data-dir", str(tmp_path)], threading.Event()
    fault = {"path": str(plugin(tmp_path / "site", server.url))}
    server.answer(NAMES[0], server.hold(go_on))
    child, part = forks.start(command, tmp_path, fault=fault), tmp_path / "toy" / f"{NAMES[0]}.part"
    begun = time.monotonic()
    while not part.exists() or part.stat().st_size < 20_000:
        assert time.monotonic() - begun < 60, forks.printed(child.pid)
        time.sleep(0.01)
    child.kill()
    assert child.wait().returncode == -signal.SIGKILL
    go_on.set()
    kept = part.stat().st_size
    assert left(tmp_path / "toy") == [part.name]
    again = forks.start(command, tmp_path, fault=fault).wait()
    assert again.returncode == 0, again.stderr
    assert server.asked(NAMES[0])[-1]["Range"] == f"bytes={kept}-"
    assert left(tmp_path / "toy") == sorted(NAMES)
    assert all((tmp_path / "toy" / name).read_bytes() == content(name) for name in NAMES)
