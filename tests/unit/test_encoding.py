"""Stage 3. Prompts -> Tokens -> Batches -> Representation."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ercbench_eacl.encoder import EaclEncoder
from ercbench_eacl.settings import EncoderSettings
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ercbench.checkpoints import locate
from ercbench.devices import Device
from ercbench.encoding import batches, encode, encode_frozen, length_buckets, pad, tokenize
from ercbench.errors import PluginError
from ercbench.types import MASK, Batch, EncodedBatch, LabelSet, Prompt, Tokens

LENGTHS = st.lists(st.integers(1, 40), max_size=60)
SIZES = st.integers(1, 9)
SEEDS = st.none() | st.integers(0, 2**32 - 1)


def padded(lengths: Sequence[int], plan: Sequence[Sequence[int]]) -> int:
    """Tokens of a plan, padding included."""
    return sum(len(batch) * max(lengths[i] for i in batch) for batch in plan)


# ------------------------------------------------------------------------------------------------------------ planning


@given(LENGTHS, SIZES, SEEDS)
def test_a_plan_holds_each_index_once_in_batches_of_the_size(lengths: list[int], size: int, seed: int | None) -> None:
    """Nothing is lost or doubled, no batch is empty or too large, and there are as few as can be."""
    plan = length_buckets(lengths, size, seed)
    assert sorted(i for batch in plan for i in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in plan)
    assert len(plan) == -(-len(lengths) // size)


@given(LENGTHS, SIZES, SEEDS)
def test_a_plan_is_a_function_of_lengths_size_and_seed(lengths: list[int], size: int, seed: int | None) -> None:
    """Asked again, the same; and the random numbers of others are neither used nor disturbed."""
    random.seed(1)
    before = random.getstate()
    plan = length_buckets(lengths, size, seed)
    assert random.getstate() == before
    random.seed(2)
    assert length_buckets(lengths, size, seed) == plan


@given(LENGTHS, SIZES)
def test_without_a_seed_the_longest_come_first(lengths: list[int], size: int) -> None:
    """One fixed order, by falling length, equals in file order."""
    order = [i for batch in length_buckets(lengths, size, None) for i in batch]
    assert order == sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))


@given(st.integers(1, 8), st.integers(1, 8), st.data(), st.integers(0, 99), st.randoms(use_true_random=False))
def test_buckets_pad_no_more_than_any_random_order(
    size: int, count: int, drawn: st.DataObject, seed: int, chance: random.Random
) -> None:
    """Full batches planned by length hold no more padding than the same utterances in any other order."""
    lengths = drawn.draw(st.lists(st.integers(1, 40), min_size=size * count, max_size=size * count))
    order = list(range(len(lengths)))
    chance.shuffle(order)
    at_random = [order[start : start + size] for start in range(0, len(order), size)]
    for plan in (length_buckets(lengths, size, seed), length_buckets(lengths, size, None)):
        assert padded(lengths, plan) <= padded(lengths, at_random)


def test_another_seed_is_another_order_of_other_batches() -> None:
    """Epochs differ in the order of batches, short ones among long ones, and in who is together in one."""
    draw = random.Random(0)
    lengths = [draw.randint(5, 200) for _ in range(3000)]
    one, other = (length_buckets(lengths, 16, seed) for seed in (1, 2))
    assert one != other
    assert {frozenset(batch) for batch in one} != {frozenset(batch) for batch in other}
    means = [sum(lengths[i] for i in batch) / len(batch) for batch in one]
    rises = sum(earlier < later for earlier, later in pairwise(means))
    assert 0.3 < rises / (len(means) - 1) < 0.7
    assert padded(lengths, one) < 1.1 * sum(lengths)


# -------------------------------------------------------------------------------------------------- padding, batching


@given(st.lists(st.lists(st.integers(5, 99), min_size=1, max_size=12), min_size=1, max_size=6), st.integers(0, 4))
def test_padding_is_on_the_right_and_masked(sequences: list[list[int]], pad_id: int) -> None:
    """(B, T) of the longest sequence: ids, then padding; the mask is 1 exactly where ids are."""
    tokens = [Tokens(str(i), tuple(ids), len(ids) - 1) for i, ids in enumerate(sequences)]
    inputs = pad(tokens, pad_id)
    shape = (len(sequences), max(map(len, sequences)))
    assert inputs["input_ids"].shape == inputs["attention_mask"].shape == shape
    assert inputs["position"].tolist() == [len(ids) - 1 for ids in sequences]
    for row, mask, ids in zip(inputs["input_ids"], inputs["attention_mask"], sequences, strict=True):
        assert row.tolist() == ids + [pad_id] * (shape[1] - len(ids))
        assert mask.tolist() == [1] * len(ids) + [0] * (shape[1] - len(ids))
    assert {tensor.dtype for tensor in inputs.values()} == {torch.int64}


class Collator:
    """As much of an encoder as these functions use; `answer` is what it makes of any prompts."""

    def __init__(self, answer: Sequence[Tokens] = ()) -> None:
        self.answer = list(answer)

    def tokenize(self, prompts: Sequence[Prompt]) -> list[Tokens]:
        """The answer."""
        return self.answer

    def plan(self, tokens: Sequence[Tokens], batch_size: int, seed: int | None) -> list[list[int]]:
        """Batches of similar length."""
        return length_buckets([len(token.input_ids) for token in tokens], batch_size, seed)

    def collate(self, tokens: Sequence[Tokens]) -> Batch:
        """Padded with 0."""
        return Batch(tuple(token.uid for token in tokens), pad(tokens, 0))

    def load(self) -> Any:
        """Not needed here."""
        raise NotImplementedError


TOKENS = [Tokens(uid, tuple(range(5, 5 + length)), 0) for uid, length in zip("abcde", (3, 9, 1, 4, 6), strict=True)]


def test_batches_follow_the_plan_and_carry_their_labels() -> None:
    """Each batch holds the utterances the plan names, with the label of each by uid."""
    gold = {"a": 4, "b": 3, "c": 2, "d": 1, "e": 0}
    found = list(batches(Collator(), TOKENS, [[4, 0], [1]], gold))
    assert [batch.uids for batch in found] == [("e", "a"), ("b",)]
    assert [batch.labels.tolist() for batch in found if batch.labels is not None] == [[0, 4], [3]]


def test_batches_without_labels_carry_none() -> None:
    """Dev and test batches hold no label at all."""
    assert [batch.labels for batch in batches(Collator(), TOKENS, [[0, 1]], None)] == [None]


PROMPTS = [Prompt("a", ("x",), 0), Prompt("b", ("y",), 0)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([Tokens("a", (5,), 0)], "lost or reordered prompts"),
        ([Tokens("b", (5,), 0), Tokens("a", (5,), 0)], "lost or reordered prompts"),
        ([Tokens("a", (5,), 0), Tokens("b", (5,), 1)], r"for b\. Got position 1 of 1 tokens"),
        ([Tokens("a", (5, 6), -1), Tokens("b", (5,), 0)], r"for a\. Got position -1 of 2 tokens"),
        ([Tokens("a", (), 0), Tokens("b", (5,), 0)], r"for a\. Got position 0 of 0 tokens"),
    ],
)
def test_an_encoder_that_breaks_its_contract_is_named(answer: list[Tokens], message: str) -> None:
    """Tokens that are lost, reordered or cannot be read are the encoder's fault, and say so."""
    with pytest.raises(PluginError, match=f"The encoder Collator .*{message}"):
        tokenize(Collator(answer), PROMPTS)


