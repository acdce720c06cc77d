"""Stage 7. Scores and everything around them -> a JSON record and a predictions file beside it. No torch here.

A record holds what is needed to run it again and to re-score it. It holds no dialogue text.
Files are written to a temporary file, synced and renamed, so that a file that exists is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from ercbench.errors import RecordError, UsageError
from ercbench.record_file import AGAIN, read_values, text_of
from ercbench.record_versions import READABLE, SCHEMA_VERSION, readable, upgraded
from ercbench.types import ContextProtocol
from ercbench.whole_files import remove_strays, write_atomically
from ercbench.window import Window

WITHOUT_EFFECT = frozenset({"selection.seal_test"})
"""Settings that change what is kept of a run, and none of its scores."""

Fraction = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecipeIdentity(_Frozen):
    """Which method ran. `ranked` is False for a recipe that may not be ranked, whatever its protocol."""

    name: str = Field(description="its name")
    version: str = Field(description="raised by its author whenever its numbers could change")
    reference: str = Field(description="the paper, or how it differs from one")
    ranked: bool = Field(description="False for a recipe that may never be ranked")


class OwnDataset(_Frozen):
    """What no plugin tells of somebody's own data set. Its words decide what a model is shown, so they are kept."""

    labels: dict[str, str] = Field(description="the word shown to a model, by label key and in label order")
    neutral: str | None = Field(description="key of the label without emotion, None where there is none")
    summary: str = Field(description="one line")
    licence: str = Field(description="as its maker says")
    citation: str = Field(description="as its maker says")
    source: str = Field(description="where a person gets it")


class DatasetIdentity(_Frozen):
    """Which data it ran on; `fingerprint` is over the content actually used, so a limited run has another one."""

    name: str = Field(description="its name")
    version: str = Field(description="which of the data sets that share a name")
    fingerprint: str = Field(description="sha256 of who said what with which label, over what was used")
    split_fingerprints: dict[str, str] = Field({}, description="the same per split; empty where not known")
    files: dict[str, str] = Field({}, description="sha256 by file name; empty where not known")
    ranked: bool = Field(description="False for a sample corpus, and where its maker says so")
    limit: Annotated[int, Field(ge=1)] | None = Field(None, description="dialogues per split, None for all")
    utterances: dict[str, int] = Field(description="labelled utterances per split")
    own: OwnDataset | None = Field(None, description="of a data set that no plugin offers")


class Protocol(_Frozen):
    """What was allowed: the split that chose the epoch, the context, the metric."""

    selection_split: str = Field(description="split that chose the epoch and the state of the classifier")
    context: ContextProtocol = Field(description="past: earlier turns; full: later turns too; none: neither")
    context_past: Window = Field(description="earlier turns at most, or all")
    context_future: Window = Field(0, description="later turns at most, or all")
    metric: str = Field(description="metric signature")

    @model_validator(mode="after")
    def _kept(self) -> Protocol:
        if (self.context == "none" and self.context_past) or (self.context != "full" and self.context_future):
            raise ValueError(
                f"the context protocol {self.context} does not allow {self.context_past} earlier and "
                f"{self.context_future} later turns"
            )
        return self


class EncoderIdentity(_Frozen):
    """Whose weights were fine-tuned. `checkpoint` is the hub id, or the folder's name for a local one."""

    checkpoint: str = Field(description="hub id, or the name of a local folder")
    origin: str = Field(description="package and version, hub and revision, or local folder")
    sha256: str | None = Field(description="of model.safetensors, where it was a local file")
    parameters: int = Field(description="of the whole model that was trained")


class PluginIdentity(_Frozen):
    """A distribution that took part in the run, or a local file given with ``--plugin``."""

    distribution: str = Field(description="what pip installs, or the name of a local file")
    version: str = Field(description="its version; `local file` for one")
    sha256: str | None = Field(None, description="of a local file; null for a distribution")


class Environment(_Frozen):
    """What it ran on."""

    device: str = Field(description="cpu, cuda or mps")
    hardware: str = Field(description="the GPU, or the processor and its threads")
    precision: str = Field(description="of the forward pass: bf16 or fp32; losses are always float32")
    python: str = Field(description="version")
    packages: dict[str, str] = Field(description="versions by distribution")
    processes: Annotated[int, Field(ge=1)] = Field(1, description="that shared the encoding; losses saw whole batches")


class ClassScoresRecord(_Frozen):
    """Scores of one emotion."""

    precision: Fraction = Field(description="of utterances predicted so, the share that is")
    recall: Fraction = Field(description="of utterances that are, the share predicted so")
    f1: Fraction = Field(description="harmonic mean of both")
    support: Annotated[int, Field(ge=0)] = Field(description="utterances that carry the label")


