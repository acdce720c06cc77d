"""A step in pieces is the step on the whole batch, whatever is drawn or remembered; and memory that runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from ercbench import encoding, runner
from ercbench.catalog import load_catalog
from ercbench.choosing import TrainingSplit
from ercbench.config import Training, resolve
from ercbench.devices import Device
from ercbench.errors import PluginError, TrainingError
from ercbench.pieces import Chunk, deal
from ercbench.preparing import Prepared, prepare
from ercbench.progress import Silent
from ercbench.resume import Unfinished
from ercbench.runner import Cell
from ercbench.seeds import derive_seed
from ercbench.stepping import Stepper
from ercbench.training import Objective, Surroundings, make_optimizer, train
from ercbench.types import Batch, EncodedBatch, LossOutput, Tokens

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def small(tiny_checkpoint: Callable[..., Path]) -> Callable[..., Prepared]:
    """A recipe on a few dialogues, with a tiny encoder."""

    def make(recipe: str = "eacl", **values: Any) -> Prepared:
        catalog = load_catalog()
        overrides = {"encoder.checkpoint": str(tiny_checkpoint()), "training.batch_size": 12, "training.lr": 1e-2}
        overrides |= values
        return prepare(catalog, resolve(catalog, recipe, "mini", "meld-sample", overrides), None, 4)  # type: ignore[arg-type]

    return make


def without_dropout(model: nn.Module) -> None:
    """No part of it draws."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def cell_of(prepared: Prepared, folder: Path, chunk: int | None, dtype: torch.dtype = torch.float64) -> Cell:
    """Model and losses as a run has them. In float64, for AdamW makes a whole step of a gradient that is rounding."""
    cell = Cell(prepared, 0, Device("cpu", "fp32", chunk), Silent(), Unfinished(folder / "run"))
    cell.model.to(dtype)
    return cell


Followed = tuple[list[dict[str, float]], dict[str, Tensor], dict[str, Tensor]]


def follow(cell: Cell, steps: int = 3, dropout: bool = False) -> Followed:
    """The losses of a few steps, the gradients of the first, and all parameters and memories after them."""
    if not dropout:
        without_dropout(cell.model)  # type: ignore[arg-type]
    torch.manual_seed(5)
    stepper = Stepper(cell.model, cell.objective, cell.device)
    optimizer = make_optimizer(cell.model, cell.objective, cell.prepared.config.training)
    split, named = cell.split(), [*cell.model.named_parameters(), *cell.objective.named_parameters()]
    told: list[dict[str, float]] = []
    first: dict[str, Tensor] = {}
    cell.model.train()
    for number, batch in enumerate(list(split.batches(1))[:steps]):
        output = stepper.gradients(batch, split, 100 * number)
        told.append({name: float(loss.detach()) for name, loss in {"total": output.total, **output.parts}.items()})
        if not first:
            first = {name: parameter.grad.clone() for name, parameter in named if parameter.grad is not None}
        optimizer.step()
        optimizer.zero_grad()
    states = cell.model.state_dict() | {f"losses/{n}": t for n, t in cell.objective.state_dict().items()}
    return told, first, {name: tensor.clone() for name, tensor in states.items()}


def assert_close(one: Followed, other: Followed, within: float = 1e-5) -> None:
    """Losses, gradients and what was learnt; the same parameters have gradients."""
    assert len(one[0]) == len(other[0]) > 0
    for losses, others in zip(one[0], other[0], strict=True):
        assert losses == pytest.approx(others, abs=within)
    for table, others in zip(one[1:], other[1:], strict=True):
        assert table.keys() == others.keys()
        for name, tensor in table.items():
            torch.testing.assert_close(
                tensor, others[name], atol=within, rtol=0, msg=lambda m, name=name: f"{name}: {m}"
            )


RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "eacl": ("eacl", {}),
    "trainable labels": ("eacl", {"encoder.label_encoding": "trainable"}),
    "shared context": ("eacl-shared", {}),
    "supervised contrast": ("supcon-ce", {}),
    "memory": ("spcl", {}),
    "parameters": ("ce-context", {"losses.metric": "pml:ArcFaceLoss"}),
    "memory of a library": (
        "ce-context",
        {"losses.metric": "pml:CrossBatchMemory", "losses.metric.loss.name": "ContrastiveLoss",
         "losses.metric.memory_size": 64},
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "chunk"),
    [
        ("eacl", 1),
        ("eacl", 11),
        ("shared context", 5),
        *((recipe, 5) for recipe in RECIPES if recipe != "shared context"),
    ],
)
def test_a_step_in_pieces_is_the_step_on_the_whole_batch(
    small: Callable[..., Prepared], tmp_path: Path, recipe: str, chunk: int
) -> None:
    """Losses, gradients and parameters after three steps to 1e-5, memories too, whatever the size of the pieces."""
    name, values = RECIPES[recipe]
    prepared = small(name, **values)
    whole, pieces = (follow(cell_of(prepared, tmp_path, size)) for size in (None, chunk))
    assert_close(whole, pieces)


def test_in_float32_too(small: Callable[..., Prepared], tmp_path: Path) -> None:
    """Losses and gradients of a step, as a run computes them."""
    prepared = small()
    whole, pieces = (follow(cell_of(prepared, tmp_path, size, torch.float32), 1) for size in (None, 5))
    assert_close((*whole[:2], {}), (*pieces[:2], {}))


def test_under_mixed_precision_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bf16 what losses see is the same; gradients, float32 themselves, differ by what bf16 rounds."""
    monkeypatch.setattr("ercbench.devices._cpu_has_bf16", lambda: True)
    found = []
    for chunk in (None, 5):
        toy = Toy(rate=0)
        device = Device("cpu", "bf16", chunk)
        made = Stepper(toy.train(), Objective({"remembers": (1.0, Remembers())}), device)
        found.append((gradients(made), {vectors.dtype for _, vectors, _ in toy.made}, made.objective.state_dict()))
    (whole, kinds, memory), (pieces, kinds_of_pieces, memory_of_pieces) = found
    assert kinds == kinds_of_pieces == {torch.bfloat16}
    assert_same(memory, memory_of_pieces)
    assert whole.keys() == pieces.keys()
    for name, gradient in whole.items():
        assert gradient.dtype == torch.float32
        torch.testing.assert_close(gradient, pieces[name], atol=2e-2 * float(gradient.abs().max()), rtol=0)


# ------------------------------------------------------------------------------------------------- dropout and memory

N = 12


class Toy(nn.Module):
    """An encoder model in small with dropout, which keeps what it was given and what it made.

    Memory runs out where more than `room` utterances are encoded at once, or in the calls of it named in `fails`.
    """

    dimension = 4

    def __init__(self, rate: float = 0.3, room: int = N) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Linear(6, 4), nn.Dropout(rate))
        self.head = nn.Linear(4, 3)
        self.room, self.fails, self.calls = room, set[int](), 0
        self.made: list[tuple[tuple[str, ...], Tensor, bool]] = []

    def forward(self, batch: Batch) -> EncodedBatch:
        """A layer and a head."""
        self.calls += 1
        found = self.backbone(batch.inputs["x"])
        if len(batch.uids) > self.room or self.calls in self.fails:
            raise torch.OutOfMemoryError("no memory")
        self.made.append((batch.uids, found.detach().clone(), found.requires_grad))
        return EncodedBatch(batch.uids, found, found, self.head(found), self.prototypes(), batch.labels)

    def prototypes(self) -> Tensor:
        """The rows of the head."""
        return self.head.weight


class Remembers(nn.Module):
    """A loss with a parameter and a memory, which draws a random number; memory runs out in the calls in `fails`."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.register_buffer("mean", torch.zeros(4))
        self.fails, self.calls = set[int](), 0
        self.draws: list[float] = []

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """A scalar."""
        assert batch.logits is not None
        assert batch.prototypes is not None
        self.calls += 1
        self.mean.mul_(0.5).add_(batch.vectors.detach().mean(0))
        self.draws.append(float(torch.rand(())))
        if self.calls in self.fails:
            raise MemoryError
        entropy = nn.functional.cross_entropy(batch.logits * self.scale, batch.labels)
        return LossOutput(
            entropy + self.draws[-1] * (batch.vectors - self.mean).square().mean() + batch.prototypes.std()
        )


