"""The training loop of EACL's released code, re-created plainly: what it computes, as it computes it.

**Reference**: Yu et al., Findings of NAACL 2024, released code. Every sequence is padded to 256 tokens, the whole last
layer is computed, attention dropout is the checkpoint's own, the loss compares all pairs through (U, U, D) tensors,
and the anchors' states are read from a file at every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ercbench import Checkpoint, Tokens

LENGTH = 256
"""Tokens that every sequence is padded to."""
EPSILON = 1e-8


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """s(x_i, y_j) for all pairs, (M, D) and (K, D) -> (M, K), through tensors of shape (M, K, D)."""
    rows = x[:, None, :].repeat(1, len(y), 1)  # (M, K, D)
    columns = y[None, :, :].repeat(len(x), 1, 1)  # (M, K, D)
    return (1 + nn.functional.cosine_similarity(rows, columns, dim=-1)) / 2 + EPSILON


def contrastive(vectors: Tensor, labels: Tensor, anchors: Tensor, temperature: float = 0.1) -> Tensor:
    """The anchor-contrastive loss of (B, D) vectors and (C, D) anchors."""
    rows = torch.cat([vectors, anchors])  # (U, D)
    classes = torch.cat([labels, torch.arange(len(anchors))])  # (U,)
    scaled = similarity(rows, rows) / temperature  # (U, U)
    exponentials = torch.exp(scaled - scaled.max().detach())
    same = (classes[:, None] == classes[None, :]).float()
    positive = same - torch.eye(len(rows))
    positives = (exponentials * positive).sum(1)
    negatives = (exponentials * (1 - same)).sum(1)
    count = positive.sum(1).clamp_min(1)
    losses = -torch.log(positives / (positives + negatives) / count + EPSILON)
    return losses[losses > 0].mean()


def separation(anchors: Tensor) -> Tensor:
    """Minus the mean over anchors (C, D) of the smallest angle to another, in radians."""
    centred = anchors - anchors.mean(0)
    cosines = nn.functional.cosine_similarity(centred[:, None], centred[None], dim=-1)  # (C, C)
    closest = (cosines - 2 * torch.eye(len(anchors))).amax(1).clamp(-0.99999, 0.99999)
    return -torch.arccos(closest).mean()


class NaiveLoop:
    """Model, optimizer and one training step."""

    def __init__(self, checkpoint: Checkpoint, label_states: Tensor, pad_id: int, folder: Path) -> None:
        """Load the encoder as transformers does by itself, and put the states of the label words (C, H) in a file."""
        from transformers import AutoModel

        self.backbone = AutoModel.from_pretrained(checkpoint.path, add_pooling_layer=False)
        hidden, classes = label_states.shape[1], len(label_states)
        self.map = nn.Sequential(nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, 1024))
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(hidden, classes))
        self.pad_id, self.file = pad_id, folder / "anchors.safetensors"
        save_file({"states": label_states.contiguous()}, self.file)
        self.modules = nn.ModuleList([self.backbone, self.map, self.head]).train()
        self.optimizer = torch.optim.AdamW(
            [
                {"params": self.backbone.parameters(), "lr": 5e-5},
                {"params": [*self.map.parameters(), *self.head.parameters()], "lr": 4e-4},
            ],
            weight_decay=0.01,
        )

    def collate(self, tokens: Sequence[Tokens]) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens -> ``input_ids`` (B, 256), ``attention_mask`` (B, 256), position read (B,)."""
        input_ids = torch.full((len(tokens), LENGTH), self.pad_id)
        for row, token in enumerate(tokens):
            input_ids[row, : len(token.input_ids)] = torch.tensor(token.input_ids)
        return input_ids, (input_ids != self.pad_id).long(), torch.tensor([token.position for token in tokens])

    def encode(self, tokens: Sequence[Tokens]) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens -> hidden (B, H), vectors (B, D), anchors (C, D)."""
        input_ids, attention_mask, position = self.collate(tokens)
        states = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (B, T, H)
        hidden = states[torch.arange(len(tokens)), position]
        return hidden, self.map(hidden), self.map(load_file(self.file)["states"])

    def step(self, tokens: Sequence[Tokens], labels: Tensor) -> float:
        """One training step; returns the loss."""
        hidden, vectors, anchors = self.encode(tokens)
        loss = 0.1 * nn.functional.cross_entropy(self.head(hidden), labels) + 0.9 * (
            contrastive(vectors, labels, anchors) + 0.1 * separation(anchors)
        )
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.modules.parameters(), 5.0)
        self.optimizer.step()
        return loss.item()

    def evaluate(self, tokens: Sequence[Tokens], batch_size: int) -> Tensor:
        """Scores (N, C) of the nearest anchor."""
        self.modules.eval()
        with torch.no_grad():
            parts = [self.encode(tokens[start : start + batch_size]) for start in range(0, len(tokens), batch_size)]
            scores = torch.cat([similarity(vectors, anchors) for _, vectors, anchors in parts])
        self.modules.train()
        return scores
