"""A trained model on conversations that carry no labels: turns in, emotions with probabilities out, as a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ercbench import classifying, encoding, rendering
from ercbench.conversations import Turn
from ercbench.devices import Device
from ercbench.errors import DataError, UsageError
from ercbench.models import TrainedModel
from ercbench.types import ContextProtocol, Example, FloatArray, Representation, Turns, Utterance

WHOLE = 4
"""Chunks that are gathered at most to keep a dialogue in one piece."""
REMEMBERED = 100_000
"""Dialogues whose ids are remembered, to notice one that is not in one piece. Memory is bounded by this."""


@dataclass(frozen=True)
class Emotion:
    """What was predicted for one turn: the likeliest label, and the probability of each by key."""

    dialogue: str
    turn: int
    speaker: str
    emotion: str
    probabilities: Mapping[str, float]


class Predictor:
    """A trained model, ready for turns."""

    def __init__(self, trained: TrainedModel, device: Device) -> None:
        """Take a model of `models.load` to a device, whose precision is that of the predictions.

        Raises:
            UsageError: it needs later turns, which a stream does not have.
        """
        if trained.config.context.protocol == "full":
            raise UsageError(
                "This model was trained with later turns in view, and turns are predicted as they come, without them. "
                "Got a run of the context protocol full. Train one with --context past or none."
            )
        self.trained, self.device = trained, device
        trained.model.to(device.torch_device)

    def predict(self, turns: Iterable[Turn], chunk: int = 512, batch_size: int = 16) -> Iterator[Emotion]:
        """Turns -> emotions, in order; about `chunk` turns are held at a time, and no more than `WHOLE` times as many.

        Args:
            turns: the turns of a dialogue one after the other.
            chunk: turns that are gathered and encoded together, more where a dialogue would be cut; 1 answers every
                turn at once.
            batch_size: turns per batch.

        Raises:
            DataError: whatever reading the turns raises, or a dialogue that is not in one piece. The turns before it
                have been answered by then.
        """
        context = self.trained.config.context
        earlier: Representation | None = None
        for gathered, error in _chunks(_examples(turns, context.past, context.protocol), chunk):
            if gathered:
                found = self._encoded([example for _, example in gathered], batch_size)
                known = found if earlier is None else _joined(earlier, found)
                yield from self._answer(gathered, known)
                if self.trained.config.classifier.spec.dialogues:
                    earlier = _last_dialogue(known)
            if error:
                raise error

    def _encoded(self, examples: list[Example], batch_size: int) -> Representation:
        """Stages 2 and 3 on a chunk."""
        trained = self.trained
        tokens = encoding.tokenize(trained.encoder, rendering.render(trained.renderer, examples))
        found = encoding.encode(trained.encoder, trained.model, tokens, self.device, batch_size)
        return replace(found, speakers=tuple(example.target.speaker for example in examples))

    def _answer(self, gathered: list[tuple[Turn, Example]], known: Representation) -> Iterator[Emotion]:
        """Stages 4 and 5: the last rows of what is known are those that were gathered."""
        trained = self.trained
        scores = classifying.predict(trained.candidate, known, len(trained.labels)).scores[-len(gathered) :]  # (N, C)
        for (turn, example), row in zip(gathered, softmax(scores), strict=True):
            probabilities = dict(zip(trained.labels, map(float, row), strict=True))
            emotion = trained.labels[int(row.argmax())]
            yield Emotion(turn.dialogue, example.target.turn, turn.speaker, emotion, probabilities)


def _last_dialogue(known: Representation) -> Representation:
    """The utterances of the dialogue that the last one belongs to: later ones of it may follow."""
    dialogues = [uid.rpartition("/")[0] for uid in known.uids]
    return _rows(known, dialogues.index(dialogues[-1]))


def _rows(known: Representation, first: int) -> Representation:
    """Its rows from one on."""
    return Representation(
        known.uids[first:],
        known.hidden[first:],
        known.vectors[first:],
        None if known.logits is None else known.logits[first:],
        sparse=None if known.sparse is None else {name: found[first:] for name, found in known.sparse.items()},
        speakers=(known.speakers or ())[first:],
    )


def _joined(earlier: Representation, later: Representation) -> Representation:
    """The rows of both."""
    from scipy.sparse import vstack

    both = (earlier, later)
    logits = [part.logits for part in both if part.logits is not None]
    sparse = [part.sparse for part in both if part.sparse is not None]
    return Representation(
        (*earlier.uids, *later.uids),
        np.concatenate([part.hidden for part in both]),
        np.concatenate([part.vectors for part in both]),
        np.concatenate(logits) if logits else None,
        sparse={name: vstack([part[name] for part in sparse], format="csr") for name in sparse[0]} if sparse else None,
        speakers=(*(earlier.speakers or ()), *(later.speakers or ())),
    )


def softmax(scores: FloatArray) -> np.ndarray:
    """Scores (N, C) -> probabilities (N, C), float64."""
    exponentials = np.exp(scores.astype(np.float64) - scores.max(1, keepdims=True))
    probabilities: np.ndarray = exponentials / exponentials.sum(1, keepdims=True)
    return probabilities


def _examples(turns: Iterable[Turn], past: Turns, protocol: ContextProtocol = "past") -> Iterator[tuple[Turn, Example]]:
    """Each turn with what ``data.examples`` would show of its dialogue under ``past`` or ``none``."""
    alone = protocol == "none"
    most = None if past == "all" else past
    window: deque[Utterance] = deque(maxlen=0 if alone else most)
    seen: deque[str] = deque(maxlen=REMEMBERED)
    known: set[str] = set()
    speakers: list[str] = []
    dialogue, number, position = None, -1, 0
    for turn in turns:
        if turn.dialogue != dialogue:
            if turn.dialogue in known:
                raise DataError(
                    f"{turn.where}: a dialogue must be in one piece. Got {turn.dialogue!r} again after another one. "
                    "Sort the rows by dialogue, keeping the order of turns."
                )
            if len(seen) == REMEMBERED:
                known.discard(seen[0])
            seen.append(turn.dialogue)
            known.add(turn.dialogue)
            dialogue, number, position = turn.dialogue, number + 1, 0
            window.clear()
            speakers.clear()
        if turn.speaker not in speakers:
            speakers.append(turn.speaker)
        target = Utterance(f"input/test/{number}/{position}", position, turn.speaker, turn.text)
        yield turn, Example(target, tuple(window), (), (turn.speaker,) if alone else tuple(speakers))
        window.append(target)
        position += 1


def _chunks(
    examples: Iterator[tuple[Turn, Example]], size: int
) -> Iterator[tuple[list[tuple[Turn, Example]], DataError | None]]:
    """Lists of about `size`, in which a dialogue is whole unless it is very long, or `size` is 1.

    An error ends the last one and comes with it, so that nothing before it is lost.
    """
    most = 1 if size == 1 else WHOLE * size
    gathered: list[tuple[Turn, Example]] = []
    try:
        for turn, example in examples:
            if len(gathered) >= size and turn.dialogue != gathered[-1][0].dialogue:
                yield gathered, None
                gathered = []
            gathered.append((turn, example))
            if len(gathered) == most:
                yield gathered, None
                gathered = []
    except DataError as error:
        yield gathered, error
        return
    yield gathered, None
