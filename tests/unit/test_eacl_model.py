"""EACL from a batch to anchors: what is read, what is fixed, what is trained, how it decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ercbench_eacl.classifiers import AnchorAdaptation, Anchors, NearestAnchor
from ercbench_eacl.encoder import EaclEncoder, EaclModel
from ercbench_eacl.settings import AnchorAdaptationSettings, EncoderSettings, NearestAnchorSettings
from torch import Tensor, nn

from ercbench.checkpoints import load_backbone, locate
from ercbench.errors import CheckpointError, PluginError
from ercbench.types import MASK, Batch, FloatArray, LabelSet, Prompt, Prototypes, Representation

LABELS = LabelSet.of({"glad": "joyful", "grim": "mad", "flat": "neutral"})
PROMPTS = [
    Prompt("u/0", ("a says: hey", f"For utterance: what a day! b feels {MASK} "), 1, "b says: what a day!"),
    Prompt("u/1", (f"For utterance: no a feels {MASK} ",), 0, "a says: no"),
    Prompt("u/2", (f"For utterance: oh b feels {MASK} ",), 0, "b says: oh"),
    Prompt("u/3", ("b says: oh", "a says: well", f"For utterance: hm a feels {MASK} "), 2, "a says: hm"),
]
Make = Callable[..., tuple[EaclEncoder, EaclModel, Batch]]
ARCHITECTURES = ("roberta", "bert", "deberta-v2", "mpnet")


@pytest.fixture
def make(tiny_checkpoint: Callable[[str], Path]) -> Make:
    """Architecture and settings -> encoder, model in evaluation, and a batch of the four prompts."""

    def build(architecture: str = "roberta", **settings: Any) -> tuple[EaclEncoder, EaclModel, Batch]:
        checkpoint = locate(str(tiny_checkpoint(architecture)), ())
        encoder = EaclEncoder(EncoderSettings(**({"width": 10} | settings)), LABELS, checkpoint)
        torch.manual_seed(4)
        return encoder, encoder.load().eval(), encoder.collate(encoder.tokenize(PROMPTS))

    return build


def reached(loss: Tensor, module: nn.Module) -> set[str]:
    """Names of the parameters that a gradient reaches."""
    named = dict(module.named_parameters())
    found = torch.autograd.grad(loss, [*named.values()], allow_unused=True, retain_graph=True)
    return {name for name, grad in zip(named, found, strict=True) if grad is not None and bool(grad.abs().sum() > 0)}


# --------------------------------------------------------------------------------------------------------------- model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_shapes(make: Make, architecture: str) -> None:
    """Hidden (B, H), vectors (B, D), logits (B, C), prototypes (C, D), for every architecture that EACL may use."""
    _, model, batch = make(architecture)
    found = model(batch)
    assert found.uids == ("u/0", "u/1", "u/2", "u/3")
    assert found.hidden.shape == (4, 32)
    assert found.vectors.shape == (4, 10)
    assert found.logits.shape == (4, 3)
    assert found.prototypes.shape == model.prototypes().shape == (3, 10)
    assert model.dimension == 10
    assert found.labels is None


def test_the_map_is_linear_norm_relu_linear(make: Make) -> None:
    """Linear(H, H), LayerNorm, ReLU, Linear(H, D), and a head with dropout of its own rate."""
    _, model, _ = make(dropout=0.25)
    assert [type(layer) for layer in model.map] == [nn.Linear, nn.LayerNorm, nn.ReLU, nn.Linear]
    assert [(layer.in_features, layer.out_features) for layer in model.map if isinstance(layer, nn.Linear)] == [
        (32, 32),
        (32, 10),
    ]
    assert [type(layer) for layer in model.head] == [nn.Dropout, nn.Linear]
    assert model.head[0].p == 0.25


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("read", ["mask", "first"])
def test_h_is_the_last_hidden_state_at_the_position_read(make: Make, architecture: str, read: str) -> None:
    """Of each utterance encoded alone: the state at the mask token, or at the first token."""
    encoder, model, batch = make(architecture, read=read)
    hidden = model(batch).hidden
    for row, token in enumerate(encoder.tokenize(PROMPTS)):
        ids = torch.tensor([token.input_ids])
        states = model.backbone(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        place = token.input_ids.index(encoder.tokenizer.mask_token_id) if read == "mask" else 0
        torch.testing.assert_close(hidden[row], states[place], rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_label_state_is_the_mean_over_all_tokens_of_its_word(
    make: Make, architecture: str, tiny_checkpoint: Callable[[str], Path]
) -> None:
    """Each word alone, special tokens included, through the pre-trained encoder as it is on disk."""
    encoder, model, _ = make(architecture)
    backbone = load_backbone(locate(str(tiny_checkpoint(architecture)), ())).eval()
    for row, word in enumerate(("joyful", "mad", "neutral")):
        ids = [encoder.tokenizer.cls_token_id]
        ids += [encoder.tokenizer.convert_tokens_to_ids(letter) for letter in word]
        ids += [encoder.tokenizer.sep_token_id]
        inputs = torch.tensor([ids])
        with torch.no_grad():
            states = backbone(input_ids=inputs, attention_mask=torch.ones_like(inputs)).last_hidden_state[0]
        mean = sum(states[i] for i in range(len(ids))) / len(ids)
        torch.testing.assert_close(model.label_states[row], mean, rtol=0, atol=1e-5)
    torch.testing.assert_close(model.prototypes(), model.map(model.label_states), rtol=0, atol=0)


def test_label_states_are_made_without_dropout(make: Make, tiny_checkpoint: Callable[[str], Path]) -> None:
    """Also from an encoder that is handed over in training."""
    _, model, _ = make()
    backbone = load_backbone(locate(str(tiny_checkpoint("roberta")), ())).train()
    labels = {"input_ids": model.label_ids, "attention_mask": model.label_mask}
    assert torch.equal(EaclModel(EncoderSettings(width=10), backbone, labels).label_states, model.label_states)


def test_anchors_train_the_map_and_not_the_encoder(make: Make) -> None:
    """By default gradients of the anchors reach the map alone."""
    _, model, _ = make()
    names = reached(model.train().prototypes().pow(2).sum(), model)
    assert {name for name in names if name.startswith("map.")} == {
        f"map.{name}" for name, _ in model.map.named_parameters()
    }
    assert not {name for name in names if not name.startswith("map.")}


def test_trainable_label_encoding_trains_the_encoder_through_the_labels(make: Make) -> None:
    """With ``label_encoding: trainable`` they reach the encoder too, and through label words alone."""
    _, model, _ = make(label_encoding="trainable")
    names = reached(model.train().prototypes().pow(2).sum(), model)
    assert "backbone.embeddings.word_embeddings.weight" in names
    assert "map.0.weight" in names


@pytest.mark.parametrize(("encoding", "moves"), [("fixed", False), ("trainable", True)])
def test_label_states_follow_the_encoder_only_when_trainable(make: Make, encoding: str, moves: bool) -> None:
    """With other weights in the encoder, anchors stay where they were, or move with it."""
    _, model, _ = make(label_encoding=encoding)
    with torch.no_grad():
        before = model.prototypes().clone()
        model.backbone.embeddings.word_embeddings.weight.add_(
            torch.randn(model.backbone.embeddings.word_embeddings.weight.shape)
        )
        assert torch.equal(model.prototypes(), before) is not moves


def test_the_vectors_train_encoder_and_map_and_the_logits_the_head(make: Make) -> None:
    """Each output trains what it is made from."""
    _, model, batch = make()
    found = model.train()(batch)
    parts = {name.split(".")[0] for name in reached(found.vectors.pow(2).sum(), model)}
    assert parts == {"backbone", "map"}
    assert {name.split(".")[0] for name in reached(found.logits.pow(2).sum(), model)} == {"backbone", "head"}


def test_every_parameter_is_trained(make: Make) -> None:
    """None is left over that no gradient ever reaches, such as a pooling layer."""
    _, model, batch = make("bert")
    found = model.train()(batch)
    loss = found.vectors.pow(2).sum() + found.logits.pow(2).sum()
    assert reached(loss, model) == {name for name, _ in model.named_parameters()}


def test_fixed_label_states_travel_with_the_weights(make: Make) -> None:
    """A model that is taken up from its state has the anchors it had, whatever it was built from."""
    _, model, _ = make()
    _, other, _ = make()
    other.label_states.zero_()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.prototypes(), model.prototypes())


def test_new_parameters_are_drawn_from_the_global_generator(make: Make) -> None:
    """The same seed builds the same model."""
    assert all(
        torch.equal(one, other) for one, other in zip(make()[1].parameters(), make()[1].parameters(), strict=True)
    )


def test_the_encoder_asks_for_weights() -> None:
    """Without a checkpoint it says what to set."""
    with pytest.raises(CheckpointError, match=r"--set encoder\.checkpoint="):
        EaclEncoder(EncoderSettings(), LABELS, None)


# --------------------------------------------------------------------------------------------------------- classifiers


def representation(seed: int = 0, rows: int = 7, width: int = 5, labelled: bool = True) -> Representation:
    """Vectors at random."""
    draw = np.random.default_rng(seed)
    vectors = draw.normal(size=(rows, width)).astype(np.float32)
    labels = draw.integers(0, 3, rows) if labelled else None
    return Representation(tuple(map(str, range(rows))), vectors, vectors, labels=labels)


def prototypes(seed: int = 1, width: int = 5) -> Prototypes:
    """Three anchors at random."""
    return Prototypes(np.random.default_rng(seed).normal(size=(3, width)).astype(np.float32))


def adaptation(**settings: Any) -> AnchorAdaptation:
    """The classifier under test."""
    return AnchorAdaptation(AnchorAdaptationSettings(**settings), LABELS)


def slow_scores(z: FloatArray, anchors: FloatArray, temperature: float) -> list[list[float]]:
    """((1 + cos) / 2 + 1e-8) / tau, one number at a time."""

    def cos(x: Sequence[float], y: Sequence[float]) -> float:
        return sum(map(float, np.multiply(x, y, dtype=np.float64))) / math.hypot(*x) / math.hypot(*y)

    return [[((1 + cos(row, anchor)) / 2 + 1e-8) / temperature for anchor in anchors] for row in z]


def test_scores_are_similarities_over_the_temperature() -> None:
    """Of each utterance with each anchor, float32."""
    rows, anchors = representation(), prototypes().vectors
    scores = Anchors(anchors, 0.1).score(rows)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, slow_scores(rows.vectors, anchors, 0.1), rtol=1e-5)


def test_the_nearest_anchor_is_the_most_similar() -> None:
    """Nothing is fitted: the anchors as they are, and the best cosine wins, whatever the lengths."""
    [candidate] = NearestAnchor(NearestAnchorSettings(), LABELS).fit(
        None, Prototypes(np.diag([1, 9, 0.1]).astype(np.float32)), 0
    )
    rows = np.array([[5, 4, 0], [0.1, 0.2, 0.1], [0, 1, 1.1]], dtype=np.float32)
    assert candidate.score(Representation(("a", "b", "c"), rows, rows)).argmax(1).tolist() == [0, 1, 2]


def slow_adaptation(
    train: Representation, anchors: FloatArray, lr: float, temperature: float, epochs: int
) -> list[FloatArray]:
    """Adam by hand, in float64, over the whole split at once; the gradient by its formula, row by row."""
    a, z = anchors.astype(np.float64), train.vectors.astype(np.float64)
    first, second = np.zeros_like(a), np.zeros_like(a)
    states = []
    assert train.labels is not None
    for step in range(1, epochs + 1):
        gradient = np.zeros_like(a)
        for row, label in zip(z, train.labels, strict=True):
            u = row / np.linalg.norm(row)
            logits = np.array([((1 + u @ k / np.linalg.norm(k)) / 2 + 1e-8) / temperature for k in a])
            share = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
            for k, anchor in enumerate(a):
                norm = np.linalg.norm(anchor)
                slope = (u - (u @ anchor) * anchor / norm**2) / norm  # of the cosine, by the anchor
                gradient[k] += (share[k] - (k == label)) * slope / (2 * temperature) / len(z)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        a = a - lr * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        states.append(a.astype(np.float32))
    return states


def test_adaptation_is_adam_on_the_cross_entropy_of_the_similarities() -> None:
    """One step per epoch over a split that fits into a batch: the anchors are those of Adam by hand, at every epoch."""
    train, start = representation(), prototypes()
    found = adaptation(lr=1e-2, epochs=6, temperature=0.2).fit(train, start, 0)
    for state, expected in zip(found, slow_adaptation(train, start.vectors, 1e-2, 0.2, 6), strict=True):
        np.testing.assert_allclose(state.vectors, expected, rtol=0, atol=2e-5)
        assert state.temperature == 0.2


def test_the_settings_of_the_paper_are_the_defaults() -> None:
    """Adam 1e-4, ten epochs of batches of 64, tau 0.1."""
    assert AnchorAdaptationSettings().model_dump() == {"lr": 1e-4, "epochs": 10, "batch_size": 64, "temperature": 0.1}


def test_adaptation_gives_one_state_per_epoch_each_its_own() -> None:
    """Later epochs do not change the states of earlier ones."""
    found = adaptation(epochs=4, lr=1e-2, batch_size=2).fit(representation(), prototypes(), 0)
    assert len(found) == 4
    shorter = adaptation(epochs=2, lr=1e-2, batch_size=2).fit(representation(), prototypes(), 0)
    for state, same in zip(found, shorter, strict=False):
        np.testing.assert_array_equal(state.vectors, same.vectors)
    assert len({state.vectors.tobytes() for state in found}) == 4


def test_adaptation_is_a_function_of_its_input_and_seed() -> None:
    """Whatever was drawn before; the seed decides the order within an epoch."""
    fits = []
    for seed in (3, 3, 4):
        torch.rand(5)
        fits.append([s.vectors for s in adaptation(lr=1e-2, batch_size=2).fit(representation(), prototypes(), seed)])
    np.testing.assert_array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])


def test_adaptation_sees_every_utterance_in_every_epoch() -> None:
    """Batches of two over seven utterances make four steps, the last of one utterance.

    With a gradient that hardly changes, Adam moves a coordinate by about the learning rate per step.
    """
    train = Representation(("u",) * 7, *[np.ones((7, 2), dtype=np.float32)] * 2, labels=np.zeros(7, dtype=np.int64))
    start = Prototypes(np.array([[1, 0], [0, 1], [-1, 0]], dtype=np.float32))
    [state] = adaptation(lr=1e-5, epochs=1, batch_size=2).fit(train, start, 0)
    assert state.vectors[0, 1] - start.vectors[0, 1] == pytest.approx(4e-5, rel=0.02)


def test_adaptation_leaves_its_input_alone() -> None:
    """Neither the anchors nor the stored vectors nor torch's random numbers are touched."""
    train, start = representation(), prototypes()
    before = train.vectors.copy(), start.vectors.copy(), torch.get_rng_state()
    adaptation(lr=0.1).fit(train, start, 0)
    np.testing.assert_array_equal(train.vectors, before[0])
    np.testing.assert_array_equal(start.vectors, before[1])
    assert torch.equal(torch.get_rng_state(), before[2])


def test_adaptation_separates_what_can_be_separated() -> None:
    """Three clusters with the anchors in the wrong places: every utterance ends at its own anchor."""
    draw = np.random.default_rng(0)
    labels = np.arange(60) % 3
    vectors = (np.eye(3)[labels] + 0.1 * draw.normal(size=(60, 3))).astype(np.float32)
    train = Representation(tuple(map(str, range(60))), vectors, vectors, labels=labels)
    wrong = Prototypes(np.eye(3, dtype=np.float32)[[1, 2, 0]])
    states = adaptation(lr=0.05, epochs=40, batch_size=16).fit(train, wrong, 0)
    assert (states[-1].score(train).argmax(1) == labels).all()


def test_anchors_are_asked_for_by_name() -> None:
    """An encoder that makes none is told of in one message that says what to set."""
    for classifier in (NearestAnchor(NearestAnchorSettings(), LABELS), adaptation()):
        with pytest.raises(PluginError, match=r"need anchors.*encoder\.name=eacl"):
            classifier.fit(representation(), None, 0)
