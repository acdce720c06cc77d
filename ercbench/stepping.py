"""A training step up to its gradients, for a batch that is encoded at once, in pieces, or by several processes.

The losses see whole batches in any case. Where a batch is not encoded at once, its gradients come in two parts, as in
GradCache: each piece is encoded without a graph; the losses of the whole batch give the gradient of every row; each
piece is encoded again, with the same dropout, and takes the gradients of its rows. Part of ``training.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from ercbench.devices import Device
from ercbench.errors import PluginError
from ercbench.pieces import deal, out_of_memory
from ercbench.ports import EncoderModel
from ercbench.seeds import derive_seed
from ercbench.types import Batch, EncodedBatch, LossOutput

T = TypeVar("T")


class Divides(Protocol):
    """Where batches come from."""

    def divide(self, batch: Batch, size: int) -> Sequence[Batch]:
        """A batch -> pieces of at most `size` utterances; each utterance is in one."""
        ...


class _Full(Exception):
    """Memory ran out, here or in another process."""


@dataclass(frozen=True)
class _Share:
    """A batch in pieces, and which of them this process encodes.

    Attributes:
        pieces: all of them.
        mine: indices of those of this process.
        rows: where the rows of all pieces, one process after the other, stand in the batch, (B,).
        counts: utterances of each process.
    """

    pieces: Sequence[Batch]
    mine: Sequence[int]
    rows: Tensor
    counts: Sequence[int]


class Stepper:
    """Computes the gradients of one batch after the other, in smaller pieces when memory runs out."""

    def __init__(self, model: EncoderModel, objective: nn.Module, device: Device) -> None:
        self.model, self.objective, self.device = model, objective, device

    def gradients(self, batch: Batch, source: Divides, seed: int) -> LossOutput:
        """Batch -> LossOutput of the whole batch, whose gradients the parameters of model and losses hold then.

        Args:
            batch: as the recipe asks for it, with labels, on the CPU.
            source: makes pieces of it.
            seed: of dropout where the batch is encoded in pieces; each has numbers of its own, whoever encodes it.

        Raises:
            TrainingError: memory does not hold a single utterance.
            PluginError: the encoder loses or doubles utterances of a piece.
        """
        chunk, ranks = self.device.chunk, self.device.ranks
        while True:
            size = chunk.at_most(-(-len(batch.uids) // ranks.processes))
            output = self._attempt(batch, source, size, seed)
            if output is not None:
                return output
            chunk.halve(size)

    def _attempt(self, batch: Batch, source: Divides, size: int, seed: int) -> LossOutput | None:
        """The gradients, or None where memory ran out: then everything is as it was before."""
        random = self.device.random_state()
        state = {name: tensor.clone() for name, tensor in self.objective.state_dict().items()}
        try:
            if self.device.ranks.alone and size >= len(batch.uids):
                return self._together(partial(self._whole, batch))
            return self._in_pieces(batch, source.divide(batch, size), seed)
        except _Full:
            pass  # what the attempt held is free only when this clause is left
        for parameter in (*self.model.parameters(), *self.objective.parameters()):
            parameter.grad = None
        self.objective.load_state_dict(state)
        self.device.set_random_state(random)
        self.device.free()
        return None

    def _together(self, phase: Callable[[], T]) -> T:
        """A part of a step; memory that runs out in one process ends it in all, so that none waits for another.

        The part is no closure: the frames of an error would keep what is in it.

        Raises:
            _Full: it ran out.
        """
        found: T | None = None
        try:
            found = phase()
            full = False
        except out_of_memory():
            full = True
        if self.device.ranks.any(full):
            raise _Full
        return found  # type: ignore[return-value]

    def _whole(self, batch: Batch) -> LossOutput:
        """All at once."""
        batch = self.device.move(batch)
        with self.device.autocast():
            encoded = self.model(batch)
        output: LossOutput = self.objective(in_float32(encoded))
        self.device.backward(output.total)
        return output

    def _in_pieces(self, batch: Batch, pieces: Sequence[Batch], seed: int) -> LossOutput:
        """One piece after the other, or each by another process."""
        share = _share(batch, pieces, self.device)
        # A process with one piece keeps its graph: it would take the same memory again.
        found = self._together(partial(self._encode_share, share, seed, len(share.mine) == 1))
        whole = self._all_rows(batch, share, found)
        output = self._together(partial(self._differentiate, whole))
        gradients = self._together(partial(self._back, share, found, whole, seed))
        if not self.device.ranks.alone:
            self._add_up(gradients)
        return output

    def _encode_share(self, share: _Share, seed: int, graph: bool) -> list[EncodedBatch]:
        """The pieces of this process, as they are encoded; without any, the first one, for its shape."""
        return [self._encode(share, index, seed, graph) for index in share.mine or (0,)]

    def _encode(self, share: _Share, index: int, seed: int, graph: bool) -> EncodedBatch:
        """A piece, in float32. Its dropout depends on the seed and its index alone, so a second time it is the same."""
        with self.device.draws(derive_seed(seed, f"piece {index}")), torch.set_grad_enabled(graph):
            moved = self.device.move(share.pieces[index])
            with self.device.autocast():
                encoded = self.model(moved)
            return in_float32(encoded)

    def _all_rows(self, batch: Batch, share: _Share, found: Sequence[EncodedBatch]) -> EncodedBatch:
        """As `_gather`; memory that runs out while processes talk to each other cannot be told to the others."""
        if self.device.ranks.alone:
            return self._together(lambda: self._gather(batch, share, found))
        return self._gather(batch, share, found)

    def _gather(self, batch: Batch, share: _Share, found: Sequence[EncodedBatch]) -> EncodedBatch:
        """Pieces -> the whole batch in its order, on which gradients begin.

        Label vectors are those of the first piece, which the main process has.
        """
        first, ranks = found[0], self.device.ranks
        mine = [_table(piece) for piece in found if share.mine]
        rows = torch.cat(mine).detach() if mine else _table(first)[:0].detach()  # (own rows, H + D + C)
        gathered = ranks.gather(rows, share.counts)
        table = torch.empty_like(gathered)  # (B, H + D + C)
        table[share.rows.to(table.device)] = gathered
        widths = [part.shape[1] for part in _columns(first)]
        columns = [column.clone().requires_grad_() for column in torch.split(table, widths, dim=1)]
        prototypes = None
        if first.prototypes is not None:
            prototypes = ranks.take(first.prototypes.detach()).clone().requires_grad_()  # (C, D)
        hidden, vectors, *logits = columns
        labels = self.device.move(Batch(batch.uids, {}, batch.labels)).labels
        return EncodedBatch(batch.uids, hidden, vectors, logits[0] if logits else None, prototypes, labels)

    def _differentiate(self, whole: EncodedBatch) -> LossOutput:
        """The losses of the whole batch; its rows and the parameters of losses hold their gradients then."""
        output = self.objective(whole)
        self.device.backward(output.total)
        return LossOutput(output.total.detach(), {name: part.detach() for name, part in output.parts.items()})

    def _back(self, share: _Share, found: list[EncodedBatch], whole: EncodedBatch, seed: int) -> Tensor | None:
        """Gradients of rows -> gradients of the encoder, those of this process's pieces."""
        kept = len(share.mine) == 1
        columns = [part.grad for part in _columns(whole)]
        place = sum(share.counts[: self.device.ranks.rank])
        for number, index in enumerate(share.mine):
            piece = found[number] if kept else self._encode(share, index, seed, True)
            rows = share.rows[place : place + len(piece.uids)].to(piece.vectors.device)
            place += len(piece.uids)
            pairs = [(x, None if g is None else g[rows]) for x, g in zip(_columns(piece), columns, strict=True)]
            if index == 0 and piece.prototypes is not None and whole.prototypes is not None:
                pairs.append((piece.prototypes, whole.prototypes.grad))
            # The gradient of the sum of products with fixed numbers is those numbers.
            sums = [(x * g).sum() for x, g in pairs if g is not None and x.requires_grad]
            if sums:
                self.device.backward(torch.stack(sums).sum())
        return None if self.device.ranks.alone else self._flat()

    def _flat(self) -> Tensor:
        """All gradients in one row, then which parameters have one; those of losses are the main process's."""
        main = self.device.ranks.main
        own = [*self.model.parameters(), *(self.objective.parameters() if main else ())]
        counted = {id(parameter) for parameter in own if parameter.grad is not None}
        everything = self._parameters()
        parts = [
            parameter.grad.flatten().float() if id(parameter) in counted else parameter.new_zeros(parameter.numel())  # type: ignore[union-attr]
            for parameter in everything
        ]
        there = torch.tensor([float(id(parameter) in counted) for parameter in everything])
        return torch.cat([*parts, there.to(self.device.torch_device)])

    def _add_up(self, flat: Tensor | None) -> None:
        """Give every parameter the sum of its gradients over all processes, the same bits everywhere."""
        assert flat is not None
        self.device.ranks.add_up(flat)
        everything = self._parameters()
        begin, there = 0, flat[-len(everything) :].tolist()
        for parameter, known in zip(everything, there, strict=True):
            found = flat[begin : begin + parameter.numel()].view_as(parameter).to(parameter.dtype)
            parameter.grad = found if known else None
            begin += parameter.numel()

    def _parameters(self) -> list[nn.Parameter]:
        """Those of the model, then those of the losses, in one order everywhere."""
        return [*self.model.parameters(), *self.objective.parameters()]


