"""Shared context: what a question may see and what it must not, where it stands, and how stretches are batched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from ercbench_eacl import shared
from ercbench_eacl.encoder import EaclModel
from ercbench_eacl.masks import CONTEXT, FIRST, PROMPT, attention_mask, block_mask
from ercbench_eacl.rendering import EaclRenderer
from ercbench_eacl.settings import RendererSettings, SharedEncoderSettings
from ercbench_eacl.shared import DialogueSharedEncoder, SharedModel
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ercbench import data
from ercbench.checkpoints import locate
from ercbench.devices import Device
from ercbench.encoding import encode
from ercbench.errors import CheckpointError, PluginError
from ercbench.types import MASK, Corpus, Dialogue, LabelSet, Prompt, Representation, Utterance

LABELS = LabelSet.of({"glad": "joyful", "grim": "mad"})
WORDS = ("tea", "no", "why not", "well", "oh", "go on then", "hm", "yes", "me too", "so", "and", "stop", "ah", "fine")
Make = Callable[..., tuple[DialogueSharedEncoder, EaclModel]]


@pytest.fixture
def make(tiny_checkpoint: Callable[[str], Path]) -> Make:
    """Architecture and settings -> encoder, and a model in evaluation."""

    def build(architecture: str = "roberta", **settings: Any) -> tuple[DialogueSharedEncoder, EaclModel]:
        checkpoint = locate(str(tiny_checkpoint(architecture)), ())
        values = {"width": 10, "stretch_targets": 9} | settings
        encoder = DialogueSharedEncoder(SharedEncoderSettings(**values), LABELS, checkpoint)
        torch.manual_seed(4)
        return encoder, encoder.load().eval()

    return build


def prompts(*dialogues: Sequence[str], past: int = 4, unlabelled: Sequence[int] = ()) -> list[Prompt]:
    """Every labelled turn of the dialogues as a prompt of EACL; two people take turns."""
    talk = tuple(
        Dialogue(
            str(d),
            tuple(
                Utterance(f"toy/train/{d}/{t}", t, "ab"[t % 2], text, None if t in unlabelled else "glad")
                for t, text in enumerate(texts)
            ),
        )
        for d, texts in enumerate(dialogues)
    )
    corpus = Corpus("toy", "1", "sha256:0", LABELS, talk, (), ())
    renderer = EaclRenderer(RendererSettings())
    return [renderer.render(example) for example in data.examples(corpus, "train", past)]


def encoded(
    encoder: DialogueSharedEncoder, model: EaclModel, asked: list[Prompt], batch_size: int = 4
) -> Representation:
    """The prompts through the encoder."""
    return encode(encoder, model, encoder.tokenize(asked), Device("cpu", "fp32"), batch_size)


# ---------------------------------------------------------------------------------------------------- who sees what


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_no_target_sees_a_later_turn(make: Make, architecture: str) -> None:
    """Whatever is said later, and whoever is asked about later, the vectors of earlier targets stay as they are."""
    encoder, model = make(architecture)
    before = encoded(encoder, model, prompts(WORDS))
    for changed in range(1, len(WORDS)):
        texts = (*WORDS[:changed], *(f"{text} x" for text in WORDS[changed:]))
        after = encoded(encoder, model, prompts(texts))
        assert after.uids == before.uids
        torch.testing.assert_close(after.hidden[:changed], before.hidden[:changed], atol=1e-5, rtol=0)
        assert abs(after.hidden[changed] - before.hidden[changed]).max() > 1e-3


def test_no_target_sees_another_dialogue(make: Make) -> None:
    """Dialogues of one batch do not touch."""
    encoder, model = make()
    alone = encoded(encoder, model, prompts(WORDS[:5]))
    together = encoded(encoder, model, prompts(WORDS[:5], WORDS[5:]), batch_size=16)
    torch.testing.assert_close(together.hidden[:5], alone.hidden, atol=1e-5, rtol=0)


def test_the_past_is_seen(make: Make) -> None:
    """Every turn inside the window changes the vector."""
    encoder, model = make()
    last = encoded(encoder, model, prompts(WORDS)).hidden[-1]
    for turn in range(len(WORDS) - 5, len(WORDS) - 1):
        texts = list(WORDS)
        texts[turn] = "quite another thing"
        assert abs(encoded(encoder, model, prompts(texts)).hidden[-1] - last).max() > 1e-3


PIECES = st.lists(
    st.tuples(st.sampled_from([FIRST, CONTEXT, PROMPT, -1]), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)),
    min_size=1,
    max_size=8,
)


@given(PIECES)
def test_the_block_mask_is_the_same_mask(pieces: list[tuple[int, int, int, int]]) -> None:
    """Element by element, over two rows."""
    from torch.nn.attention.flex_attention import create_mask

    about = torch.tensor([pieces, pieces[::-1]])
    blocks = block_mask(about)
    dense = create_mask(blocks.mask_mod, 2, None, len(pieces), len(pieces), device="cpu")
    assert torch.equal(dense, attention_mask(about))


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")  # torch, of itself
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")
def test_block_masks_give_the_same_vectors(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """FlexAttention, as a GPU would use it, run here without its compiler; CPUs have no gradient for it."""
    encoder, model = make()
    expected = encoded(encoder, model, prompts(WORDS, WORDS[3:]))
    encoder, model = make(attention="block", attention_dropout=0.0)
    torch.testing.assert_close(encoded(encoder, model, prompts(WORDS, WORDS[3:])).vectors, expected.vectors)
    monkeypatch.setattr(SharedModel, "block_devices", ("cpu",))
    used = []
    monkeypatch.setattr(shared, "block_mask", lambda about: used.append(about) or block_mask(about))
    with torch.compiler.set_stance("force_eager"):
        found = encoded(encoder, model, prompts(WORDS, WORDS[3:]))
    assert used
    torch.testing.assert_close(found.vectors, expected.vectors, atol=1e-5, rtol=0)


def test_block_masks_have_no_dropout(make: Make) -> None:
    """The checkpoint's own attention dropout is refused before training, with what to set."""
    with pytest.raises(CheckpointError, match=r"FlexAttention has no dropout.*Set encoder\.attention_dropout=0"):
        make(attention="block")


