"""Stage 4. Learning rates, the choice of the epoch, and taking up an interrupted run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from ercbench_eacl.encoder import EaclEncoder
from ercbench_eacl.settings import EncoderSettings
from torch import Tensor, nn, optim

from ercbench import encoding, training
from ercbench.catalog import load_catalog, load_target
from ercbench.checkpoints import locate
from ercbench.config import Training, resolve
from ercbench.devices import Device
from ercbench.errors import TrainingError
from ercbench.ports import EncoderModel
from ercbench.progress import Silent
from ercbench.resume import Unfinished
from ercbench.seeds import derive_seed
from ercbench.stepping import in_float32
from ercbench.training import Objective, Surroundings, Trained, make_optimizer, train
from ercbench.types import MASK, Batch, EncodedBatch, LabelSet, LossOutput, Prompt

pytestmark = pytest.mark.usefixtures("one_thread")


class Toy(nn.Module):
    """An encoder model in small, with dropout, a LayerNorm in the backbone and another outside."""

    dimension = 4

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.backbone = nn.Sequential(nn.Embedding(20, 6), nn.LayerNorm(6), nn.Linear(6, 6), nn.Dropout(0.3))
        self.map = nn.Sequential(nn.Linear(6, 4), nn.LayerNorm(4))
        self.head = nn.Linear(6, 3)

    def forward(self, batch: Batch) -> EncodedBatch:
        """The mean over tokens."""
        hidden = self.backbone(batch.inputs["input_ids"]).mean(1)
        logits = self.head(hidden)
        return EncodedBatch(batch.uids, hidden, self.map(hidden), logits, self.prototypes(), batch.labels)

    def prototypes(self) -> Tensor:
        """The rows of the head, projected."""
        return self.map(self.head.weight)


class Toward(nn.Module):
    """A loss with parameters of its own: cross-entropy of scaled logits, and the distance to a centre."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Linear(3, 3)

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """A scalar."""
        assert batch.logits is not None
        return LossOutput(nn.functional.cross_entropy(self.scale(batch.logits), batch.labels) + batch.vectors.std())


class Words:
    """A training split of 12 utterances in batches of 4, in an order that the seed gives."""

    utterances = 12

    def __init__(self, stop_at: tuple[int, int] | None = None) -> None:
        self.stop_at, self.epochs = stop_at, 0

    def batches(self, seed: int) -> Iterable[Batch]:
        """One epoch; interrupted before the given batch of the given epoch."""
        self.epochs += 1
        draw = torch.Generator().manual_seed(5)
        ids = torch.randint(20, (12, 7), generator=draw)
        order = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
        for number, rows in enumerate(order.split(4), 1):
            if self.stop_at == (self.epochs, number):
                raise KeyboardInterrupt
            yield Batch(tuple(str(int(row)) for row in rows), {"input_ids": ids[rows]}, rows % 3)

    def divide(self, batch: Batch, size: int) -> list[Batch]:
        """Pieces of the size, the last one shorter."""
        assert batch.labels is not None
        return [
            Batch(batch.uids[at : at + size], {"input_ids": batch.inputs["input_ids"][at : at + size]},
                  batch.labels[at : at + size])
            for at in range(0, len(batch.uids), size)
        ]  # fmt: skip


class Scores:
    """Stands for the evaluation: gives the scores it was given, and keeps the weights as they were at each epoch."""

    def __init__(self, model: nn.Module, scores: Sequence[float], stop_at: int | None = None) -> None:
        self.model, self.scores, self.stop_at = model, scores, stop_at
        self.weights: list[dict[str, Tensor]] = []

    def __call__(self, _epoch: int) -> tuple[float, float]:
        """The next score; the run is interrupted at call `stop_at`, counting from 1."""
        if self.stop_at == len(self.weights) + 1:
            raise KeyboardInterrupt
        self.weights.append({name: tensor.clone() for name, tensor in self.model.state_dict().items()})
        torch.rand(17)  # evaluation may use up random numbers
        return 0.0, self.scores[len(self.weights) - 1]


