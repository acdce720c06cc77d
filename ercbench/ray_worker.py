"""What Ray starts on the machines of a cluster: one task per cell, and the collector beside the command.

Only here and in ``ray_executor.py`` Ray is imported. What they do is in ``working.py`` and ``collecting.py``.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import RayTaskError

from ercbench.collecting import Collector
from ercbench.errors import PluginError
from ercbench.shipping import Files, read_order
from ercbench.working import refused, work


class RayLink:
    """The way to the collector. What it raises is raised here as it was there."""

    def __init__(self, collector: Any) -> None:
        self._collector = collector

    def __call__(self, method: str, *arguments: Any) -> Any:
        """Call a method, and wait for what it returns."""
        try:
            return ray.get(getattr(self._collector, method).remote(*arguments))
        except RayTaskError as error:
            raise error.cause from error


def run_on_worker(order: str, boxes: Sequence[Any], collector: Any) -> dict[str, Any]:
    """Run one cell; what is returned is `working.work`'s.

    Args:
        order: `shipping.Order` as JSON.
        boxes: references to the data set's files and to local plugins. They are not fetched for the task, which would
            hold on to the labels of test in them.
        collector: the actor.
    """
    files, plugins = boxes

    def fetch() -> Files:
        found: Files = ray.get(files)
        return found

    node = node_name(socket.gethostname(), ray.get_runtime_context().get_node_id())
    try:
        read = read_order(order, node)
    except PluginError as error:
        return refused(error, node)
    return work(read, (fetch, ray.get(plugins)), RayLink(collector), node)


def node_name(host: str, identity: str) -> str:
    """A machine in words; several nodes of a cluster may be on one."""
    return f"{host} {identity[:6]}"


CELL = ray.remote(run_on_worker)
"""One cell, as a task."""
COLLECTOR = ray.remote(num_cpus=0)(Collector)
"""The collector, as an actor: calls are taken one after the other."""
