"""Stage 4. Train an encoder under weighted losses, and keep the weights of the epoch that selection chooses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn, optim

from ercbench.devices import Device
from ercbench.errors import TrainingError
from ercbench.ports import EncoderModel, Loss
from ercbench.progress import TRAINING_COST, Reporter
from ercbench.resume import Unfinished
from ercbench.seeds import derive_seed
from ercbench.stepping import Stepper
from ercbench.types import Batch, EncodedBatch, Epoch, LossOutput

if TYPE_CHECKING:
    from ercbench.config import Training

LOSSES = "losses/"
"""What the tensors of losses are called among those of a model, in which no name has a slash."""
REPORT_EVERY = 10
"""Steps between two looks at the losses; each look waits for the device."""


class Objective(nn.Module):
    """The weighted sum of a recipe's losses."""

    def __init__(self, losses: Mapping[str, tuple[float, Loss]]) -> None:
        super().__init__()
        self.weights = {name: weight for name, (weight, _) in losses.items()}
        self.losses = nn.ModuleDict({name.replace(".", "_"): loss for name, (_, loss) in losses.items()})  # type: ignore[misc]

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput, whose parts are the unweighted losses by name."""
        parts = {name: self.losses[name.replace(".", "_")](batch).total for name in self.weights}
        total = sum((self.weights[name] * part for name, part in parts.items()), start=batch.vectors.sum() * 0)
        return LossOutput(total, parts)


class Source(Protocol):
    """The training split: batches with labels in the order that a seed gives."""

    utterances: int

    def batches(self, seed: int) -> Iterable[Batch]:
        """One epoch of batches, on the CPU."""
        ...

    def divide(self, batch: Batch, size: int) -> Sequence[Batch]:
        """One of them -> pieces of at most `size` utterances; each utterance is in one."""
        ...


class Chosen(Source, Protocol):
    """The part of the training split that a curriculum chose for an epoch."""

    difficulty: float | None
    difficulty_of_train: float | None


@dataclass(frozen=True)
class Surroundings:
    """What a training run needs beside the model: where, from which seed, kept where, watched by whom.

    `choose` gives what an epoch is trained on; without, each is trained on the whole split.
    """

    device: Device
    seed: int
    unfinished: Unfinished
    reporter: Reporter
    choose: Callable[[int], Chosen] | None = None


@dataclass(frozen=True)
class Trained:
    """What training came to. The model holds the weights of the chosen epoch; counting starts at 1, 0 is untrained.

    `last_prototypes` (C, D) are the label vectors after the last epoch.
    """

    epochs: tuple[Epoch, ...]
    chosen: int
    resumed_after: tuple[int, ...]
    last_prototypes: Tensor | None


def train(
    model: EncoderModel,
    objective: Objective,
    source: Source,
    settings: Training,
    evaluate: Callable[[int], tuple[float, float]],
    around: Surroundings,
) -> Trained:
    """Batches -> a trained model: all epochs, resumed after the last finished one, then the chosen weights.

    Args:
        model: on its device.
        objective: on the same device.
        source: the training split.
        settings: the recipe's ``training.*``.
        evaluate: epoch -> the dev score and the score that chooses the epoch, both for the model as it is.
        around: device, seed, checkpoints, reporter.

    Raises:
        TrainingError: a loss is not finite.

    Before: encoding.py. After: encoding.py once more (`encode`), then classifying.py.
    """
    if settings.epochs == 0:
        return Trained((), 0, (), _prototypes(model))
    optimizer = make_optimizer(model, objective, settings)
    state = _State(model, objective, optimizer)
    saved = around.unfinished.load()
    epochs: tuple[Epoch, ...] = ()
    pace = _Pace(around, source.utterances, settings.epochs)
    if saved:
        state.restore(saved.last)
        epochs = saved.epochs
        around.device.chunk.lower(epochs[-1].chunk)
        around.reporter.say(f"Resuming after epoch {len(epochs)} of {settings.epochs}.")
        pace.resume(epochs)
        for earlier in epochs:
            around.reporter.epoch_finished(earlier, resumed=True)
    prepared = around.device.prepare(optimizer)
    for number in range(len(epochs) + 1, settings.epochs + 1):
        chosen = around.choose(number) if around.choose else None
        pace.expect(number, chosen.utterances if chosen else None)
        epoch = _train_epoch(number, model, objective, prepared, (chosen or source, settings, around))
        if chosen:
            epoch = replace(
                epoch,
                utterances=chosen.utterances,
                difficulty=chosen.difficulty,
                difficulty_of_train=chosen.difficulty_of_train,
            )
        dev_score, selection_score = around.device.ranks.numbers(*evaluate(number))
        around.device.ranks.check_equal(state.learnt(), f"in epoch {number}")
        epoch = replace(epoch, dev_weighted_f1=dev_score, selection_score=selection_score)
        epoch = replace(epoch, chunk=around.device.chunk.size, processes=around.device.ranks.processes)
        best = all(selection_score > earlier.selection_score for earlier in epochs)
        epochs = (*epochs, epoch)
        around.unfinished.save(epochs, state.tensors(), state.weights() if best else None)
        around.reporter.say(_summary(epoch, settings.epochs, source.utterances))
        around.reporter.epoch_finished(epoch)
    last_prototypes = _prototypes(model)
    state.choose(around.unfinished.best())
    best_epoch = max(epochs, key=lambda epoch: epoch.selection_score).epoch  # max keeps the first of equals
    return Trained(epochs, best_epoch, saved.resumed_after if saved else (), last_prototypes)


def _prototypes(model: EncoderModel) -> Tensor | None:
    """The label vectors (C, D) of the model as it is."""
    model.eval()
    with torch.no_grad():
        return model.prototypes()


class _Pace:
    """Keeps the reporter's idea of the whole work right where epochs are trained on parts of the split.

    The epochs to come are taken to be as large as the last one that is known.
    """

    def __init__(self, around: Surroundings, utterances: int, epochs: int) -> None:
        self._reporter, self._epochs = around.reporter, epochs
        self._all = self._expected = utterances
        self._choosing = utterances if around.choose else 0  # the split is encoded before each epoch

    def expect(self, number: int, utterances: int | None) -> None:
        """This epoch is trained on so many utterances; None is the whole split."""
        utterances = self._all if utterances is None else utterances
        if utterances != self._expected:
            left = self._epochs - number + 1
            self._reporter.adjust((utterances - self._expected) * left * TRAINING_COST)
        self._expected = utterances

    def resume(self, epochs: tuple[Epoch, ...]) -> None:
        """These epochs are done."""
        done = 0
        for epoch in epochs:
            self.expect(epoch.epoch, epoch.utterances)
            done += self._choosing + self._expected * TRAINING_COST
        self._reporter.advance(done, "resuming")


def _train_epoch(
    number: int,
    model: EncoderModel,
    objective: Objective,
    optimizer: optim.Optimizer,
    rest: tuple[Source, Training, Surroundings],
) -> Epoch:
    """One pass over the training split."""
    source, settings, around = rest
    seed = derive_seed(around.seed, f"epoch {number}")
    torch.manual_seed(seed)  # dropout depends on the seed and the epoch alone, so a resumed run draws the same numbers
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * settings.lr_decay ** (number - 1)
    model.train()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    sums: dict[str, Tensor] = {}
    seen = pending = 0
    begun = time.perf_counter()
    stepper = Stepper(model, objective, around.device)
    for step, batch in enumerate(source.batches(seed), 1):
        output = stepper.gradients(batch, source, derive_seed(seed, f"step {step}"))
        around.device.clip(parameters, settings.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        count = len(batch.uids)
        for name, value in {"total": output.total, **output.parts}.items():
            sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value.detach() * count
        seen, pending = seen + count, pending + count
        if step % REPORT_EVERY == 0 or seen == source.utterances:
            figures = _means(sums, seen, number, step)
            rate = seen / (time.perf_counter() - begun)
            around.reporter.advance(
                pending * TRAINING_COST, f"epoch {number}/{settings.epochs}", figures | {"utt/s": rate}
            )
            pending = 0
    seconds = time.perf_counter() - begun
    return Epoch(number, _means(sums, seen, number, 0), 0.0, 0.0, seconds, seen / seconds)


def make_optimizer(model: EncoderModel, objective: Objective, settings: Training) -> optim.Optimizer:
    """AdamW with two learning rates, and no weight decay on biases and on the encoder's LayerNorm weights."""
    pretrained = {id(parameter) for parameter in model.backbone.parameters()}
    norms = {
        id(parameter)
        for module in model.backbone.modules()
        if "LayerNorm" in type(module).__name__
        for parameter in module.parameters(recurse=False)
    }
    named = [*model.named_parameters(), *objective.named_parameters()]
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in named:
        plain = name.endswith("bias") or id(parameter) in norms
        groups.setdefault((id(parameter) in pretrained, plain), []).append(parameter)
    return optim.AdamW(
        [
            {
                "params": parameters,
                "lr": settings.encoder_lr if is_pretrained else settings.lr,
                "initial_lr": settings.encoder_lr if is_pretrained else settings.lr,
                "weight_decay": 0.0 if plain else settings.weight_decay,
            }
            for (is_pretrained, plain), parameters in groups.items()
        ],
        fused=True,
    )