def in_float32(batch: EncodedBatch) -> EncodedBatch:
    """Losses are computed in float32, whatever the forward pass used."""
    return EncodedBatch(
        batch.uids,
        batch.hidden.float(),
        batch.vectors.float(),
        None if batch.logits is None else batch.logits.float(),
        None if batch.prototypes is None else batch.prototypes.float(),
        batch.labels,
    )


def _columns(batch: EncodedBatch) -> list[Tensor]:
    """What has a row per utterance."""
    return [part for part in (batch.hidden, batch.vectors, batch.logits) if part is not None]


def _table(batch: EncodedBatch) -> Tensor:
    """What has a row per utterance, side by side."""
    return torch.cat(_columns(batch), dim=1)


def _share(batch: Batch, pieces: Sequence[Batch], device: Device) -> _Share:
    """Deal the pieces of a batch.

    Raises:
        PluginError: an utterance is in none of them, or in two.
    """
    places = {uid: row for row, uid in enumerate(batch.uids)}
    uids = [uid for piece in pieces for uid in piece.uids]
    if sorted(uids) != sorted(places):
        raise PluginError(
            f"The encoder lost or doubled utterances when a batch was divided. Got {len(uids)} in {len(pieces)} pieces "
            f"of a batch of {len(places)}. Report it to its author."
        )
    sizes = [len(piece.uids) for piece in pieces]
    shares = deal(sizes, device.ranks.processes)
    rows = [places[uid] for share in shares for index in share for uid in pieces[index].uids]
    counts = [sum(sizes[index] for index in share) for share in shares]
    return _Share(pieces, shares[device.ranks.rank], torch.tensor(rows), counts)