def settings(**values: Any) -> Training:
    """Learning rates that show."""
    return Training(**({"epochs": 4, "batch_size": 4, "encoder_lr": 1e-2, "lr": 3e-2} | values))


def objective(seed: int = 0) -> Objective:
    """One loss, with parameters drawn from the seed."""
    torch.manual_seed(seed)
    return Objective({"toward": (0.5, Toward())})


def around(folder: Path, seed: int = 1) -> Surroundings:
    """On the CPU, watched by nobody."""
    return Surroundings(Device("cpu", "fp32"), seed, Unfinished(folder / "run"), Silent())


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Bit by bit."""
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


# ----------------------------------------------------------------------------------------------------------- optimizer


def groups_of(model: EncoderModel, losses: Objective, **values: Any) -> dict[str, dict[str, Any]]:
    """Parameter name -> the optimizer's group of it; fails where a parameter is in two groups."""
    optimizer = make_optimizer(model, losses, settings(**values))
    names = {id(parameter): name for name, parameter in [*model.named_parameters(), *losses.named_parameters()]}
    found: dict[str, dict[str, Any]] = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert names[id(parameter)] not in found
            found[names[id(parameter)]] = group
    assert found.keys() == set(names.values())
    return found


def test_two_learning_rates_and_no_decay_on_biases_and_the_encoders_layer_norms() -> None:
    """Every parameter of model and losses is in one group: pre-trained or not, decayed or not."""
    found = groups_of(Toy(), objective(), encoder_lr=1e-5, lr=4e-4, weight_decay=0.01)
    assert {name: (group["lr"], group["weight_decay"]) for name, group in found.items()} == {
        "backbone.0.weight": (1e-5, 0.01),
        "backbone.1.weight": (1e-5, 0.0),
        "backbone.1.bias": (1e-5, 0.0),
        "backbone.2.weight": (1e-5, 0.01),
        "backbone.2.bias": (1e-5, 0.0),
        "map.0.weight": (4e-4, 0.01),
        "map.0.bias": (4e-4, 0.0),
        "map.1.weight": (4e-4, 0.01),
        "map.1.bias": (4e-4, 0.0),
        "head.weight": (4e-4, 0.01),
        "head.bias": (4e-4, 0.0),
        "losses.toward.scale.weight": (4e-4, 0.01),
        "losses.toward.scale.bias": (4e-4, 0.0),
    }


@pytest.mark.parametrize("architecture", ["roberta", "bert", "deberta-v2", "mpnet"])
def test_the_groups_of_real_encoders(tiny_checkpoint: Callable[[str], Path], architecture: str) -> None:
    """Whatever the architecture calls them, LayerNorm weights of the encoder are not decayed and all else is."""
    labels = LabelSet.of({"glad": "glad", "grim": "grim"})
    model = EaclEncoder(EncoderSettings(width=8), labels, locate(str(tiny_checkpoint(architecture)), ())).load()
    for name, group in groups_of(model, Objective({}), encoder_lr=1e-5, lr=4e-4, weight_decay=0.01).items():
        plain = name.endswith(".bias") or (name.startswith("backbone.") and "LayerNorm" in name)
        assert group["weight_decay"] == (0.0 if plain else 0.01), name
        assert group["lr"] == (1e-5 if name.startswith("backbone.") else 4e-4), name


@pytest.fixture
def optimizers(monkeypatch: pytest.MonkeyPatch) -> list[optim.Optimizer]:
    """The optimizers that training makes from here on."""
    made: list[optim.Optimizer] = []

    def make(*arguments: Any) -> optim.Optimizer:
        made.append(make_optimizer(*arguments))
        return made[-1]

    monkeypatch.setattr(training, "make_optimizer", make)
    return made


