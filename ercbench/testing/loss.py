"""What a loss must keep to: numbers, gradients, odd batches, and what it remembers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ercbench.ports import Loss
from ercbench.specs import LossSpec
from ercbench.testing.checks import CheckSkipped, PartSubject, checks_of, need
from ercbench.testing.held import need_everything_moves
from ercbench.testing.tiny import LABELS
from ercbench.types import EncodedBatch, LossOutput

B, H, D, C = 8, 6, 5, len(LABELS)
CLASSES = (0, 1, 2, 3, 0, 1, 2, 0)
"""Labels of the usual batch: every class, and one that stands once."""

TENSORS = ("hidden", "vectors", "logits", "prototypes")


class LossSubject(PartSubject[LossSpec]):
    """A loss that is built anew for every check."""

    kind = "loss"

    def build(self) -> Loss:
        """A new one, with new parameters from the same seed; one that stands for many must be told which."""
        variant = self.spec.variant
        if variant and variant not in self.options.settings.get(f"{self.kind}/{self.name}", {}):
            raise CheckSkipped(f"It stands for many losses. Name one: --set {self.kind}/{self.name}.{variant}=...")
        torch.manual_seed(1)
        counts = ([CLASSES.count(label.index) for label in LABELS],) if self.spec.counts else ()
        loss: Loss = self.target()(self.settings(), LABELS, D, *counts)
        return loss


def encoded(classes: tuple[int, ...] = CLASSES, seed: int = 0) -> EncodedBatch:
    """A batch of random vectors with everything an encoder may make, all of it with gradients."""
    random = torch.Generator().manual_seed(seed)
    sizes = {"hidden": (len(classes), H), "vectors": (len(classes), D), "logits": (len(classes), C)}
    made = {
        name: torch.randn(size, generator=random).requires_grad_()
        for name, size in {**sizes, "prototypes": (C, D)}.items()
    }
    uids = tuple(f"kit/train/{i}/0" for i in range(len(classes)))
    return EncodedBatch(
        uids, made["hidden"], made["vectors"], made["logits"], made["prototypes"], labels=torch.tensor(classes)
    )


def _with(batch: EncodedBatch, tensors: Mapping[str, Any]) -> EncodedBatch:
    """The batch with other tensors, by name."""
    return replace(batch, **tensors)


def _tensors(batch: EncodedBatch) -> Mapping[str, Tensor]:
    return {name: getattr(batch, name) for name in TENSORS}


def _total(output: object) -> Tensor:
    """The total, after seeing that it is one finite number with a graph."""
    need(isinstance(output, LossOutput), f"It returned {type(output).__name__}, not a LossOutput.")
    assert isinstance(output, LossOutput)
    total = output.total
    need(isinstance(total, Tensor) and total.ndim == 0, f"The total is no scalar tensor. Got {_shape(total)}.")
    need(bool(torch.isfinite(total)), f"The total is not finite. Got {float(total.detach())}.")
    need(total.requires_grad, "The total has no gradient.")
    return total


def _shape(value: object) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def _gradients(loss: Loss, batch: EncodedBatch) -> dict[str, Tensor]:
    """The gradients of a batch and of the loss's own parameters, all of them finite."""
    _total(loss(batch)).backward()  # type: ignore[no-untyped-call]
    own = {f"parameter {number}": parameter for number, parameter in enumerate(loss.parameters())}
    found = {name: tensor.grad for name, tensor in {**_tensors(batch), **own}.items() if tensor.grad is not None}
    for name, gradient in found.items():
        need(bool(torch.isfinite(gradient).all()), f"The gradient of {name} is not finite.")
    return found


def scalar(subject: LossSubject) -> None:
    """The total is one finite number with a finite gradient that is not zero everywhere.

    Return LossOutput(total), total being a scalar tensor computed from the batch without detach(), item() or numpy().
    """
    gradients = _gradients(subject.build(), encoded())
    need(any(bool(gradient.any()) for gradient in gradients.values()), "Every gradient is zero.")


def batch_of_one(subject: LossSubject) -> None:
    """A batch of one utterance gives a finite total with a finite gradient.

    Where an utterance has nothing to be compared with, let it add zero with a graph, such as vectors.sum() * 0.
    """
    _gradients(subject.build(), encoded((2,)))


def one_class(subject: LossSubject) -> None:
    """A batch of one class gives a finite total with a finite gradient.

    Divide by counts that are at least one, and take logarithms of numbers above zero.
    """
    _gradients(subject.build(), encoded((1, 1, 1, 1)))


def permutation(subject: LossSubject) -> None:
    """The order of the utterances in a batch makes no difference.

    Refer to rows through their labels, not through their positions.
    """
    batch, order = encoded(), torch.tensor([3, 0, 7, 1, 6, 2, 5, 4])
    assert batch.labels is not None
    assert batch.logits is not None
    shuffled = replace(
        batch, uids=tuple(batch.uids[i] for i in order), hidden=batch.hidden[order], vectors=batch.vectors[order],
        logits=batch.logits[order], labels=batch.labels[order],
    )  # fmt: skip
    _same(_total(subject.build()(batch)), _total(subject.build()(shuffled)), "With the rows in another order it")


