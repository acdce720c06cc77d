"""What a module holds beside its parameters and buffers, which stays behind when it goes to another device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from ercbench.testing.checks import need


def need_everything_moves(part: Any) -> None:
    """Fail where a part holds a tensor of one dimension or more that ``to(device)`` does not reach."""
    modules = part.named_modules() if isinstance(part, nn.Module) else [("", part)]
    held = [".".join(filter(None, (path, name))) for path, module in modules for name in _plain(module)]
    need(not held, f"On a GPU it would stay on the CPU: {', '.join(held)}.")


def _plain(module: Any) -> Iterator[str]:
    """Names of attributes with a tensor, or with a list, tuple or dict that has one. A number goes with any device."""
    for name, value in vars(module).items():
        held = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
        tensors = [found for found in held if isinstance(found, Tensor) and found.ndim]
        if tensors and name not in ("_parameters", "_buffers", "_modules"):
            yield name
