"""The input of EACL: what the renderer writes, what the encoder keeps of it, and the released code's token ids."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ercbench_eacl.encoder import EaclEncoder, kept_turns
from ercbench_eacl.rendering import EaclRenderer
from ercbench_eacl.settings import EncoderSettings, RendererSettings
from hypothesis import given
from hypothesis import strategies as st

from ercbench import data
from ercbench.catalog import load_catalog, load_target
from ercbench.checkpoints import locate
from ercbench.config import resolve
from ercbench.preparing import build_encoder
from ercbench.specs import DatasetSpec
from ercbench.types import MASK, Corpus, Dialogue, Example, LabelSet, Prompt, Utterance

LABELS = LabelSet.of({"glad": "joyful", "grim": "grim"})
TALK = (("Ada", "Tea?"), ("Bob", "No."), ("Ada", "Coffee?"), ("Cy", "Me too."), ("Bob", "Go on, then."))


def dialogue(turns: Sequence[tuple[str, str]] = TALK, labels: Sequence[str | None] | None = None) -> Dialogue:
    """A conversation; every turn is ``glad`` unless `labels` says otherwise."""
    keys = labels or ["glad"] * len(turns)
    return Dialogue(
        "d",
        tuple(
            Utterance(f"toy/train/0/{t}", t, *turn, key) for t, (turn, key) in enumerate(zip(turns, keys, strict=True))
        ),
    )


def examples(*conversations: Dialogue, past: int = 8) -> list[Example]:
    """The examples of a corpus whose training split is these conversations."""
    return data.examples(Corpus("toy", "1", "sha256:0", LABELS, conversations, (), ()), "train", past)


def prompts(*conversations: Dialogue, past: int = 8, **settings: Any) -> list[Prompt]:
    """The prompts of these conversations."""
    renderer = EaclRenderer(RendererSettings(**settings))
    return [renderer.render(example) for example in examples(*conversations, past=past)]


# -------------------------------------------------------------------------------------------------------- the renderer


def test_a_prompt_is_earlier_turns_then_the_question() -> None:
    """Segments are the earlier turns and the query, which is last and ends in the mask and a space."""
    prompt = prompts(dialogue())[2]
    assert prompt.segments == ("Ada says: Tea?", "Bob says: No.", f"For utterance: Coffee? Ada feels {MASK} ")
    assert prompt.query == 2
    assert prompt.turn == "Ada says: Coffee?"
    assert prompt.uid == "toy/train/0/2"


def test_the_first_turn_has_no_context() -> None:
    """A dialogue's first turn is the query alone."""
    assert prompts(dialogue())[0].segments == (f"For utterance: Tea? Ada feels {MASK} ",)


@pytest.mark.parametrize(
    ("name", "shown"), [("Monica Geller", "Monica"), ("Joey", "Joey"), (" The  Man ", "The"), ("", "")]
)
def test_first_word_of_the_speaker(name: str, shown: str) -> None:
    """Under ``first-word`` a speaker is shown by the first word of the name, in context and query alike."""
    prompt = prompts(dialogue([(name, "Hey."), (name, "You.")]), speaker="first-word")[1]
    assert prompt.segments == (f"{shown} says: Hey.", f"For utterance: You. {shown} feels {MASK} ")


def test_speakers_by_appearance() -> None:
    """The first to speak is Roy, the second Weldon, whoever they are; a third is told apart by number."""
    talk = [("Cy", "Tea?"), ("Bob", "No."), ("Cy", "Coffee?"), ("Ada", "Me too."), ("Bob", "Go on, then.")]
    shown = prompts(dialogue(talk), speaker="by-appearance")[4].segments
    assert [segment.split(" says")[0] for segment in shown[:-1]] == ["Roy", "Weldon", "Roy", "Speaker 3"]
    assert shown[-1].endswith(f"Weldon feels {MASK} ")


def test_names_by_appearance_count_from_the_start_of_the_dialogue() -> None:
    """A speaker who left the context window long ago still holds the first name; another dialogue starts afresh."""
    long = dialogue([("Ada", "Hm."), *[("Bob", "So.")] * 10])
    shown = prompts(long, dialogue([("Bob", "Hi.")]), speaker="by-appearance")
    assert shown[10].segments[0] == "Weldon says: So."
    assert shown[-1].segments == (f"For utterance: Hi. Roy feels {MASK} ",)


