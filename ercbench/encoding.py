"""Stage 3. Prompts -> Tokens -> Batches -> Representation. An encoder plans its batches; the usual plan is here."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, JsonValue

from ercbench.cache import Cache
from ercbench.devices import Device
from ercbench.errors import PluginError
from ercbench.pieces import deal
from ercbench.ports import Encoder, EncoderModel, FittedModel
from ercbench.sharing import as_it_fits, of_all
from ercbench.types import Batch, EncodedBatch, FloatArray, Prompt, Representation, Tokens

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from torch import Tensor

BUCKET_BATCHES = 64
"""Training batches that are drawn at random before they are sorted by length among themselves."""

SIMILAR = 0.85
"""Units this much as long as the longest of a batch, or longer, may fill it up."""


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


def length_buckets(
    lengths: Sequence[int], batch_size: int, seed: int | None, sizes: Sequence[int] | None = None
) -> list[list[int]]:
    """Plan batches of similar length, so that little is padding.

    Args:
        lengths: tokens per unit: an utterance, or several that are encoded together.
        batch_size: utterances per batch at most.
        seed: None gives one fixed order, longest first (memory is then as high as it will get in the first batch).
            Otherwise units are shuffled, cut into stretches of `BUCKET_BATCHES` batches, sorted by length within
            a stretch, and the batches shuffled.
        sizes: utterances per unit; None for one each. A unit is not divided.

    Returns:
        Indices of units, each once.
    """
    indices = list(range(len(lengths)))
    sizes = [1] * len(lengths) if sizes is None else sizes
    if seed is None:
        indices.sort(key=lambda i: -lengths[i])
        return _cut(indices, batch_size, sizes, lengths)
    rng = random.Random(seed)
    rng.shuffle(indices)
    plan: list[list[int]] = []
    for stretch in _cut(indices, batch_size * BUCKET_BATCHES, sizes, [0] * len(lengths)):
        plan += _cut(sorted(stretch, key=lambda i: -lengths[i]), batch_size, sizes, lengths)
    rng.shuffle(plan)
    return plan


def pad(tokens: Sequence[Tokens], pad_id: int) -> Mapping[str, Tensor]:
    """Tokens -> ``input_ids`` (B, T), ``attention_mask`` (B, T), ``row`` and ``position`` (B,), padded on the right."""
    import torch

    longest = max(len(token.input_ids) for token in tokens)
    input_ids = torch.full((len(tokens), longest), pad_id, dtype=torch.long)  # (B, T)
    attention_mask = torch.zeros_like(input_ids)  # (B, T)
    for row, token in enumerate(tokens):
        input_ids[row, : len(token.input_ids)] = torch.tensor(token.input_ids)
        attention_mask[row, : len(token.input_ids)] = 1
    position = torch.tensor([token.position for token in tokens])  # (B,)
    rows = torch.arange(len(tokens))  # (B,)
    return {"input_ids": input_ids, "attention_mask": attention_mask, "row": rows, "position": position}


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


def fit(encoder: Encoder, model: FittedModel, tokens: Sequence[Tokens], batch_size: int) -> None:
    """Tokens -> a fitted model: for an encoder that is fitted to the text of the training split, not trained.

    Before: `tokenize`. After: `encode`.
    """
    plan = [list(range(start, min(start + batch_size, len(tokens)))) for start in range(0, len(tokens), batch_size)]
    model.fit(batches(encoder, tokens, plan, None))


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
        TrainingError: memory does not hold a single utterance.

    Before: training.py. After: classifying.py.
    """
    import torch

    model.eval()
    plan = encoder.plan(tokens, device.chunk.at_most(batch_size), None)
    parts: list[EncodedBatch] = []
    shares = deal([len(indices) for indices in plan], device.ranks.processes)
    mine = [plan[index] for index in shares[device.ranks.rank]]
    with torch.inference_mode():
        for indices in mine or plan[:1]:
            for part in as_it_fits(encoder, model, [tokens[i] for i in indices], device):
                parts.append(part)
                advance(len(part.uids) if mine else 0)
        if not device.ranks.alone:
            counts = [sum(len(plan[index]) for index in share) for share in shares]
            parts = [of_all(tokens, parts, counts, device)]
            advance(len(tokens) - counts[device.ranks.rank])
    order = {uid: row for row, uid in enumerate(uid for part in parts for uid in part.uids)}
    rows = np.array([order[token.uid] for token in tokens])
    hidden, vectors = (_gather(rows, [getattr(part, name) for part in parts]) for name in ("hidden", "vectors"))
    logits = [part.logits for part in parts if part.logits is not None]
    if not (np.isfinite(hidden).all() and np.isfinite(vectors).all()):
        raise PluginError(
            f"The encoder {type(encoder).__name__} made vectors that are not finite. Lower its learning rate."
        )
    uids = tuple(token.uid for token in tokens)
    sparse = _gather_sparse(rows, [part.sparse for part in parts if part.sparse is not None])
    return Representation(uids, hidden, vectors, _gather(rows, logits) if logits else None, sparse=sparse)


