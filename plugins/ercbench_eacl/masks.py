"""Who attends to whom under shared context: one rule, as a tensor and as the block mask of FlexAttention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

FIRST, CONTEXT, PROMPT = range(3)
"""What a token of a row belongs to: the sequence's first token, a turn, or the question about a turn."""


def attention_mask(about: Tensor) -> Tensor:
    """Who attends to whom, (R, 1, T, T), true where a token (third axis) attends to another (fourth).

    Args:
        about: kind, turn, first and last turn seen of every token, (R, T, 4).
    """
    query, key = about[:, :, None], about[:, None]  # (R, T, 1, 4), (R, 1, T, 4)
    return _attends(query.unbind(-1), key.unbind(-1))[:, None]


def block_mask(about: Tensor) -> Any:
    """The same as a ``BlockMask`` of FlexAttention, which skips blocks of tokens that nobody attends to."""
    from torch.nn.attention.flex_attention import create_block_mask

    def attends(row: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return _attends(about[row, query].unbind(-1), about[row, key].unbind(-1))

    rows, length, _ = about.shape
    return create_block_mask(attends, rows, None, length, length, device=str(about.device))


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A boolean attention mask as numbers to add to the scores: 0 where true, else the least number there is.

    Done once per batch; attention would do it in every layer.
    """
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min)


def _attends(query: tuple[Tensor, ...], key: tuple[Tensor, ...]) -> Tensor:
    """A token attends to the first one, to the turns it sees, and, within a question, to the question."""
    kind, turn, first, last = query
    key_kind, key_turn, _, _ = key
    in_window = (key_turn >= first) & (key_turn <= last)
    own_question = (kind == PROMPT) & (key_turn == turn)
    return (key_kind == FIRST) | ((key_kind == CONTEXT) & in_window) | ((key_kind == PROMPT) & own_question)
