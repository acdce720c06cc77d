"""What a recipe must keep to: all it names is there, it runs from end to end, and its record can be believed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from ercbench import models, records
from ercbench.config import Config, resolve
from ercbench.devices import Device
from ercbench.errors import ErcbenchError, Problems, UnknownName
from ercbench.preparing import prepare
from ercbench.progress import Silent
from ercbench.records import RunRecord
from ercbench.runner import cell_path, run
from ercbench.specs import DatasetSpec, EncoderSpec, Recipe, TrackSpec
from ercbench.testing.checks import CheckFailed, CheckSkipped, Subject, checks_of, need
from ercbench.testing.tiny import tiny_checkpoint
from ercbench.values import lineage

DIALOGUES = 2
"""Dialogues of each split of a sample that a run is made on."""


@dataclass(frozen=True)
class Finished:
    """What a tiny run left behind, and what is wrong with it, if anything is."""

    record: RunRecord
    read_again: RunRecord
    predictions: str
    model_problem: str


class RecipeSubject(Subject[Recipe]):
    """A recipe with tracks and data sets to resolve it on."""

    kind = "recipe"

    @property
    def full_name(self) -> str:
        """By which it is looked up, whatever other plugins offer."""
        return f"{self.plugin.distribution}:{self.name}"

    def resolve(self, track: str, dataset: str, **overrides: JsonValue) -> Config:
        """Its values on a track and a data set."""
        return resolve(self.catalog, self.full_name, track, dataset, overrides)

    def tracks(self) -> list[TrackSpec]:
        """All tracks, those that need no GPU first."""
        return sorted(self.catalog.all(TrackSpec), key=lambda track: track.needs_gpu)

    def samples(self) -> list[DatasetSpec]:
        """The data sets that come with a plugin, those that the recipe has values for first."""
        named = _datasets_named(self)
        return sorted(
            (spec for spec in self.catalog.all(DatasetSpec) if spec.bundled),
            key=lambda spec: not {spec.name, spec.family} & named,
        )

    def finished(self, number: int) -> Finished:
        """A tiny run with seed 0; `number` tells repetitions apart. Where one failed there is no second."""
        if self.memo.get("failed"):
            raise CheckSkipped("It does not run from end to end.")
        key = f"run {number}"
        if key not in self.memo:
            self.memo["failed"] = True
            with TemporaryDirectory(prefix="ercbench-check-") as folder:
                self.memo[key] = self._run(Path(folder))
            self.memo["failed"] = False
        found: Finished = self.memo[key]
        return found

    def small(self) -> Config:
        """Its values on a sample, for one epoch of a tiny encoder where its encoder takes a checkpoint."""
        track, sample = self.tracks()[0].name, self.samples()[0].name
        config = self.resolve(track, sample)
        small: dict[str, JsonValue] = {"training.batch_size": 8, "training.precision": "fp32"}
        if config.training.epochs > 1:
            small["training.epochs"] = 1
        if "checkpoint" in self.catalog.get(EncoderSpec, config.encoder.spec.name).settings.model_fields:
            small["encoder.checkpoint"] = tiny_checkpoint().name
        return resolve(self.catalog, self.full_name, track, sample, small)

    def _run(self, results: Path) -> Finished:
        config = self.small()
        record = run(prepare(self.catalog, config, None, DIALOGUES), 0, Device("cpu", "fp32"), results, Silent())
        path = cell_path(config, 0, results)
        text = (path.parent / record.predictions.file).read_text(encoding="utf-8")
        try:
            models.load(self.catalog, path)
            problem = ""
        except ErcbenchError as error:
            problem = str(error)
        return Finished(record, records.read_record(path), text, problem)


def _datasets_named(subject: RecipeSubject) -> set[str]:
    """The data sets that it has values for, on one track or on all."""
    chain = lineage(subject.catalog, subject.spec)
    return {name.partition("/")[0] for link in chain for name in link.for_dataset}


def _errors(subject: RecipeSubject) -> Iterator[ErcbenchError]:
    """Whatever resolving it on any track and on any data set that it has values for raises."""
    named = _datasets_named(subject)
    datasets = {spec.family: spec for spec in subject.catalog.all(DatasetSpec)} | {
        spec.name: spec for spec in subject.catalog.all(DatasetSpec) if spec.name in named
    }
    for track in subject.tracks():
        for dataset in datasets.values():
            try:
                subject.resolve(track.name, dataset.name)
            except Problems as problems:
                yield from problems.errors
            except ErcbenchError as error:
                yield error


def parts_resolve(subject: RecipeSubject) -> None:
    """Every part that the recipe names is offered by an installed plugin, on every track.

    Correct the name, or let the package depend on the plugin that offers it.
    """
    for error in _errors(subject):
        need(not isinstance(error, UnknownName), str(error))


def fields_exist(subject: RecipeSubject) -> None:
    """Every value is one of a setting that exists, on every track and data set that the recipe names.

    Correct the path or the value; `ercbench show RECIPE` lists what there is. Under a name such as encoder, a value of
    None removes what came before: in values what a base set, in for_track what the track set.
    """
    for error in _errors(subject):
        need(isinstance(error, UnknownName), str(error))
    catalog = subject.catalog
    tracks = {track.name for track in catalog.all(TrackSpec)}
    datasets = {name for spec in catalog.all(DatasetSpec) for name in (spec.name, spec.family)}
    pairs = {f"{dataset}/{track}" for dataset in datasets for track in tracks}
    known = {"for_track": tracks, "for_dataset": datasets | pairs}
    for field, names in known.items():
        for given in set(getattr(subject.spec, field)) - names:
            near = difflib.get_close_matches(given, names, n=1)
            need(not near, f"{field} names {given!r}, which is not installed. Did you mean {near[:1]}?")


def ablations_resolve(subject: RecipeSubject) -> None:
    """Every ablation that the recipe declares makes a recipe that can be run, and another one than the whole.

    Correct the path or the value; a value of None removes everything below its path, which must be there.
    """
    track, sample = subject.tracks()[0].name, subject.samples()[0].name
    whole = subject.resolve(track, sample).values
    for name, values in subject.spec.ablations.items():
        try:
            without = subject.resolve(track, sample, **values).values
        except ErcbenchError as error:
            raise CheckFailed(f"Without {name}: {error}") from error
        need(dict(without) != dict(whole), f"Without {name} it is the same as with it.")


def end_to_end(subject: RecipeSubject) -> None:
    """It trains on a few dialogues of a sample and predicts every test utterance of them.

    Look at the message: the run was of one epoch, on a CPU, with a tiny encoder where the encoder takes a checkpoint.
    """
    found = subject.finished(0)
    rows = len(found.predictions.splitlines()) - 1
    wanted = found.record.dataset.utterances["test"]
    need(rows == wanted > 0, f"It predicted {rows} utterances of {wanted}.")


def same_seed(subject: RecipeSubject) -> None:
    """Two runs with one seed make the same predictions.

    Draw random numbers from torch's global generator or from the seed that a part is given, and keep nothing between
    runs in a class or module.
    """
    need(subject.finished(0).predictions == subject.finished(1).predictions, "Two runs with seed 0 predict otherwise.")


def record_survives(subject: RecipeSubject) -> None:
    """The record is the same after it was written and read, and the kept model loads.

    Let settings hold plain JSON values, and keep all that was trained in the model's and the classifier's state.
    """
    found = subject.finished(0)
    need(found.record == found.read_again, "The record that was read is not the one that was written.")
    need(not found.model_problem, f"The kept model does not load: {found.model_problem}")


def stated(subject: RecipeSubject) -> None:
    """The recipe says which paper it follows, or what it is derived from, and the record has its version.

    Fill in summary and reference ("Derived from ..." where there is no paper), and raise version when numbers change.
    """
    spec = subject.spec
    empty = [field for field in ("summary", "reference") if len(getattr(spec, field).strip()) < 4]
    need(not empty, f"The recipe does not say its {' and '.join(empty)}.")
    written = subject.finished(0).record.recipe.version
    if written != spec.version:
        raise CheckFailed(f"The record has version {written}, the recipe {spec.version}.")


CHECKS = checks_of(
    "recipe", parts_resolve, fields_exist, ablations_resolve, end_to_end, same_seed, record_survives, stated
)