@given(PIECES)
def test_mask_agrees_with_a_slow_one(pieces: list[tuple[int, int, int, int]]) -> None:
    """The mask, written as a sentence per pair of tokens."""
    mask = attention_mask(torch.tensor([pieces]))[0, 0]
    for i, (kind, turn, first, last) in enumerate(pieces):
        for j, (other, other_turn, _, _) in enumerate(pieces):
            may = (
                other == FIRST
                or (other == CONTEXT and first <= other_turn <= last)
                or (other == PROMPT and kind == PROMPT and turn == other_turn)
            )
            assert bool(mask[i, j]) is may


def test_what_each_piece_attends_to(make: Make) -> None:
    """A turn: itself and what is within reach. A question: its window and itself. The first token: itself."""
    encoder, _ = make()
    batch = encoder.collate(encoder.tokenize(prompts(WORDS[:4], past=2)))
    [mask] = attention_mask(batch.inputs["about"]).squeeze(1)
    turns = [len(f"a says: {text}".replace(" ", "")) + 1 for text in WORDS[:3]]
    names = ["first", *(f"turn {t}" for t, size in enumerate(turns) for _ in range(size))]
    asked = [len(f"For utterance: {text} a feels ".replace(" ", "")) + 2 for text in WORDS[:4]]
    names += [f"question {t}" for t, size in enumerate(asked) for _ in range(size)]
    assert len(names) == batch.inputs["input_ids"].shape[1]
    seen = {
        name: sorted({names[j] for i, own in enumerate(names) if own == name for j in mask[i].nonzero().flatten()})
        for name in dict.fromkeys(names)
    }
    assert seen == {
        "first": ["first"],
        "turn 0": ["first", "turn 0"],
        "turn 1": ["first", "turn 0", "turn 1"],
        "turn 2": ["first", "turn 0", "turn 1", "turn 2"],
        "question 0": ["first", "question 0"],
        "question 1": ["first", "question 1", "turn 0"],
        "question 2": ["first", "question 2", "turn 0", "turn 1"],
        "question 3": ["first", "question 3", "turn 1", "turn 2"],
    }


# ------------------------------------------------------------------------------------------------------- positions


def test_a_question_stands_where_its_turn_stood(make: Make) -> None:
    """Positions run on through the turns; each question starts where its turn does, and is read at its mask."""
    encoder, _ = make()
    batch = encoder.collate(encoder.tokenize(prompts(WORDS[:4])))
    ids, positions = batch.inputs["input_ids"][0], batch.inputs["position_ids"][0]
    turns = [len(f"a says: {text}".replace(" ", "")) + 1 for text in WORDS[:3]]
    context = 1 + sum(turns)
    assert positions[:context].tolist() == list(range(context))
    starts = [1, 1 + turns[0], 1 + turns[0] + turns[1], context]
    asked = [len(f"For utterance: {text} a feels ".replace(" ", "")) + 2 for text in WORDS[:4]]
    expected = [start + step for start, size in zip(starts, asked, strict=True) for step in range(size)]
    assert positions[context:].tolist() == expected
    read = ids[batch.inputs["position"]]
    assert read.tolist() == [encoder.tokenizer.mask_token_id] * 4


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_positions_are_those_of_the_architecture(make: Make, architecture: str) -> None:
    """With everything visible to everything, one question alone is what the plain encoder makes of the same tokens."""
    encoder, model = make(architecture)
    batch = encoder.collate(encoder.tokenize(prompts(WORDS[:1])))
    inputs = dict(batch.inputs) | {"about": torch.full_like(batch.inputs["about"], FIRST)}
    shared = model(type(batch)(batch.uids, inputs)).hidden
    plain = model.backbone(input_ids=inputs["input_ids"]).last_hidden_state[:, int(inputs["position"])]
    torch.testing.assert_close(shared, plain, atol=1e-5, rtol=0)


# --------------------------------------------------------------------------------------------- stretches, batches


