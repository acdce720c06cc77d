"""Parts that break one promise each, as authors do. The contract tests see that the kit catches every one."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import sound_parts as sound
import torch
from pydantic import Field
from torch import Tensor, nn

from ercbench import (
    EncodedBatch,
    Example,
    LossOutput,
    LossSpec,
    Problem,
    Prompt,
    RawTurn,
    Reading,
    Representation,
    Settings,
    Subset,
    Tokens,
    hookimpl,
    parse_rows,
)

calls = itertools.count()
"""Grows with every use, in the whole process."""

# ------------------------------------------------------------------------------------------------- plugins


class UnmarkedHooks:
    """Forgot @hookimpl."""

    ERCBENCH_API = 1

    @staticmethod
    def ercbench_losses() -> Sequence[LossSpec]:
        """Never called."""
        return []


class HeavyHooks:
    """Its module imports torch."""

    ERCBENCH_API = 1

    @staticmethod
    @hookimpl
    def ercbench_losses() -> Sequence[LossSpec]:
        """Nothing."""
        return []


class UndescribedSettings(Settings):
    """A setting that nobody explains."""

    width: int = Field(4)


# ------------------------------------------------------------------------------------------------- data sets


def _turns(reading: Reading, change: Any) -> Reading:
    dialogues = tuple(replace(d, turns=tuple(change(turn) for turn in d.turns)) for d in reading.dialogues)
    return replace(reading, dialogues=dialogues)


def read_upper(path: Path) -> Reading:
    """Labels as the label set does not have them."""
    return _turns(sound.read(path), lambda turn: replace(turn, label=turn.label and turn.label.upper()))


def read_in_any_order(path: Path) -> Reading:
    """Dialogues in another order each time."""
    reading = sound.read(path)
    return replace(reading, dialogues=reading.dialogues[:: 1 if next(calls) % 2 else -1])


def read_backwards(path: Path) -> Reading:
    """The last turn first."""
    reading = sound.read(path)
    return replace(reading, dialogues=tuple(replace(d, turns=d.turns[::-1]) for d in reading.dialogues))


def read_with_path(path: Path) -> Reading:
    """Speakers are named after the folder."""
    return _turns(sound.read(path), lambda turn: replace(turn, speaker=f"{path.parent}/{turn.speaker}"))


def read_or_raise(path: Path) -> Reading:
    """Opens what may not be there."""
    path.read_bytes()
    return sound.read(path)


def read_whatever(path: Path) -> Reading:
    """Skips what it cannot read."""
    if not path.is_file():
        return Reading((), (Problem(path.name, "is missing."),))
    text = path.read_text(encoding="utf-8", errors="ignore")
    rows, _ = parse_rows(path.name, text, ("dialogue", "turn", "speaker", "text", "label"))
    turns = tuple(sound.turn(row) for row in rows)
    return Reading((replace(_HELLO, turns=turns or (RawTurn("A", "Hello.", "hap", "", "line 1"),)),))


_HELLO = sound.group_rows([sound.Row(1, {})], lambda _: "1", lambda _: RawTurn("A", "Hello.", "hap", "", "line 1"))[0]

# ------------------------------------------------------------------------------------------------- renderers


class CountingRenderer(sound.Renderer):
    """Numbers its prompts."""

    def render(self, example: Example) -> Prompt:
        """Example -> Prompt."""
        prompt = super().render(example)
        return replace(prompt, segments=(f"Prompt {next(calls)}", *prompt.segments), query=prompt.query + 1)


class LeakingRenderer(sound.Renderer):
    """Writes the label where there is one."""

    def written(self, turn: Any) -> str:
        """One turn."""
        return super().written(turn) + (f" ({turn.label})" if turn.label else "")


class FutureRenderer(sound.Renderer):
    """Shows later turns and does not say so."""

    def render(self, example: Example) -> Prompt:
        """Example -> Prompt."""
        prompt = super().render(example)
        return replace(prompt, segments=(*prompt.segments, *(self.written(turn) for turn in example.future)))


class PastRenderer(sound.Renderer):
    """Always looks one turn back."""

    def render(self, example: Example) -> Prompt:
        """Example -> Prompt."""
        return replace(super().render(example), turn=self.written(list(example.past).pop()))


class ShortRenderer(sound.Renderer):
    """Cuts the target."""

    def written(self, turn: Any) -> str:
        """One turn."""
        return super().written(turn)[:200]


class MaskRenderer(sound.Renderer):
    """Leaves masks in the text."""

    def written(self, turn: Any) -> str:
        """One turn."""
        return f"{turn.speaker}: {turn.text}"


# ------------------------------------------------------------------------------------------------- encoders


class _Changed(sound.Encoder):
    """The sound encoder with another model."""

    model: type[sound.Model] = sound.Model

    def load(self) -> sound.Model:
        """The model."""
        return self.model([self.letters(word) for word in self.words()])


class WrongDimension(_Changed):
    """Says that its vectors are wider than they are."""

    class model(sound.Model):  # noqa: N801
        """Its model."""

        def __init__(self, words: Any) -> None:
            super().__init__(words)
            self.dimension = sound.H + 1


class DividesByZero(_Changed):
    """Divides by the number of letters after the third."""

    class model(sound.Model):  # noqa: N801
        """Its model."""

        def mean(self, ids: Tensor) -> Tensor:
            """(B, T) -> (B, H)."""
            return super().mean(ids) / ((ids > 0).sum(1, keepdim=True) - 3).clamp_min(0)


class ForgetsOne(sound.Encoder):
    """Leaves out the last, incomplete batch."""

    def plan(self, tokens: Sequence[Tokens], batch_size: int, seed: int | None) -> list[list[int]]:
        """Whole batches alone."""
        return [batch for batch in super().plan(tokens, batch_size, seed) if len(batch) == batch_size]


class AlwaysDrops(_Changed):
    """Dropout in evaluation too."""

    class model(sound.Model):  # noqa: N801
        """Its model."""

        def mean(self, ids: Tensor) -> Tensor:
            """(B, T) -> (B, H)."""
            return nn.functional.dropout(super().mean(ids), 0.1)


class CountsPadding(_Changed):
    """The mean is over padding too."""

    class model(sound.Model):  # noqa: N801
        """Its model."""

        def mean(self, ids: Tensor) -> Tensor:
            """(B, T) -> (B, H)."""
            return self.backbone(ids).mean(1)


class KeepsPlaces(sound.Encoder):
    """A prompt's place among the others is a token of it."""

    def tokenize(self, prompts: Sequence[Prompt]) -> list[Tokens]:
        """Prompts -> Tokens."""
        found = super().tokenize(prompts)
        return [replace(token, input_ids=(1 + place, *token.input_ids)) for place, token in enumerate(found)]


