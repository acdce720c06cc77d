"""Shared context: a dialogue is encoded once, and all its utterances are read in one pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ercbench import Batch, CheckpointError, PluginError, Prompt, Tokens, length_buckets
from ercbench_eacl.encoder import EaclEncoder, EaclModel
from ercbench_eacl.masks import CONTEXT, FIRST, PROMPT, additive, attention_mask, block_mask
from ercbench_eacl.settings import SharedEncoderSettings


@dataclass(frozen=True, eq=False)
class Stretch:
    """Consecutive turns of a dialogue that are encoded once.

    Attributes:
        key: unique within a split.
        reach: earlier turns that a turn may attend to, beside itself.
        turns: token ids by turn, in time order, separators included.
    """

    key: str
    reach: int
    turns: Mapping[int, tuple[int, ...]]

    def until(self, turn: int) -> list[tuple[int, tuple[int, ...]]]:
        """The turns before `turn`."""
        return [(number, ids) for number, ids in self.turns.items() if number < turn]


@dataclass(frozen=True)
class Question(Tokens):
    """The question about one turn. `input_ids` and `position` are those of the question alone.

    Attributes:
        turn: the turn asked about.
        first: the earliest turn the question may attend to; it sees none from `turn` on.
        stretch: the turns it shares with other questions.
    """

    turn: int
    first: int
    stretch: Stretch


@dataclass(frozen=True)
class Piece:
    """Tokens of a row with one part in it: the first token, a turn, or a question.

    Attributes:
        kind: `FIRST`, `CONTEXT` or `PROMPT`.
        turn: the turn it is, or is asked about; -1 for the first token.
        seen: first and last turn whose tokens it attends to, besides its own piece and the first token.
        start: position of its first token.
        ids: its token ids.
    """

    kind: int
    turn: int
    seen: tuple[int, int]
    start: int
    ids: tuple[int, ...]


class SharedModel(EaclModel):
    """`EaclModel` on rows that several targets share."""

    settings: SharedEncoderSettings
    block_devices = ("cuda",)
    """Where FlexAttention has kernels for training."""

    def backbone_inputs(self, inputs: dict[str, Tensor]) -> dict[str, Any]:
        """Positions as the encoder counts them, and one attention mask for all layers."""
        about = inputs.pop("about")
        inputs["position_ids"] = inputs["position_ids"] + self.position_offset
        if self.settings.attention == "block" and about.device.type in self.block_devices:
            self.backbone.set_attn_implementation("flex_attention")  # type: ignore[operator]
            return inputs | {"attention_mask": block_mask(about)}
        return inputs | {"attention_mask": additive(attention_mask(about), self.label_states.dtype)}

    @property
    def position_offset(self) -> int:
        """What the encoder calls position 0: RoBERTa counts from behind its padding index."""
        padding = self.backbone.embeddings.position_embeddings.padding_idx  # type: ignore[union-attr]
        return 0 if padding is None else int(padding) + 1  # type: ignore[arg-type]


class DialogueSharedEncoder(EaclEncoder):
    """Prompts -> Tokens -> Batches, in which the utterances of a dialogue share their context.

    A row holds the turns of a stretch and one question per target. A turn attends to itself and the earlier turns
    within reach; a question attends to its window and itself, at the positions where its turn stood; nothing attends
    to a later turn, and no turn to a question. So a turn is encoded once, however many windows it is in.

    **Reference**: the input of Yu et al., Findings of NAACL 2024, section 3.2; the sharing is this project's.

    **Differs from the paper**: it is another function. A context turn is encoded without the turns after it, its own
    earlier turns reach it layer by layer, so that a question is influenced from further back than its window, and
    positions count from the start of the stretch. The end of a window that is longer than the budget is not cut off.
    """

    settings: SharedEncoderSettings
    usage = None

    @property
    def model_class(self) -> type[EaclModel]:
        """The model that takes such batches."""
        return SharedModel

    def tokenize(self, prompts: Sequence[Prompt]) -> list[Tokens]:
        """Prompts -> Tokens, dialogues cut into stretches, which have limits on questions and on positions.

        Few questions per stretch bring more dialogues into a batch, whose losses contrast utterances with each other:
        in long stretches of one dialogue most pairs have their context in common, and quality suffers.

        The segments before a prompt's query must be the turns right before its target.

        Raises:
            PluginError: the renderer writes one turn differently for different targets, or shows later turns.

        Before: rendering.py. After: `plan`, `collate`.
        """
        if later := [prompt.uid for prompt in prompts if prompt.query + 1 < len(prompt.segments)]:
            raise PluginError(
                f"dialogue-shared cannot show later turns: no turn attends to one. Got a prompt with some, {later[0]}. "
                "Set encoder.name=eacl, or run with --context past."
            )
        ids = self.segment_ids(prompts)
        dialogues: dict[str, list[tuple[int, Prompt]]] = {}
        for row, prompt in enumerate(prompts):
            dialogues.setdefault(_dialogue(prompt), []).append((row, prompt))
        tokens: dict[int, Tokens] = {}
        for dialogue, members in dialogues.items():
            ordered = sorted(members, key=lambda member: _turn(member[1]))
            found = self._stretches(dialogue, [prompt for _, prompt in ordered], ids)
            tokens.update(zip((row for row, _ in ordered), found, strict=True))
        return [tokens[row] for row in range(len(prompts))]

    def plan(self, tokens: Sequence[Tokens], batch_size: int, seed: int | None) -> list[list[int]]:
        """Batches of whole stretches of similar length, as many as have at most `batch_size` targets."""
        groups: dict[str, list[int]] = {}
        for index, token in enumerate(tokens):
            groups.setdefault(_shared(token).stretch.key, []).append(index)
        units = [
            members[start : start + batch_size]
            for members in groups.values()
            for start in range(0, len(members), batch_size)
        ]
        lengths = [sum(len(piece.ids) for piece in self._pieces([tokens[i] for i in unit])) for unit in units]
        plan = length_buckets(lengths, batch_size, seed, [len(unit) for unit in units])
        return [[index for unit in batch for index in units[unit]] for batch in plan]

    def collate(self, tokens: Sequence[Tokens]) -> Batch:
        """Tokens -> Batch of R rows for B targets; the targets of a row are together.

        ``inputs``: ``input_ids`` and ``position_ids`` (R, T), ``about`` (R, T, 4), of which ``masks.py`` makes the
        attention mask, ``row`` and ``position`` (B,), where each target is read.
        """
        groups: dict[str, list[Question]] = {}
        for token in map(_shared, tokens):
            groups.setdefault(token.stretch.key, []).append(token)
        rows = [self._pieces(members) for members in groups.values()]
        inputs = _pad(rows, self.tokenizer.pad_token_id)
        read = []
        for number, (members, pieces) in enumerate(zip(groups.values(), rows, strict=True)):
            offset = sum(len(piece.ids) for piece in pieces if piece.kind != PROMPT)
            for token in members:
                read.append((number, offset + token.position))
                offset += len(token.input_ids)
        row, position = torch.tensor(read).unbind(1)  # (B,)
        uids = tuple(token.uid for members in groups.values() for token in members)
        return Batch(uids, {**inputs, "row": row, "position": position})

    def load(self) -> EaclModel:
        """Load the pre-trained weights, as the encoder ``eacl`` does.

        Raises:
            CheckpointError: the encoder has relative positions, or too few.
        """
        model = super().load()
        assert isinstance(model, SharedModel)
        _check_positions(model, self.settings.stretch_tokens, self.checkpoint.name)
        if self.settings.attention == "block" and getattr(model.backbone.config, "attention_probs_dropout_prob", 0):
            raise CheckpointError(
                "FlexAttention has no dropout. Got encoder.attention=block with encoder.attention_dropout="
                f"{self.settings.attention_dropout}. Set encoder.attention_dropout=0."
            )
        return model

    def _stretches(self, dialogue: str, prompts: Sequence[Prompt], ids: Mapping[str, list[int]]) -> list[Question]:
        """The prompts of one dialogue, in time order, with their stretches."""
        turns = self._turns(prompts, ids)
        reach = max(prompt.query for prompt in prompts)
        asked = [self._question(prompt, turns, ids) for prompt in prompts]
        stretches: list[list[Question]] = []
        for token in asked:
            if stretches and self._joins(stretches[-1], token, turns):
                stretches[-1].append(token)
            else:
                stretches.append([token])
        done = []
        for members in stretches:
            needed = {number: turns[number] for number in _needed(members)}
            stretch = Stretch(f"{dialogue}/{members[0].turn}", reach, needed)
            done += [dataclasses.replace(token, stretch=stretch) for token in members]
        return done

    def _joins(self, members: Sequence[Question], token: Question, turns: Mapping[int, tuple[int, ...]]) -> bool:
        """Whether a stretch has room for one more question."""
        settings = self.settings
        full = len(members) == settings.stretch_targets
        return not full and self._extent([*members, token], turns) <= settings.stretch_tokens

    def _turns(self, prompts: Sequence[Prompt], ids: Mapping[str, list[int]]) -> dict[int, tuple[int, ...]]:
        """Token ids by turn, with separator."""
        texts: dict[int, str] = {}
        for prompt in prompts:
            for number, text in enumerate(prompt.segments[: prompt.query], _turn(prompt) - prompt.query):
                if texts.setdefault(number, text) != text:
                    raise PluginError(
                        f"dialogue-shared needs a renderer that writes a turn in one way. Got two for turn {number}: "
                        f"{texts[number]!r} and, for {prompt.uid}, {text!r}. Set encoder.name=eacl."
                    )
        return {number: (*ids[text], self.close_id) for number, text in sorted(texts.items())}

    def _question(self, prompt: Prompt, turns: Mapping[int, tuple[int, ...]], ids: Mapping[str, list[int]]) -> Question:
        """The question of one prompt, with the window that its token budget leaves; its stretch is yet empty."""
        question = (*ids[prompt.segments[prompt.query]], self.close_id)[-self.settings.max_tokens :]
        turn = _turn(prompt)
        token = Question(
            prompt.uid, question, self.read_position(question), turn,
            turn - prompt.query + self.first_turn(prompt, ids), _NOWHERE,
        )  # fmt: skip
        while token.first < turn and self._extent([token], turns) > self.settings.stretch_tokens:
            token = dataclasses.replace(token, first=token.first + 1)
        return token

    def _extent(self, members: Sequence[Question], turns: Mapping[int, tuple[int, ...]]) -> int:
        """Positions that the members take in one row."""
        needed = _needed(members)
        return max(
            1 + sum(len(turns[number]) for number in needed if number < token.turn) + len(token.input_ids)
            for token in members
        )

    def _pieces(self, members: Sequence[Tokens]) -> list[Piece]:
        """One row: the first token, the turns, the questions."""
        tokens = [_shared(token) for token in members]
        stretch = tokens[0].stretch
        pieces = [Piece(FIRST, -1, (0, -1), 0, (self.first_id,))]
        starts, position = {}, 1
        for number, ids in stretch.until(max(token.turn for token in tokens)):
            starts[number] = position
            pieces.append(Piece(CONTEXT, number, (number - stretch.reach, number), position, ids))
            position += len(ids)
        for token in tokens:
            # Where its turn stood: after the last turn before it.
            before = [start + len(stretch.turns[number]) for number, start in starts.items() if number < token.turn]
            start = max(before, default=1)
            pieces.append(Piece(PROMPT, token.turn, (token.first, token.turn - 1), start, token.input_ids))
        return pieces


_NOWHERE = Stretch("", 0, {})


def _pad(rows: Sequence[Sequence[Piece]], pad_id: int) -> dict[str, Tensor]:
    """Rows -> ``input_ids``, ``position_ids`` (R, T) and ``about`` (R, T, 4)."""
    longest = max(sum(len(piece.ids) for piece in pieces) for pieces in rows)
    input_ids = np.full((len(rows), longest), pad_id)
    position_ids = np.zeros_like(input_ids)
    # Per token: kind, its turn, first and last turn it attends to. Padding attends to the first token alone, and
    # nothing attends to padding.
    about = np.tile([-1, -2, 0, -1], (len(rows), longest, 1))  # (R, T, 4)
    for row, pieces in enumerate(rows):
        lengths = [len(piece.ids) for piece in pieces]
        end = sum(lengths)
        input_ids[row, :end] = [token for piece in pieces for token in piece.ids]
        position_ids[row, :end] = [
            piece.start + step for piece, length in zip(pieces, lengths, strict=True) for step in range(length)
        ]
        about[row, :end] = np.repeat([(piece.kind, piece.turn, *piece.seen) for piece in pieces], lengths, axis=0)
    return {
        "input_ids": torch.from_numpy(input_ids),
        "position_ids": torch.from_numpy(position_ids),
        "about": torch.from_numpy(about),
    }


def _needed(members: Iterable[Question]) -> list[int]:
    """Turns that any member's window holds, in time order."""
    return sorted({number for token in members for number in range(token.first, token.turn)})


def _dialogue(prompt: Prompt) -> str:
    return prompt.uid.rpartition("/")[0]


def _turn(prompt: Prompt) -> int:
    return int(prompt.uid.rpartition("/")[2])


def _shared(token: Tokens) -> Question:
    assert isinstance(token, Question)
    return token


def _check_positions(model: SharedModel, wanted: int, name: str) -> None:
    backbone = model.backbone
    embeddings = getattr(getattr(backbone, "embeddings", None), "position_embeddings", None)
    relative = getattr(backbone.config, "relative_attention", False) or hasattr(
        getattr(backbone, "encoder", None), "relative_attention_bias"
    )
    if embeddings is None or relative:
        raise CheckpointError(
            f"dialogue-shared needs an encoder with absolute positions, such as BERT, RoBERTa or MiniLM. Got {name!r}. "
            "Name another one (--set encoder.checkpoint=...), or set encoder.name=eacl."
        )
    available = embeddings.num_embeddings - model.position_offset
    if wanted > available:
        raise CheckpointError(
            f"encoder.stretch_tokens is more than the positions of {name!r}. Got {wanted}, it has {available}. "
            f"Set it: --set encoder.stretch_tokens={available}"
        )
