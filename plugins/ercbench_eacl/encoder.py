"""The encoder of EACL: tokens within the budget, the hidden state at the mask, the projection, the anchors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ercbench import (
    Batch,
    Checkpoint,
    CheckpointError,
    EncodedBatch,
    LabelSet,
    Prompt,
    Tokens,
    length_buckets,
    load_backbone,
    load_tokenizer,
    pad,
    states_at,
    token_ids,
)
from ercbench_eacl.settings import EncoderSettings

BUDGET_MARGIN = 8
"""Tokens that the released code sets aside when it counts earlier turns."""


USAGE = """\
import torch
from safetensors.torch import load_file
from torch.nn.functional import cosine_similarity, layer_norm, linear, relu
from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
encoder = AutoModel.from_pretrained(".", add_pooling_layer=False).eval()
head, classifier = load_file("head.safetensors"), load_file("classifier.safetensors")
labels = {labels!r}

# Earlier turns, the question about the turn after them, then later turns: as many as "Context" above allows.
segments = ["Ann says: Tea?", f"For utterance: No, thank you! Bob feels {{tokenizer.mask_token}} "]
ids = [tokenizer.cls_token_id]
for segment in segments:
    ids += [*tokenizer(segment, add_special_tokens=False)["input_ids"], tokenizer.sep_token_id]
position = {position}

with torch.no_grad():
    h = encoder(input_ids=torch.tensor([ids])).last_hidden_state[0, position]
    if "anchors" in classifier:
        z = linear(h, head["map.0.weight"], head["map.0.bias"])
        z = relu(layer_norm(z, z.shape, head["map.1.weight"], head["map.1.bias"]))
        z = linear(z, head["map.3.weight"], head["map.3.bias"])
        scores = (1 + cosine_similarity(z, classifier["anchors"])) / 2
    else:
        scores = linear(h, head["head.1.weight"], head["head.1.bias"])
