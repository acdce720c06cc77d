"""The prompt of EACL."""

from __future__ import annotations

from ercbench import MASK, Example, Prompt, Utterance
from ercbench_eacl.settings import RendererSettings


class EaclRenderer:
    """Example -> Prompt: earlier turns, then a sentence that asks what the speaker feels, then later turns if shown.

    **Reference**: Yu et al., Findings of NAACL 2024, section 3.2; wording and speaker names as in the released code.

    **Differs from the paper**: nothing where no later turns are shown; the paper shows none.
    """

    def __init__(self, settings: RendererSettings) -> None:
        self.settings = settings

    def render(self, example: Example) -> Prompt:
        """Example -> Prompt: one segment per earlier turn, then the query, then one segment per later turn.

        Before: data.py. After: encoder.py.
        """
        target = example.target
        name = self._speaker(target, example.speakers)
        query = f"For utterance: {self._text(target)} {name} feels {MASK} "
        past = tuple(self._turn(turn, example.speakers) for turn in example.past)
        future = tuple(self._turn(turn, example.speakers) for turn in example.future)
        return Prompt(target.uid, (*past, query, *future), len(past), self._turn(target, example.speakers))

    def _turn(self, turn: Utterance, speakers: tuple[str, ...]) -> str:
        return f"{self._speaker(turn, speakers)} says: {self._text(turn)}"

    def _text(self, turn: Utterance) -> str:
        text = turn.text.replace(MASK, "")
        for old, new in self.settings.replace.items():
            text = text.replace(old, new)
        return text

    def _speaker(self, turn: Utterance, speakers: tuple[str, ...]) -> str:
        name = turn.speaker.replace(MASK, "")
        match self.settings.speaker:
            case "as-is":
                return name
            case "first-word":
                return next(iter(name.split()), "")
            case "by-appearance":
                place = speakers.index(turn.speaker)
                names = self.settings.speaker_names
                return names[place] if place < len(names) else f"Speaker {place + 1}"