def test_learning_rates_fall_after_every_epoch(tmp_path: Path, optimizers: list[optim.Optimizer]) -> None:
    """Epoch n is trained at the rate times ``lr_decay`` to the power n - 1, in a resumed run too."""
    seen: list[list[float]] = []

    def look(_epoch: int) -> tuple[float, float]:
        seen.append(sorted({group["lr"] for group in optimizers[-1].param_groups}))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return 0.0, 0.0

    for _ in range(2):
        try:
            train(Toy(), objective(), Words(), settings(encoder_lr=0.02, lr=0.08, lr_decay=0.5), look, around(tmp_path))
        except KeyboardInterrupt:
            continue
    rates = [[0.02, 0.08], [0.01, 0.04], [0.005, 0.02], [0.0025, 0.01]]
    assert seen == [pytest.approx(rate) for rate in [*rates[:3], *rates[2:]]]


def test_gradients_are_clipped(tmp_path: Path, optimizers: list[optim.Optimizer]) -> None:
    """No step is taken with a gradient, over all parameters together, longer than ``clip_norm``."""
    norms: list[float] = []

    def measure(optimizer: optim.Optimizer, *_: object) -> None:
        squares = [
            p.grad.pow(2).sum() for group in optimizer.param_groups for p in group["params"] if p.grad is not None
        ]
        norms.append(float(torch.stack(squares).sum().sqrt()))

    class Watched(Words):
        def batches(self, seed: int) -> Iterator[Batch]:
            if not norms:
                optimizers[-1].register_step_pre_hook(measure)
            yield from super().batches(seed)

    for clip in (1e9, 1e-3):
        norms.clear()
        model = Toy()
        train(
            model,
            objective(),
            Watched(),
            settings(epochs=1, clip_norm=clip),
            Scores(model, [0.0]),
            around(tmp_path / str(clip)),
        )
        assert len(norms) == 3
        assert max(norms) < 1.001e-3 if clip < 1 else min(norms) > 1e-2


# -------------------------------------------------------------------------------------------------- losses and epochs


def test_the_total_is_the_weighted_sum_and_the_parts_are_not_weighted() -> None:
    """Two losses of weights 2 and 3, one of them with a dot in its name."""

    class Constant(nn.Module):
        def __init__(self, value: float) -> None:
            super().__init__()
            self.value = value

        def forward(self, batch: EncodedBatch) -> LossOutput:
            return LossOutput(batch.vectors.sum() * self.value)

    vectors = torch.ones(1, 1, requires_grad=True)
    output = Objective({"one": (2.0, Constant(5.0)), "sup.con": (3.0, Constant(7.0))})(
        EncodedBatch(("u",), vectors, vectors)
    )
    assert {name: part.item() for name, part in output.parts.items()} == {"one": 5.0, "sup.con": 7.0}
    assert output.total.item() == 2 * 5 + 3 * 7
    assert torch.autograd.grad(output.total, vectors)[0].item() == 31