def test_sound_tokens_pass() -> None:
    """They come back as they are."""
    answer = [Tokens("a", (5,), 0), Tokens("b", (5, 6), 1)]
    assert tokenize(Collator(answer), PROMPTS) == answer


# ------------------------------------------------------------------------------------------------------------ encoding


@pytest.mark.parametrize("architecture", ["roberta", "bert"])
def test_encoding_keeps_the_order_and_does_not_depend_on_company(
    tiny_checkpoint: Callable[[str], Path], architecture: str
) -> None:
    """In batches of four, of mixed lengths, each row is what the utterance gives alone, to 1e-5, float32."""
    labels = LabelSet.of({"glad": "joyful", "grim": "grim"})
    encoder = EaclEncoder(EncoderSettings(width=8), labels, locate(str(tiny_checkpoint(architecture)), ()))
    draw = random.Random(3)
    texts = ["".join(draw.choices("abcdefgh", k=draw.randint(1, 60))) for _ in range(11)]
    tokens = encoder.tokenize([Prompt(str(i), (text, f"{text} {MASK} "), 1, text) for i, text in enumerate(texts)])
    model, device = encoder.load(), Device("cpu", "fp32")
    seen: list[int] = []
    together = encode(encoder, model, tokens, device, 4, seen.append)
    assert together.uids == tuple(str(i) for i in range(11))
    assert together.labels is None
    assert (sum(seen), len(seen)) == (11, 3)
    assert together.logits is not None
    for row, token in enumerate(tokens):
        alone = encode(encoder, model, [token], device, 4)
        assert alone.logits is not None
        np.testing.assert_allclose(together.hidden[row], alone.hidden[0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(together.vectors[row], alone.vectors[0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(together.logits[row], alone.logits[0], rtol=0, atol=1e-5)
    assert (together.hidden.shape, together.vectors.shape, together.logits.shape) == ((11, 32), (11, 8), (11, 2))
    assert {together.hidden.dtype, together.vectors.dtype, together.logits.dtype} == {np.dtype(np.float32)}


class Stub(nn.Module):
    """Gives each utterance its number of tokens, twice; `fault` is put in the place of one vector."""

    dimension = 2

    def __init__(self, fault: float | None = None, field: str = "vectors") -> None:
        super().__init__()
        self.backbone = nn.Linear(1, 1)
        self.fault, self.field = fault, field

    def forward(self, batch: Batch) -> EncodedBatch:
        """Counts tokens."""
        assert not self.training
        assert not torch.is_grad_enabled()
        count = batch.inputs["attention_mask"].sum(1, keepdim=True).bfloat16().repeat(1, 2)  # (B, 2)
        fields: Mapping[str, torch.Tensor] = {"hidden": count.clone(), "vectors": count.clone()}
        if self.fault is not None:
            fields[self.field][0, 1] = self.fault
        return EncodedBatch(batch.uids, **fields)

    def prototypes(self) -> None:
        """None."""


def test_encoding_is_without_gradients_and_dropout_and_in_the_order_of_tokens() -> None:
    """The model is put into evaluation; what comes back is float32 even where the model computed in less."""
    found = encode(Collator(), Stub().train(), TOKENS, Device("cpu"), 2)
    assert found.uids == ("a", "b", "c", "d", "e")
    assert found.vectors[:, 0].tolist() == [3, 9, 1, 4, 6]
    assert (found.vectors.dtype, found.logits) == (np.float32, None)


@pytest.mark.parametrize("fault", [float("nan"), float("inf")])
@pytest.mark.parametrize("field", ["hidden", "vectors"])
def test_vectors_that_are_not_finite_are_refused(fault: float, field: str) -> None:
    """The message names the encoder."""
    with pytest.raises(PluginError, match="The encoder Collator made vectors that are not finite"):
        encode(Collator(), Stub(fault, field), TOKENS, Device("cpu"), 2)


# ----------------------------------------------------------------------------------------------- encoders not trained


class Counting(Stub):
    """Counts its batches, and has a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Batch] = []

    @property
    def batches(self) -> int:
        """How many there were."""
        return len(self.seen)

    def forward(self, batch: Batch) -> EncodedBatch:
        """Counts tokens and itself."""
        self.seen.append(batch)
        return super().forward(batch)


def test_vectors_of_a_frozen_encoder_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then they come from the cache, equal to those of `encode`; for another weight, token or order they do not."""
    monkeypatch.setenv("ERCBENCH_CACHE", str(tmp_path))
    model, device = Counting(), Device("cpu")
    expected = encode(Collator(), model, TOKENS, device, 2)
    model.seen.clear()
    for _ in range(2):
        found = encode_frozen(Collator(), model, TOKENS, device, 2)
        assert (found.uids, found.logits) == (expected.uids, None)
        np.testing.assert_array_equal(found.vectors, expected.vectors)
        np.testing.assert_array_equal(found.hidden, expected.hidden)
        assert model.batches == 3
    encode_frozen(Collator(), model, TOKENS[::-1], device, 2)
    assert model.batches == 6
    encode_frozen(Collator(), model, TOKENS[:2], device, 2)
    assert model.batches == 7
    with torch.no_grad():
        model.backbone.weight.add_(1)
    encode_frozen(Collator(), model, TOKENS, device, 2)
    assert model.batches == 10


def test_vectors_of_another_model_with_the_same_weights_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How a mean is taken is no weight, and what an author changed in a file has the same class name."""
    monkeypatch.setenv("ERCBENCH_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "pooled.py"
    vectors = []
    for sign, pooling in (("", "mean"), ("", "first"), ("-", "first")):
        source.write_text(POOLED.format(sign=sign))
        spec = importlib.util.spec_from_file_location("pooled", source)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "pooled", module)
        spec.loader.exec_module(module)
        vectors.append(encode_frozen(Collator(), module.Pooled(pooling), TOKENS, Device("cpu"), 2).vectors[0, 0])
    assert vectors == [2.0, 1.0, -1.0]


POOLED = """
import torch
from torch import nn
from ercbench import EncodedBatch


class Pooled(nn.Module):
    def __init__(self, pooling):
        super().__init__()
        self.pooling, self.dimension, self.backbone = pooling, 1, nn.Identity()

    def forward(self, batch):
        number = 2.0 if self.pooling == "mean" else 1.0
        vectors = {sign}number * torch.ones(len(batch.uids), 1)
        return EncodedBatch(batch.uids, vectors, vectors)
"""