def test_replacements_happen_in_utterances_in_their_order_and_not_in_names() -> None:
    """Every occurrence is replaced, case counts, earlier replacements first, speakers are left alone."""
    prompt = prompts(dialogue([("a-b", "a-A-a")]), replace={"a": "b", "b-A": "c"})[0]
    assert prompt.segments == (f"For utterance: c-b a-b feels {MASK} ",)


def test_the_mask_character_is_removed_from_names_and_text() -> None:
    """What stands for the mask appears once in a prompt: where the query asks."""
    prompt = prompts(dialogue([(f"A{MASK}da", f"Te{MASK}a?"), (f"B{MASK}ob", f"{MASK}")]))[1]
    assert prompt.segments == ("Ada says: Tea?", f"For utterance:  Bob feels {MASK} ")
    assert MASK not in prompt.turn


@pytest.mark.parametrize("speaker", ["as-is", "first-word", "by-appearance"])
def test_labels_do_not_reach_the_prompt(speaker: str) -> None:
    """Other labels, the same prompts."""
    one = prompts(dialogue(labels=["glad", "grim", "glad", "grim", "glad"]), speaker=speaker)
    other = prompts(dialogue(labels=["grim", "glad", "grim", "glad", "grim"]), speaker=speaker)
    assert one == other


@pytest.mark.parametrize("speaker", ["as-is", "first-word", "by-appearance"])
def test_the_future_does_not_reach_the_prompt(speaker: str) -> None:
    """Whatever is said later, and by whom, the prompt of a turn is the same."""
    for turn in range(len(TALK)):
        other = [*TALK[: turn + 1], ("Dee", "Rain."), ("Eve", "Snow.")]
        assert prompts(dialogue(), speaker=speaker)[turn] == prompts(dialogue(other), speaker=speaker)[turn]


def test_turns_without_a_label_are_context_and_never_targets() -> None:
    """Two targets out of four turns, with the others in front of them."""
    found = prompts(dialogue(TALK[:4], [None, "glad", None, "grim"]))
    assert [prompt.uid for prompt in found] == ["toy/train/0/1", "toy/train/0/3"]
    assert found[1].segments[:3] == ("Ada says: Tea?", "Bob says: No.", "Ada says: Coffee?")


# ---------------------------------------------------------------------------------------------------- the token budget


@given(st.lists(st.integers(2, 90), min_size=1, max_size=14), st.data())
def test_kept_turns_is_the_rule(lengths: list[int], drawn: st.DataObject) -> None:
    """The first turn kept is max(s, t - 8), s the smallest start with sum(n_s..n_t) + 8 + n_t within the budget.

    Budgets are drawn near those that some start just meets.
    """
    t = len(lengths) - 1
    just = [sum(lengths[s:]) + 8 + lengths[t] for s in range(t + 1)]
    budget = drawn.draw(st.sampled_from([256, *just]) | st.sampled_from(just).map(lambda tokens: tokens - 1))
    fitting = [s for s in range(t + 1) if sum(lengths[s:]) + 8 + lengths[t] <= budget]
    expected = max(min(fitting, default=t), t - 8)
    window = max(0, t - 8)
    assert window + kept_turns(lengths[window:t], lengths[t], budget) == expected


@pytest.fixture(scope="module")
def encoder_of(tiny_checkpoint: Callable[[str], Path]) -> Callable[..., EaclEncoder]:
    """Settings -> an encoder whose tokens are single characters."""
    checkpoint = locate(str(tiny_checkpoint("roberta")), ())
    return lambda **settings: EaclEncoder(EncoderSettings(**settings), LABELS, checkpoint)


def test_segments_are_closed_by_a_separator_and_the_first_token_comes_once(
    encoder_of: Callable[..., EaclEncoder],
) -> None:
    """``<s> turn </s> turn </s> query <mask> </s>``, and the position read is the mask's."""
    encoder = encoder_of()
    [token] = encoder.tokenize([Prompt("u", ("ab", "c", f"d {MASK} "), 2, "x")])
    assert encoder.tokenizer.convert_ids_to_tokens(list(token.input_ids)) == (
        ["<s>", "a", "b", "</s>", "c", "</s>", "d", "<mask>", "</s>"]
    )
    assert token.position == 7


