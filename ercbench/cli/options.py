"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def plugin_files(command: F) -> F:
    """``--plugin FILE``, handed over as `plugins`."""
    option = click.option(
        "--plugin",
        "plugins",
        multiple=True,
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Also load a plugin from a Python file that is not packaged. Runs with one are never ranked.",
    )
    return option(command)
