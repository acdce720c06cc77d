"""The encoder is what its docstring says: compared with loops over characters and filters."""

import pytest
import torch
from ercbench_char_conv import CharConvSettings
from ercbench_char_conv.encoders import ALPHABET, END, FIRST, UNKNOWN, CharConv

from ercbench import LabelSet, Prompt

LABELS = LabelSet.of({"hap": "happy", "sad": "sad"})


def encoder(**settings):
    """A small one."""
    return CharConv(CharConvSettings(**{"embedding": 3, "widths": (1, 3), "filters": 2, **settings}), LABELS, None)


def prompt(*segments):
    """A prompt whose last segment is the question."""
    return Prompt(f"talk/train/0/{len(segments)}", segments, len(segments) - 1, segments[-1])


def text_of(tokens):
    """The characters that the numbers stand for."""
    return "".join("?" if number == UNKNOWN else ALPHABET[number - FIRST] for number in tokens.input_ids)


@pytest.mark.parametrize(
    ("room", "kept", "question"),
    [
        (99, "Hi!\nNo, no.\nWhy?\n", "Why?\n"),
        (10, " no.\nWhy?\n", "Why?\n"),
        (5, "Why?\n", "Why?\n"),
        (3, "y?\n", "y?\n"),
    ],
)
def test_earlier_turns_are_cut_before_the_question(room, kept, question):
    """The beginning goes first; `position` is where the question begins, or what is left of it."""
    [tokens] = encoder(max_characters=room).tokenize([prompt("Hi!", "No, no.", "Why?")])
    assert text_of(tokens) == kept
    assert text_of(tokens)[tokens.position :] == question


def test_what_is_not_in_the_alphabet_is_one_character():
    """An utterance of nothing but such characters, and one of nothing, have a sequence."""
    found = encoder().tokenize([prompt("¿é?"), prompt("")])
    assert [token.input_ids[:-1] for token in found] == [(UNKNOWN, UNKNOWN, FIRST + ALPHABET.index("?")), ()]
    assert [text_of(token)[-1] for token in found] == [END, END]


def slow(model, ids, position):
    """H of one utterance: for every filter the largest answer in the question, then in what was said before it."""
    maxima = []
    for places in (range(position, len(ids)), range(position)):
        for convolution in model.convolutions:
            for weights, bias in zip(convolution.weight.tolist(), convolution.bias.tolist(), strict=True):
                largest = -1.0
                for place in places:
                    answer = bias
                    for step in range(len(weights[0])):
                        if place + step < len(ids):
                            state = model.backbone.weight[ids[place + step]].tolist()
                            answer += sum(weights[c][step] * state[c] for c in range(len(state)))
                    largest = max(largest, float(torch.tensor(answer).tanh()))
                maxima.append(largest)
    return maxima


@pytest.mark.parametrize("below_padding", [False, True])
def test_the_maxima_are_what_loops_say(below_padding):
    """In a batch of different lengths, the first with nothing before it; also where padding would answer the most."""
    torch.manual_seed(0)
    made = encoder()
    model = made.load().eval()
    if below_padding:
        model.backbone.weight.data.abs_()
        for convolution in model.convolutions:
            convolution.weight.data.abs_().neg_()
    tokens = made.tokenize([prompt("Oh."), prompt("Where is it?", "Gone, I fear!")])
    with torch.no_grad():
        found = model(made.collate(tokens))
    for row, token in enumerate(tokens):
        assert found.hidden[row].tolist() == pytest.approx(slow(model, token.input_ids, token.position), abs=1e-5)