class Rows:
    """A training split of N utterances in batches of 8 and 4, the same input for all where `same`."""

    utterances = N

    def __init__(self, same: bool = False) -> None:
        inputs = torch.randn(N, 6, generator=torch.Generator().manual_seed(3))
        self.inputs = inputs[:1].expand(N, 6) if same else inputs

    def batches(self, seed: int) -> Iterable[Batch]:
        """One epoch."""
        order = torch.randperm(N, generator=torch.Generator().manual_seed(seed)).tolist()
        return [self.batch(order[:8]), self.batch(order[8:])]

    def batch(self, rows: Sequence[int]) -> Batch:
        """Some utterances."""
        return Batch(tuple(map(str, rows)), {"x": self.inputs[list(rows)]}, torch.tensor(rows) % 3)

    def divide(self, batch: Batch, size: int) -> list[Batch]:
        """Pieces in another order than the batch has."""
        rows = [int(uid) for uid in reversed(batch.uids)]
        return [self.batch(rows[at : at + size]) for at in range(0, len(rows), size)]


class Hears(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        """Keep it."""
        self.said.append(message)


def stepper(toy: Toy, chunk: int | None = None) -> tuple[Stepper, Remembers, list[str]]:
    """With a loss that has a parameter and a memory; what is told of memory."""
    torch.manual_seed(1)
    loss, device, told = Remembers(), Device("cpu", "fp32", chunk), list[str]()
    device.chunk.tell = told.append
    toy.train()
    return Stepper(toy, Objective({"remembers": (1.0, loss)}), device), loss, told


def gradients(made: Stepper, rows: Sequence[int] = range(N)) -> dict[str, Tensor]:
    """Of a step on some utterances; the random numbers begin where they always do."""
    torch.manual_seed(9)
    made.gradients(Rows().batch(rows), Rows(), 77)
    named = [*made.model.named_parameters(), *made.objective.named_parameters()]
    return {name: parameter.grad.clone() for name, parameter in named if parameter.grad is not None}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Bit by bit."""
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.parametrize("chunk", [None, N, 100])
def test_one_piece_is_the_plain_step(chunk: int | None) -> None:
    """Bit by bit what model, losses and backward give one after the other, the random numbers after it included."""
    toy = Toy()
    made, _, _ = stepper(toy, chunk)
    found, after = gradients(made), torch.rand(3)
    plain = Toy()
    _, loss, _ = stepper(plain)
    torch.manual_seed(9)
    loss(plain(Rows().batch(range(N)))).total.backward()
    named = [*plain.named_parameters(), *((f"losses.remembers.{n}", p) for n, p in loss.named_parameters())]
    assert_same(found, {name: parameter.grad for name, parameter in named if parameter.grad is not None})
    assert torch.equal(after, torch.rand(3))
    assert toy.calls == 1


@pytest.mark.parametrize("chunk", [1, 5])
def test_dropout_is_the_same_in_both_encodings_of_a_piece_and_differs_between_pieces(chunk: int) -> None:
    """First without a graph, then with one; and what is drawn for dropout changes nothing that the losses draw."""
    toy = Toy(rate=0.5)
    made, loss, _ = stepper(toy, chunk)
    torch.manual_seed(9)
    made.gradients(Rows(same=True).batch(range(N)), Rows(same=True), 77)
    first, second = toy.made[: len(toy.made) // 2], toy.made[len(toy.made) // 2 :]
    assert [(uids, graph) for uids, _, graph in first] == [(uids, False) for uids, _, _ in second]
    assert all(graph for _, _, graph in second)
    assert all(torch.equal(x, y) for (_, x, _), (_, y, _) in zip(first, second, strict=True))
    rows = torch.cat([x for _, x, _ in first])
    assert len(rows.unique(dim=0)) > N / 3  # the inputs are all the same: what differs is dropout
    torch.manual_seed(9)
    assert loss.draws == [float(torch.rand(()))]


@pytest.mark.parametrize("recipe", ["eacl", "eacl-shared"])
def test_a_transformer_drops_the_same_in_both_encodings(
    small: Callable[..., Prepared], tmp_path: Path, recipe: str
) -> None:
    """In its layers, its attention and the head on top of it; the rows in between differ from those without dropout."""
    cell = cell_of(small(recipe, **{"encoder.attention_dropout": 0.2}), tmp_path, 2, torch.float32)
    made: list[tuple[tuple[str, ...], Tensor, bool]] = []

    def keep(_: object, batches: tuple[Batch], found: EncodedBatch) -> None:
        assert found.logits is not None
        rows = torch.cat([found.vectors, found.logits], 1)
        made.append((batches[0].uids, rows.detach().clone(), found.vectors.requires_grad))

    cell.model.register_forward_hook(keep)  # type: ignore[attr-defined]
    follow(cell, 1, dropout=True)
    first, second = made[: len(made) // 2], made[len(made) // 2 :]
    assert len(first) > 1
    for (uids, rows, graph), (again, same, with_graph) in zip(first, second, strict=True):
        assert (uids, graph, with_graph) == (again, False, True)
        torch.testing.assert_close(rows, same, atol=1e-6, rtol=0)
    without_dropout(cell.model)  # type: ignore[arg-type]
    split = cell.split()
    plain = cell.model(split.divide(next(iter(split.batches(1))), 2)[0])
    assert float((plain.vectors - first[0][1][:, : cell.model.dimension]).abs().max().detach()) > 1e-3


def test_the_gradient_with_dropout_is_that_of_the_rows_as_they_were_drawn() -> None:
    """Dropout replayed by hand, piece by piece, in one graph."""
    made, _, _ = stepper(Toy(), 5)
    found = gradients(made)
    plain, batch = Toy(), Rows().batch(range(N))
    _, loss, _ = stepper(plain)
    pieces = []
    for index, piece in enumerate(Rows().divide(batch, 5)):
        torch.manual_seed(derive_seed(77, f"piece {index}"))
        pieces.append(plain(piece))
    order = torch.tensor([int(uid) for piece in pieces for uid in piece.uids]).argsort()
    hidden, logits = (torch.cat([getattr(piece, name) for piece in pieces])[order] for name in ("hidden", "logits"))
    torch.manual_seed(9)
    loss(EncodedBatch(batch.uids, hidden, hidden, logits, plain.prototypes(), batch.labels)).total.backward()
    named = [*plain.named_parameters(), *((f"losses.remembers.{n}", p) for n, p in loss.named_parameters())]
    assert found.keys() == {name for name, parameter in named if parameter.grad is not None}
    for name, parameter in named:
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-6, rtol=0)


# Calls of the model in a step on 12 utterances in pieces of 6: two without a graph, two with one.
FAILURES: dict[str, tuple[set[int], set[int]]] = {
    "the first piece": ({1}, set()),
    "the second piece": ({2}, set()),
    "the losses": (set(), {1}),
    "the first piece again": ({3}, set()),
    "the second piece again": ({4}, set()),
}


@pytest.mark.parametrize("where", FAILURES)
def test_nothing_stays_of_a_step_for_which_there_was_no_memory(where: str) -> None:
    """Wherever it ran out, what comes of the smaller pieces is bit by bit what comes of them from the beginning."""
    toy = Toy()
    made, loss, told = stepper(toy, 6)
    toy.fails, loss.fails = FAILURES[where]
    found, after = gradients(made), torch.rand(3)
    wanted, beside, _ = stepper(Toy(), 3)
    assert_same(found, gradients(wanted))
    assert torch.equal(after, torch.rand(3))
    assert torch.equal(loss.mean, beside.mean)
    assert (made.device.chunk.size, len(told)) == (3, 1)
    assert "12" not in told[0]
    assert told[0].startswith("Memory ran out with 6 utterances encoded at once. From here on it is 3;")


def test_the_whole_batch_is_halved_until_it_fits() -> None:
    """Each time a line; and from there on nothing larger is tried."""
    toy = Toy(room=4)
    made, _, told = stepper(toy)
    assert_same(gradients(made), gradients(stepper(Toy(), 3)[0]))
    assert ([line.split()[4] for line in told], made.device.chunk.size) == (["12", "6"], 3)
    calls = toy.calls
    gradients(made)
    assert toy.calls == calls + 8


def test_a_single_utterance_that_does_not_fit_ends_training() -> None:
    """The message says what to do."""
    made, _, _ = stepper(Toy(room=0))
    with pytest.raises(TrainingError, match=r"a single utterance was encoded.*Got a chunk of 1.*encoder\.max_tokens"):
        gradients(made)


def test_other_errors_are_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is the type of the error, whatever it says."""
    made, _, _ = stepper(Toy())

    def fail(_: object) -> EncodedBatch:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(made.model, "forward", fail)
    with pytest.raises(RuntimeError, match="CUDA out of memory"):
        gradients(made)
    assert made.device.chunk.size is None


def test_pieces_that_are_not_the_batch_are_refused() -> None:
    """An encoder that loses an utterance is at fault, and it is said."""
    made, _, _ = stepper(Toy(), 5)

    class Loses(Rows):
        def divide(self, batch: Batch, size: int) -> list[Batch]:
            return super().divide(batch, size)[1:]

    with pytest.raises(PluginError, match=r"lost or doubled utterances.*Got 7 in 2 pieces of a batch of 12"):
        made.gradients(Rows().batch(range(N)), Loses(), 0)


# ----------------------------------------------------------------------------------------------------- training, a run


def trained(folder: Path, toy: Toy, chunk: int | None = None, stop: int = 0) -> tuple[list[int | None], list[str]]:
    """Three epochs, interrupted in epoch `stop`: the chunk of each, and what was said."""
    hears = Hears()
    device = Device("cpu", "fp32", chunk)
    device.chunk.tell = hears.say
    around = Surroundings(device, 1, Unfinished(folder / "run"), hears)
    torch.manual_seed(1)
    objective = Objective({"remembers": (1.0, Remembers())})

    def evaluate(epoch: int) -> tuple[float, float]:
        if epoch == stop:
            raise KeyboardInterrupt
        return 0.0, 0.0

    settings = Training(epochs=3, batch_size=8, encoder_lr=1e-2, lr=1e-2)
    return [epoch.chunk for epoch in train(toy, objective, Rows(), settings, evaluate, around).epochs], hears.said


def test_an_epoch_tells_how_many_were_encoded_at_once(tmp_path: Path) -> None:
    """None for all that go together; what was asked for; what was left after memory ran out."""
    assert trained(tmp_path / "a", Toy())[0] == [None] * 3
    assert trained(tmp_path / "b", Toy(), 5)[0] == [5] * 3
    chunks, said = trained(tmp_path / "c", Toy(room=3))
    assert chunks == [2] * 3
    assert len([line for line in said if line.startswith("Memory ran out")]) == 2


def test_a_resumed_run_goes_on_with_the_size_that_fitted(tmp_path: Path) -> None:
    """What ran out of memory is not tried again; a smaller size asked for is taken."""
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, Toy(room=4), stop=2)
    toy = Toy(room=4)
    chunks, said = trained(tmp_path, toy)
    assert chunks == [4] * 3
    assert not [line for line in said if line.startswith("Memory ran out")]
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "smaller", Toy(room=4), stop=2)
    assert trained(tmp_path / "smaller", Toy(), 3)[0] == [4, 3, 3]