class SliceScoresRecord(_Frozen):
    """Scores over a part of a split."""

    weighted_f1: Fraction | None = Field(description="weighted by support in the slice; null for an empty slice")
    accuracy: Fraction | None = Field(description="share predicted right; null for an empty slice")
    utterances: Annotated[int, Field(ge=0)] = Field(description="labelled utterances in the slice")


class ScoresRecord(_Frozen):
    """Scores of one split, fractions; unrounded."""

    weighted_f1: Fraction = Field(description="the headline: F1 per emotion, weighted by support")
    macro_f1: Fraction = Field(description="mean F1 over emotions")
    micro_f1_without_neutral: Fraction = Field(description="micro F1 over all emotions but the neutral one")
    accuracy: Fraction = Field(description="share predicted right")
    per_class: dict[str, ClassScoresRecord] = Field(description="by label key")
    confusion: list[list[int]] = Field(description="in row i and column j the utterances of label i predicted as j")
    slices: dict[str, SliceScoresRecord] = Field({}, description="by name of the slice; empty before schema version 2")


class SplitScores(_Frozen):
    """The scores of the chosen model."""

    dev: ScoresRecord
    test: ScoresRecord


class EpochRecord(_Frozen):
    """One epoch of training, as seen while training: mean losses, dev score, speed."""

    epoch: Annotated[int, Field(ge=1)] = Field(description="number, from 1")
    losses: dict[str, float] = Field(description="mean over the epoch, by name; total is the weighted sum")
    dev_weighted_f1: Fraction = Field(description="after the epoch")
    seconds: Seconds = Field(description="of training, without the scoring after it")
    utterances_per_second: Annotated[float, Field(ge=0)] = Field(description="while training")
    utterances: Annotated[int, Field(ge=1)] | None = Field(None, description="that a curriculum chose; null: all")
    difficulty: float | None = Field(None, description="their mean, as the curriculum measures it; null: none does")
    difficulty_of_train: float | None = Field(None, description="the mean of all of train by the same measure")
    chunk: Annotated[int, Field(ge=1)] | None = Field(None, description="encoded at once when it ended; null: all")
    processes: Annotated[int, Field(ge=1)] = Field(1, description="that shared it")


class FileBeside(_Frozen):
    """A file beside the record: the scores of its predictions, or what was sealed."""

    file: str = Field(description="name, beside the record")
    sha256: str = Field(description="of its content")


class Similarity(_Frozen):
    """Cosine similarities of the label vectors with each other, in label order."""

    before: list[list[float]] = Field(description="C x C, before training")
    after: list[list[float]] = Field(description="C x C, after the chosen epoch")


class Training(_Frozen):
    """How training went, and what was chosen. Counting starts at 1."""

    epochs: list[EpochRecord] = Field(description="in order")
    chosen_epoch: Annotated[int, Field(ge=0)] = Field(description="whose weights were kept, from 1; 0: untrained")
    candidates_dev_weighted_f1: list[Fraction] = Field(description="dev score of every state of the classifier")
    chosen_candidate: Annotated[int, Field(ge=1)] = Field(description="which of them was kept, from 1")
    effective_batch: Annotated[int, Field(ge=1)] = Field(description="utterances per optimizer step")
    resumed_after_epochs: list[int] = Field(description="finished epochs each time the run was taken up again")
    sealed: FileBeside | None = Field(None, description="predictions on test that no choice was made with")
    prototype_similarity: Similarity | None = Field(None, description="null where the model has no label vectors")


