"""What a classifier must keep to: what it is fitted on, what it answers, and what it must not look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ercbench.context import Context
from ercbench.errors import PluginError
from ercbench.ports import Candidate, Classifier
from ercbench.specs import ClassifierSpec
from ercbench.testing.checks import CheckSkipped, PartSubject, checks_of, need
from ercbench.testing.tiny import LABELS
from ercbench.types import ContextProtocol, FloatArray, Prototypes, Representation

C, D, H = len(LABELS), 6, 9
PER_CLASS = 12
TURNS = 6
"""Utterances of a dialogue."""
NEAR = 1e-4
"""Scores that differ by less are the same: sums over padding of another length come out a little different."""
SURE = 0.95
"""Share of well separated utterances that must be decided rightly."""


class ClassifierSubject(PartSubject[ClassifierSpec]):
    """A classifier with vectors to fit it on."""

    kind = "classifier"

    def build(self, protocol: ContextProtocol = "past") -> Classifier:
        """A new one; the context protocol is told to one that reads whole dialogues."""
        context = Context(protocol=protocol, past="all", future="all" if protocol == "full" else 0)
        more = (context,) if self.spec.dialogues else ()
        classifier: Classifier = self.target()(self.settings(), LABELS, *more)
        return classifier

    def fit(self, train: Representation, seed: int = 0, protocol: ContextProtocol = "past") -> Sequence[Candidate]:
        """The states of a new one, fitted on what it may have."""
        given = train if self.spec.needs_training else None
        states = self.build(protocol).fit(given, Prototypes(CENTRES["vectors"].copy()), seed)
        need(len(states), "fit returned no state.")
        return states


def _centres() -> dict[str, FloatArray]:
    """By kind of vector, a point per class, far from the others."""
    random = np.random.default_rng(0)
    made = {"vectors": random.normal(size=(C, D)), "hidden": random.normal(size=(C, H)), "logits": np.eye(C)}
    return {name: (6 * x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for name, x in made.items()}


CENTRES = _centres()


def blobs(split: str, seed: int) -> Representation:
    """A well separated cloud of utterances per class, with labels, in dialogues of two; their order is mixed."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(C), PER_CLASS))  # (N,)
    made = {
        name: (centres[labels] + 0.3 * random.normal(size=(len(labels), centres.shape[1]))).astype(np.float32)
        for name, centres in CENTRES.items()
    }
    uids = tuple(f"kit/{split}/{i // TURNS}/{i % TURNS}" for i in range(len(labels)))
    speakers = tuple("Ann" if random.random() < 0.5 else "Bob" for _ in labels)
    return Representation(uids, labels=labels, speakers=speakers, **made)


def take(representation: Representation, rows: Sequence[int]) -> Representation:
    """Some utterances, in the order of `rows`."""
    index = np.asarray(rows)
    assert representation.logits is not None
    assert representation.speakers is not None
    return Representation(
        tuple(representation.uids[i] for i in rows), representation.hidden[index], representation.vectors[index],
        representation.logits[index], None if representation.labels is None else representation.labels[index],
        speakers=tuple(representation.speakers[i] for i in rows),
    )  # fmt: skip


def scored(state: Candidate, representation: Representation) -> FloatArray:
    """The scores of a state, after seeing that they are one finite row of C numbers per utterance."""
    scores = np.asarray(state.score(representation))
    wanted = (len(representation.uids), C)
    need(scores.shape == wanted, f"The scores of {wanted[0]} utterances have shape {scores.shape}, not {wanted}.")
    need(bool(np.isfinite(scores).all()), f"{int((~np.isfinite(scores)).sum())} scores are not finite.")
    return scores.astype(np.float32)


def _unlabelled() -> Representation:
    return replace(blobs("test", 2), labels=None)


def not_fitted(subject: ClassifierSubject) -> None:
    """A classifier that needs the training split says so where there is none.

    Raise ercbench.PluginError, with a message that says what is missing, from fit when train is None, and from score
    if it is called before fit. A classifier that needs no fitting has needs_training=False in its ClassifierSpec.
    """
    if not subject.spec.needs_training:
        need(len(subject.build().fit(None, Prototypes(CENTRES["vectors"]), 0)), "fit(None, ...) returned no state.")
        return
    _must_refuse("fit without a training split", lambda: subject.build().fit(None, Prototypes(CENTRES["vectors"]), 0))
    unfitted = subject.build()
    if hasattr(unfitted, "score"):
        _must_refuse("score before fit", lambda: unfitted.score(_unlabelled()))


def _must_refuse(what: str, call: object) -> None:
    assert callable(call)
    try:
        call()
    except PluginError:
        return
    except Exception as error:  # anything else is what the check is looking for, and is told
        need(False, f"It answered {what} with {type(error).__name__}, not with a PluginError.")
    need(False, f"It did not refuse {what}.")


def one_row_per_uid(subject: ClassifierSubject) -> None:
    """Every state gives one finite row of C scores per utterance.

    Return an array (N, C), a column per label of the data set in label order.
    """
    for state in subject.fit(blobs("train", 1)):
        scored(state, _unlabelled())


def permutation(subject: ClassifierSubject) -> None:
    """The order of the utterances makes no difference to their scores.

    Use nothing of an utterance's neighbours unless it is found through the uids.
    """
    state, test = subject.fit(blobs("train", 1))[-1], _unlabelled()
    order = np.random.default_rng(3).permutation(len(test.uids)).tolist()
    straight, mixed = scored(state, test), scored(state, take(test, order))
    need(np.allclose(straight[order], mixed, atol=NEAR), "With the utterances in another order their scores differ.")