class Collator:
    """An encoder that plans the longest first, and batches of tokens."""

    def plan(self, tokens: Sequence[Tokens], batch_size: int, seed: int | None) -> list[list[int]]:
        """The longest first."""
        return encoding.length_buckets([len(token.input_ids) for token in tokens], batch_size, seed)

    def collate(self, tokens: Sequence[Tokens]) -> Batch:
        """What the toy reads: the first token six times."""
        first = torch.tensor([[float(token.input_ids[0])] * 6 for token in tokens])
        return Batch(tuple(token.uid for token in tokens), {"x": first})


def test_evaluation_is_halved_too() -> None:
    """The same vectors in the same order, each utterance counted once, and nothing larger is tried afterwards."""
    tokens = [Tokens(f"talk/dev/0/{n}", (n + 1,) * (n % 5 + 1), 0) for n in range(N)]
    whole = encoding.encode(Collator(), Toy(), tokens, Device("cpu", "fp32"), 8)  # type: ignore[arg-type]
    toy, device, told, counted = Toy(room=3), Device("cpu", "fp32"), list[str](), list[int]()
    device.chunk.tell = told.append
    found = encoding.encode(Collator(), toy, tokens, device, 8, counted.append)  # type: ignore[arg-type]
    assert found.uids == whole.uids
    np.testing.assert_allclose(found.vectors, whole.vectors, atol=1e-6)
    assert (sum(counted), max(counted), device.chunk.size, len(told)) == (N, 2, 2, 2)
    calls = toy.calls
    encoding.encode(Collator(), toy, tokens, device, 8)  # type: ignore[arg-type]
    assert toy.calls == calls + N // 2
    with pytest.raises(TrainingError, match="a single utterance"):
        encoding.encode(Collator(), Toy(room=0), tokens, Device("cpu", "fp32"), 8)  # type: ignore[arg-type]


