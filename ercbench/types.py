"""The values that flow from a data file to a leaderboard cell. All of them are frozen.

Letters used in shape comments throughout the project:

====== ==========================================
``B``  utterances in a batch
``T``  tokens in a sequence (padding included)
``H``  width of the encoder's hidden state
``D``  width of the representation (the projected vector)
``C``  classes, always ``len(labels)``
``N``  utterances in a split
====== ==========================================

Every utterance has a ``uid``, ``dataset/split/dialogue/turn`` with 0-based positions in the file, and it travels with
everything. Predictions meet gold labels by uid in ``scoring.py`` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from datasets import Dataset, DatasetDict
    from scipy.sparse import csr_array
    from torch import Tensor

    FloatArray = npt.NDArray[np.float32]
    IntArray = npt.NDArray[np.int64]

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")

ContextProtocol = Literal["past", "full", "none"]
"""What of a dialogue an example may show: ``past`` earlier turns, ``full`` later ones too, ``none`` neither."""
CONTEXT_PROTOCOLS: tuple[ContextProtocol, ...] = ("past", "full", "none")

Turns = int | Literal["all"]
"""How many turns on one side of an utterance: a number of them, or all that the dialogue has."""

MASK = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands for the tokenizer's own mask token in a `Prompt`; a renderer removes it from dialogue text."""


@dataclass(frozen=True)
class Label:
    """One emotion: the key in the data files, the word shown to a model, its position in the label set."""

    key: str
    text: str
    index: int


@dataclass(frozen=True)
class LabelSet:
    """The emotions of a data set, in the one order that every array with a class axis follows."""

    labels: tuple[Label, ...]
    neutral: str | None = None

    @classmethod
    def of(cls, words: Mapping[str, str], neutral: str | None = None) -> LabelSet:
        """Make a label set from an ordered mapping of key to the word shown to a model."""
        return cls(tuple(Label(key, text, i) for i, (key, text) in enumerate(words.items())), neutral)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys, in label order."""
        return tuple(label.key for label in self.labels)

    @property
    def texts(self) -> tuple[str, ...]:
        """The words shown to a model, in label order."""
        return tuple(label.text for label in self.labels)

    def index(self, key: str) -> int:
        """The position of `key`. Raises `KeyError` for a key that is not in the set."""
        for label in self.labels:
            if label.key == key:
                return label.index
        raise KeyError(key)

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Label]:
        return iter(self.labels)

    def __contains__(self, key: object) -> bool:
        return any(label.key == key for label in self.labels)


@dataclass(frozen=True)
class Utterance:
    """One turn of a dialogue. `label` is the key of its emotion, or None where it is unknown or withheld."""

    uid: str
    turn: int
    speaker: str
    text: str
    label: str | None = None


@dataclass(frozen=True)
class Dialogue:
    """The turns of one conversation in time order; `key` is the dialogue's own id in the data file."""

    key: str
    utterances: tuple[Utterance, ...]


