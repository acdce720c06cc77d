"""What an encoder must keep to: a vector belongs to its utterance, whatever else is in the batch."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from ercbench.ports import Encoder, EncoderModel
from ercbench.specs import EncoderSpec
from ercbench.testing.checks import CheckSkipped, PartSubject, checks_of, need
from ercbench.testing.held import need_everything_moves
from ercbench.testing.tiny import LABELS, all_prompts, prompts, tiny_checkpoint
from ercbench.types import MASK, Batch, EncodedBatch, LabelSet, Prompt, Tokens

C = len(LABELS)
TOLERANCE = 1e-4
KINDS = ("hidden", "vectors", "logits")
ROUNDS = (None, 0, 1)
"""Seeds for which plans are made."""


class EncoderSubject(PartSubject[EncoderSpec]):
    """An encoder; one whose settings name a checkpoint gets a tiny one with random weights."""

    kind = "encoder"

    def build(self, labels: LabelSet = LABELS) -> Encoder:
        """A new one, without weights."""
        named = "checkpoint" in self.spec.settings.model_fields
        checkpoint = tiny_checkpoint() if named else None
        settings = self.settings(**({"checkpoint": checkpoint.name} if checkpoint else {}))
        encoder: Encoder = self.target()(settings, labels, checkpoint)
        return encoder

    def load(self, encoder: Encoder, seed: int = 1, fit: bool = True) -> EncoderModel:
        """Its model in evaluation, new parameters from a seed; one that is fitted, not trained, is fitted."""
        torch.manual_seed(seed)
        model: Any = encoder.load()
        if fit and self.spec.fitted:
            model.fit([encoder.collate([token]) for token in tokenized(encoder, all_prompts())])
        model.eval()
        loaded: EncoderModel = model
        return loaded

    def ready(self) -> tuple[Encoder, EncoderModel, list[Tokens]]:
        """An encoder, its model, and the tokens of all prompts."""
        encoder = self.build()
        return encoder, self.load(encoder), tokenized(encoder, all_prompts())


def tokenized(encoder: Encoder, asked: Sequence[Prompt]) -> list[Tokens]:
    """Tokens, after seeing that there is one per prompt, in order, read at a place that is there."""
    found = list(encoder.tokenize(asked))
    need([token.uid for token in found] == [prompt.uid for prompt in asked], "tokenize lost or reordered prompts.")
    outside = [token for token in found if not 0 <= token.position < len(token.input_ids)]
    need(not outside, f"It reads a position that is not there, for {[token.uid for token in outside[:1]]}.")
    return found


def encoded(encoder: Encoder, model: EncoderModel, tokens: Sequence[Tokens]) -> EncodedBatch:
    """One batch through the model, without gradients."""
    with torch.no_grad():
        return model(encoder.collate(tokens))


def by_uid(batch: EncodedBatch) -> dict[str, dict[str, Tensor]]:
    """What was made of each utterance."""
    made = {name: getattr(batch, name) for name in KINDS if getattr(batch, name) is not None}
    sparse = batch.sparse or {}
    made |= {f"features {name}": torch.from_numpy(found.toarray()) for name, found in sparse.items()}
    return {uid: {name: tensor[row] for name, tensor in made.items()} for row, uid in enumerate(batch.uids)}


def compare(one: Mapping[str, Mapping[str, Tensor]], other: Mapping[str, Mapping[str, Tensor]], when: str) -> None:
    """Fail where a vector of an utterance differs by more than the tolerance."""
    for uid, made in one.items():
        need(uid in other, f"{when} {uid} is lost.")
        for name, tensor in made.items():
            difference = _difference(tensor, other[uid][name])
            need(difference <= TOLERANCE, f"{when} the {name} of {uid} differ by {difference:.2g}.")


def _difference(one: Tensor, other: Tensor) -> float:
    """The largest; vectors without dimensions do not differ."""
    return float((one - other).abs().max()) if one.numel() else 0.0


def shapes(subject: EncoderSubject) -> None:
    """A batch gives hidden states (B, H), vectors (B, D) and, where there are, logits (B, C) and label vectors (C, D).

    Set dimension of the model to D, keep one row per uid of the batch, and make one label vector per label.
    """
    encoder, model, tokens = subject.ready()
    made = encoded(encoder, model, tokens)
    count, width = len(tokens), model.dimension
    need(
        sorted(made.uids) == sorted(token.uid for token in tokens), "The uids of a batch are not those it was made of."
    )
    wanted = {"vectors": (count, width), "logits": (count, C), "prototypes": (C, width)}
    for name, shape in wanted.items():
        tensor = getattr(made, name)
        got = None if tensor is None else tuple(tensor.shape)
        need(got == shape or (got is None and name != "vectors"), f"{name} has shape {got}, not {shape}.")
    hidden = tuple(made.hidden.shape)
    need(len(hidden) == 2 and hidden[0] == count, f"hidden has shape {hidden}, not ({count}, H).")


def finite(subject: EncoderSubject) -> None:
    """Every vector is finite, that of a very short utterance too.

    Divide by lengths and norms that are at least a small number, and let no row be masked altogether.
    """
    encoder, model, _ = subject.ready()
    short = [
        Prompt(f"kit/train/{n}/0", (f"{text} {MASK}",), 0, text) for n, text in enumerate((".", "\N{GRINNING FACE}"), 5)
    ]
    made = encoded(encoder, model, tokenized(encoder, [*all_prompts(), *short]))
    for uid, tensors in by_uid(made).items():
        bad = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
        need(not bad, f"{', '.join(bad)} of {uid} are not finite.")
    if made.prototypes is not None:
        need(bool(torch.isfinite(made.prototypes).all()), "A label vector is not finite.")


def plan(subject: EncoderSubject) -> None:
    """A plan has every utterance once, in batches no larger than asked, and is the same again for the same seed.

    Use ercbench.length_buckets, or cut the indices into pieces of batch_size, shuffled with a generator of the seed.
    """
    encoder, _, tokens = subject.ready()
    for size in (1, 3):
        for seed in ROUNDS:
            made = encoder.plan(tokens, size, seed)
            once = sorted(index for batch in made for index in batch) == list(range(len(tokens)))
            need(once, "A plan does not have every utterance once.")
            need(max(map(len, made)) <= size, f"A batch has {max(map(len, made))} utterances; {size} were asked for.")
            need(made == encoder.plan(tokens, size, seed), f"Two plans for the seed {seed} differ.")


def deterministic(subject: EncoderSubject) -> None:
    """In evaluation a batch gives the same vectors every time.

    Let dropout and sampling depend on self.training, and set every submodule's mode through train() and eval().
    """
    encoder, model, tokens = subject.ready()
    first = by_uid(encoded(encoder, model, tokens))
    compare(first, by_uid(encoded(encoder, model, tokens)), "The second time")


def padding(subject: EncoderSubject) -> None:
    """An utterance has the same vectors alone and padded in a batch, to 1e-4.

    Mask the padding wherever positions meet: in attention, in means and maxima, and in convolutions.
    """
    encoder, model, tokens = subject.ready()
    together = by_uid(encoded(encoder, model, tokens))
    for token in tokens:
        compare(by_uid(encoded(encoder, model, [token])), together, "In a batch")


def order(subject: EncoderSubject) -> None:
    """The order of prompts and of a batch makes no difference to an utterance's vectors.

    Keep uids and rows together in collate; tokenise each prompt by itself or by its dialogue, not by its place.
    """
    encoder, model, tokens = subject.ready()
    mixed = [tokens[i] for i in torch.randperm(len(tokens)).tolist()]
    compare(by_uid(encoded(encoder, model, tokens)), by_uid(encoded(encoder, model, mixed)), "In another order")
    backwards = tokenized(encoder, all_prompts()[::-1])
    need(_ids(tokens) == _ids(backwards), "In another order of prompts the tokens differ.")


def _ids(tokens: Sequence[Tokens]) -> dict[str, tuple[tuple[int, ...], int]]:
    """By uid, the token ids and where they are read."""
    return {token.uid: (token.input_ids, token.position) for token in tokens}


def another_process(subject: EncoderSubject) -> None:
    """A prompt has the same tokens in another process, where a kept model is used.

    Python's hash() of a text is another one in every process: take zlib.crc32(text.encode()) or hashlib instead.
    """
    here = _ids(tokenized(subject.build(), all_prompts()))
    with _other_hashes():
        there = _ids(tokenized(subject.build(), all_prompts()))
    need(here == there, "Its tokens depend on hash(), which another process answers otherwise.")


@contextmanager
def _other_hashes() -> Iterator[None]:
    """``hash()`` of texts as another process would answer it. The order of sets stays."""
    plain = builtins.hash

    def salted(value: object) -> int:
        return plain(("salt", value) if isinstance(value, str | bytes) else value)

    builtins.hash = salted
    try:
        yield
    finally:
        builtins.hash = plain


def device(subject: EncoderSubject) -> None:
    """Every tensor that its model holds goes with it to the device of a run.

    Keep a fixed tensor with self.register_buffer("name", tensor), persistent=False where it need not be saved. A plain
    attribute stays on the CPU, and the first run on a GPU ends there.
    """
    need_everything_moves(subject.load(subject.build()))


def query_survives(subject: EncoderSubject) -> None:
    """The segment that asks is read however long the earlier turns are.

    Cut a sequence that is too long on the left: earlier turns go first, the segment prompt.query never does.
    """
    past = [("Ann", f"And then, number {i}, it went on and on and on for hours.") for i in range(60)]
    asked = [
        list(prompts(number, [*past, ("Bob", text)]))[-1]
        for number, text in enumerate(["I am so happy!", "Never call me again."])
    ]
    encoder = subject.build()
    one, other = tokenized(encoder, asked)
    made = encoded(encoder, subject.load(encoder), [one, other])
    found, against = (by_uid(made)[token.uid] for token in (one, other))
    if not any(tensor.numel() for tensor in found.values()):
        raise CheckSkipped("It makes vectors without dimensions.")
    differing = [name for name, tensor in found.items() if _difference(tensor, against[name]) > 1e-6]
    need(differing, "After 60 earlier turns two different questions have the same vector.")


def gradients(subject: EncoderSubject) -> None:
    """Gradients reach every parameter that is to be trained.

    Freeze what is not trained with requires_grad_(False), leave out layers that nothing reads (a pooler, for instance),
    and compute without detach() or no_grad().
    """
    encoder, model, tokens = subject.ready()
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not trainable:
        raise CheckSkipped("It has no parameter that is trained.")
    model.train()
    batch = encoder.collate(tokens)
    made = model(Batch(batch.uids, batch.inputs, torch.zeros(len(batch.uids), dtype=torch.long)))
    outputs = [getattr(made, name) for name in (*KINDS, "prototypes")]
    torch.stack([torch.cos(output).sum() for output in outputs if output is not None]).sum().backward()  # type: ignore[no-untyped-call]
    missing = [name for name, parameter in trainable.items() if parameter.grad is None]
    need(not missing, f"No gradient reaches {', '.join(missing[:4])}{' and more' if len(missing) > 4 else ''}.")
    backbone = {id(parameter) for parameter in model.backbone.parameters()}
    known = {id(parameter) for parameter in model.parameters()}
    need(backbone <= known, "Parameters of model.backbone are not among model.parameters().")


def saved(subject: EncoderSubject) -> None:
    """A trained model is the same again after its state went through a file.

    Keep everything that is trained or fitted in parameters and buffers, each tensor in one place.
    """
    from safetensors.torch import load, save

    encoder, model, tokens = subject.ready()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    written = save({name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()})
    again = subject.load(subject.build(), seed=2, fit=False)
    again.load_state_dict(load(written))
    compare(by_uid(encoded(encoder, model, tokens)), by_uid(encoded(encoder, again, tokens)), "Loaded again,")


def label_order(subject: EncoderSubject) -> None:
    """Label vectors stand in the order of the labels.

    Make row i of prototypes() from labels.texts[i]; sort nothing.
    """
    straight = _prototypes(subject, LABELS)
    if straight is None:
        raise CheckSkipped("It has no label vectors.")
    words = {label.key: label.text for label in LABELS}
    if torch.allclose(straight, _or(_prototypes(subject, _renamed(words)), straight), atol=TOLERANCE):
        raise CheckSkipped("Its label vectors do not depend on the label words.")
    backwards = _or(_prototypes(subject, LabelSet.of(dict(reversed(words.items())), LABELS.neutral)), straight)
    need(
        torch.allclose(straight, backwards.flip(0), atol=TOLERANCE),
        "With the labels in the opposite order, the label vectors are not in the opposite order.",
    )


def _prototypes(subject: EncoderSubject, labels: LabelSet) -> Tensor | None:
    with torch.no_grad():
        return subject.load(subject.build(labels)).prototypes()


def _or(found: Tensor | None, otherwise: Tensor) -> Tensor:
    return otherwise if found is None else found


def _renamed(words: Mapping[str, str]) -> LabelSet:
    """The same keys with other words."""
    others = ("purple", "round", "seventeen", "north")
    return LabelSet.of({key: other or key for key, other in zip_longest(words, others)}, LABELS.neutral)


CHECKS = checks_of(
    "encoder",
    shapes, finite, plan, deterministic, padding, order, another_process, query_survives, gradients, saved, device,
    label_order,
)  # fmt: skip
