"""What a plugin as a whole must keep to: it loads, lightly, and what it names is there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

from ercbench.catalog import KINDS, Catalog, Plugin, load_target
from ercbench.errors import PluginError
from ercbench.specs import DatasetSpec, LossSpec, PartSpec, Spec, TrackerSpec
from ercbench.testing.checks import CheckSkipped, checks_of, need

HEAVY = ("torch", "transformers", "datasets", "sklearn", "pandas", "accelerate", "scipy")
LIGHT = """
import sys
from importlib.metadata import EntryPoint
from ercbench.catalog import load_catalog
load_catalog([EntryPoint({name!r}, {module!r}, "ercbench")])
print("LOADED", *[name for name in {heavy!r} if name in sys.modules])
"""


class PluginSubject:
    """A plugin and all it offers."""

    kind = "plugin"

    def __init__(self, plugin: Plugin, catalog: Catalog) -> None:
        self.plugin, self.catalog = plugin, catalog

    @property
    def name(self) -> str:
        """As ``ercbench plugin list`` shows it."""
        return self.plugin.name

    def specs(self) -> Iterator[Spec]:
        """Everything it offers."""
        for spec_type in KINDS.values():
            yield from (entry.spec for entry in self.catalog.entries(spec_type) if entry.plugin == self.plugin)


def loads(subject: PluginSubject) -> None:
    """The plugin loads, is made for this API level, and offers something.

    Mend what is named; `ercbench plugin list` shows it too. ERCBENCH_API stands in the module of the entry point.
    """
    need(subject.plugin.problem is None, f"It does not load: {subject.plugin.problem}.")
    need(any(True for _ in subject.specs()), "It loads, and offers nothing.")


def hooks_marked(subject: PluginSubject) -> None:
    """Every function called ercbench_... is marked as a hook.

    Put @hookimpl above it; without, it is never called.
    """
    point = EntryPoint(subject.plugin.name, subject.plugin.module, "ercbench")
    module: Any = point.load()
    hooks = {name: getattr(module, name) for name in dir(module) if name.startswith("ercbench_")}
    bare = [name for name, hook in hooks.items() if callable(hook) and not hasattr(hook, "ercbench_impl")]
    need(not bare, f"Not marked: {', '.join(bare)}.")


def light(subject: PluginSubject) -> None:
    """Loading the plugin and asking it for its specs imports no torch, nor anything else that is large.

    Import such packages in the modules that a spec's target names, never in those that hold hooks, specs and settings.
    """
    if subject.plugin.sha256:
        raise CheckSkipped("It is one file, loaded where it is asked for. In a package this is checked.")
    code = LIGHT.format(name=subject.plugin.name, module=subject.plugin.module, heavy=HEAVY)
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    line = (done.stdout.strip().splitlines() or [""])[-1]
    need(line.startswith("LOADED"), f"It does not load in a new process: {done.stderr.strip()[-200:]}")
    need(line == "LOADED", f"It imports {', '.join(line.split()[1:])}.")


def targets(subject: PluginSubject) -> None:
    """Whatever a spec names as module:attribute can be imported and called.

    Correct the name in the spec, or add the module to the package.
    """
    for spec in subject.specs():
        for target in _targets(spec):
            try:
                need(callable(load_target(target)), f"{spec.name} names {target!r}, which cannot be called.")
            except PluginError as error:
                extra = (
                    isinstance(spec, TrackerSpec) and spec.install and isinstance(error.__cause__, ModuleNotFoundError)
                )
                need(extra, f"{spec.name}: {error}")


def _targets(spec: Spec) -> Iterator[str]:
    if isinstance(spec, PartSpec | TrackerSpec):
        yield spec.target
    elif isinstance(spec, DatasetSpec):
        yield from {file.reader for files in spec.files.values() for one in files for file in (one, *one.more)}
        yield from filter(None, [spec.importer])


def settings(subject: PluginSubject) -> None:
    """Every setting of a part has a default and a description.

    Write `name: type = Field(default, description="...")`, with bounds where a value can be wrong.
    """
    for spec in subject.specs():
        for name, field in spec.settings.model_fields.items() if isinstance(spec, PartSpec | TrackerSpec) else ():
            chosen = isinstance(spec, LossSpec) and name == spec.variant  # by the name of the part
            need(chosen or not field.is_required(), f"The setting {name} of {spec.name} has no default.")
            need(field.description, f"The setting {name} of {spec.name} has no description.")


CHECKS = checks_of("plugin", loads, hooks_marked, light, targets, settings)