def _means(sums: Mapping[str, Tensor], seen: int, epoch: int, step: int) -> dict[str, float]:
    means = {name: float(value) / seen for name, value in sums.items()}
    for name, value in reversed(means.items()):  # the guilty loss before the total
        if not math.isfinite(value):
            where = f"epoch {epoch}" + (f", by step {step}" if step else "")
            raise TrainingError(
                f"The loss {name} is not finite. Got {value} in {where}. Lower the learning rates "
                "(--set training.encoder_lr=..., --set training.lr=...) or set training.precision=fp32."
            )
    return means


def _summary(epoch: Epoch, epochs: int, utterances: int) -> str:
    losses = ", ".join(f"{name} {value:.3f}" for name, value in epoch.losses.items())
    return (
        f"epoch {epoch.epoch}/{epochs}: dev weighted F1 {100 * epoch.dev_weighted_f1:.2f}; losses {losses}; "
        f"{epoch.utterances_per_second:.1f} utterances/s{_what_was_chosen(epoch, utterances)}"
    )


def _what_was_chosen(epoch: Epoch, utterances: int) -> str:
    """What a curriculum chose, at the end of a line."""
    if epoch.utterances is None:
        return ""
    difficulty = "" if epoch.difficulty is None else f", mean difficulty {epoch.difficulty:.3f}"
    of_train = "" if epoch.difficulty_of_train is None else f", of all {epoch.difficulty_of_train:.3f}"
    return f"; trained on {epoch.utterances} of {utterances} utterances{difficulty}{of_train}"


