"""What a track must keep to: its values are settings that recipes take, and its packages hold what it says."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from ercbench.catalog import KINDS, Catalog, Entry
from ercbench.checkpoints import locate
from ercbench.config import Config, resolve
from ercbench.errors import CheckpointError, ErcbenchError
from ercbench.specs import DatasetSpec, Recipe, TrackSpec
from ercbench.testing.checks import CheckSkipped, Subject, checks_of, need


class TrackSubject(Subject[TrackSpec]):
    """A track with recipes and data sets to resolve on it."""

    kind = "track"

    def resolved(self, values: Mapping[str, JsonValue]) -> Iterator[Config | ErcbenchError]:
        """What every installed recipe comes to on every data set, if the track has these values and no others."""
        catalog = self._with(self.spec.model_copy(update={"values": dict(values)}))
        for recipe in self.catalog.entries(Recipe):
            for dataset in self.catalog.all(DatasetSpec):
                names = f"{recipe.plugin.distribution}:{recipe.spec.name}", f"{self.plugin.distribution}:{self.name}"
                try:
                    yield resolve(catalog, *names, dataset, {})
                except ErcbenchError as error:
                    yield error

    def _with(self, track: TrackSpec) -> Catalog:
        """Everything installed, with another track in the place of this one."""
        entries = [entry for kind in KINDS.values() for entry in self.catalog.entries(kind) if entry.spec != self.spec]
        return Catalog(self.catalog.plugins, [*entries, Entry(self.plugin, track)])


def values_resolve(subject: TrackSubject) -> None:
    """Every value is one of a setting that exists and may have it; an installed recipe takes it.

    Correct the path or the value; `ercbench show RECIPE` lists what there is. context.protocol is the task's, not a
    track's.
    """
    for path, value in subject.spec.values.items():
        raised = []
        for found in subject.resolved({path: value}):
            if isinstance(found, ErcbenchError):
                raised.append(str(found))
            elif found.origins.get(path) == f"track {subject.name}":
                break
        else:
            need(False, raised[0] if raised else f"No installed recipe takes {path}.")


def values_agree(subject: TrackSubject) -> None:
    """At least one installed recipe resolves with all values together.

    Look at the message: two of the values cannot be had at once, or every recipe names a part that cannot have them.
    """
    raised = []
    for found in subject.resolved(subject.spec.values):
        if not isinstance(found, ErcbenchError):
            return
        raised.append(str(found))
    need(False, f"No recipe resolves with it. {raised[0] if raised else 'None is installed.'}")


def packaged(subject: TrackSubject) -> None:
    """A checkpoint that is said to come in a package is the track's, and the package, where it is installed, has it.

    Correct the names and the sha256 of model.safetensors in the PackagedCheckpoint; its name is that of
    encoder.checkpoint.
    """
    wanted = subject.spec.values.get("encoder.checkpoint")
    installed = []
    for copy in subject.spec.packaged:
        need(copy.name == wanted, f"encoder.checkpoint is {wanted!r}, and a package is named for {copy.name!r}.")
        if importlib.util.find_spec(copy.package) is not None:
            installed.append(copy)
            try:
                locate(copy.name, [copy])
            except CheckpointError as error:
                need(False, str(error))
    if not installed:
        raise CheckSkipped("It names no package that is installed.")


def stated(subject: TrackSubject) -> None:
    """The track says in a few words what it is sized for, and fixes something that the rows of a board share.

    Fill in summary and values: the encoder and its budget, context, epochs and batch size.
    """
    need(len(subject.spec.summary.strip()) >= 4, "The track does not say its summary.")
    need(subject.spec.values, "It fixes nothing.")


CHECKS = checks_of("track", values_resolve, values_agree, packaged, stated)
