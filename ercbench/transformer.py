"""Two savings for pre-trained encoders: the last layer only where it is read, and dropout that draws little.

Neither changes what is computed: hidden states are the same to rounding, and dropout keeps its rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

STEPS = 2**16
"""Values of the 16 random bits that decide on one number in `CpuDropout`."""


def states_at(backbone: nn.Module, inputs: Mapping[str, Tensor], rows: Tensor, positions: Tensor) -> Tensor:
    """The last hidden states (B, H) at B places, and nowhere else.

    In the last layer every position is attended to, but the dense half after the attention runs at the positions read
    alone. Encoders that are not laid out like BERT (RoBERTa, DeBERTa, ELECTRA and others are) compute all of it.

    Args:
        backbone: a Hugging Face encoder.
        inputs: its keyword arguments, ``input_ids`` (R, T) and whatever goes with them.
        rows: (B,), indices into R; a row may be read at several places.
        positions: (B,), indices into T.
    """
    with _last_layer_at(backbone, rows, positions) as narrowed:
        states: Tensor = backbone(**inputs).last_hidden_state  # (B, H) or (R, T, H)
    return states if narrowed else states[rows, positions]


@contextmanager
def _last_layer_at(backbone: nn.Module, rows: Tensor, positions: Tensor) -> Iterator[bool]:
    """Within, what follows the attention of the last layer is given `positions` only; yields whether it is."""
    try:
        output = backbone.get_submodule("encoder").layer[-1].attention.output  # type: ignore[index, union-attr]
    except AttributeError:
        yield False
        return

    def narrow(module: nn.Module, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(state[rows, positions] for state in states)  # attention's output and the residual, (B, H)

    handle = output.register_forward_pre_hook(narrow)
    try:
        yield True
    finally:
        handle.remove()


class CpuDropout(nn.Dropout):
    """Dropout with 16 random bits per number on a CPU, where torch draws a random number on one thread for each.

    The rate is rounded to a multiple of 1 / 65536 and the scale is exact for it. Off the CPU it is torch's own.
    """

    def forward(self, x: Tensor) -> Tensor:
        """X of any shape -> the same shape."""
        if not self.training or self.p == 0:
            return x
        dropped = round(self.p * STEPS)
        if x.device.type != "cpu" or dropped == STEPS:
            return super().forward(x)
        draws = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        bits = draws.view(torch.int16)[: x.numel()].view(x.shape)  # uniform over -32768 ... 32767
        kept = (bits >= dropped - STEPS // 2).to(x.dtype)
        return x * kept.mul_(STEPS / (STEPS - dropped))


def use_cpu_dropout(model: nn.Module) -> None:
    """Put `CpuDropout` in the place of every ``nn.Dropout`` of a model."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, CpuDropout(child.p))