def test_an_epoch_tells_the_mean_of_every_loss(tmp_path: Path) -> None:
    """Means are over utterances, so that a small last batch does not count as much as a full one."""

    class Size(nn.Module):
        def forward(self, batch: EncodedBatch) -> LossOutput:
            return LossOutput(batch.vectors.sum() * 0 + len(batch.uids))

    class Uneven(Words):
        def batches(self, seed: int) -> Iterator[Batch]:
            whole = [*super().batches(seed)]
            yield Batch(
                whole[0].uids + whole[1].uids,
                {"input_ids": torch.cat([whole[0].inputs["input_ids"], whole[1].inputs["input_ids"]])},
            )
            yield whole[2]

    model = Toy()
    trained = train(
        model, Objective({"size": (0.5, Size())}), Uneven(), settings(epochs=1), Scores(model, [0.3]), around(tmp_path)
    )
    [epoch] = trained.epochs
    assert epoch.losses == {"total": pytest.approx(0.5 * 80 / 12), "size": pytest.approx((8 * 8 + 4 * 4) / 12)}
    assert (epoch.epoch, epoch.selection_score) == (1, 0.3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_training(tmp_path: Path, value: float) -> None:
    """The message says which epoch and what to do; no later epoch is begun, and none is saved with such weights."""

    class Breaks(nn.Module):
        calls = 0

        def forward(self, batch: EncodedBatch) -> LossOutput:
            self.calls += 1
            return LossOutput(batch.vectors.sum() * (value if self.calls == 5 else 1.0))

    model, source = Toy(), Words()
    scores = Scores(model, [0.1] * 4)
    with pytest.raises(
        TrainingError, match=r"The loss \w+ is not finite\. Got (nan|-?inf) in epoch 2.*Lower the learning"
    ):
        train(model, Objective({"breaks": (1.0, Breaks())}), source, settings(), scores, around(tmp_path))
    assert (source.epochs, len(scores.weights)) == (2, 1)
    saved = Unfinished(tmp_path / "run").load()
    assert saved is not None
    assert len(saved.epochs) == 1


class Half(Toy):
    """Computes in bfloat16, as under autocast."""

    def forward(self, batch: Batch) -> EncodedBatch:
        """Everything the toy makes, with fewer digits."""
        found = super().forward(batch)
        low = [getattr(found, name).bfloat16() for name in ("hidden", "vectors", "logits", "prototypes")]
        return EncodedBatch(found.uids, *low, labels=found.labels)


def test_losses_are_computed_in_float32(tmp_path: Path) -> None:
    """Whatever the precision of the forward pass, every tensor that a loss is given is float32."""
    seen: set[torch.dtype] = set()

    class Looks(nn.Module):
        def forward(self, batch: EncodedBatch) -> LossOutput:
            assert batch.logits is not None
            assert batch.prototypes is not None
            seen.update(x.dtype for x in (batch.hidden, batch.vectors, batch.logits, batch.prototypes))
            return LossOutput(batch.vectors.sum())

    model = Half()
    train(
        model, Objective({"looks": (1.0, Looks())}), Words(), settings(epochs=1), Scores(model, [0.1]), around(tmp_path)
    )
    assert seen == {torch.float32}


def test_what_an_encoder_does_not_have_stays_away() -> None:
    """A batch without logits and prototypes has none in float32 either."""
    vectors = torch.ones(1, 1, dtype=torch.bfloat16)
    batch = in_float32(EncodedBatch(("u",), vectors, vectors))
    assert (batch.logits, batch.prototypes, batch.vectors.dtype) == (None, None, torch.float32)


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [([0.1, 0.5, 0.5, 0.3], 2), ([0.5, 0.4, 0.3, 0.2], 1), ([0.1, 0.2, 0.3, 0.4], 4), ([0.0, 0.0, 0.0, 0.0], 1)],
)
def test_the_first_of_the_best_epochs_is_chosen_and_its_weights_are_left(
    tmp_path: Path, scores: list[float], chosen: int
) -> None:
    """At the end the model holds, bit by bit, the weights it was evaluated with in that epoch, and is in evaluation."""
    model = Toy()
    evaluate = Scores(model, scores)
    trained = train(model, objective(), Words(), settings(), evaluate, around(tmp_path))
    assert trained.chosen == chosen
    assert [epoch.selection_score for epoch in trained.epochs] == scores
    assert_same(dict(model.state_dict()), evaluate.weights[chosen - 1])
    assert not model.training
    assert trained.resumed_after == ()


def test_no_epoch_leaves_the_encoder_as_it_was(tmp_path: Path) -> None:
    """Nothing is trained, evaluated or kept; epoch 0 is chosen, in evaluation."""
    model, before = Toy(), Toy()
    evaluate = Scores(model, [])
    trained = train(model, objective(), Words(), settings(epochs=0), evaluate, around(tmp_path))
    assert (trained.epochs, trained.chosen, trained.resumed_after) == ((), 0, ())
    assert_same(dict(model.state_dict()), dict(before.state_dict()))
    assert trained.last_prototypes is not None
    assert torch.equal(trained.last_prototypes, before.eval().prototypes())
    assert not model.training