def _same(one: Tensor, other: Tensor, what: str, tolerance: float = 1e-4) -> None:
    difference = abs(float(one.detach()) - float(other.detach()))
    need(
        difference <= tolerance * (1 + abs(float(one.detach()))),
        f"{what} is {float(other.detach()):.6g} instead of {float(one.detach()):.6g}.",
    )


def inputs_kept(subject: LossSubject) -> None:
    """The batch is not changed.

    Work on copies: no method that ends in an underscore, and no assignment into a tensor of the batch.
    """
    batch = encoded()
    plain = _with(batch, {name: tensor.detach() for name, tensor in _tensors(batch).items()})
    assert plain.labels is not None
    before = {name: tensor.clone() for name, tensor in {**_tensors(plain), "labels": plain.labels}.items()}
    subject.build()(plain)
    after = {**_tensors(plain), "labels": plain.labels}
    changed = [name for name, tensor in before.items() if not torch.equal(tensor, after[name])]
    need(not changed, f"It changed {', '.join(changed)} of the batch.")


def parts_add_up(subject: LossSubject) -> None:
    """The parts that a loss names are scalars that add up to its total.

    Name every term with the weight it has in the total, or name none.
    """
    output = subject.build()(encoded())
    if not output.parts:
        raise CheckSkipped("It names no parts.")
    for name, part in output.parts.items():
        need(isinstance(part, Tensor) and part.ndim == 0, f"Part {name!r} is no scalar tensor. Got {_shape(part)}.")
    _same(output.total, torch.stack([part.detach() for part in output.parts.values()]).sum(), "The sum of the parts")


def bfloat16(subject: LossSubject) -> None:
    """A batch in bfloat16 gives nearly the total that the same numbers give in float32.

    Compute in float32: call .float() on what the batch holds before sums, exponentials and logarithms.
    """
    batch = encoded()
    half = {name: tensor.detach().bfloat16() for name, tensor in _tensors(batch).items()}
    full = _with(batch, {name: tensor.float().requires_grad_() for name, tensor in half.items()})
    low = _with(batch, {name: tensor.requires_grad_() for name, tensor in half.items()})
    _same(_total(subject.build()(full)), _total(subject.build()(low)), "In bfloat16 the total", 0.05)


def parameters(subject: LossSubject) -> None:
    """Whatever the loss learns is among its parameters.

    Assign nn.Parameter to self directly, or keep several in an nn.ParameterList; a plain list or dict hides them.
    """
    loss, batch = subject.build(), encoded()
    registered = {id(parameter) for parameter in loss.parameters()}
    known = registered | {id(tensor) for tensor in _tensors(batch).values()}
    hidden = [leaf for leaf in _leaves(_total(loss(batch))) if id(leaf) not in known]
    need(not hidden, f"It trains {len(hidden)} tensors that parameters() does not name. Got {_shape((*hidden, 0)[0])}.")


def _leaves(total: Tensor) -> Iterator[Tensor]:
    """Every leaf that a total has a gradient for."""
    todo, seen = [total.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        todo += [parent for parent, _ in node.next_functions]


def device(subject: LossSubject) -> None:
    """Every tensor that it holds goes with it to the device of a run.

    Keep a fixed tensor with self.register_buffer("name", tensor), and one that is trained as an nn.Parameter of self. A
    plain attribute stays on the CPU, and the first run on a GPU ends there.
    """
    need_everything_moves(subject.build())


def memory(subject: LossSubject) -> None:
    """What a loss remembers is declared, ends with the loss, and is in its state.

    A loss that remembers nothing answers a batch the same way every time. For one that does, set memory=True in its
    LossSpec, and keep what is remembered in buffers (register_buffer) of the loss: not in its class or module, from
    where it would reach the next run, and not in plain attributes, which a resumed run would have lost.
    """
    first, second = encoded(seed=1), encoded(seed=2)
    loss = subject.build()
    answers = [_total(loss(first)), _total(loss(second)), _total(loss(first))]
    _same(answers[0], _total(subject.build()(first)), "A new loss remembers an older one: its first total")
    if not subject.spec.memory:
        _same(answers[0], answers[2], "It remembers batches and does not say so: for the same batch the total")
        return
    resumed = subject.build()
    resumed.load_state_dict(loss.state_dict())
    _same(_total(loss(second)), _total(resumed(second)), "With its state_dict() loaded, the total")


CHECKS = checks_of(
    "loss",
    scalar, batch_of_one, one_class, permutation, inputs_kept, parts_add_up, bfloat16, parameters, device, memory,
)  # fmt: skip