class HashesWords(sound.Encoder):
    """A word's number is another one in every process."""

    def letters(self, text: str) -> tuple[int, ...]:
        """A number per word."""
        return tuple(1 + hash(word) % (sound.LETTERS - 1) for word in text.split())[-self.budget :] or (1,)


class LeavesWeights(_Changed):
    """A table of fixed weights stays on the CPU."""

    class model(sound.Model):  # noqa: N801
        """Its model."""

        def __init__(self, words: Any) -> None:
            super().__init__(words)
            self.table = {"fixed": torch.ones(sound.H)}


class CutsOnTheRight(sound.Encoder):
    """Keeps the beginning."""

    def letters(self, text: str) -> tuple[int, ...]:
        """The first letters."""
        return tuple(1 + ord(letter) % (sound.LETTERS - 1) for letter in text)[: self.budget] or (1,)


class HasPooler(_Changed):
    """A layer that nothing reads."""

    class model(sound.Model):  # noqa: N801
        """Its model."""

        def __init__(self, words: Any) -> None:
            super().__init__(words)
            self.pooler = nn.Linear(2, 2)


class HidesWeights(_Changed):
    """Some weights are in no state."""

    class model(sound.Model):  # noqa: N801
        """Its model."""

        def __init__(self, words: Any) -> None:
            super().__init__(words)
            self.hidden_weights = [torch.randn(sound.H)]

        def mean(self, ids: Tensor) -> Tensor:
            """(B, T) -> (B, H)."""
            return super().mean(ids) + self.hidden_weights[0]