def later_turns(subject: ClassifierSubject) -> None:
    """Other utterances change no score unless it declares that it reads them, and later ones then under full alone.

    Read nothing but the row that is scored; or set dialogues=True in the ClassifierSpec, take the context as the third
    argument, and read the turns before the one that is scored, and under the protocol full those after it.
    """
    train, test = blobs("train", 1), _unlabelled()
    turns = np.array([int(uid.rpartition("/")[2]) for uid in test.uids])
    first, last = turns == 0, turns == TURNS - 1
    state = subject.fit(train)[-1]
    before, found = scored(state, test), _READS_LATER[subject.spec.dialogues]
    for turn in range(1, TURNS):
        kept, later = (np.flatnonzero(chosen).tolist() for chosen in (turns < turn, turns >= turn))
        need(np.allclose(scored(state, take(test, kept)), before[kept], atol=NEAR), found)
        need(np.allclose(scored(state, _replaced(test, later))[kept], before[kept], atol=NEAR), found)
    told = scored(state, _replaced(test, np.flatnonzero(first).tolist()))
    same = np.allclose(told[~first], before[~first], atol=NEAR)
    if not subject.spec.dialogues:
        need(same, "It reads earlier turns and does not declare it.")
        return
    need(not same, "It declares that it reads dialogues, and earlier turns change no score.")
    full = subject.fit(train, protocol="full")[-1]
    seen, told = scored(full, test), scored(full, _replaced(test, np.flatnonzero(last).tolist()))
    need(not np.allclose(told[~last], seen[~last], atol=NEAR), "Under full later turns change no score.")


_READS_LATER = {
    True: "Under past it reads turns after the one that is scored.",
    False: "It reads later turns and does not declare it.",
}
"""By whether it declares that it reads dialogues."""


def _replaced(representation: Representation, rows: Sequence[int]) -> Representation:
    """The same with something else at some rows, said by somebody else."""
    random = np.random.default_rng(4)
    assert representation.logits is not None
    assert representation.speakers is not None
    tables = [np.array(x) for x in (representation.hidden, representation.vectors, representation.logits)]
    for table in tables:
        table[rows] = 6 * random.normal(size=(len(rows), table.shape[1]))
    speakers = tuple("Cy" if i in set(rows) else name for i, name in enumerate(representation.speakers))
    return replace(representation, hidden=tables[0], vectors=tables[1], logits=tables[2], speakers=speakers)


def absent_class(subject: ClassifierSubject) -> None:
    """A class that the training split lacks has a column of scores all the same.

    Make the columns from the label set, not from the labels that occur; give a class that was never seen low scores.
    """
    if not subject.spec.needs_training:
        raise CheckSkipped("It is not fitted on the training split.")
    train = blobs("train", 1)
    assert train.labels is not None
    for state in subject.fit(take(train, np.flatnonzero(train.labels != 1).tolist())):
        scored(state, _unlabelled())


def same_seed(subject: ClassifierSubject) -> None:
    """The same seed gives the same states.

    Draw every random number from a generator made from the seed that fit is given.
    """
    train, test = blobs("train", 1), _unlabelled()
    one, other = (subject.fit(train, seed=5) for _ in range(2))
    need(len(one) == len(other), f"Fitted twice with one seed it returned {len(one)} and {len(other)} states.")
    same = all(np.array_equal(scored(a, test), scored(b, test)) for a, b in zip(one, other, strict=True))
    need(same, "Fitted twice with one seed its scores differ.")


def separable(subject: ClassifierSubject) -> None:
    """Classes that lie far apart are told apart by the best state.

    Look for a mistake in the order of the classes, the sign of the scores, or the step size. A classifier that looks at
    no utterance has floor=True in its ClassifierSpec.
    """
    if subject.spec.floor:
        raise CheckSkipped("It is a floor: it looks at no utterance.")
    states, test = subject.fit(blobs("train", 1)), blobs("test", 2)
    bare = replace(test, labels=None)
    best = max(float((scored(state, bare).argmax(axis=1) == test.labels).mean()) for state in states)
    need(best >= SURE, f"Of utterances that lie far apart it decided {100 * best:.0f} % rightly.")


def labels_unused(subject: ClassifierSubject) -> None:
    """Labels of what is scored make no difference, whether they are there or not.

    Never read representation.labels in score: for dev and test it is None.
    """
    state, test = subject.fit(blobs("train", 1))[-1], blobs("test", 2)
    assert test.labels is not None
    blind = scored(state, replace(test, labels=None))
    for labels in (test.labels, (test.labels + 1) % C):
        need(
            np.array_equal(blind, scored(state, replace(test, labels=labels))),
            "With labels at hand it scores otherwise.",
        )


def restored(subject: ClassifierSubject) -> None:
    """A state is the same again after its tensors went through a file.

    Return everything that was fitted from tensors(), as arrays by name, and build the state from them in restore().
    """
    import torch
    from safetensors.torch import load, save

    state, test = subject.fit(blobs("train", 1))[-1], _unlabelled()
    written = save({name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in state.tensors().items()})
    again = subject.build().restore({name: tensor.numpy() for name, tensor in load(written).items()})
    need(np.allclose(scored(state, test), scored(again, test), atol=1e-6), "Restored, it gives other scores.")


CHECKS = checks_of(
    "classifier", not_fitted, one_row_per_uid, permutation, later_turns, absent_class, same_seed, separable,
    labels_unused, restored,
)  # fmt: skip
