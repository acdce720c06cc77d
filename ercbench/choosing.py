"""What an epoch is trained on: all of the training split, or what a curriculum chooses of it. Part of ``runner.py``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ercbench import encoding
from ercbench.errors import PluginError
from ercbench.ports import Curriculum, Encoder
from ercbench.types import Batch, Representation, Subset, Tokens


class TrainingSplit:
    """The training split with its labels, or the part of it that an epoch is trained on.

    Attributes:
        utterances: labelled utterances of it.
        difficulty: their mean, where a curriculum chose and measured them.
        difficulty_of_train: the mean of all of the training split then.
    """

    def __init__(
        self,
        encoder: Encoder,
        tokens: Sequence[Tokens],
        labels: Mapping[str, int],
        batch_size: int,
        subset: Subset | None = None,
    ) -> None:
        self._encoder, self._labels, self._batch_size = encoder, labels, batch_size
        self._tokens = tokens if subset is None else [tokens[row] for row in sorted(subset.rows.tolist())]
        self._by_uid: dict[str, Tokens] | None = None
        self.utterances = len(self._tokens)
        self.difficulty = None if subset is None else subset.difficulty
        self.difficulty_of_train = None if subset is None else subset.difficulty_of_train

    def batches(self, seed: int) -> Iterable[Batch]:
        """One epoch of batches with labels, on the CPU, in an order that the seed gives."""
        plan = self._encoder.plan(self._tokens, self._batch_size, seed)
        return encoding.batches(self._encoder, self._tokens, plan, self._labels)

    def divide(self, batch: Batch, size: int) -> list[Batch]:
        """A batch -> pieces of at most `size` utterances each, with labels, on the CPU.

        The encoder plans them, so that what it reads together stays together as far as the size allows.
        """
        if self._by_uid is None:
            self._by_uid = {token.uid: token for token in self._tokens}
        tokens = [self._by_uid[uid] for uid in batch.uids]
        return list(encoding.batches(self._encoder, tokens, self._encoder.plan(tokens, size, None), self._labels))


def choose(curriculum: Curriculum, epoch: int, epochs: int, train: Representation, seed: int) -> Subset:
    """Representation (labelled) -> Subset: what a curriculum chooses for an epoch, checked.

    Raises:
        PluginError: it chose nothing, or an utterance twice, or one that is not there.

    Before: encoding.py. After: `TrainingSplit`, then training.py.
    """
    subset = curriculum.choose(epoch, epochs, train, seed)
    rows, there = np.asarray(subset.rows), len(train.uids)
    sound = rows.ndim == 1 and rows.dtype.kind in "iu" and len(rows) > 0
    if not sound or len(np.unique(rows)) != len(rows) or rows.min() < 0 or rows.max() >= there:
        raise PluginError(
            f"The curriculum {type(curriculum).__name__} must choose indices of the {there} training utterances, each "
            f"once, at least one. Got in epoch {epoch}: {rows.tolist()!s:.60}. Report it to its author."
        )
    return replace(subset, rows=rows)