def test_the_last_prototypes_are_those_after_the_last_epoch(tmp_path: Path) -> None:
    """Even where an earlier epoch is chosen."""
    model, other = Toy(), Toy()
    evaluate = Scores(model, [0.5, 0.4, 0.3, 0.2])
    trained = train(model, objective(), Words(), settings(), evaluate, around(tmp_path))
    other.load_state_dict(evaluate.weights[-1])
    assert trained.last_prototypes is not None
    assert torch.equal(trained.last_prototypes, other.eval().prototypes())
    assert not torch.equal(trained.last_prototypes, model.prototypes())


def test_training_is_a_function_of_the_seed(tmp_path: Path) -> None:
    """The same seed gives the same weights bit by bit, whatever was drawn before; another seed gives others."""
    weights = []
    for number, seed in enumerate((1, 1, 2)):
        model, losses = Toy(), objective()
        torch.manual_seed(number)
        train(
            model,
            losses,
            Words(),
            settings(),
            Scores(model, [0.1, 0.2, 0.3, 0.4]),
            around(tmp_path / str(number), seed),
        )
        weights.append(dict(model.state_dict()))
    assert_same(weights[0], weights[1])
    assert any(not torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


def test_every_epoch_has_an_order_of_its_own(tmp_path: Path) -> None:
    """Each epoch asks for its batches with another seed, which depends on the run's seed and the epoch alone."""

    class Asked(Words):
        def __init__(self) -> None:
            super().__init__()
            self.seeds: list[int] = []

        def batches(self, seed: int) -> Iterable[Batch]:
            self.seeds.append(seed)
            return super().batches(seed)

    seeds = []
    for number, (epochs, seed) in enumerate(((4, 1), (2, 1), (2, 2))):
        model, source = Toy(), Asked()
        place = around(tmp_path / str(number), seed)
        train(model, objective(), source, settings(epochs=epochs), Scores(model, [0.1] * 4), place)
        seeds.append(source.seeds)
    assert len(set(seeds[0] + seeds[2])) == 6
    assert seeds[0][:2] == seeds[1]


def test_derived_seeds_differ_by_seed_and_purpose_and_stay_as_they_are() -> None:
    """A seed is 32 bits, and the same on every machine and in every version: records are repeated from it."""
    seeds = {derive_seed(seed, purpose) for seed in range(20) for purpose in ("model", "epoch 1", "classifier")}
    assert len(seeds) == 60
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert derive_seed(0, "model") == 2588156980


# -------------------------------------------------------------------------------------------------------------- resume


def finish(folder: Path, scores: Sequence[float]) -> tuple[dict[str, Tensor], dict[str, Tensor], Trained]:
    """Train a newly made model, other initial weights and all, to the end: weights of model and losses, and outcome."""
    model, losses = Toy(seed=99), objective(seed=98)
    trained = train(model, losses, Words(), settings(), Scores(model, scores), around(folder))
    return dict(model.state_dict()), dict(losses.state_dict()), trained


SCORES = {
    "last is best": [0.1, 0.2, 0.3, 0.4],
    "first is best": [0.4, 0.1, 0.2, 0.3],
    "second is best": [0.2, 0.4, 0.3, 0.1],
}


@pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES)
@pytest.mark.parametrize("finished", [1, 2, 3])
@pytest.mark.parametrize("where", ["evaluating", "training"])
def test_a_resumed_run_gives_the_same_bits(tmp_path: Path, finished: int, scores: list[float], where: str) -> None:
    """Interrupted in the epoch after `finished` and taken up by a new process, it ends as if nothing had been.

    Weights of the model and of the losses, the chosen epoch, and every number of every epoch but its times are those
    of the undisturbed run.
    """
    model, losses = Toy(), objective()
    whole = train(model, losses, Words(), settings(), Scores(model, scores), around(tmp_path / "whole"))
    other, other_losses = Toy(), objective()
    source = Words((finished + 1, 2) if where == "training" else None)
    evaluate = Scores(other, scores, finished + 1 if where == "evaluating" else None)
    with pytest.raises(KeyboardInterrupt):
        train(other, other_losses, source, settings(), evaluate, around(tmp_path / "parts"))
    weights, of_losses, trained = finish(tmp_path / "parts", scores[finished:])
    assert_same(weights, dict(model.state_dict()))
    assert_same(of_losses, dict(losses.state_dict()))
    assert trained.chosen == whole.chosen
    assert trained.resumed_after == (finished,)
    assert [(e.epoch, e.losses, e.selection_score) for e in trained.epochs] == (
        [(e.epoch, e.losses, e.selection_score) for e in whole.epochs]
    )
    assert trained.last_prototypes is not None
    assert whole.last_prototypes is not None
    assert torch.equal(trained.last_prototypes, whole.last_prototypes)


