"""What an epoch is trained on where a curriculum chooses: checked, recorded, counted, and the same after a break."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ercbench import choosing, runner
from ercbench.catalog import load_catalog
from ercbench.choosing import TrainingSplit
from ercbench.config import Training, resolve
from ercbench.devices import Device
from ercbench.errors import PluginError
from ercbench.preparing import Prepared, prepare
from ercbench.progress import TRAINING_COST, Silent
from ercbench.records import RunRecord
from ercbench.resume import Unfinished
from ercbench.training import Objective, Surroundings, Trained, train
from ercbench.types import Batch, EncodedBatch, Epoch, LossOutput, Representation, Subset, Tokens

pytestmark = pytest.mark.usefixtures("one_thread")

N = 12


class Given:
    """A curriculum that chooses what it is told to."""

    def __init__(self, rows: object) -> None:
        self.rows = rows

    def choose(self, epoch: int, epochs: int, train: Representation, seed: int) -> Subset:
        """The rows, whatever they are."""
        return Subset(self.rows, 0.5)  # type: ignore[arg-type]


def representation() -> Representation:
    """Twelve utterances."""
    vectors = np.zeros((N, 2), dtype=np.float32)
    return Representation(tuple(map(str, range(N))), vectors, vectors, labels=np.zeros(N, dtype=np.int64))


@pytest.mark.parametrize(
    "rows",
    [np.array([], dtype=np.int64), np.array([0, 3, 3]), np.array([-1, 0]), np.array([N]), np.array([[0, 1]]),
     np.array([0.0, 1.0]), np.ones(N, dtype=bool)],
    ids=["none", "twice", "negative", "behind the end", "a table", "fractions", "truth values"],
)  # fmt: skip
def test_a_choice_that_is_none_ends_the_run(rows: object) -> None:
    """The message says what a choice must be, what it was, and in which epoch."""
    with pytest.raises(PluginError, match=r"Given must choose indices of the 12 training utterances.*Got in epoch 3"):
        choosing.choose(Given(rows), 3, 4, representation(), 0)


def test_a_sound_choice_is_taken_as_it_is() -> None:
    """A list will do, in any order; the difficulty goes with it."""
    subset = choosing.choose(Given([7, 0, 11]), 1, 1, representation(), 0)
    assert (subset.rows.tolist(), subset.difficulty) == ([7, 0, 11], 0.5)


class Lengths:
    """An encoder that plans by length, and batches of nothing but uids."""

    def plan(self, tokens: Sequence[Tokens], batch_size: int, seed: int | None) -> list[list[int]]:
        """In an order that the seed gives."""
        order = np.random.default_rng(seed).permutation(len(tokens)).tolist()
        return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]

    def collate(self, tokens: Sequence[Tokens]) -> Batch:
        """Tokens -> Batch."""
        return Batch(tuple(token.uid for token in tokens), {})


def split(subset: Subset | None = None) -> TrainingSplit:
    """The training split, or a part of it."""
    tokens = [Tokens(f"talk/train/0/{i}", (1,), 0) for i in range(N)]
    labels = {token.uid: i % 3 for i, token in enumerate(tokens)}
    return TrainingSplit(Lengths(), tokens, labels, 5, subset)  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [None, [11, 2, 5], [0]])
def test_an_epoch_has_what_was_chosen_once_and_with_its_labels(rows: list[int] | None) -> None:
    """No other utterance, in batches of at most the size, in an order that the seed gives; without a choice, all."""
    part = split(None if rows is None else Subset(np.array(rows), 0.25))
    wanted = sorted(range(N) if rows is None else rows)
    batches = list(part.batches(1))
    found = {uid: int(label) for batch in batches for uid, label in zip(batch.uids, batch.labels, strict=True)}  # type: ignore[arg-type]
    assert sorted(int(uid.rpartition("/")[2]) for uid in found) == wanted
    assert part.utterances == len(wanted) == sum(len(batch.uids) for batch in batches)
    assert all(label == int(uid.rpartition("/")[2]) % 3 for uid, label in found.items())
    assert max(len(batch.uids) for batch in batches) <= 5
    assert part.difficulty == (None if rows is None else 0.25)
    assert [batch.uids for batch in part.batches(1)] == [batch.uids for batch in batches]


# ------------------------------------------------------------------------------------------------------------ training


class Toy(nn.Module):
    """A layer on fixed inputs."""

    dimension = 3

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.3))

    def forward(self, batch: Batch) -> EncodedBatch:
        """The layer's output is everything."""
        found = self.backbone(batch.inputs["x"])
        return EncodedBatch(batch.uids, found, found, found, None, batch.labels)

    def prototypes(self) -> None:
        """None."""


