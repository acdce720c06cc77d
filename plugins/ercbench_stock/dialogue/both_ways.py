"""A network that reads forwards, and one of its own for the other direction where later turns may be read."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ercbench_stock.dialogue.sequences import Sequences, backwards


class BothWays(nn.Module):
    """Sequences -> states (B, T, W), or (B, T, 2W) with those of the network that began at the last turn."""

    def __init__(self, make: Callable[[], nn.Module], both_ways: bool) -> None:
        super().__init__()
        self.forwards = make()
        self.backwards = make() if both_ways else None

    def forward(self, batch: Sequences) -> Tensor:
        """Sequences -> states."""
        states: Tensor = self.forwards(batch)
        if self.backwards is None:
            return states
        later = backwards(self.backwards(batch.reversed()), batch.lengths)
        return torch.cat([states, later], 2)
