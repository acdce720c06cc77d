"""Where a number came from: the command that makes it again, the plugins, the software, the hardware."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from ercbench.catalog import Catalog, Entry
from ercbench.cells import RESULTS
from ercbench.config import Config
from ercbench.records import Environment, PluginIdentity
from ercbench.specs import (
    ClassifierSpec,
    CurriculumSpec,
    DatasetSpec,
    EncoderSpec,
    LossSpec,
    Recipe,
    RendererSpec,
    TrackSpec,
)

if TYPE_CHECKING:
    from ercbench.devices import Device

PACKAGES = (
    "accelerate", "ercbench", "numpy", "pytorch-metric-learning", "scikit-learn", "tokenizers", "torch", "transformers",
)  # fmt: skip


MISSING = "not installed"
"""What stands for the version of a distribution that is not there."""


def command(
    config: Config,
    seed: int,
    limit: int | None,
    files: Sequence[str] = (),
    processes: int = 1,
    results: Path | None = None,
) -> str:
    """The command line that makes this cell again, without paths of this machine's data.

    Of somebody's own data set it tells the name of the folder, and of one that was an object a call in Python. `files`
    are the names of local plugins, and `processes` shared the encoding. `results` is told to whoever is to go on with a
    run; None where somebody else makes it again.
    """
    results = None if results == RESULTS else results
    if config.dataset.corpus is not None:
        return _call(config, seed, limit, files, results)
    words = ["ercbench", "run", config.recipe.name, "--dataset", config.dataset.argument]
    words += ["--track", config.track.name, "--seed", str(seed)]
    if config.context.protocol != "past":
        words += ["--context", config.context.protocol]
    for path, value in config.overrides.items():
        words += ["--set", f"{path}={written(value)}"]
    if limit is not None:
        words += ["--limit", str(limit)]
    for file in files:
        words += ["--plugin", file]
    if processes > 1:
        words += ["--processes", str(processes)]
    if results is not None:
        words += ["--results", str(results)]
    return shlex.join(words)


def _call(config: Config, seed: int, limit: int | None, files: Sequence[str], results: Path | None) -> str:
    """The same in Python, for a data set that no command line can name."""
    options: dict[str, object] = {"track": config.track.name, "seeds": [seed]}
    options |= {} if config.context.protocol == "past" else {"context": config.context.protocol}
    options |= {"overrides": dict(config.overrides)} if config.overrides else {}
    options |= {} if limit is None else {"limit": limit}
    options |= {"plugins": list(files)} if files else {}
    options |= {} if results is None else {"results": str(results)}
    return python_call(config.recipe.name, config.dataset.name, options)


def python_call(recipe: str, dataset: str, options: Mapping[str, object]) -> str:
    """The call in Python that makes a cell of a corpus in memory again; the corpus is called ``corpus``."""
    more = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"ercbench.run({recipe!r}, dataset=corpus{more})  # Python; the corpus {dataset}"


def written(value: JsonValue) -> str:
    """A value as ``--set`` takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def plugins(catalog: Catalog, config: Config) -> list[PluginIdentity]:
    """The distributions that offered anything this run used, and all local plugins: their code was run."""
    used: list[Entry] = [
        catalog.entry(Recipe, config.recipe.name),
        catalog.entry(TrackSpec, config.track.name),
        *([] if config.dataset.own else [catalog.entry(DatasetSpec, config.dataset.name)]),
        catalog.entry(RendererSpec, config.renderer.spec.name),
        catalog.entry(EncoderSpec, config.encoder.spec.name),
        *(catalog.entry(LossSpec, loss.name) for loss in config.losses.values()),
        *([catalog.entry(CurriculumSpec, config.curriculum.spec.name)] if config.curriculum else []),
        catalog.entry(ClassifierSpec, config.classifier.spec.name),
        catalog.entry(ClassifierSpec, config.selection_classifier.spec.name),
    ]
    took_part = [*(entry.plugin for entry in used), *catalog.local]
    owners = {(plugin.distribution, plugin.version, plugin.sha256) for plugin in took_part}
    return [
        PluginIdentity(distribution=name, version=release, sha256=sha256)
        for name, release, sha256 in sorted(owners, key=lambda owner: owner[:2])
    ]


def environment(device: Device) -> Environment:
    """Software and hardware of this run."""
    return Environment(
        device=device.name,
        hardware=device.hardware,
        precision=device.precision,
        python=platform.python_version(),
        packages=package_versions(PACKAGES),
        processes=device.ranks.processes,
    )


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of installed distributions; one that is missing says so."""
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = MISSING
    return versions