class Remembers(nn.Module):
    """Cross-entropy, and the distance from a running mean, which is a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """A scalar."""
        self.mean = 0.9 * self.mean + 0.1 * batch.vectors.detach().mean(0)
        entropy = nn.functional.cross_entropy(batch.logits, batch.labels)  # type: ignore[arg-type]
        return LossOutput(entropy + (batch.vectors - self.mean).square().mean())


class Part:
    """Rows of a table, in batches of 4."""

    def __init__(self, rows: Sequence[int], difficulty: float | None = None) -> None:
        self.rows, self.utterances, self.difficulty = torch.tensor(rows), len(rows), difficulty
        self.difficulty_of_train = None if difficulty is None else 2 * difficulty

    def batches(self, seed: int) -> Iterable[Batch]:
        """One epoch."""
        inputs = torch.randn(N, 4, generator=torch.Generator().manual_seed(3))
        order = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(seed))
        for rows in self.rows[order].split(4):
            yield Batch(tuple(str(int(row)) for row in rows), {"x": inputs[rows]}, rows % 3)


class Counting(Silent):
    """What a bar would show: work in all and work done; the whole at the end of each epoch."""

    def __init__(self, work: int) -> None:
        self.work, self.done = work, 0
        self.said: list[str] = []
        self.left: list[int] = []

    def advance(self, work: int, doing: str, figures: Mapping[str, float] | None = None) -> None:
        """More is done."""
        self.done += work

    def adjust(self, work: int) -> None:
        """More, or less, is to be done."""
        self.work += work

    def say(self, message: str) -> None:
        """Kept."""
        self.said.append(message)

    def epoch_finished(self, epoch: Epoch, resumed: bool = False) -> None:
        """How much is left now."""
        self.left.append(self.work - self.done)


class Go:
    """Trains the toy for four epochs on parts of 6, 8, 5 and 12 utterances, chosen by the weights as they are."""

    sizes = (6, 8, 5, 12)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, stop: int | None = None, whole: bool = False) -> tuple[Trained, dict[str, Tensor], Counting]:
        """To the end, or up to an interruption in epoch `stop`; `whole` trains on everything."""
        model, objective = Toy(), Objective({"remembers": (1.0, Remembers())})
        counting = Counting(4 * N * TRAINING_COST + (0 if whole else 4 * N))

        def choose(epoch: int) -> Part:
            if epoch == stop:
                raise KeyboardInterrupt
            counting.advance(N, "choosing utterances")
            order = model.backbone[0].weight.sum(0).repeat(3).argsort(stable=True)
            return Part(order[: self.sizes[epoch - 1]].tolist(), epoch / 10)

        unfinished = Unfinished(self.folder / "run")
        around = Surroundings(Device("cpu", "fp32"), 1, unfinished, counting, None if whole else choose)
        settings = Training(epochs=4, batch_size=4, encoder_lr=0.05, lr=0.05)
        trained = train(model, objective, Part(range(N)), settings, lambda epoch: (0.0, epoch / 10), around)
        return trained, {**model.state_dict(), **objective.state_dict()}, counting


def test_an_epoch_tells_what_it_was_trained_on(tmp_path: Path) -> None:
    """Number and mean difficulty, in the epoch and in the line about it; neither where all of train is trained on."""
    trained, _, counting = Go(tmp_path / "a")()
    assert [(epoch.utterances, epoch.difficulty) for epoch in trained.epochs] == [
        (6, 0.1),
        (8, 0.2),
        (5, 0.3),
        (12, 0.4),
    ]
    assert counting.said[1].endswith("; trained on 8 of 12 utterances, mean difficulty 0.200, of all 0.400")
    trained, _, counting = Go(tmp_path / "b")(whole=True)
    assert {(epoch.utterances, epoch.difficulty) for epoch in trained.epochs} == {(None, None)}
    assert "trained on" not in counting.said[1]


def test_the_work_left_is_right_after_every_epoch(tmp_path: Path) -> None:
    """Epochs to come are taken to be as large as the last; at the end nothing is left, and nothing was left out."""
    _, _, counting = Go(tmp_path / "a")()
    cost = TRAINING_COST
    assert counting.left == [3 * (N + 6 * cost), 2 * (N + 8 * cost), 1 * (N + 5 * cost), 0]
    assert counting.done == 4 * N + cost * sum(Go.sizes)
    _, _, counting = Go(tmp_path / "b")(whole=True)
    assert (counting.left[-1], counting.work) == (0, 4 * N * cost)


@pytest.mark.parametrize("stop", [2, 3, 4])
def test_a_run_taken_up_again_chooses_and_ends_the_same(tmp_path: Path, stop: int) -> None:
    """Bit by bit: weights, what the loss remembers, every epoch but its times; and the work left is right again."""
    whole, weights, _ = Go(tmp_path / "whole")()
    with pytest.raises(KeyboardInterrupt):
        Go(tmp_path / "parts")(stop)
    trained, again, counting = Go(tmp_path / "parts")()
    assert trained.resumed_after == (stop - 1,)
    assert [name for name in weights if not torch.equal(weights[name], again[name])] == []
    told = [[(e.epoch, e.losses, e.utterances, e.difficulty) for e in one.epochs] for one in (whole, trained)]
    assert told[0] == told[1]
    assert counting.left[-1] == 0
    assert counting.done == 4 * N + TRAINING_COST * sum(Go.sizes)


# ----------------------------------------------------------------------------------------------------------- whole runs


class Watching(Counting):
    """Counts by what is done, and ends the run when something begins."""

    def __init__(self, work: int, stop: str = "") -> None:
        super().__init__(work)
        self.by_what: Counter[str] = Counter()
        self.stop = stop

    def advance(self, work: int, doing: str, figures: Mapping[str, float] | None = None) -> None:
        """Count."""
        if self.stop and doing.startswith(self.stop):
            raise KeyboardInterrupt
        super().advance(work, doing)
        self.by_what[doing] += work


@pytest.fixture
def spcl(tiny_checkpoint: Callable[[str], Path]) -> Prepared:
    """SPCL on a few dialogues with a tiny encoder and small pools, which are soon full; three epochs."""
    catalog = load_catalog()
    overrides: dict[str, Any] = {
        "encoder.checkpoint": str(tiny_checkpoint("roberta")), "training.epochs": 3, "losses.spcl.pool_size": 4,
        "losses.spcl.support_size": 2, "losses.spcl.least": 0.0,
    }  # fmt: skip
    return prepare(catalog, resolve(catalog, "spcl", "mini", "meld-sample", overrides), None, 3)


def run(prepared: Prepared, folder: Path, watching: Watching, keep: bool = False) -> RunRecord:
    """One run with seed 0."""
    return runner.run(prepared, 0, Device("cpu", "fp32"), folder, watching, keep_model=keep)


def test_a_run_with_a_curriculum_shows_it_in_its_record(spcl: Prepared, tmp_path: Path) -> None:
    """Utterances and difficulty per epoch; train is encoded before each epoch; the work was counted right."""
    watching = Watching(spcl.work)
    record = run(spcl, tmp_path, watching)
    there, epochs = record.dataset.utterances["train"], record.training.epochs
    assert all(0 < (epoch.utterances or 0) < there for epoch in epochs)
    assert all(0 < (epoch.difficulty or 0) < 1 for epoch in epochs)
    harder = [(epoch.difficulty or 0) / (epoch.difficulty_of_train or 1) for epoch in epochs]
    assert harder[0] < harder[-1]  # each epoch has a scale of its own
    assert watching.by_what["choosing utterances"] == 3 * there
    assert [watching.by_what[f"epoch {e.epoch}/3"] for e in epochs] == [
        TRAINING_COST * (e.utterances or 0) for e in epochs
    ]
    assert watching.done == watching.work
    assert record.config["curriculum.name"] == "difficulty"
    assert "trained on" in watching.said[0]


@pytest.mark.parametrize("stop", ["epoch 2/3", "choosing"])
def test_an_interrupted_run_of_spcl_gives_the_same_record(
    spcl: Prepared, tmp_path: Path, stop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pools, prototypes, choices and predictions are those of an undisturbed run, wherever it was broken off."""
    whole = run(spcl, tmp_path / "whole", Watching(spcl.work), keep=True)
    first = Watching(spcl.work, stop if stop != "choosing" else "")
    if stop == "choosing":
        chosen = choosing.choose
        calls = iter([False, True])

        def broken(*arguments: Any) -> Subset:
            if next(calls):
                raise KeyboardInterrupt
            return chosen(*arguments)

        monkeypatch.setattr(choosing, "choose", broken)
    with pytest.raises(KeyboardInterrupt):
        run(spcl, tmp_path / "again", first)
    monkeypatch.undo()
    again = run(spcl, tmp_path / "again", Watching(spcl.work), keep=True)
    assert again.training.resumed_after_epochs == [1]
    assert (again.scores, again.predictions) == (whole.scores, whole.predictions)
    told = [[(e.losses, e.utterances, e.difficulty) for e in one.training.epochs] for one in (whole, again)]
    assert told[0] == told[1]
    [one, other] = [next((tmp_path / name).glob("records/*/*/*/*/losses.safetensors")) for name in ("whole", "again")]
    assert one.read_bytes() == other.read_bytes()


def test_memory_ends_with_a_run(spcl: Prepared, tmp_path: Path) -> None:
    """Two runs in one process give the same record, so that no seed sees the pools of another."""
    one, other = (run(spcl, tmp_path / name, Watching(spcl.work)) for name in ("one", "other"))
    assert [e.losses for e in one.training.epochs] == [e.losses for e in other.training.epochs]
    assert one.predictions == other.predictions