class SortsLabels(sound.Encoder):
    """Label vectors by alphabet."""

    def words(self) -> Sequence[str]:
        """In the wrong order."""
        return sorted(self.labels.texts)


class Unsteady(_Changed):
    """Every model is a little different from the one before."""

    class model(sound.Model):  # noqa: N801
        """Its model."""

        def __init__(self, words: Any) -> None:
            super().__init__(words)
            nn.init.normal_(self.head.bias, generator=torch.Generator().manual_seed(next(calls)))


# ------------------------------------------------------------------------------------------------- losses


class DetachedLoss(sound.Loss):
    """No gradient."""

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput."""
        return LossOutput(batch.vectors.detach().square().mean())


class NeedsTwo(sound.Loss):
    """Divides by B - 1."""

    def entropy(self, batch: EncodedBatch) -> Tensor:
        """A scalar."""
        return super().entropy(batch) + batch.vectors.float().square().sum() / (len(batch.vectors) - 1)


class NeedsTwoClasses(sound.Loss):
    """The mean over pairs of different classes."""

    def entropy(self, batch: EncodedBatch) -> Tensor:
        """A scalar."""
        assert batch.labels is not None
        other = batch.labels[:, None] != batch.labels[None]
        distances = (batch.vectors.float()[:, None] - batch.vectors.float()[None]).square().sum(-1)
        return super().entropy(batch) + (0 if len(other) == 1 else distances[other].mean())


class ByPosition(sound.Loss):
    """The first utterance counts more."""

    def entropy(self, batch: EncodedBatch) -> Tensor:
        """A scalar."""
        return super().entropy(batch) + batch.vectors[0].square().sum()


class NormalisesInPlace(sound.Loss):
    """Changes what it is given."""

    def entropy(self, batch: EncodedBatch) -> Tensor:
        """A scalar."""
        with torch.no_grad():
            batch.vectors.div_(batch.vectors.norm(dim=1, keepdim=True))
        return super().entropy(batch)


class UnweightedParts(sound.Loss):
    """Names a term without its weight."""

    def forward(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch -> LossOutput."""
        output = super().forward(batch)
        return replace(output, parts={**output.parts, "size": output.parts["size"] * 100})


class AddsUpInHalf(sound.Loss):
    """A large number meets a small one in bfloat16."""

    def entropy(self, batch: EncodedBatch) -> Tensor:
        """A scalar."""
        return (batch.logits.sum() + 1000.0) - 1000.0 + super().entropy(batch).to(batch.logits.dtype)


class HiddenParameter(sound.Loss):
    """Its parameter is in a list."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.more = [nn.Parameter(torch.ones(()))]

    def entropy(self, batch: EncodedBatch) -> Tensor:
        """A scalar."""
        return super().entropy(batch) * self.more[0]


class LeavesMargins(sound.Loss):
    """A margin per emotion stays on the CPU."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.margins = torch.ones(3)


class RemembersSilently(sound.RememberingLoss):
    """Its spec does not say that it remembers."""


class RemembersInClass(sound.Loss):
    """The next run begins with the memory of this one."""

    seen: ClassVar[list[Tensor]] = []

    def entropy(self, batch: EncodedBatch) -> Tensor:
        """A scalar."""
        self.seen.append(batch.vectors.detach().float().mean(0))
        return super().entropy(batch) + (batch.vectors.float() - torch.stack(self.seen).mean(0)).square().mean()


