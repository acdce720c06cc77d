"""The processes of one run: which of them this is, and what they tell each other. Opened by ``devices.py``.

Every process does the same with the same random numbers, except that it encodes its share. What is here is called by
all of them in the same order; alone, a process has nothing to tell and nothing to wait for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ercbench.errors import TrainingError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Ranks:
    """One process among `processes`, of which the first is the main one: it alone writes, reports and takes locks."""

    def __init__(self, rank: int = 0, processes: int = 1, device: torch.device | None = None) -> None:
        """Name this process.

        Args:
            rank: from 0; the main process has 0.
            processes: how many there are. The group of more than one has been opened.
            device: where tensors must be to be sent; None is the CPU.
        """
        self.rank, self.processes = rank, processes
        self._device = device

    @property
    def main(self) -> bool:
        """Whether this is the main process."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.processes == 1

    def gather(self, rows: Tensor, counts: Sequence[int]) -> Tensor:
        """Rows of every process -> all rows, in the order of processes, everywhere.

        Args:
            rows: (n, ...), those of this process.
            counts: how many each process has.
        """
        if self.alone:
            return rows
        import torch
        from torch import distributed

        padded = rows.new_zeros(max(counts), *rows.shape[1:])  # a collective wants the same shape everywhere
        padded[: len(rows)] = rows
        found = [torch.empty_like(padded) for _ in counts]
        distributed.all_gather(found, padded)
        return torch.cat([part[:count] for part, count in zip(found, counts, strict=True)])

    def add_up(self, values: Tensor) -> None:
        """Put the sum over all processes in the place of the values, the same bits everywhere."""
        if not self.alone:
            from torch import distributed

            distributed.all_reduce(values)

    def take(self, values: Tensor, rank: int = 0) -> Tensor:
        """The values that a process has, by default the main one, everywhere; all have the same shape."""
        if self.alone:
            return values
        from torch import distributed

        values = values.detach().clone().contiguous()
        distributed.broadcast(values, rank)
        return values

    def numbers(self, *values: float) -> tuple[float, ...]:
        """Numbers as the main process has them."""
        if self.alone:
            return values
        import torch

        found: list[float] = self.take(torch.tensor(values, dtype=torch.float64, device=self._device)).tolist()
        return tuple(found)

    def any(self, here: bool) -> bool:
        """Whether it is so in any process."""
        return self.least(0 if here else 1) == 0

    def least(self, number: int) -> int:
        """The smallest number that any process has."""
        if self.alone:
            return number
        import torch
        from torch import distributed

        found = torch.tensor(number, dtype=torch.int64, device=self._device)
        distributed.all_reduce(found, distributed.ReduceOp.MIN)
        return int(found)

    def wait(self) -> None:
        """Until all processes are here."""
        self.least(0)  # a barrier of nccl wants to know the device; any collective is one

    def check_same(self, run: str) -> None:
        """See that every process is at the same run.

        Raises:
            TrainingError: one is at another.
        """
        if self.alone:
            return
        import torch

        mine = torch.tensor([_digest(run.encode())], device=self._device)
        if self.any(not torch.equal(mine, self.take(mine))):
            raise TrainingError(
                f"The processes are not at the same run. Got {run} in process {self.rank} of {self.processes}. Another "
                "command has written records there meanwhile. Start the same command again."
            )

    def check_equal(self, tensors: Mapping[str, Tensor], where: str) -> None:
        """See that every process has the same tensors, bit by bit.

        Raises:
            TrainingError: one has others.
        """
        if self.alone:
            return
        import torch

        mine = torch.tensor([_checksum(tensor) for tensor in tensors.values()], device=self._device)
        differing = (mine != self.take(mine)).nonzero().flatten().tolist()
        if self.any(bool(differing)):
            first = next(iter([list(tensors)[index] for index in differing]), "that of another process")
            raise TrainingError(
                f"The processes of this run have drifted apart {where}: their parameters differ. Got process "
                f"{self.rank} of {self.processes}, first differing parameter: {first}. A part draws random numbers of "
                "its own, or computes something else on every process. Run without --processes, and report it to the "
                "author of the encoder or of the losses."
            )


def _checksum(tensor: Tensor) -> int:
    """63 bits that tell one tensor from another."""
    import torch

    return _digest(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())


def _digest(content: bytes) -> int:
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") >> 1