def test_earlier_turns_give_way_to_the_budget_and_oldest_first(encoder_of: Callable[..., EaclEncoder]) -> None:
    """Of 40 tokens, twice the target's 4 and 8 more leave 24: three turns of 8, separators counted. Of 39, two."""
    turns = tuple(letter * 7 for letter in "abc")
    for budget, kept in ((40, turns), (39, turns[1:])):
        encoder = encoder_of(max_tokens=budget)
        [token] = encoder.tokenize([Prompt("u", (*turns, f"d {MASK} "), 3, "xyz")])
        text = "".join(encoder.tokenizer.convert_ids_to_tokens(list(token.input_ids)))
        assert text == f"<s>{''.join(f'{turn}</s>' for turn in kept)}d<mask></s>"


def test_a_long_utterance_is_cut_from_the_left_and_the_mask_survives(encoder_of: Callable[..., EaclEncoder]) -> None:
    """The end of the sequence is kept, as many tokens as the budget allows, and the position moves with it."""
    text = "".join("abcdefghij"[i % 10] for i in range(500))
    prompt = Prompt("u", ("earlier", f"{text} {MASK} "), 1, text)
    [whole] = encoder_of(max_tokens=510).tokenize([prompt])
    [cut] = encoder_of(max_tokens=32).tokenize([prompt])
    assert len(cut.input_ids) == 32
    assert cut.input_ids == whole.input_ids[-32:]
    assert cut.input_ids[cut.position] == encoder_of().tokenizer.mask_token_id


def test_reading_the_first_token(encoder_of: Callable[..., EaclEncoder]) -> None:
    """With ``read: first`` the tokens are the same and the position is 0."""
    prompt = Prompt("u", ("ab", f"d {MASK} "), 1, "x")
    [mask], [first] = encoder_of().tokenize([prompt]), encoder_of(read="first").tokenize([prompt])
    assert (first.position, first.input_ids) == (0, mask.input_ids)


@given(st.data())
def test_dialogue_text_cannot_move_the_position(encoder_of: Callable[..., EaclEncoder], drawn: st.DataObject) -> None:
    """However often speakers say the mask's character or its token's text, the last mask, the query's own, is read."""
    words = st.lists(st.sampled_from(["a", "<mask>", MASK, "</s>", "<s>", " ", "?"]), max_size=12).map("".join)
    talk = drawn.draw(st.lists(st.tuples(words, words), min_size=1, max_size=10))
    encoder = encoder_of(max_tokens=48)
    for token in encoder.tokenize(prompts(dialogue(talk))):
        assert token.input_ids[token.position] == encoder.tokenizer.mask_token_id
        assert token.position == len(token.input_ids) - 2
        assert len(token.input_ids) <= 48


def test_tokens_do_not_depend_on_company(encoder_of: Callable[..., EaclEncoder]) -> None:
    """A prompt gives the same tokens alone as among others, in the order asked for."""
    encoder, asked = encoder_of(max_tokens=40), prompts(dialogue())
    assert encoder.tokenize(asked) == [token for prompt in asked for token in encoder.tokenize([prompt])]


# ------------------------------------------------------------------------------------------------------- golden values


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["meld", "emorynlp", "iemocap"])
def test_golden_token_ids(real_data: Path, name: str) -> None:
    """Files to tokens, through the recipe ``eacl`` as it is shipped: exactly the ids that the released code feeds."""
    golden, tokenizer = real_data.parent / "golden" / "eacl_inputs.json", real_data / "tokenizers" / "roberta-large"
    if not golden.is_file() or not tokenizer.is_dir():
        pytest.skip(f"needs {golden} and {tokenizer}")
    catalog = load_catalog()
    config = resolve(catalog, "eacl", "full", name, {"encoder.checkpoint": str(tokenizer)})
    corpus = data.load(catalog.get(DatasetSpec, name), real_data)
    renderer = load_target(config.renderer.spec.target)(config.renderer.settings)
    _, encoder = build_encoder(catalog, config, corpus.labels)
    expected = {
        f"{name}/{case['split']}/{case['dialogue']}/{case['turn']}": tuple(case["input_ids"])
        for case in json.loads(golden.read_text(encoding="utf-8"))
        if case["dataset"] == name
    }
    asked = [
        renderer.render(example)
        for split in ("train", "dev", "test")
        for example in data.examples(corpus, split, config.context.past)
        if example.target.uid in expected
    ]
    tokens = {token.uid: token for token in encoder.tokenize(asked)}
    assert expected
    assert {uid: token.input_ids for uid, token in tokens.items()} == expected
    assert {token.input_ids[token.position] for token in tokens.values()} == {50264}
