"""Any Hugging Face encoder: what is read from it is the vector, with or without a linear head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ercbench import (
    Batch,
    Checkpoint,
    CheckpointError,
    EncodedBatch,
    LabelSet,
    PluginError,
    Prompt,
    Tokens,
    length_buckets,
    load_backbone,
    load_tokenizer,
    pad,
    states_at,
    token_ids,
)
from ercbench_stock.settings import TransformerSettings


class TransformerEncoder:
    """Prompts -> Tokens -> Batches, and the way to the model.

    A sequence is the first token, then segments each closed by a separator: the query, as many earlier turns as the
    token budget leaves room for, nearest first, then later ones. A query that is too long loses its beginning.

    **Reference**: none; the usual way to classify with a pre-trained encoder.

    **Differs from the paper**: does not apply.
    """

    def __init__(self, settings: TransformerSettings, labels: LabelSet, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None:
            raise CheckpointError("The encoder transformer needs weights. Name some: --set encoder.checkpoint=...")
        self.settings, self.labels, self.checkpoint = settings, labels, checkpoint
        self.tokenizer = load_tokenizer(checkpoint)
        self.first_id: int = self.tokenizer.cls_token_id
        self.close_id: int = self.tokenizer.sep_token_id
        self.mask_id: int = self.tokenizer.mask_token_id

    def tokenize(self, prompts: Sequence[Prompt]) -> list[Tokens]:
        """Prompts -> Tokens. Every distinct text is tokenised once, however many examples show it.

        Before: rendering.py. After: `plan`, `collate`.
        """
        ids = token_ids(self.tokenizer, (text for prompt in prompts for text in prompt.segments))
        return [self._assemble(prompt, ids) for prompt in prompts]

    def plan(self, tokens: Sequence[Tokens], batch_size: int, seed: int | None) -> list[list[int]]:
        """Batches of similar length."""
        return length_buckets([len(token.input_ids) for token in tokens], batch_size, seed)

    def collate(self, tokens: Sequence[Tokens]) -> Batch:
        """Tokens -> Batch, padded to the longest of the batch."""
        return Batch(tuple(token.uid for token in tokens), pad(tokens, self.tokenizer.pad_token_id))

    def load(self) -> TransformerModel:
        """Load the pre-trained weights."""
        backbone = load_backbone(self.checkpoint, self.settings.attention_dropout)
        return TransformerModel(self.settings, backbone, len(self.labels))

    def _assemble(self, prompt: Prompt, ids: Mapping[str, list[int]]) -> Tokens:
        """Segments within the token budget."""
        closed = [[*ids[text], self.close_id] for text in prompt.segments]
        query = closed[prompt.query][-(self.settings.max_tokens - 1) :]
        room = self.settings.max_tokens - 1 - len(query)
        past = _fitting(closed[: prompt.query][::-1], room)[::-1]
        future = _fitting(closed[prompt.query + 1 :], room - sum(map(len, past)))
        sequence = [self.first_id, *(token for segment in (*past, query, *future) for token in segment)]
        return Tokens(prompt.uid, tuple(sequence), self._position(prompt, sequence))

    def _position(self, prompt: Prompt, sequence: Sequence[int]) -> int:
        """Where h is read; for the mean it makes no difference."""
        if self.settings.read != "mask":
            return 0
        if self.mask_id not in sequence:
            raise PluginError(
                f"encoder.read=mask needs a renderer that writes a mask. Got for {prompt.uid}: "
                f"{prompt.segments[prompt.query]!r}. Set encoder.read=first, or choose another renderer."
            )
        return len(sequence) - 1 - sequence[::-1].index(self.mask_id)


def _fitting(segments: Sequence[list[int]], room: int) -> list[list[int]]:
    """The first segments that fit, each whole or not at all."""
    kept = []
    for segment in segments:
        if len(segment) > room:
            break
        kept.append(segment)
        room -= len(segment)
    return kept


class TransformerModel(nn.Module):
    """Batch -> EncodedBatch: h as read, which is the vector too, and logits of the linear head where there is one.

    **Reference**: none.

    **Differs from the paper**: does not apply.
    """

    def __init__(self, settings: TransformerSettings, backbone: nn.Module, classes: int) -> None:
        super().__init__()
        self.mean, self.detach_head = settings.read == "mean", settings.detach_head
        self.backbone = backbone
        self.dimension = int(backbone.config.hidden_size)  # type: ignore[union-attr, arg-type]
        linear = nn.Linear(self.dimension, classes) if settings.head else None
        self.head = None if linear is None else nn.Sequential(nn.Dropout(settings.dropout), linear)

    def forward(self, batch: Batch) -> EncodedBatch:
        """Batch -> EncodedBatch."""
        inputs = dict(batch.inputs)
        rows, positions = inputs.pop("row"), inputs.pop("position")  # (B,)
        hidden = self._mean(inputs) if self.mean else states_at(self.backbone, inputs, rows, positions)  # (B, H)
        seen = hidden.detach() if self.detach_head else hidden
        logits = None if self.head is None else self.head(seen)  # (B, C)
        return EncodedBatch(batch.uids, hidden, hidden, logits, labels=batch.labels)

    def prototypes(self) -> Tensor | None:
        """None."""
        return None

    def _mean(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The mean last state over the tokens of each sequence, special tokens included, (B, H)."""
        states = self.backbone(**inputs).last_hidden_state  # (B, T, H)
        weights = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)  # (B, T, 1)
        mean: Tensor = torch.sum(states * weights, 1) / weights.sum(1)  # (B, H)
        return mean
