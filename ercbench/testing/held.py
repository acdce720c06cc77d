"""What a module holds beside its parameters and buffers, which stays behind when it goes to another device."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ercbench.testing.checks import need


def need_everything_moves(part: Any) -> None:
    """Fail where a part holds a tensor of one dimension or more that ``to(device)`` does not reach.

    Looked at are attributes, and lists, tuples and dicts in them. A single number goes with any device.
    """
    modules = dict(part.named_modules()) if isinstance(part, nn.Module) else {"": part}
    moved = {id(tensor) for module in modules.values() if isinstance(module, nn.Module)
             for tensor in (*module.parameters(), *module.buffers())}  # fmt: skip
    held = [
        f"{path}.{name}".removeprefix(".")
        for path, module in modules.items()
        for name, value in vars(module).items()
        if any(id(tensor) not in moved for tensor in _tensors(value))
    ]
    need(not held, f"On a GPU it would stay on the CPU: {', '.join(held)}.")


def _tensors(value: Any) -> list[Tensor]:
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
    return [tensor for tensor in found if isinstance(tensor, Tensor) and tensor.ndim]