def test_a_run_may_be_interrupted_again_and_again(tmp_path: Path) -> None:
    """After every epoch, and once more when all are done: the same weights, and it is known where.

    Only the first of the interrupted runs begins with the weights that the undisturbed one began with.
    """
    scores = [0.2, 0.4, 0.3, 0.1]
    model = Toy()
    train(model, objective(), Words(), settings(), Scores(model, scores), around(tmp_path / "whole"))
    for done in range(3):
        part = Toy(seed=done)
        with pytest.raises(KeyboardInterrupt):
            train(
                part, objective(done), Words(), settings(), Scores(part, scores[done:], 2), around(tmp_path / "parts")
            )
    finish(tmp_path / "parts", scores[3:])
    weights, _, trained = finish(tmp_path / "parts", [])
    assert_same(weights, dict(model.state_dict()))
    assert trained.resumed_after == (1, 2, 3, 4)
    assert trained.chosen == 2


class Split:
    """Eight prompts through the real encoder of EACL."""

    utterances = 8

    def __init__(self, encoder: EaclEncoder) -> None:
        self.encoder = encoder
        self.gold = {str(i): i % 2 for i in range(8)}
        texts = [("we won" if gold else "we lost it all") + "!" * i for i, gold in enumerate(self.gold.values())]
        prompts = [
            Prompt(str(i), (f"a says: {text}", f"{text} b feels {MASK} "), 1, text) for i, text in enumerate(texts)
        ]
        self.tokens = encoder.tokenize(prompts)

    def batches(self, seed: int) -> Iterable[Batch]:
        """Batches of three."""
        return encoding.batches(self.encoder, self.tokens, self.encoder.plan(self.tokens, 3, seed), self.gold)


@pytest.mark.parametrize("labels", ["fixed", "trainable"])
def test_a_resumed_run_of_eacl_gives_the_same_bits(
    tmp_path: Path, tiny_checkpoint: Callable[[str], Path], labels: str
) -> None:
    """The same promise for a transformer with dropout, the losses of the recipe, and its optimizer's state."""
    words = LabelSet.of({"grim": "grim", "glad": "joyful"})
    encoder = EaclEncoder(
        EncoderSettings(width=8, label_encoding=labels), words, locate(str(tiny_checkpoint("roberta")), ())
    )  # type: ignore[arg-type]
    config = resolve(load_catalog(), "eacl", "mini", "meld-sample", {})
    found: list[dict[str, Tensor]] = []
    for seed, name, stop_at in ((0, "whole", None), (0, "parts", 2), (5, "parts", None)):
        torch.manual_seed(seed)
        model = encoder.load()
        losses = Objective(
            {
                key: (loss.weight, load_target(loss.part.spec.target)(loss.part.settings, words, 8))
                for key, loss in config.losses.items()
            }
        )
        try:
            train(
                model,
                losses,
                Split(encoder),
                settings(epochs=3),
                Scores(model, [0.1, 0.2, 0.3][bool(seed) :], stop_at),
                around(tmp_path / name),
            )
        except KeyboardInterrupt:
            continue
        found.append(dict(model.state_dict()))
    assert_same(*found)
