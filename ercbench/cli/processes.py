"""``--processes N``: the command is run again by N processes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ercbench.grid import Request


def share_out(request: Request, dry_run: bool) -> None:
    """Where several processes were asked for and this is none of them: start them, and end as they do.

    Raises:
        UsageError: there are not as many devices.
        ErcbenchError: whatever ended one of them.
    """
    if request.processes == 1 or dry_run:
        return
    from ercbench.launching import is_started, start

    if is_started():
        return
    from ercbench.devices import choose_device

    choose_device(request.device, request.processes)
    start(click.get_current_context().find_root().obj, request.processes)
    sys.exit(0)