@dataclass(frozen=True)
class Corpus:
    """A data set that passed every check. No dialogue is in two splits."""

    name: str
    version: str
    fingerprint: str
    labels: LabelSet
    train: tuple[Dialogue, ...]
    dev: tuple[Dialogue, ...]
    test: tuple[Dialogue, ...]

    def split(self, name: Split) -> tuple[Dialogue, ...]:
        """The dialogues of one split."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[name]

    @classmethod
    def from_datasets(
        cls, splits: Mapping[str, Dataset], name: str | None = None, labels: LabelSet | None = None,
        version: str = "1", columns: Mapping[str, str] | None = None,
    ) -> Corpus:  # fmt: skip
        """A Hugging Face ``DatasetDict`` -> Corpus, checked as files are. `huggingface.from_datasets` says it all."""
        from ercbench.huggingface import from_datasets

        return from_datasets(splits, name, labels, version, columns)

    def to_datasets(self) -> DatasetDict:
        """Corpus -> a Hugging Face ``DatasetDict``, a row per turn. `huggingface.to_datasets` says more."""
        from ercbench.huggingface import to_datasets

        return to_datasets(self)


@dataclass(frozen=True)
class Example:
    """An utterance to classify, with the context a protocol allows. No utterance in it carries a label.

    Attributes:
        target: the utterance whose emotion is asked for.
        past: earlier turns inside the context window, oldest first; empty under the protocol ``none``.
        future: later turns inside the window, in time order; empty unless the protocol is ``full``.
        speakers: everyone who spoke from the start of the dialogue to the last turn shown, in order of first
            appearance; under ``none`` the target's own speaker alone.
    """

    target: Utterance
    past: tuple[Utterance, ...]
    future: tuple[Utterance, ...] = ()
    speakers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """The text of one example, in segments. `MASK` stands where a mask token goes.

    Attributes:
        uid: the target's uid.
        segments: pieces of text, each of which is tokenised on its own and closed by a separator.
        query: index of the segment that asks for the emotion; it survives truncation. Segments after it are later
            turns.
        turn: the target's own turn in the form of a context segment. It is not shown to the encoder; token budgets
            may count it.
    """

    uid: str
    segments: tuple[str, ...]
    query: int
    turn: str = ""


@dataclass(frozen=True)
class Tokens:
    """One prompt as the encoder reads it: token ids, and the position whose hidden state is read."""

    uid: str
    input_ids: tuple[int, ...]
    position: int


@dataclass(frozen=True)
class Batch:
    """Examples that go through the encoder together. Dev and test batches carry no labels.

    `inputs` holds ``input_ids`` (B, T), ``attention_mask`` (B, T), and where each utterance is read, ``row`` and
    ``position`` (B,), for a transformer.
    """

    uids: tuple[str, ...]
    inputs: Mapping[str, Tensor]
    labels: Tensor | None = None  # (B,)


@dataclass(frozen=True)
class EncodedBatch:
    """What an encoder makes of a batch, and what a loss is given. Anything an encoder does not have is None.

    Attributes:
        uids: one per row.
        hidden: (B, H), the encoder's state at the position that is read.
        vectors: (B, D), the representation.
        logits: (B, C), of the linear head trained beside the representation.
        prototypes: (C, D), one vector per label, in label order.
        labels: (B,), or None outside training.
        sparse: (B, F) by name, see `Representation`.
    """

    uids: tuple[str, ...]
    hidden: Tensor
    vectors: Tensor
    logits: Tensor | None = None
    prototypes: Tensor | None = None
    labels: Tensor | None = None
    sparse: Mapping[str, csr_array] | None = None


@dataclass(frozen=True)
class Representation:
    """A split after the encoder, float32 and finite: `hidden` (N, H), `vectors` (N, D), `logits` (N, C) or None.

    `labels` (N,) is None for dev and test. `speakers` names who spoke each utterance; it is always there in a run.
    `sparse` are features (N, F) by name, of an encoder whose spec says that it makes them; a classifier may choose one
    of several. `hidden` and `vectors` have no columns then.
    """

    uids: tuple[str, ...]
    hidden: FloatArray
    vectors: FloatArray
    logits: FloatArray | None = None
    labels: IntArray | None = None
    sparse: Mapping[str, csr_array] | None = None
    speakers: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Subset:
    """Which utterances of train an epoch is trained on.

    Attributes:
        rows: their indices in train, each once, at least one; their order makes no difference.
        difficulty: their mean difficulty as the curriculum measures it, None where it measures none.
        difficulty_of_train: the mean of all of train by the same measure, which moves as the model learns.
    """

    rows: IntArray
    difficulty: float | None = None
    difficulty_of_train: float | None = None


@dataclass(frozen=True)
class Prototypes:
    """`vectors` (C, D), float32; row i is label i."""

    vectors: FloatArray


@dataclass(frozen=True)
class LossOutput:
    """`total` (a scalar tensor) is what is differentiated; `parts`, by name, are its terms where there are several."""

    total: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Predictions:
    """`scores` (N, C): the larger, the likelier. Exactly one row per labelled utterance of the split."""

    uids: tuple[str, ...]
    scores: FloatArray


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 of one emotion as fractions, and the number of utterances that carry it."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class SliceScores:
    """Scores over the utterances of a slice as fractions, None where it holds none, and how many it holds."""

    weighted_f1: float | None
    accuracy: float | None
    utterances: int


@dataclass(frozen=True)
class Scores:
    """Fractions in [0, 1], unrounded. `confusion[i][j]` counts utterances of label i predicted as j."""

    weighted_f1: float
    macro_f1: float
    micro_f1_without_neutral: float
    accuracy: float
    per_class: Mapping[str, ClassScores]
    confusion: Sequence[Sequence[int]]
    slices: Mapping[str, SliceScores] = field(default_factory=dict)


@dataclass(frozen=True)
class Epoch:
    """One finished epoch of training: mean losses, scores as fractions, time in seconds.

    `selection_score` is what chooses the epoch: the dev score, unless the recipe selects on test. `utterances` were
    trained on, of the mean `difficulty`, where a curriculum chose them, and `difficulty_of_train` is the mean of all of
    train; all three are None where it was all of train.
    `chunk` utterances were encoded at once at the end of the epoch; None where it was all that go together.
    `processes` shared the epoch.
    """

    epoch: int
    losses: Mapping[str, float]
    dev_weighted_f1: float
    selection_score: float
    seconds: float
    utterances_per_second: float
    utterances: int | None = None
    difficulty: float | None = None
    difficulty_of_train: float | None = None
    chunk: int | None = None
    processes: int = 1


def __getattr__(name: str) -> Any:
    """``FloatArray`` and ``IntArray``, made when first asked for, so that short commands load no numpy."""
    if name not in ("FloatArray", "IntArray"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import numpy as np
    import numpy.typing as npt

    return npt.NDArray[np.float32] if name == "FloatArray" else npt.NDArray[np.int64]