print(labels[int(scores.argmax())], [round(float(score), 5) for score in scores])"""
"""How an exported model is read without ercbench."""


class EaclEncoder:
    """Prompts -> Tokens -> Batches, and the way to the model.

    **Reference**: Yu et al., Findings of NAACL 2024, section 3.2.

    **Differs from the paper**: nothing; the token budget is counted as the released code counts it (`kept_turns`).
    The paper has no later turns.
    """

    def __init__(self, settings: EncoderSettings, labels: LabelSet, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None:
            raise CheckpointError("The encoder eacl needs weights. Name some: --set encoder.checkpoint=...")
        self.settings, self.labels, self.checkpoint = settings, labels, checkpoint
        self.tokenizer = load_tokenizer(checkpoint)
        # Looked up once: transformers searches for a special token each time it is asked.
        self.first_id: int = self.tokenizer.cls_token_id
        self.close_id: int = self.tokenizer.sep_token_id
        self.mask_id: int = self.tokenizer.mask_token_id

    @property
    def usage(self) -> str | None:
        """Code for the card of an exported model."""
        position = "0" if self.settings.read == "first" else "ids.index(tokenizer.mask_token_id)"
        return USAGE.format(labels=list(self.labels.keys), position=position)

    @property
    def model_class(self) -> type[EaclModel]:
        """The model that takes the batches of `collate`."""
        return EaclModel

    def tokenize(self, prompts: Sequence[Prompt]) -> list[Tokens]:
        """Prompts -> Tokens. Every distinct text is tokenised once, however many examples show it.

        Before: rendering.py. After: `plan`, `collate`.
        """
        ids = self.segment_ids(prompts)
        return [self._assemble(prompt, ids) for prompt in prompts]

    def segment_ids(self, prompts: Sequence[Prompt]) -> dict[str, list[int]]:
        """Token ids of every distinct text of the prompts, without special tokens."""
        return token_ids(self.tokenizer, (text for prompt in prompts for text in (*prompt.segments, prompt.turn)))

    def plan(self, tokens: Sequence[Tokens], batch_size: int, seed: int | None) -> list[list[int]]:
        """Batches of similar length."""
        return length_buckets([len(token.input_ids) for token in tokens], batch_size, seed)

    def collate(self, tokens: Sequence[Tokens]) -> Batch:
        """Tokens -> Batch, padded to the longest of the batch."""
        return Batch(tuple(token.uid for token in tokens), pad(tokens, self.tokenizer.pad_token_id))

    def load(self) -> EaclModel:
        """Load the pre-trained weights and encode the label words with them."""
        backbone = load_backbone(self.checkpoint, self.settings.attention_dropout)
        ids = token_ids(self.tokenizer, self.labels.texts)
        tokens = [Tokens(text, (self.first_id, *ids[text], self.close_id), 0) for text in self.labels.texts]
        return self.model_class(self.settings, backbone, pad(tokens, self.tokenizer.pad_token_id))

    def _assemble(self, prompt: Prompt, ids: Mapping[str, list[int]]) -> Tokens:
        """First token, segments each closed by a separator, cut from the left to the budget; then later turns.

        Later turns take what the earlier ones and the query leave of the budget, nearest first, each whole or not.
        """
        kept = prompt.segments[self.first_turn(prompt, ids) : prompt.query + 1]
        sequence = [self.first_id]
        for segment in kept:
            sequence += [*ids[segment], self.close_id]
        sequence = sequence[-self.settings.max_tokens :]
        position = self.read_position(sequence)
        for segment in prompt.segments[prompt.query + 1 :]:
            if len(sequence) + len(ids[segment]) + 1 > self.settings.max_tokens:
                break
            sequence += [*ids[segment], self.close_id]
        return Tokens(prompt.uid, tuple(sequence), position)

    def first_turn(self, prompt: Prompt, ids: Mapping[str, list[int]]) -> int:
        """Index of the first segment that the token budget keeps."""
        past = [len(ids[text]) + 1 for text in prompt.segments[: prompt.query]]
        return kept_turns(past, len(ids[prompt.turn]) + 1, self.settings.max_tokens)

    def read_position(self, sequence: Sequence[int]) -> int:
        """Where h is read: the last mask, since dialogue text may hold the characters of a mask token, or the start."""
        if self.settings.read == "first":
            return 0
        return len(sequence) - 1 - sequence[::-1].index(self.mask_id)


def kept_turns(past: Sequence[int], target: int, budget: int) -> int:
    """Index of the first earlier turn that fits the token budget.

    As the released code counts: the smallest start s with sum(past[s:]) + target + 8 + target <= budget. The target's
    own turn is counted twice and the prompt not at all.

    Args:
        past: tokens of each earlier turn, its separator included, oldest first.
        target: tokens of the target's own turn, its separator included.
        budget: tokens of the whole sequence.
    """
    room = budget - BUDGET_MARGIN - 2 * target
    start = len(past)
    while start > 0 and past[start - 1] <= room:
        start -= 1
        room -= past[start]
    return start


class EaclModel(nn.Module):
    """Batch -> EncodedBatch: h at the position read, z = map(h), logits of a linear head, anchors a_k = map(e_k).

    map is Linear(H, H), LayerNorm, ReLU, Linear(H, D). e_k is the mean last hidden state over the tokens of label word
    k, special tokens included.

    **Reference**: Yu et al., Findings of NAACL 2024, sections 3.2 and 3.3.

    **Differs from the paper**: the paper's figure draws the label encoder as trainable. Like the released code, e_k
    comes from the pre-trained encoder and stays fixed unless ``encoder.label_encoding`` is ``trainable``.
    """

    def __init__(self, settings: EncoderSettings, backbone: nn.Module, label_inputs: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.settings = settings
        self.trainable_labels = settings.label_encoding == "trainable"
        self.backbone = backbone
        self.dimension = settings.width
        hidden = int(backbone.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.map = nn.Sequential(
            nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, settings.width)
        )
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(hidden, len(label_inputs["input_ids"])))
        self.label_ids: Tensor
        self.label_mask: Tensor
        self.label_states: Tensor
        self.register_buffer("label_ids", label_inputs["input_ids"], persistent=False)  # (C, T)
        self.register_buffer("label_mask", label_inputs["attention_mask"], persistent=False)  # (C, T)
        backbone.eval()
        with torch.no_grad():
            self.register_buffer("label_states", self._encode_labels())  # (C, H)

    def forward(self, batch: Batch) -> EncodedBatch:
        """Batch -> EncodedBatch."""
        inputs = dict(batch.inputs)
        rows, positions = inputs.pop("row"), inputs.pop("position")  # (B,)
        hidden = states_at(self.backbone, self.backbone_inputs(inputs), rows, positions)  # (B, H)
        return EncodedBatch(
            uids=batch.uids,
            hidden=hidden,
            vectors=self.map(hidden),  # (B, D)
            logits=self.head(hidden),  # (B, C)
            prototypes=self.prototypes(),  # (C, D)
            labels=batch.labels,
        )

    def backbone_inputs(self, inputs: dict[str, Tensor]) -> dict[str, Any]:
        """A batch's inputs -> the keyword arguments of the pre-trained encoder."""
        return inputs

    def prototypes(self) -> Tensor:
        """The anchors a_k = map(e_k), (C, D)."""
        states = self._encode_labels() if self.trainable_labels else self.label_states
        anchors: Tensor = self.map(states)
        return anchors

    def _encode_labels(self) -> Tensor:
        output = self.backbone(input_ids=self.label_ids, attention_mask=self.label_mask)
        states = output.last_hidden_state  # (C, T, H)
        weights = self.label_mask.unsqueeze(-1).to(states.dtype)  # (C, T, 1)
        encoded: Tensor = (states * weights).sum(1) / weights.sum(1)  # (C, H)
        return encoded
