"""Stage 3. Prompts -> Tokens -> Batches -> Representation. An encoder plans its batches; the usual plan is here."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ercbench.devices import Device
from ercbench.errors import PluginError
from ercbench.ports import Encoder, EncoderModel
from ercbench.types import Batch, EncodedBatch, FloatArray, Prompt, Representation, Tokens

if TYPE_CHECKING:
    from torch import Tensor

BUCKET_BATCHES = 32
"""Training batches that are drawn at random before they are sorted by length among themselves."""


def tokenize(encoder: Encoder, prompts: Sequence[Prompt]) -> list[Tokens]:
    """Prompts -> Tokens: done once per split, never in the training step.

    Raises:
        PluginError: the encoder lost or reordered prompts, or reads a position that is not there.

    Before: rendering.py. After: `batches`, then training.py.
    """
    tokens = encoder.tokenize(prompts)
    if [prompt.uid for prompt in prompts] != [token.uid for token in tokens]:
        raise PluginError(f"The encoder {type(encoder).__name__} lost or reordered prompts. Report it to its author.")
    for token in tokens:
        if not 0 <= token.position < len(token.input_ids):
            raise PluginError(
                f"The encoder {type(encoder).__name__} reads a position that is not there, for {token.uid}. Got "
                f"position {token.position} of {len(token.input_ids)} tokens. Report it to its author."
            )
    return tokens


def length_buckets(lengths: Sequence[int], batch_size: int, seed: int | None) -> list[list[int]]:
    """Plan batches of similar length, so that little is padding.

    Args:
        lengths: tokens per utterance.
        batch_size: utterances per batch; the last batch may be smaller.
        seed: None gives one fixed order, longest first (memory is then as high as it will get in the first batch).
            Otherwise utterances are shuffled, cut into stretches of `BUCKET_BATCHES` batches, sorted by length within
            a stretch, and the batches shuffled.

    Returns:
        Indices, each once.
    """
    indices = list(range(len(lengths)))
    if seed is None:
        indices.sort(key=lambda i: -lengths[i])
        return _cut(indices, batch_size)
    rng = random.Random(seed)
    rng.shuffle(indices)
    plan: list[list[int]] = []
    for stretch in _cut(indices, batch_size * BUCKET_BATCHES):
        plan += _cut(sorted(stretch, key=lambda i: lengths[i]), batch_size)
    rng.shuffle(plan)
    return plan


def pad(tokens: Sequence[Tokens], pad_id: int) -> Mapping[str, Tensor]:
    """Tokens -> ``input_ids`` (B, T), ``attention_mask`` (B, T), ``position`` (B,), padded on the right."""
    import torch

    longest = max(len(token.input_ids) for token in tokens)
    input_ids = torch.full((len(tokens), longest), pad_id, dtype=torch.long)  # (B, T)
    attention_mask = torch.zeros_like(input_ids)  # (B, T)
    for row, token in enumerate(tokens):
        input_ids[row, : len(token.input_ids)] = torch.tensor(token.input_ids)
        attention_mask[row, : len(token.input_ids)] = 1
    position = torch.tensor([token.position for token in tokens])  # (B,)
    return {"input_ids": input_ids, "attention_mask": attention_mask, "position": position}


def batches(
    encoder: Encoder, tokens: Sequence[Tokens], plan: Sequence[Sequence[int]], labels: Mapping[str, int] | None
) -> Iterator[Batch]:
    """Tokens -> Batches, in the order of the plan. `labels` (uid to index) is given for training only."""
    import torch

    for indices in plan:
        batch = encoder.collate([tokens[i] for i in indices])
        if labels is not None:
            gold = torch.tensor([labels[uid] for uid in batch.uids])  # (B,)
            batch = Batch(batch.uids, batch.inputs, gold)
        yield batch


def encode(
    encoder: Encoder,
    model: EncoderModel,
    tokens: Sequence[Tokens],
    device: Device,
    batch_size: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Representation:
    """Tokens -> Representation: a whole split through the model, without gradients, in the order of `tokens`.

    Args:
        encoder: plans and pads the batches.
        model: as it is after training or in the middle of it.
        tokens: one split.
        device: where the model is.
        batch_size: utterances per batch.
        advance: told how many utterances have just been encoded.

    Raises:
        PluginError: a vector is not finite.

    Before: training.py. After: classifying.py.
    """
    import torch

    model.eval()
    plan = encoder.plan(tokens, batch_size, None)
    parts: list[EncodedBatch] = []
    with torch.inference_mode():
        for batch in batches(encoder, tokens, plan, None):
            with device.autocast():
                parts.append(model(device.move(batch)))
            advance(len(batch.uids))
    order = {uid: row for row, uid in enumerate(uid for part in parts for uid in part.uids)}
    rows = np.array([order[token.uid] for token in tokens])
    hidden, vectors = (_gather(rows, [getattr(part, name) for part in parts]) for name in ("hidden", "vectors"))
    logits = [part.logits for part in parts if part.logits is not None]
    if not (np.isfinite(hidden).all() and np.isfinite(vectors).all()):
        raise PluginError(
            f"The encoder {type(encoder).__name__} made vectors that are not finite. Lower its learning rate."
        )
    return Representation(
        tuple(token.uid for token in tokens), hidden, vectors, _gather(rows, logits) if logits else None
    )


def _gather(rows: np.ndarray, parts: Sequence[Tensor]) -> FloatArray:
    in_order: FloatArray = np.concatenate([part.float().cpu().numpy() for part in parts])[rows]
    return in_order


def _cut(indices: list[int], size: int) -> list[list[int]]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]
