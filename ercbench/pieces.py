"""How many utterances are encoded at once, and which process encodes what. Part of ``stepping.py`` and ``encoding.py``.

A batch is what a loss sees. What goes through the encoder at once is a piece of it: all of it, or as much as memory
holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ercbench.errors import TrainingError


def out_of_memory() -> tuple[type[BaseException], ...]:
    """The types of error that say that memory ran out."""
    import torch

    return MemoryError, torch.OutOfMemoryError


class Chunk:
    """How many utterances are encoded at once, for as long as a run lasts; it only ever becomes smaller.

    Attributes:
        size: utterances; None for all that go together.
        tell: given a line when the size has become smaller.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = size
        self.tell: Callable[[str], None] = lambda _: None

    def at_most(self, utterances: int) -> int:
        """How many of so many utterances are encoded at once."""
        return utterances if self.size is None else min(self.size, utterances)

    def lower(self, size: int | None) -> None:
        """Encode no more than that from here on; None changes nothing."""
        if size is not None:
            self.size = self.at_most(size)

    def halve(self, tried: int) -> None:
        """Memory ran out with `tried` utterances at once: encode half as many from here on.

        Raises:
            TrainingError: it was one.
        """
        if tried <= 1:
            raise TrainingError(
                "Memory ran out while a single utterance was encoded. Got a chunk of 1, which cannot be halved. Let "
                "other programs free memory, make the input shorter (--set encoder.max_tokens=...), train in bf16 "
                "where the device has it (--set training.precision=bf16), choose a smaller encoder or another --device."
            )
        self.size = tried // 2
        self.tell(
            f"Memory ran out with {tried} utterances encoded at once. From here on it is {self.size}; the losses still "
            "see whole batches."
        )


def deal(sizes: Sequence[int], processes: int) -> list[list[int]]:
    """Which pieces each process encodes, by their indices: the next piece goes to whoever has the fewest utterances.

    The first piece is the first process's. A process may have none.

    Args:
        sizes: utterances of each piece.
        processes: how many there are.
    """
    shares: list[list[int]] = [[] for _ in range(processes)]
    held = [0] * processes
    for index, size in enumerate(sizes):
        process = held.index(min(held))
        shares[process].append(index)
        held[process] += size
    return shares
