"""What a curriculum must keep to: what it chooses is there, and depends on what it is given alone."""

from __future__ import annotations

import copy
import math
from dataclasses import fields

import numpy as np

from ercbench.ports import Curriculum
from ercbench.specs import CurriculumSpec
from ercbench.testing.checks import PartSubject, checks_of, need
from ercbench.testing.classifier import blobs, take
from ercbench.testing.tiny import LABELS
from ercbench.types import Representation, Subset

EPOCHS = 4


class CurriculumSubject(PartSubject[CurriculumSpec]):
    """A curriculum with a training split to choose from."""

    kind = "curriculum"

    def build(self) -> Curriculum:
        """A new one."""
        curriculum: Curriculum = self.target()(self.settings(), LABELS)
        return curriculum

    def choose(self, train: Representation, epoch: int, epochs: int = EPOCHS, seed: int = 0) -> list[int]:
        """What a new one chooses, sorted."""
        return rows_of(self.build().choose(epoch, epochs, train, seed), train)


def rows_of(subset: object, train: Representation) -> list[int]:
    """The rows of a choice, sorted, after seeing that each is there once, and that the difficulty is a number."""
    need(isinstance(subset, Subset), f"It returned {type(subset).__name__}, not a Subset.")
    assert isinstance(subset, Subset)
    rows, there = np.asarray(subset.rows), len(train.uids)
    need(rows.ndim == 1 and rows.dtype.kind in "iu", f"The rows are no list of indices. Got {rows.dtype} {rows.shape}.")
    need(len(rows), "It chose nothing.")
    low, high = rows.min(), rows.max()
    need(low >= 0 and high < there, f"Of {there} utterances it chose row {low} and row {high}.")
    need(len(np.unique(rows)) == len(rows), "It chose an utterance twice.")
    for mean in (subset.difficulty, subset.difficulty_of_train):
        need(mean is None or math.isfinite(mean), f"The difficulty is not finite. Got {mean}.")
    return sorted(rows.tolist())


def rows(subject: CurriculumSubject) -> None:
    """Every epoch of a run gets at least one row of the training split, each row once.

    Return Subset(rows) with indices from 0 to N - 1; epochs count from 1.
    """
    train = blobs("train", 1)
    for epochs in (1, EPOCHS):
        for epoch in range(1, epochs + 1):
            subject.choose(train, epoch, epochs)


def few_utterances(subject: CurriculumSubject) -> None:
    """From one utterance it chooses that one, and from two of one class at least one.

    Where nothing would be chosen, choose the utterance that comes first, and divide by numbers above zero.
    """
    train = blobs("train", 1)
    assert train.labels is not None
    pair = np.flatnonzero(train.labels == 2)[:2].tolist()
    for epoch in range(1, EPOCHS + 1):
        for seed in range(5):
            subject.choose(take(train, [0]), epoch, seed=seed)
            subject.choose(take(train, pair), epoch, seed=seed)


def absent_class(subject: CurriculumSubject) -> None:
    """It chooses from a training split that lacks a class.

    Leave out a class that does not occur where classes are compared.
    """
    train = blobs("train", 1)
    assert train.labels is not None
    without = take(train, np.flatnonzero(train.labels != 1).tolist())
    for epoch in range(1, EPOCHS + 1):
        subject.choose(without, epoch)


def equal_vectors(subject: CurriculumSubject) -> None:
    """It chooses from utterances that all have the same vector, zeros too.

    Divide by distances and norms that are at least a small number.
    """
    train = blobs("train", 1)
    for value in (0.0, 1.0):
        same = copy.deepcopy(train)
        for vectors in (same.hidden, same.vectors):
            vectors[:] = value
        for epoch in range(1, EPOCHS + 1):
            subject.choose(same, epoch)


def same_seed(subject: CurriculumSubject) -> None:
    """The same epoch and seed give the same choice.

    Draw every random number from a generator made from the seed that choose is given.
    """
    train = blobs("train", 1)
    for epoch in range(1, EPOCHS + 1):
        one, other = (subject.choose(train, epoch, seed=5) for _ in range(2))
        need(one == other, f"Asked twice with one seed, it chose {len(one)} and {len(other)} utterances, not the same.")


def taken_up_again(subject: CurriculumSubject) -> None:
    """Asked for an epoch at once it chooses what it chooses after the epochs before, as a run that was taken up does.

    Keep nothing from one call to the next: neither earlier choices nor a generator of random numbers.
    """
    train, whole = blobs("train", 1), subject.build()
    for epoch in range(1, EPOCHS + 1):
        going_on = rows_of(whole.choose(epoch, EPOCHS, train, epoch), train)
        need(
            subject.choose(train, epoch, seed=epoch) == going_on,
            f"In epoch {epoch} it chooses otherwise when it was not asked for the epochs before.",
        )


def inputs_kept(subject: CurriculumSubject) -> None:
    """What it is given is not changed.

    Work on copies: assign nothing into an array of the representation.
    """
    train = blobs("train", 1)
    before = copy.deepcopy(train)
    subject.choose(train, 1)
    names = [field.name for field in fields(train) if isinstance(getattr(train, field.name), np.ndarray)]
    changed = [name for name in names if not np.array_equal(getattr(before, name), getattr(train, name))]
    need(not changed, f"It changed {', '.join(changed)} of the representation.")


CHECKS = checks_of(
    "curriculum", rows, few_utterances, absent_class, equal_vectors, same_seed, taken_up_again, inputs_kept
)