def test_a_run_in_pieces_gives_the_same_predictions_and_says_so(
    small: Callable[..., Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole run of EACL without dropout, with a chunk and without: labels and losses; the record tells the chunk."""
    load = Cell.__init__

    def build(self: Cell, *arguments: Any) -> None:
        load(self, *arguments)
        without_dropout(self.model)  # type: ignore[arg-type]

    monkeypatch.setattr(Cell, "__init__", build)
    prepared = small(**{"training.epochs": 2, "training.lr": 1e-3})
    records = {
        chunk: runner.run(prepared, 0, Device("cpu", "fp32", chunk), tmp_path / str(chunk), Silent(), keep_model=False)
        for chunk in (None, 4)
    }
    assert [[epoch.chunk for epoch in record.training.epochs] for record in records.values()] == [[None] * 2, [4] * 2]
    for one, other in zip(*(record.training.epochs for record in records.values()), strict=True):
        assert one.losses == pytest.approx(other.losses, abs=1e-4)
    assert records[None].scores.test.confusion == records[4].scores.test.confusion
    assert records[4].command == records[None].command


# -------------------------------------------------------------------------------------------------------------- pieces


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 6))
def test_pieces_are_dealt_evenly(sizes: list[int], processes: int) -> None:
    """Each piece once, the first to the first process, and no two shares differ by more than the largest piece."""
    shares = deal(sizes, processes)
    assert sorted(index for share in shares for index in share) == list(range(len(sizes)))
    assert 0 in shares[0]
    held = [sum(sizes[index] for index in share) for share in shares]
    assert max(held) - min(held) <= max(sizes)


def test_a_chunk_only_becomes_smaller() -> None:
    """Nothing larger is taken, and nothing at all leaves it as it is."""
    chunk = Chunk()
    chunk.lower(None)
    assert (chunk.size, chunk.at_most(7)) == (None, 7)
    for size, left in ((6, 6), (8, 6), (None, 6), (2, 2)):
        chunk.lower(size)
        assert chunk.size == left


def test_the_training_split_divides_a_batch_as_its_encoder_plans() -> None:
    """Pieces of the size with labels; every utterance is in one."""
    tokens = [Tokens(f"talk/train/0/{n}", (n + 1,) * (n % 5 + 1), 0) for n in range(N)]
    labels = {token.uid: n % 3 for n, token in enumerate(tokens)}
    split = TrainingSplit(Collator(), tokens, labels, 8)  # type: ignore[arg-type]
    for batch in split.batches(1):
        pieces = split.divide(batch, 3)
        assert max(len(piece.uids) for piece in pieces) == 3
        assert sorted(uid for piece in pieces for uid in piece.uids) == sorted(batch.uids)
        for piece in pieces:
            assert piece.labels is not None
            assert piece.labels.tolist() == [labels[uid] for uid in piece.uids]