class _State:
    """Model, losses and optimizer as one flat table of tensors."""

    def __init__(self, model: EncoderModel, objective: Objective, optimizer: optim.Optimizer) -> None:
        self.model, self.objective, self.optimizer = model, objective, optimizer

    def tensors(self) -> dict[str, Tensor]:
        flat = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        flat |= {f"losses.{name}": tensor for name, tensor in self.objective.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            flat |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
        return flat

    def weights(self) -> dict[str, Tensor]:
        """What an epoch learnt: the model, and what belongs to the losses."""
        return {**self.model.state_dict(), **{f"{LOSSES}{n}": t for n, t in self.objective.state_dict().items()}}

    def learnt(self) -> dict[str, Tensor]:
        """Parameters of the model, and whatever the losses keep."""
        return {
            **dict(self.model.named_parameters()),
            **{f"{LOSSES}{n}": t for n, t in self.objective.state_dict().items()},
        }

    def choose(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of an epoch."""
        self.objective.load_state_dict(_below(LOSSES, weights))
        self.model.load_state_dict({name: t for name, t in weights.items() if not name.startswith(LOSSES)})

    def restore(self, flat: Mapping[str, Tensor]) -> None:
        self.model.load_state_dict(_below("model.", flat))
        self.objective.load_state_dict(_below("losses.", flat))
        moments: dict[int, dict[str, Tensor]] = {}
        for path, value in _below("optimizer.", flat).items():
            index, _, name = path.partition(".")
            moments.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})


def _below(prefix: str, flat: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {path.removeprefix(prefix): tensor for path, tensor in flat.items() if path.startswith(prefix)}