class RunRecord(_Frozen):
    """One cell of the grid: a recipe on a data set and track with a seed."""

    schema_version: int = Field(SCHEMA_VERSION, description="of this form")
    recipe: RecipeIdentity
    dataset: DatasetIdentity
    track: str = Field(description="its name")
    seed: Annotated[int, Field(ge=0)] = Field(description="of every random number")
    command: str = Field(description="what makes this record again")
    overrides: dict[str, JsonValue] = Field(description="values given with --set; a run with any is not ranked")
    config: dict[str, JsonValue] = Field(description="every resolved value by dotted path")
    protocol: Protocol
    encoder: EncoderIdentity
    plugins: list[PluginIdentity]
    environment: Environment
    training: Training
    scores: SplitScores
    predictions: FileBeside
    seconds: dict[str, Seconds] = Field(description="per stage")
    started: str = Field(description="ISO 8601, UTC")

    @property
    def settings(self) -> dict[str, JsonValue]:
        """The config without what cannot change a score: records with equal settings are seeds of one row."""
        return {path: value for path, value in self.config.items() if path not in WITHOUT_EFFECT}

    @property
    def method(self) -> dict[str, object]:
        """What the seeds of one row have in common, by what to call it; two rows differ in some of it."""
        return {
            "recipe": f"{self.recipe.name}@{self.recipe.version}",
            **{f"config.{path}": value for path, value in self.settings.items()},
            **{f"overrides.{path}": value for path, value in self.overrides.items()},
            "encoder.checkpoint": self.encoder.checkpoint,
            "encoder.sha256": self.encoder.sha256,
            "protocol.selection_split": self.protocol.selection_split,
        }

    @property
    def signature(self) -> str:
        """What its score is, in one line, as sacreBLEU does it: metric, classes, data, context, selection, framework.

        For instance ``weighted_f1|classes:7|zero_division:0|sklearn:1.9|data:meld@declare-lab 2d2011b|
        fingerprint:75fd6aaec078|utterances:2610|context:past:8|selection:dev|ercbench:0.1.0``, in one line.
        """
        data, protocol = self.dataset, self.protocol
        context = {
            "none": "none",
            "past": f"past:{protocol.context_past}",
            "full": f"full:{protocol.context_past}+{protocol.context_future}",
        }
        parts = {
            "data": f"{data.name}@{data.version}",
            "fingerprint": data.fingerprint.rpartition(":")[2][:12],
            **({} if data.limit is None else {"limit": str(data.limit)}),
            "utterances": str(data.utterances.get("test", "unknown")),
            "context": context[protocol.context],
            "selection": protocol.selection_split,
            "ercbench": self.environment.packages.get("ercbench", "unknown"),
        }
        return "|".join((protocol.metric, *(f"{name}:{value}" for name, value in parts.items())))

    @property
    def ranked(self) -> bool:
        """Whether a board may rank it."""
        return not self.unranked_reasons

    @property
    def unranked_reasons(self) -> list[str]:
        """Why a board must not rank it, in words; empty when it may."""
        reasons = []
        if self.protocol.selection_split != "dev":
            reasons.append(f"selected on {self.protocol.selection_split}")
        if not self.recipe.ranked and self.protocol.selection_split == "dev":
            reasons.append("recipe is not ranked")
        if not self.dataset.ranked:
            reasons.append("sample data" if self.dataset.own is None else "data set is not ranked")
        if self.dataset.limit is not None:
            reasons.append(f"limited to {self.dataset.limit} dialogues per split")
        if self.overrides:
            reasons.append("changed with --set")
        reasons += [
            f"local plugin {plugin.distribution}, sha256 {plugin.sha256[:8]}"
            for plugin in self.plugins
            if plugin.sha256
        ]
        return reasons


def record_path(
    results: Path, dataset: str, track: str, recipe: str, seed: int, context: ContextProtocol = "past"
) -> Path:
    """``records/<dataset>/<track>/<recipe>@<version>/seed-<n>.json`` below `results`; `recipe` is name@version.

    Another context protocol than ``past`` has a folder beside the track's: ``mini+context-full``. No track's name can
    be that, for a name has no ``+``.
    """
    folder = track if context == "past" else f"{track}+context-{context}"
    return results / "records" / dataset / folder / recipe / f"seed-{seed}.json"


def write_record(path: Path, record: RunRecord, predictions_text: str, sealed_text: str | None = None) -> None:
    """RunRecord -> files: the predictions first, so that a record never names a file that is not there.

    What killed processes left of an earlier try is removed; no other process may be writing the same record.

    Raises:
        WriteError: there is no room, or it may not be written there.

    Before: scoring.py. After: leaderboard/.
    """
    beside = {record.predictions.file: predictions_text, path.name: text_of(record.model_dump(mode="json"))}
    if record.training.sealed and sealed_text is not None:
        beside = {record.training.sealed.file: sealed_text, **beside}
    for name, text in beside.items():
        remove_strays(path.parent / name)
        write_atomically(path.parent / name, text)


def read_record(path: Path) -> RunRecord:
    """A JSON file -> RunRecord; one of an earlier schema version is brought up to date in memory.

    Raises:
        RecordError: unreadable, changed since, of a newer schema, or with a field that is not acceptable.
    """
    values = read_values(path)
    version = values.get("schema_version")
    if not readable(version):
        raise RecordError(
            f"{path}: unknown schema version. Got {version!r}, this ercbench reads {', '.join(map(str, READABLE))}. "
            "Update ercbench, or run its command again with --force."
        )
    try:
        return RunRecord.model_validate(upgraded(values))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        what = f"{path}: field {field} is not acceptable: {first['msg']}. Got {first['input']!r:.80}. {AGAIN}"
        raise RecordError(what) from error


def read_records(results: Path) -> Iterator[tuple[Path, RunRecord]]:
    """Every record below `results`, in a fixed order, with its path relative to `results`."""
    for path in sorted((results / "records").glob("*/*/*/seed-*.json")):
        yield path.relative_to(results), read_record(path)


def record_files(path: Path) -> list[Path]:
    """The path of a record or of a folder -> that record, or every one in the folder and below it, sorted.

    Raises:
        UsageError: there is none.
    """
    files = [path] if path.is_file() else sorted(path.rglob("seed-*.json"))
    if not files:
        raise UsageError(
            f"There is no record there. Got {str(path)!r}. Name a seed-<n>.json, or a folder that holds some."
        )
    return files
