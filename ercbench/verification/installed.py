"""A record against the plugins that are installed: its recipe, its track, its data set, the versions it names.

What was made with another version than the one that is installed cannot be checked here, which is a note and no fault.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ercbench.catalog import Catalog
from ercbench.config import Config, resolve
from ercbench.errors import ErcbenchError, PluginError, Problems, UnknownName
from ercbench.own import of_record
from ercbench.provenance import plugins
from ercbench.records import RunRecord
from ercbench.specs import DatasetSpec, Recipe
from ercbench.types import LabelSet
from ercbench.verification.findings import AGAIN, Finding, fault, note
from ercbench.verification.reading import Subject

HERE = "It cannot be checked here"


def installed(subject: Subject, catalog: Catalog) -> Iterator[Finding]:
    """Everything of a record that the installed plugins can tell."""
    yield from _dataset(subject, catalog)
    yield from _plugins(subject)
    yield from _packaged(subject, catalog)
    yield from _recipe(subject, catalog)


def labels_of(record: RunRecord, catalog: Catalog) -> LabelSet | None:
    """The labels of a record's data set; None where no plugin offers it, or the record tells nonsense of it."""
    try:
        found = of_record(record.dataset)
        return (catalog.get(DatasetSpec, found) if isinstance(found, str) else found).labels
    except (ErcbenchError, ValueError):
        return None


def _dataset(subject: Subject, catalog: Catalog) -> Iterator[Finding]:
    data, file = subject.record.dataset, subject.file
    known = {spec.name: spec for spec in catalog.all(DatasetSpec)}
    if data.own is not None:
        if data.name in known:
            fix = "Somebody's own data set needs a name of its own."
            yield fault(file, "dataset.own", f"A plugin offers the data set {data.name}.", fix)
        try:
            of_record(data)
        except (ErcbenchError, ValueError) as error:
            yield fault(file, "dataset.own", " ".join(str(error).split()), AGAIN)
    elif data.name in known and data.ranked != known[data.name].ranked:
        what = "It is not what the data set's plugin says."
        yield fault(file, "dataset.ranked", what, AGAIN, data.ranked, known[data.name].ranked)


def _plugins(subject: Subject) -> Iterator[Finding]:
    packages = subject.record.environment.packages
    for number, plugin in enumerate(subject.record.plugins):
        field = f"plugins[{number}].version"
        if plugin.sha256:
            what = f"{plugin.distribution} was a local file, which nobody can install. {HERE}."
            yield note(subject.file, field, what, plugin.sha256)
            continue
        if packages.get(plugin.distribution, plugin.version) != plugin.version:
            what = "It is not that of environment.packages."
            yield fault(subject.file, field, what, AGAIN, plugin.version, packages[plugin.distribution])
        try:
            here = importlib.metadata.version(plugin.distribution)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            yield note(subject.file, field, f"{plugin.distribution} is not installed here.", plugin.version)
            continue
        if here != plugin.version:
            yield note(subject.file, field, f"Another {plugin.distribution} is installed here.", plugin.version, here)


def _packaged(subject: Subject, catalog: Catalog) -> Iterator[Finding]:
    """Weights that came in a package are those that the track names."""
    encoder = subject.record.encoder
    for copy in catalog.packaged_checkpoints():
        packaged = copy.name == encoder.checkpoint and encoder.origin.startswith(f"package {copy.distribution} ")
        if packaged and copy.sha256 != encoder.sha256:
            what = f"It is not that of the weights in {copy.distribution}."
            yield fault(subject.file, "encoder.sha256", what, AGAIN, encoder.sha256, copy.sha256)


def _recipe(subject: Subject, catalog: Catalog) -> Iterator[Finding]:
    """The recipe as it is installed, where it is the one of the record."""
    recorded, file = subject.record.recipe, subject.file
    try:
        recipe = catalog.get(Recipe, recorded.name)
    except ErcbenchError as error:
        yield note(file, "recipe.name", f"{HERE}: {_first_line(error)}", recorded.name)
        return
    if recipe.version != recorded.version:
        yield note(file, "recipe.version", f"Another one is installed. {HERE}.", recorded.version, recipe.version)
        return
    for field in ("reference", "ranked"):
        old, new = getattr(recorded, field), getattr(recipe, field)
        if old != new:
            yield fault(file, f"recipe.{field}", "It is not what the recipe's plugin says.", AGAIN, old, new)
    try:
        data = of_record(subject.record.dataset)
        context = subject.record.protocol.context
        config = resolve(catalog, recipe.name, subject.record.track, data, subject.record.overrides, context)
    except (ErcbenchError, ValueError) as error:
        yield from _unresolved(subject, error)
        return
    yield from _values(subject, catalog, config)


def _values(subject: Subject, catalog: Catalog, config: Config) -> Iterator[Finding]:
    """Every value is the one that the recipe comes to, and the plugins are those that offer its parts."""
    record = subject.record
    fix = "A run with other values needs them in overrides, where --set puts them. Run the record's command again."
    for path in config.differences(record.config):
        what = (
            f"It is not what recipe {config.recipe.name}@{config.recipe.version} comes to on this data set and track."
        )
        yield fault(
            subject.file, f"config.{path}", what, fix, record.config.get(path, "nothing"),
            config.values.get(path, "nothing"),
        )  # fmt: skip
    if record.dataset.own is not None:  # no plugin offers it
        config = replace(config, dataset=config.dataset.model_copy(update={"folder": Path(record.dataset.name)}))
    wanted = sorted(plugin.distribution for plugin in plugins(catalog, config))
    found = sorted(plugin.distribution for plugin in record.plugins if not plugin.sha256)
    if wanted != found:
        yield fault(
            subject.file, "plugins", "They are not those that offer the parts of the run.", AGAIN, found, wanted
        )


def _unresolved(subject: Subject, error: Exception) -> Iterator[Finding]:
    """Why the values of a record come to nothing here: a name that is not installed is a note, all else a fault."""
    for one in error.errors if isinstance(error, Problems) else (error,):
        if isinstance(one, UnknownName | PluginError):
            yield note(subject.file, "config", f"{HERE}: {_first_line(one)}")
        else:
            yield fault(subject.file, "config", f"The recipe cannot be resolved: {_first_line(one)}", AGAIN)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
