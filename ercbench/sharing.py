"""A split is encoded as memory allows, and by as many processes as there are. Part of ``encoding.py``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ercbench.devices import Device
from ercbench.errors import PluginError
from ercbench.pieces import out_of_memory
from ercbench.ports import Encoder, EncoderModel
from ercbench.types import EncodedBatch, Tokens


def of_all(
    tokens: Sequence[Tokens], parts: Sequence[EncodedBatch], counts: Sequence[int], device: Device
) -> EncodedBatch:
    """What each process encoded of a split -> all of it, in every process.

    Args:
        tokens: the split.
        parts: what this process encoded; without a share, anything of the right shape.
        counts: utterances of each process.
        device: of this process.

    Raises:
        PluginError: an utterance was encoded twice, or not at all.
    """
    import torch

    mine, place = counts[device.ranks.rank], {token.uid: index for index, token in enumerate(tokens)}
    columns = [[getattr(part, name) for part in parts] for name in ("hidden", "vectors", "logits")]
    found = [torch.cat(column)[:mine].float() for column in columns if column[0] is not None]  # (own rows, ...)
    indices = torch.tensor([place[uid] for part in parts for uid in part.uids][:mine], dtype=torch.int64)
    rows = device.ranks.gather(indices.to(device.torch_device), counts).tolist()
    if sorted(rows) != list(range(len(tokens))):
        raise PluginError(
            f"The processes did not encode each utterance once. Got {len(set(rows))} of {len(tokens)}, in {len(rows)} "
            "rows. Run without --processes, and report it to the author of the encoder."
        )
    table = device.ranks.gather(torch.cat(found, dim=1), counts)
    hidden, vectors, *logits = torch.split(table, [column.shape[1] for column in found], dim=1)
    device.agree()
    return EncodedBatch(tuple(tokens[row].uid for row in rows), hidden, vectors, logits[0] if logits else None)


def as_it_fits(
    encoder: Encoder, model: EncoderModel, tokens: Sequence[Tokens], device: Device
) -> Iterator[EncodedBatch]:
    """Tokens of a batch -> EncodedBatch, or several where memory does not hold it.

    Raises:
        TrainingError: memory does not hold a single utterance.
    """
    waiting = [tokens]
    while waiting:
        piece = waiting.pop(0)
        size = device.chunk.at_most(len(piece))
        encoded = _encoded(encoder, model, piece, device) if size == len(piece) else None
        if encoded is not None:
            yield encoded
            continue
        if size == len(piece):
            device.chunk.halve(size)
            device.free()
            size = device.chunk.at_most(len(piece))
        waiting[:0] = [[piece[i] for i in indices] for indices in encoder.plan(piece, size, None)]


def _encoded(encoder: Encoder, model: EncoderModel, tokens: Sequence[Tokens], device: Device) -> EncodedBatch | None:
    """Tokens of a batch -> EncodedBatch, or None where memory runs out."""
    try:
        batch = device.move(encoder.collate(tokens))
        with device.autocast():
            return model(batch)
    except out_of_memory():
        return None
