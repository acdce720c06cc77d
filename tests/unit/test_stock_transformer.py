"""The stock transformer: what is shown within the budget, and what is read from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ercbench_stock.renderers import TurnsRenderer, UtteranceRenderer
from ercbench_stock.settings import PlainTextSettings, TransformerSettings
from ercbench_stock.transformer import TransformerEncoder

from ercbench import encoding
from ercbench.checkpoints import locate
from ercbench.devices import Device
from ercbench.errors import PluginError
from ercbench.types import MASK, Example, LabelSet, Prompt, Utterance

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = LabelSet.of({"glad": "glad", "grim": "grim"})
PROMPT = Prompt("d/test/0/2", ("aaaa", "bbb", f"cc {MASK}", "dd", "eeee"), 2)


@pytest.fixture
def encoder(tiny_checkpoint: Callable[[str], Path]) -> Callable[..., TransformerEncoder]:
    """A tiny encoder of the architecture, with the settings given."""

    def make(architecture: str = "roberta", **values: Any) -> TransformerEncoder:
        checkpoint = locate(str(tiny_checkpoint(architecture)), ())
        return TransformerEncoder(TransformerSettings(**values), LABELS, checkpoint)

    return make


def shown(encoder: TransformerEncoder, prompt: Prompt = PROMPT) -> tuple[str, int]:
    """The sequence as text, special tokens included, and the position read."""
    [tokens] = encoding.tokenize(encoder, [prompt])
    return encoder.tokenizer.decode(tokens.input_ids).replace(" ", ""), tokens.position


def test_text_is_the_utterances_alone_or_that_of_its_turns() -> None:
    """Replaced as set, without speakers and without the mask's placeholder."""
    turns = [Utterance(f"d/test/0/{i}", i, "Ann", f"{text}{MASK}") for i, text in enumerate(("It's", "tea", "now"))]
    example = Example(turns[1], (turns[0],), (turns[2],), ("Ann",))
    settings = PlainTextSettings(replace={"'s": " is"})
    assert UtteranceRenderer(settings).render(example) == Prompt("d/test/0/1", ("tea",), 0, "tea")
    assert TurnsRenderer(settings).render(example) == Prompt("d/test/0/1", ("It is", "tea", "now"), 1, "tea")


@pytest.mark.parametrize(
    ("budget", "sequence"),
    [
        (256, "<s>aaaa</s>bbb</s>cc<mask></s>dd</s>eeee</s>"),
        (21, "<s>aaaa</s>bbb</s>cc<mask></s>dd</s>"),
        (16, "<s>aaaa</s>bbb</s>cc<mask></s>"),
    ],
)
def test_turns_fill_the_budget_from_the_nearest_on(
    encoder: Callable[..., TransformerEncoder], budget: int, sequence: str
) -> None:
    """The query, then earlier turns, then later ones, each whole or not at all."""
    assert shown(encoder(max_tokens=budget))[0] == sequence


@pytest.mark.parametrize(
    ("budget", "sequence"),
    [
        (22, "<s>bbbbb</s>ccccc</s>ddddd</s>"),
        (16, "<s>ccccc</s>ddddd</s>"),
        (18, "<s>ccccc</s>ddddd</s>"),
    ],
)
def test_far_turns_are_left_out_first(encoder: Callable[..., TransformerEncoder], budget: int, sequence: str) -> None:
    """Where not all earlier turns fit, the nearest stay."""
    prompt = Prompt("u", ("aaaaa", "bbbbb", "ccccc", "ddddd"), 3)
    assert shown(encoder(max_tokens=budget), prompt)[0] == sequence


def test_a_query_that_is_too_long_keeps_its_end(encoder: Callable[..., TransformerEncoder]) -> None:
    """So that what is asked for, and the mask, is still there; no turn is shown then."""
    prompt = Prompt("u", ("aaaa", "b" * 40 + f"c{MASK}"), 1)
    assert shown(encoder(max_tokens=16, read="mask"), prompt) == ("<s>" + "b" * 12 + "c<mask></s>", 14)


def test_the_last_mask_is_read_and_missed_where_there_is_none(encoder: Callable[..., TransformerEncoder]) -> None:
    """A recipe whose renderer writes no mask cannot read one."""
    assert shown(encoder(read="mask"))[1] == 12
    assert shown(encoder(read="first"))[1] == 0
    with pytest.raises(PluginError, match=r"encoder\.read=mask needs a renderer that writes a mask\. Got for u: 'aa'"):
        shown(encoder(read="mask"), Prompt("u", ("aa",), 0))


@pytest.mark.parametrize("architecture", ["roberta", "bert"])
@pytest.mark.parametrize("read", ["first", "mean", "mask"])
def test_what_is_read_is_the_backbones_own(
    encoder: Callable[..., TransformerEncoder], architecture: str, read: str
) -> None:
    """Each utterance alone through the plain backbone gives the same vector as in a padded batch."""
    made = encoder(architecture, read=read)
    prompts = [PROMPT, Prompt("short", (f"c{MASK}",), 0)]
    tokens = encoding.tokenize(made, prompts)
    torch.manual_seed(0)
    model = made.load()
    found = encoding.encode(made, model, tokens, Device("cpu", "fp32"), 2)
    for row, token in enumerate(tokens):
        with torch.inference_mode():
            states = model.backbone(input_ids=torch.tensor([token.input_ids])).last_hidden_state[0]  # (T, H)
        expected = sum(states) / len(states) if read == "mean" else states[token.position]
        torch.testing.assert_close(torch.from_numpy(found.vectors[row]), expected, rtol=1e-4, atol=1e-5)
    assert found.logits is not None
    assert found.logits.shape == (2, len(LABELS))


def test_without_a_head_there_are_no_logits_and_nothing_random(encoder: Callable[..., TransformerEncoder]) -> None:
    """Two models are the same whatever the seed, so that their vectors are found in the cache again."""
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        models.append(encoder(head=False).load())
    one, other = (model.state_dict() for model in models)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert one.keys() == other.keys() == {f"backbone.{name}" for name in models[0].backbone.state_dict()}


@pytest.mark.parametrize("detached", [True, False])
def test_a_detached_head_does_not_change_the_encoder(
    encoder: Callable[..., TransformerEncoder], detached: bool
) -> None:
    """Cross-entropy of its logits reaches the head alone; a loss on the vectors reaches the encoder as ever."""
    made = encoder(detach_head=detached)
    model = made.load()
    batch = made.collate(encoding.tokenize(made, [PROMPT]))
    found = model(batch)
    assert found.logits is not None
    torch.nn.functional.cross_entropy(found.logits, torch.tensor([1])).backward()
    assert model.head is not None
    assert all(parameter.grad is not None for parameter in model.head.parameters())
    assert any(parameter.grad is not None for parameter in model.backbone.parameters()) == (not detached)
    model(batch).vectors.sum().backward()
    assert any(parameter.grad is not None for parameter in model.backbone.parameters())