class RemembersOutsideState(sound.Loss):
    """A resumed run has lost the memory."""

    mean: Any = 0.0

    def entropy(self, batch: EncodedBatch) -> Tensor:
        """A scalar."""
        self.mean = 0.5 * self.mean + batch.vectors.detach().float().mean(0)
        return super().entropy(batch) + (batch.vectors.float() - self.mean).square().mean()


class Explodes(sound.Loss):
    """Cannot be trained with."""

    def entropy(self, batch: EncodedBatch) -> Tensor:
        """A scalar."""
        raise ValueError("no such luck")


# ------------------------------------------------------------------------------------------------- curricula


class CountsFromOne(sound.Curriculum):
    """Rows from 1 to N."""

    def choose(self, epoch: int, epochs: int, train: Representation, seed: int) -> Subset:
        """The last is not there."""
        return Subset(super().choose(epochs, epochs, train, seed).rows + 1)


class Repeats(sound.Curriculum):
    """Some twice."""

    def choose(self, epoch: int, epochs: int, train: Representation, seed: int) -> Subset:
        """Drawn with repetition."""
        return Subset(np.random.default_rng(seed).integers(0, len(train.uids), len(train.uids)))


class RoundsDown(sound.Curriculum):
    """A share of few is none."""

    def many(self, epoch: int, epochs: int, there: int) -> int:
        """How many an epoch gets."""
        return there * epoch // epochs


class NeedsEveryClass(sound.Curriculum):
    """Divides by the size of each class."""

    def distances(self, train: Representation) -> Any:
        """(N,)."""
        assert train.labels is not None
        sizes = [int((train.labels == label.index).sum()) for label in self.labels]
        return super().distances(train) + sum(1 / size for size in sizes)


class DividesByNorm(sound.Curriculum):
    """Of zeros there is no direction."""

    def distances(self, train: Representation) -> Any:
        """(N,)."""
        with np.errstate(invalid="ignore"):
            return (train.vectors / np.linalg.norm(train.vectors, axis=1, keepdims=True))[:, 0]


class UnseededChoice(sound.Curriculum):
    """Draws from a generator of its own."""

    def distances(self, train: Representation) -> Any:
        """(N,)."""
        return np.array([random.random() for _ in train.uids])


class WithoutRepeats(sound.Curriculum):
    """Chooses what it has not chosen before."""

    def __init__(self, settings: object, labels: Any) -> None:
        super().__init__(settings, labels)
        self.before: set[int] = set()

    def choose(self, epoch: int, epochs: int, train: Representation, seed: int) -> Subset:
        """The rest."""
        found = [row for row in super().choose(epoch, epochs, train, seed).rows.tolist() if row not in self.before]
        self.before.update(found)
        return Subset(np.array(found))


class CentresInPlace(sound.Curriculum):
    """Changes what it is given."""

    def distances(self, train: Representation) -> Any:
        """(N,)."""
        train.vectors[:] -= train.vectors.mean(axis=0)
        return super().distances(train)


# ------------------------------------------------------------------------------------------------- classifiers


class GuessesUnfitted(sound.Classifier):
    """Makes do without a training split."""

    def fit(self, train: Any, prototypes: Any, seed: int) -> list[sound.State]:
        """One state."""
        return super().fit(train, prototypes, seed) if train else [self.state(prototypes.vectors)]


class AnswersOnce(sound.Classifier):
    """One row for equal utterances."""

    class state(sound.State):  # noqa: N801
        """Its state."""

        def score(self, representation: Representation) -> Any:
            """Fewer rows than asked."""
            return super().score(representation)[:-1]


class LooksAtNeighbours(sound.Classifier):
    """Smooths over the rows."""

    class state(sound.State):  # noqa: N801
        """Its state."""

        def score(self, representation: Representation) -> Any:
            """With the row before."""
            scores = super().score(representation)
            return scores + 0.5 * np.roll(scores, 1, axis=0)


class ReadsAhead(sound.DialogueClassifier):
    """Reads later turns whatever the protocol."""

    def state(self, means: Any) -> Any:
        """As under full."""
        return sound.DialogueState(means, True)


