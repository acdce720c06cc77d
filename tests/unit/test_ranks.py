"""What processes tell each other, with others that are made up: drift is found, and so is an utterance read twice."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from ercbench.errors import PluginError, TrainingError
from ercbench.pieces import Chunk
from ercbench.ranks import Ranks
from ercbench.sharing import of_all
from ercbench.types import EncodedBatch, Tokens


class Two(Ranks):
    """The second of two processes; the first one has `theirs`."""

    def __init__(self, theirs: Tensor | None = None) -> None:
        super().__init__(1, 2)
        self.theirs = theirs

    def take(self, values: Tensor, rank: int = 0) -> Tensor:
        """What the other has; without anything the same."""
        return values if self.theirs is None else self.theirs

    def least(self, number: int) -> int:
        """The other has nothing to say."""
        return number

    def gather(self, rows: Tensor, counts: Sequence[int]) -> Tensor:
        """The other's rows first."""
        return torch.cat([rows if self.theirs is None else self.theirs[: counts[0]].to(rows.dtype), rows])


def test_alone_there_is_nothing_to_tell() -> None:
    """Everything comes back as it was."""
    alone, rows = Ranks(), torch.rand(3, 2)
    assert alone.main
    assert alone.alone
    assert alone.gather(rows, [3]) is rows
    assert alone.take(rows) is rows
    assert (alone.numbers(0.1, 0.2), alone.any(True), alone.any(False), alone.least(7)) == ((0.1, 0.2), True, False, 7)
    before = rows.clone()
    alone.add_up(rows)
    assert torch.equal(rows, before)
    alone.wait()
    alone.check_equal({"x": rows}, "now")
    alone.check_same("any")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_parameters_that_drift_apart_are_found(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    """One bit is enough; the first that differs is named, and in which epoch."""
    mine = {"same": torch.ones(3), "empty": torch.zeros(0), "other": torch.ones((), dtype=dtype)}
    theirs = {**mine, "other": torch.zeros((), dtype=dtype)}
    sums: list[Tensor] = []
    monkeypatch.setattr(Two, "take", lambda self, values: sums.append(values) or values)
    for tensors in (mine, theirs):
        Two().check_equal(tensors, "in epoch 1")
    monkeypatch.setattr(Two, "take", lambda self, values: sums[1])
    Two().check_equal(theirs, "in epoch 2")
    with pytest.raises(TrainingError, match=r"apart in epoch 2.*process 1 of 2, first differing parameter: other"):
        Two().check_equal(mine, "in epoch 2")


def test_processes_at_different_runs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before either has begun: another command may have written a record when one of them had looked already."""
    sums: list[Tensor] = []
    monkeypatch.setattr(Two, "take", lambda self, values: sums.append(values) or values)
    Two().check_same("meld/seed-0")
    monkeypatch.setattr(Two, "take", lambda self, values: sums[0])
    Two().check_same("meld/seed-0")
    with pytest.raises(TrainingError, match=r"not at the same run\. Got meld/seed-1 in process 1 of 2"):
        Two().check_same("meld/seed-1")


TOKENS = [Tokens(f"talk/dev/0/{n}", (1,), 0) for n in range(4)]


def encoded(rows: Sequence[int], logits: bool = True) -> EncodedBatch:
    """Utterances whose vectors tell their number."""
    vectors = torch.tensor([[float(row), 0.0] for row in rows])
    uids = tuple(TOKENS[row].uid for row in rows)
    return EncodedBatch(uids, vectors + 10, vectors, vectors + 20 if logits else None)


@pytest.mark.parametrize("logits", [True, False])
def test_a_split_is_put_together_from_all_processes(logits: bool) -> None:
    """Two made rows 2 and 0, this one 3 and 1; each row is found by its utterance."""
    mine = [encoded([3], logits), encoded([1], logits)]
    device: Any = SimpleNamespace(ranks=Two(), torch_device=torch.device("cpu"), chunk=Chunk(), agree=lambda: None)
    others = encoded([2, 0], logits)
    table = torch.cat([others.hidden, others.vectors, *([others.logits] if logits else [])], 1)
    answers = iter([torch.tensor([2, 0]), table])
    device.ranks.gather = lambda rows, counts: torch.cat([next(answers), rows])
    found = of_all(TOKENS, mine, [2, 2], device)
    assert found.uids == tuple(TOKENS[row].uid for row in (2, 0, 3, 1))
    assert found.vectors[:, 0].tolist() == [2, 0, 3, 1]
    assert found.hidden[:, 0].tolist() == [12, 10, 13, 11]
    assert (found.logits is None) == (not logits)


@pytest.mark.parametrize(("theirs", "told"), [([1, 0], "3 of 4"), ([2, 2], "3 of 4")])
def test_an_utterance_read_twice_or_not_at_all_is_an_error(theirs: list[int], told: str) -> None:
    """Nothing is scored that was not encoded once."""
    device: Any = SimpleNamespace(ranks=Two(), torch_device=torch.device("cpu"), chunk=Chunk(), agree=lambda: None)
    device.ranks.gather = lambda rows, counts: torch.cat([torch.tensor(theirs), rows])
    with pytest.raises(PluginError, match=rf"did not encode each utterance once\. Got {told}, in 4 rows"):
        of_all(TOKENS, [encoded([3, 1])], [2, 2], device)