def test_a_vector_does_not_depend_on_its_batch(make: Make) -> None:
    """Alone, in a large batch, in any order: the same vector to 1e-4."""
    encoder, model = make(stretch_tokens=120, max_tokens=60)
    tokens = encoder.tokenize(prompts(WORDS, WORDS[3:9], WORDS[::-1]))
    device = Device("cpu", "fp32")
    together = encode(encoder, model, tokens, device, 16)
    for order in (tokens[::-1], tokens[1::2]):
        part = encode(encoder, model, order, device, 3)
        rows = [together.uids.index(uid) for uid in part.uids]
        torch.testing.assert_close(part.hidden, together.hidden[rows], atol=1e-4, rtol=0)
    alone = encode(encoder, model, tokens[7:8], device, 1)
    torch.testing.assert_close(alone.hidden[0], together.hidden[7], atol=1e-4, rtol=0)


@given(
    sizes=st.lists(st.integers(1, 14), min_size=1, max_size=6),
    batch=st.integers(1, 9),
    seed=st.integers(0, 3),
    targets=st.integers(1, 6),
)
def test_a_plan_has_everything_once(
    tiny_checkpoint: Callable[[str], Path], sizes: list[int], batch: int, seed: int, targets: int
) -> None:
    """Each target once, at most `batch_size` of them, no position and no target beyond what a stretch may have."""
    settings = SharedEncoderSettings(stretch_tokens=130, max_tokens=70, stretch_targets=targets)
    encoder = DialogueSharedEncoder(settings, LABELS, locate(str(tiny_checkpoint("bert")), ()))
    tokens = encoder.tokenize(prompts(*(WORDS[:size] for size in sizes)))
    for chosen in (seed, None):
        plan = encoder.plan(tokens, batch, chosen)
        assert sorted(index for indices in plan for index in indices) == list(range(len(tokens)))
        for indices in plan:
            assert len(indices) <= batch
            collated = encoder.collate([tokens[i] for i in indices])
            assert sorted(collated.uids) == sorted(tokens[i].uid for i in indices)
            assert int(collated.inputs["position_ids"].max()) < 130
            assert int(torch.bincount(collated.inputs["row"]).max()) <= targets


def test_a_turn_without_a_label_is_context_only(make: Make) -> None:
    """It is seen, and nobody asks about it."""
    encoder, model = make()
    asked = prompts(WORDS[:6], unlabelled=(2, 3))
    found = encoded(encoder, model, asked)
    assert [uid.rpartition("/")[2] for uid in found.uids] == ["0", "1", "4", "5"]
    texts = [*WORDS[:2], "another thing", *WORDS[3:6]]
    other = encoded(encoder, model, prompts(texts, unlabelled=(2, 3)))
    torch.testing.assert_close(other.hidden[:2], found.hidden[:2], atol=1e-5, rtol=0)
    assert abs(other.hidden[2] - found.hidden[2]).max() > 1e-3


def test_a_very_long_turn_keeps_its_question(make: Make) -> None:
    """The question is cut from the left and read at its mask; earlier turns give way."""
    encoder, model = make(stretch_tokens=100, max_tokens=60)
    asked = prompts(("tea", "no " * 200, "well", "oh " * 200, "so"))
    batch = encoder.collate(encoder.tokenize(asked))
    rows, positions = batch.inputs["row"], batch.inputs["position"]
    assert (batch.inputs["input_ids"][rows, positions] == encoder.tokenizer.mask_token_id).all()
    assert torch.isfinite(model(batch).vectors).all()


def test_gradients_reach_the_encoder(make: Make) -> None:
    """Every parameter of a layer is trained through the questions."""
    encoder, model = make("bert")
    model.train()
    model(encoder.collate(encoder.tokenize(prompts(WORDS)))).vectors.sum().backward()
    layers = dict(model.backbone.encoder.layer.named_parameters())  # type: ignore[union-attr]
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in layers.values())


# --------------------------------------------------------------------------------------------------------- errors


def test_a_turn_written_in_two_ways_is_refused(make: Make) -> None:
    """Sharing needs one text per turn."""
    encoder, _ = make()
    ask = f"For utterance: oh a feels {MASK} "
    asked = [Prompt("toy/train/0/1", ("a says: tea", ask), 1), Prompt("toy/train/0/2", ("A: tea", "b: no", ask), 2)]
    with pytest.raises(PluginError, match=r"one way.*'a says: tea'.*toy/train/0/2"):
        encoder.tokenize(asked)


@pytest.mark.parametrize("architecture", ["deberta-v2", "mpnet"])
def test_relative_positions_are_refused(make: Make, architecture: str) -> None:
    """Questions stand side by side at the same position, which an encoder of distances cannot know."""
    with pytest.raises(CheckpointError, match="absolute positions"):
        make(architecture)


def test_more_positions_than_there_are(make: Make) -> None:
    """The message says how many there are."""
    with pytest.raises(CheckpointError, match="stretch_tokens=512"):
        make("bert", stretch_tokens=513)


def test_a_stretch_holds_more_than_a_window() -> None:
    """Said when settings are read, before anything is loaded."""
    with pytest.raises(ValidationError, match="more than max_tokens, which is 256"):
        SharedEncoderSettings(stretch_tokens=256)
