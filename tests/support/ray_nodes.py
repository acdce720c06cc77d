"""A Ray cluster of several nodes on this machine, on loopback. A program: run it, and talk to it through `Nodes`.

It is a process of its own, so that what Ray leaves open is no matter of the tests. A command is given on the first
node, which has no processors, so that every cell runs on one of the others, each of which has one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

STORE = 80 * 2**20
"""Bytes of an object store."""


class Nodes:
    """The cluster, seen from a test. A context manager.

    Attributes:
        address: of the cluster.
        ids: of the nodes that run cells.
    """

    def __init__(self, number: int) -> None:
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(number)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Nodes:
        found = self._read()
        self.address: str = found["address"]
        self.ids: list[str] = found["ids"]
        return self

    def kill(self, start: str) -> None:
        """Kill a node and all its processes by SIGKILL; `start` is how its id begins."""
        self._write(f"kill {start}")
        self._read()
        self.ids = [one for one in self.ids if not one.startswith(start)]

    def add(self) -> None:
        """Add a node."""
        self._write("add")
        self.ids.append(self._read()["id"])

    def __exit__(self, *_: object) -> None:
        self._write("end")
        self._process.wait(60)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        while not (line := self._process.stdout.readline()).startswith("{"):
            assert line, "the cluster did not start"
        return json.loads(line)


def _children(pid: int) -> list[int]:
    """A process's children, theirs, and so on."""
    found = [int(one) for file in Path(f"/proc/{pid}/task").glob("*/children") for one in file.read_text().split()]
    return found + [below for child in found for below in _children(child)]


def _serve(number: int) -> None:
    """Start the nodes, and do what is asked for until standard input ends."""
    from ray.cluster_utils import Cluster

    here: dict[str, Any] = {"node_ip_address": "127.0.0.2", "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **here})
    nodes = [cluster.add_node(num_cpus=1, **here) for _ in range(number)]
    print(json.dumps({"address": cluster.address, "ids": [node.node_id for node in nodes]}), flush=True)  # noqa: T201
    for line in sys.stdin:
        word, _, start = line.strip().partition(" ")
        if word == "end":
            break
        if word == "add":
            nodes.append(cluster.add_node(num_cpus=1, **here))
        if word == "kill":
            [node] = [one for one in nodes if one.node_id.startswith(start)]
            nodes.remove(node)
            raylet = node.all_processes["raylet"][0].process.pid
            for pid in [*_children(raylet), raylet]:
                os.kill(pid, signal.SIGKILL)
            cluster.remove_node(node, allow_graceful=False)
        print(json.dumps({"id": nodes[-1].node_id if nodes else ""}), flush=True)  # noqa: T201
    cluster.shutdown()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