def encode_frozen(
    encoder: Encoder,
    model: EncoderModel,
    tokens: Sequence[Tokens],
    device: Device,
    batch_size: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Representation:
    """As `encode`, for a model that is not trained: its vectors are computed once and kept in the cache.

    They are found again under the hash of all they depend on: weights, what else the model is made of, batches,
    precision, device and software.
    """
    batch_size = device.chunk.at_most(batch_size)
    key = {
        "model": _make(model),
        "weights": _digest(sorted(model.state_dict().items())),
        "batches": _digest(_tensors(encoder, tokens, batch_size)),
        "device": [device.name, device.precision],
        "versions": {name: version(name) for name in ("ercbench", "torch", "transformers")},
    }
    uids = tuple(token.uid for token in tokens)

    def compute() -> dict[str, np.ndarray]:
        found = encode(encoder, model, tokens, device, batch_size, advance)
        arrays = {"hidden": found.hidden, "vectors": found.vectors}
        return arrays if found.logits is None else {**arrays, "logits": found.logits}

    kept = Cache().arrays("frozen-vectors", key, compute)
    return Representation(uids, kept["hidden"], kept["vectors"], kept.get("logits"))


def _make(model: EncoderModel) -> list[JsonValue]:
    """What a model is beside its weights: for each module its class, the file of the class, and its plain attributes.

    A setting may be an attribute and no weight, and the author of a plugin changes code without changing its version.
    """
    from torch import nn

    modules: dict[str, object] = dict(model.named_modules()) if isinstance(model, nn.Module) else {"": model}
    sources = {name: _source(name) for name in {type(module).__module__ for module in modules.values()}}
    return [
        [path, type(module).__module__, type(module).__qualname__, sources[type(module).__module__], _plain(module)]
        for path, module in modules.items()
    ]


def _plain(module: object) -> dict[str, JsonValue]:
    """Attributes that are numbers, texts or truth values, and settings."""
    found: dict[str, JsonValue] = {}
    for name, value in vars(module).items():
        if isinstance(value, bool | int | float | str):
            found[name] = value
        elif isinstance(value, BaseModel):
            found[name] = value.model_dump_json()
    return found


def _source(module: str) -> str:
    """Hash of the file of a module; nothing for one that was made otherwise."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


def _tensors(encoder: Encoder, tokens: Sequence[Tokens], batch_size: int) -> Iterator[tuple[str, Tensor]]:
    """Everything that the model is given for a split, and for which utterance."""
    import torch

    for indices in encoder.plan(tokens, batch_size, None):
        batch = encoder.collate([tokens[i] for i in indices])
        yield "rows", torch.tensor(indices)
        yield from sorted(batch.inputs.items())


def _digest(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Hash of tensors with their names, kinds and shapes."""
    found = hashlib.sha256()
    for name, tensor in tensors:
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _gather(rows: np.ndarray, parts: Sequence[Tensor]) -> FloatArray:
    in_order: FloatArray = np.concatenate([part.float().cpu().numpy() for part in parts])[rows]
    return in_order


def _gather_sparse(rows: np.ndarray, parts: Sequence[Mapping[str, csr_array]]) -> Mapping[str, csr_array] | None:
    """Features of batches -> those of a split, by name; None where there are none."""
    if not parts:
        return None
    from scipy.sparse import vstack

    return {name: vstack([part[name] for part in parts], format="csr")[rows] for name in parts[0]}


def _cut(indices: Sequence[int], size: int, sizes: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Cut into pieces of at most `size` utterances, at least one unit each.

    Where the next unit does not fit, a piece is filled up with the nearest that do and are about as long, so that few
    pieces are smaller than they may be and little is padding.
    """
    pieces: list[list[int]] = []
    left = list(indices)
    while left:
        first, *rest = left
        piece, left, room = [first], [], size - sizes[first]
        for place, index in enumerate(rest):
            if room <= 0 or (left and lengths[index] < SIMILAR * lengths[first]):
                left += rest[place:]
                break
            if sizes[index] <= room:
                piece.append(index)
                room -= sizes[index]
            else:
                left.append(index)
        pieces.append(piece)
    return pieces
