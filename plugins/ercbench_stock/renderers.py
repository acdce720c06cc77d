"""Renderers that belong to no one method: text alone, without the names of speakers."""

from __future__ import annotations

from ercbench import MASK, Example, Prompt, Utterance
from ercbench_stock.settings import PlainTextSettings


class UtteranceRenderer:
    """Example -> Prompt: the text of the utterance and nothing else.

    **Reference**: none; the usual input of a classifier of sentences.

    **Differs from the paper**: does not apply.
    """

    def __init__(self, settings: PlainTextSettings) -> None:
        self.settings = settings

    def render(self, example: Example) -> Prompt:
        """Example -> Prompt of one segment.

        Before: data.py. After: an encoder.
        """
        text = _text(example.target, self.settings)
        return Prompt(example.target.uid, (text,), 0, text)


class TurnsRenderer:
    """Example -> Prompt: the text of the earlier turns, of the utterance, and of later turns if shown.

    **Reference**: none; the usual input of a classifier of sentences in their context.

    **Differs from the paper**: does not apply.
    """

    def __init__(self, settings: PlainTextSettings) -> None:
        self.settings = settings

    def render(self, example: Example) -> Prompt:
        """Example -> Prompt with a segment per turn.

        Before: data.py. After: an encoder.
        """
        past, target, future = (
            tuple(_text(turn, self.settings) for turn in turns)
            for turns in (example.past, (example.target,), example.future)
        )
        return Prompt(example.target.uid, (*past, *target, *future), len(past), *target)


def _text(turn: Utterance, settings: PlainTextSettings) -> str:
    text = turn.text.replace(MASK, "")
    for old, new in settings.replace.items():
        text = text.replace(old, new)
    return text