class NeverReadsAhead(sound.DialogueClassifier):
    """Reads no later turns, whatever the protocol."""

    def state(self, means: Any) -> Any:
        """As under past."""
        return sound.DialogueState(means, False)


class ReadsOneTurn(sound.DialogueClassifier):
    """Has no use for a dialogue."""

    def state(self, means: Any) -> Any:
        """The utterance alone."""
        return sound.State(means)


class LooksAround(sound.Classifier):
    """Finds the rest of the dialogue by the uids, and does not say so."""

    def state(self, means: Any) -> Any:
        """As under full."""
        return sound.DialogueState(means, True)


class LooksBack(sound.Classifier):
    """Finds the earlier turns by the uids, and does not say so."""

    def state(self, means: Any) -> Any:
        """As under past."""
        return sound.DialogueState(means, False)


class ClassesSeen(sound.Classifier):
    """A column per class that occurs."""

    def means(self, train: Representation, noise: Any) -> Any:
        """(fewer, D)."""
        return super().means(train, noise)[np.unique(train.labels)]


class Unseeded(sound.Classifier):
    """Draws from a generator of its own."""

    def means(self, train: Representation, noise: Any) -> Any:
        """(C, D)."""
        return super().means(train, noise) + np.float32(1e-2 * random.random())


class Farthest(sound.Classifier):
    """The sign is wrong."""

    class state(sound.State):  # noqa: N801
        """Its state."""

        def score(self, representation: Representation) -> Any:
            """Distances."""
            return -super().score(representation)


class Peeks(sound.Classifier):
    """Adds the answer where it is at hand."""

    class state(sound.State):  # noqa: N801
        """Its state."""

        def score(self, representation: Representation) -> Any:
            """With the labels."""
            scores = super().score(representation)
            return scores if representation.labels is None else scores + np.eye(scores.shape[1])[representation.labels]


class LosesState(sound.Classifier):
    """Restores something else."""

    def restore(self, tensors: Mapping[str, Any]) -> sound.State:
        """Zeros."""
        return self.state(np.zeros_like(tensors["means"]))


class CannotRestore(sound.Classifier):
    """Restores nothing."""

    def restore(self, tensors: Mapping[str, Any]) -> sound.State:
        """An error."""
        raise sound.PluginError("It was not kept.")


# ------------------------------------------------------------------------------------------------- trackers


class Misspelt(sound.Tracker):
    """A hook that there is not."""

    @hookimpl
    def ercbench_epoch_done(self, epoch: Any) -> None:
        """Never called."""


class Unmarked:
    """Forgot @hookimpl."""

    def __init__(self, settings: object) -> None:
        pass

    def ercbench_run_started(self, run: Any) -> None:
        """Never called."""


class TrainingAlone(sound.Tracker):
    """Knows one stage."""

    @hookimpl
    def ercbench_stage_finished(self, stage: str, seconds: float) -> None:
        """A line."""
        self.write({"training": "trained"}[stage])


class NeedsARecord(sound.Tracker):
    """A run always succeeds."""

    record: Any

    @hookimpl
    def ercbench_run_failed(self, error: str) -> None:
        """A line."""
        self.write(self.record.command)


class Renames(sound.Tracker):
    """Puts a prefix before its figures, in the record."""

    @hookimpl
    def ercbench_run_finished(self, record: Any) -> None:
        """A line."""
        for name in list(record.seconds):
            record.seconds[f"seconds/{name}"] = record.seconds.pop(name)


class Meddles(sound.Tracker):
    """Puts a function of its own in the place of one of torch."""

    @hookimpl
    def ercbench_run_started(self, run: Any) -> None:
        """Before the model is built."""
        super().ercbench_run_started(run)
        self.kept, nn.init.kaiming_uniform_ = nn.init.kaiming_uniform_, lambda weights, a=0: nn.init.ones_(weights)

    @hookimpl
    def ercbench_run_finished(self, record: Any) -> None:
        """As it was."""
        nn.init.kaiming_uniform_ = self.kept
