"""A cluster without Ray: the collector in this process, and machines that are calls of `work`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ercbench.collecting import Collector
from ercbench.grid import Plan, Request
from ercbench.shipping import Order, files_of, order_of, plugin_files
from ercbench.working import work

Meddle = Callable[[str, tuple[Any, ...]], None]
"""Sees every call to the collector before it is made; may raise."""


class Killed(BaseException):
    """A machine is lost: nothing of ours may catch this."""


class Cluster:
    """Where one cell of a plan is run.

    Attributes:
        calls: every call to the collector, the pieces of files by their length.
        orders: changes to what is shipped, by field.
    """

    def __init__(self, plan: Plan, request: Request, attempts: int = 4) -> None:
        self.prepared, [seed, *_] = plan.groups[0]
        self.seed, self.results = seed, plan.results
        self.order = order_of(self.prepared, seed, request, "cpu", (1, attempts))
        self.collector = Collector(str(plan.results), os.getpid())
        self.calls: list[tuple[Any, ...]] = []
        self.files = files_of(self.prepared.config.dataset, self.prepared.data_dir)
        self.plugins = plugin_files(self.prepared.catalog)

    def run(self, node: str, meddle: Meddle = lambda method, arguments: None) -> dict[str, Any]:
        """One machine takes the cell; what it was told is text, as on a real one."""

        def link(method: str, *arguments: Any) -> Any:
            meddle(method, arguments)
            self.calls.append((method, *(len(one) if isinstance(one, bytes) else one for one in arguments)))
            return getattr(self.collector, method)(*arguments)

        order = Order.model_validate_json(self.order.model_dump_json())
        return work(order, (lambda: self.files, self.plugins), link, node)

    def events(self, *kinds: str) -> list[Mapping[str, Any]]:
        """What came in since this was asked last, of these kinds."""
        return [event for event in self.collector.take() if event["event"] in kinds]

    def unfinished(self) -> Path:
        """Where the command keeps the checkpoint of the cell."""
        return self.results / ".unfinished" / self.order.expected.identity
