"""What a renderer must keep to: it writes what it may see, the same way every time."""

from __future__ import annotations

from dataclasses import replace

from ercbench.ports import Renderer
from ercbench.specs import RendererSpec
from ercbench.testing.checks import PartSubject, checks_of, need
from ercbench.testing.tiny import DIALOGUES, LABELS
from ercbench.types import MASK, Example, Prompt, Utterance

MARKER = "quetzalcoatlus"
"""A word that no renderer writes by itself."""


class RendererSubject(PartSubject[RendererSpec]):
    """A renderer."""

    kind = "renderer"

    def build(self) -> Renderer:
        """A new one."""
        renderer: Renderer = self.target()(self.settings())
        return renderer

    def render(self, example: Example) -> Prompt:
        """The prompt of a new one, after seeing that it is one."""
        return usable(self.build().render(example), example)


def usable(prompt: object, example: Example) -> Prompt:
    """A prompt that a run would accept."""
    need(isinstance(prompt, Prompt), f"It returned {type(prompt).__name__}, not a Prompt.")
    assert isinstance(prompt, Prompt)
    uid, segments = example.target.uid, prompt.segments
    need(prompt.uid == uid, f"The prompt names another utterance. Got {prompt.uid!r} for {uid!r}.")
    need(all(isinstance(text, str) for text in segments), "A segment is not a string.")
    need(0 <= prompt.query < len(segments), f"There is no segment {prompt.query}. Got {len(segments)} segments.")
    need(segments[prompt.query].strip(), "The segment that asks is empty.")
    return prompt


def examples() -> list[Example]:
    """An example per turn, without later turns and without labels."""
    found = []
    for number, turns in enumerate(DIALOGUES):
        said = [Utterance(f"kit/test/{number}/{t}", t, who, text) for t, (who, text) in enumerate(turns)]
        for t, target in enumerate(said):
            speakers = tuple(dict.fromkeys(turn.speaker for turn in said[: t + 1]))
            found.append(Example(target, tuple(said[:t]), (), speakers))
    return found


def pure(subject: RendererSubject) -> None:
    """An example gives the same prompt every time, whatever was rendered before.

    Keep no state between calls, and take nothing from the clock, the environment or random numbers.
    """
    first, again, asked = subject.build(), subject.build(), examples()
    straight = [first.render(example) for example in asked]
    backwards = [again.render(example) for example in reversed(asked)][::-1]
    twice = [first.render(example) for example in asked]
    for example, *prompts in zip(asked, straight, backwards, twice, strict=True):
        usable(prompts[0], example)
        need(all(prompt == prompts[0] for prompt in prompts), f"It wrote {example.target.uid} in more than one way.")


def blind_to_labels(subject: RendererSubject) -> None:
    """A prompt does not change when labels do: those of the target and of every other turn.

    Never read Utterance.label. It is None in a run; a renderer that reads it leaks in a place where it is not.
    """

    def labelled(turn: Utterance, label: str) -> Utterance:
        return replace(turn, label=label)

    for example in examples():
        bare = subject.render(example)
        for key in LABELS.keys:
            told = replace(
                example, target=labelled(example.target, key), past=tuple(labelled(turn, key) for turn in example.past)
            )
            need(subject.render(told) == bare, f"The prompt of {example.target.uid} changes with a label.")


def later_turns(subject: RendererSubject) -> None:
    """Later turns are shown after the question, and only by a renderer that declares it.

    Leave Example.future alone; or set later_turns=True in the RendererSpec and write it into segments after the query.
    """
    example = examples()[1]
    later = Utterance("kit/test/0/2", 2, "Ann", f"My {MARKER} is hungry.")
    prompt, before = subject.render(replace(example, future=(later,))), subject.render(example)
    early, late = " ".join(prompt.segments[: prompt.query + 1]), " ".join(prompt.segments[prompt.query + 1 :])
    need(MARKER not in early + prompt.turn, "A later turn is written into the question or before it.")
    if subject.spec.later_turns:
        need(MARKER in late, "It declares later_turns and shows none.")
    else:
        need(prompt == before, "It shows later turns and does not declare it.")


def first_turn(subject: RendererSubject) -> None:
    """The first turn of a dialogue, which has nothing before it, gives a usable prompt.

    Let the question stand alone where Example.past is empty.
    """
    for example in examples():
        if not example.past:
            subject.render(example)


def long_dialogue(subject: RendererSubject) -> None:
    """A dialogue of 400 turns, 40 speakers and a very long turn gives a usable prompt that shows the target.

    Set no limit on turns or speakers here; an encoder cuts to its token budget.
    """
    speakers = tuple(f"Speaker number {i}" for i in range(40))
    past = tuple(Utterance(f"kit/test/9/{i}", i, speakers[i % 40], f"Turn {i}. " + "la " * (i % 7)) for i in range(400))
    target = Utterance("kit/test/9/400", 400, speakers[0], f"{'word ' * 4000}{MARKER}")
    prompt = subject.render(Example(target, past, (), speakers))
    need(MARKER in prompt.segments[prompt.query], "The end of a very long target is not in the question.")


def odd_text(subject: RendererSubject) -> None:
    """Empty earlier turns, emoji, line breaks and braces give a usable prompt, and a mask in the dialogue is removed.

    Put text in by f-strings, not by format() on it, and call .replace(ercbench.MASK, "") on texts and speakers.
    """
    said = ["", "{0} {name} %s \\1", "🙂\n\tnew line", f"a {MASK} b"]
    past = tuple(Utterance(f"kit/test/8/{i}", i, "Ann", text) for i, text in enumerate(said))
    clean = Example(Utterance("kit/test/8/4", 4, "Bob", "Fine."), past[:3], (), ("Ann", "Bob"))
    masked = replace(
        clean, past=past, target=replace(clean.target, text=f"Fine{MASK}.", speaker=f"Bob{MASK}"),
        speakers=("Ann", f"Bob{MASK}"),
    )  # fmt: skip
    counts = [sum(text.count(MASK) for text in subject.render(one).segments) for one in (clean, masked)]
    need(counts[0] == counts[1], f"Masks in the dialogue's text reach the prompt. Got {counts[1]}, not {counts[0]}.")


CHECKS = checks_of("renderer", pure, blind_to_labels, later_turns, first_turn, long_dialogue, odd_text)
