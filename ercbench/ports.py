"""What a plugin's parts must be able to do. A part satisfies a protocol by having its methods; it inherits nothing.

`Importer` is called once, before any run. In the order in which a run calls them: `Reader` or `ColumnReader`,
`Renderer`, `Encoder` and `EncoderModel` or `FittedModel`, `Curriculum`, `Loss`, `Classifier` and `Candidate`. How each
is built stands in the matching spec in ``specs.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ercbench.reading import Imported, Reading
from ercbench.types import (
    Batch,
    EncodedBatch,
    Example,
    FloatArray,
    LossOutput,
    Prompt,
    Prototypes,
    Representation,
    Subset,
    Tokens,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


class Reader(Protocol):
    """Reads one file of one split. A function is enough."""

    def __call__(self, path: Path) -> Reading:
        """Path -> Reading: every dialogue that can be read, and one `Problem` per broken row, none of them raised."""
        ...


class Importer(Protocol):
    """Makes the files of a data set from what its owners give out. A function is enough."""

    def __call__(self, path: Path) -> Imported:
        """Path -> Imported: nothing is written and nothing raised; whatever is wrong is a `Problem`."""
        ...


class ColumnReader(Protocol):
    """Reads one file of one split whose columns are named in its `specs.SplitFile`. A function is enough."""

    def __call__(self, path: Path, columns: Mapping[str, str]) -> Reading:
        """Path -> Reading, as a `Reader` does; `columns` maps ``dialogue``, ``text`` and so on to their names."""
        ...


class Renderer(Protocol):
    """Writes an example as text. A pure function of the example: no state, no label, no file."""

    def render(self, example: Example) -> Prompt:
        """Example -> Prompt."""
        ...


class Encoder(Protocol):
    """Everything of an encoder that needs a tokenizer but no weights: tokens, batches, and the way to the weights."""

    def tokenize(self, prompts: Sequence[Prompt]) -> list[Tokens]:
        """Prompts -> Tokens, in the same order. Called once per split; truncation happens here."""
        ...

    def plan(self, tokens: Sequence[Tokens], batch_size: int, seed: int | None) -> list[list[int]]:
        """Indices of `tokens` in batches of at most `batch_size`, each index once.

        Args:
            tokens: the split, or the part of it that an epoch is trained on.
            batch_size: utterances per batch.
            seed: shuffles for training; None asks for one fixed order.
        """
        ...

    def collate(self, tokens: Sequence[Tokens]) -> Batch:
        """Tokens -> Batch, padded, on the CPU, without labels."""
        ...

    def load(self) -> EncoderModel:
        """Load the pre-trained weights into a new model. New parameters are drawn from torch's global generator."""
        ...


class EncoderModel(Protocol):
    """The trainable half of an encoder, a ``torch.nn.Module`` in practice.

    Attributes:
        backbone: the pre-trained module, which is trained at the recipe's ``training.encoder_lr``; everything else is
            trained at ``training.lr``.
        dimension: D, the width of ``EncodedBatch.vectors``.
    """

    backbone: nn.Module
    dimension: int

    def __call__(self, batch: Batch) -> EncodedBatch:
        """Batch -> EncodedBatch, with gradients while training."""
        ...

    def prototypes(self) -> Tensor | None:
        """The label vectors (C, D) of the model as it is now, or None where it has none."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...  # noqa: D102
    def parameters(self) -> Iterator[nn.Parameter]: ...  # noqa: D102
    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...  # noqa: D102
    def to(self, device: Any) -> Any: ...  # noqa: D102
    def train(self) -> Any: ...  # noqa: D102
    def eval(self) -> Any: ...  # noqa: D102


class FittedModel(EncoderModel, Protocol):
    """The model of an encoder that is fitted, not trained; `specs.EncoderSpec.fitted` says so.

    What was fitted is in its ``state_dict``, and ``load_state_dict`` of a new one takes it, whatever its size.
    """

    def fit(self, batches: Iterable[Batch]) -> None:
        """Batches of the training split, without labels, in the order of the split. Called once, before any other."""
        ...


class Curriculum(Protocol):
    """Decides which utterances of the training split each epoch is trained on."""

    def choose(self, epoch: int, epochs: int, train: Representation, seed: int) -> Subset:
        """Representation (labelled) -> Subset. Called before every epoch.

        The answer depends on the arguments alone, so that a run that was interrupted chooses as an undisturbed one.

        Args:
            epoch: the one that begins, from 1.
            epochs: of the whole run.
            train: the training split, encoded by the model as it is.
            seed: of whatever is drawn at random; another one in every epoch.
        """
        ...


class Loss(Protocol):
    """A training objective, a ``torch.nn.Module`` in practice, whose parameters are trained at ``training.lr``."""

    def __call__(self, batch: EncodedBatch) -> LossOutput:
        """EncodedBatch (with labels, float32) -> LossOutput. A degenerate batch gives a finite total with a graph."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]: ...  # noqa: D102
    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...  # noqa: D102
    def to(self, device: Any) -> Any: ...  # noqa: D102


class Candidate(Protocol):
    """One fitted state of a classifier, ready to score utterances."""

    def score(self, representation: Representation) -> FloatArray:
        """Representation -> scores (N, C), the larger the likelier; their softmax is shown as probabilities."""
        ...

    def tensors(self) -> Mapping[str, FloatArray]:
        """All that was fitted, by name, for `Classifier.restore`; empty where nothing was."""
        ...


class Classifier(Protocol):
    """Decides on an emotion from vectors. It sees the labels of the training split and of no other.

    One that reads whole dialogues, as its spec says, finds the dialogue and the place of an utterance in its uid, and
    who spoke in `Representation.speakers`. Under the context protocol ``past`` it reads no later utterance than the one
    it scores, and under ``full`` it reads them. Utterances without a label have no vector, and so are not there.
    """

    def fit(self, train: Representation | None, prototypes: Prototypes | None, seed: int) -> Sequence[Candidate]:
        """Fit, and return the states worth choosing from, in order: one per epoch, or one per hyper-parameter value.

        The runner scores each on dev and keeps the first of the best; the classifier never learns which.
        """
        ...

    def restore(self, tensors: Mapping[str, FloatArray]) -> Candidate:
        """`Candidate.tensors` -> the same state again, in a classifier with the same settings and labels."""
        ...
