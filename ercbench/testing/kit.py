"""A distribution -> the results of every check of everything it offers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from ercbench.catalog import Catalog, Plugin, load_catalog
from ercbench.errors import UnknownName, UsageError
from ercbench.testing.checks import Case, Options, Result
from ercbench.testing.plugin import PluginSubject
from ercbench.testing.registry import CHECKS, SUBJECTS


def check_plugin(
    names: str | Sequence[str],
    known_failures: Mapping[str, str] | None = None,
    settings: Mapping[str, Mapping[str, JsonValue]] | None = None,
    data_dir: Path | None = None,
    watch: Callable[[Case], None] = lambda _: None,
    files: Sequence[Path] = (),
) -> list[Result]:
    """Run every check that applies to an installed plugin, or to several.

    Args:
        names: distributions, or plugins as ``ercbench plugin list`` names them.
        known_failures: reasons by id, such as ``{"loss/my-loss/permutation": "samples negatives"}``. A listed check
            that fails is known; one that passes fails, so that the list stays true.
        settings: for parts whose defaults cannot be used as they are: values by setting, by ``kind/name``.
        data_dir: folder with one folder per data set; None looks in the usual places.
        watch: told of every case before it is run.
        files: Python files with a plugin each that is not packaged; they are checked too.

    Returns:
        One result per check, in the order of the registry.

    Raises:
        UnknownName: no installed plugin has the name.
        UsageError: a known failure or a setting names nothing that is checked, or a file cannot be a module.
    """
    known = dict(known_failures or {})
    results = []
    for case in cases(names, known, settings, data_dir, files):
        watch(case)
        results.append(strict(case.run(), known.get(case.id)))
    return results


def strict(result: Result, reason: str | None) -> Result:
    """The result of a check with the reason for which it is known to fail, if it is."""
    if reason is None or result.outcome == "skipped":
        return result
    if result.outcome == "failed":
        return replace(result, outcome="known", message=reason)
    message = f"It passes, and is listed as a known failure ({reason}). Take it off the list."
    return replace(result, outcome="failed", message=message)


def cases(
    names: str | Sequence[str],
    known_failures: Mapping[str, str] | None = None,
    settings: Mapping[str, Mapping[str, JsonValue]] | None = None,
    data_dir: Path | None = None,
    files: Sequence[Path] = (),
) -> list[Case]:
    """Every check of everything that plugins offer, as `check_plugin` runs them."""
    catalog = load_catalog(local=files)
    options = Options(dict(settings or {}), data_dir)
    wanted = [names] if isinstance(names, str) else names
    asked = [plugin for name in wanted for plugin in _plugins(catalog, name)]
    plugins = dict.fromkeys([*asked, *(plugin for plugin in catalog.plugins if plugin.sha256)])
    found = [case for plugin in plugins for case in _cases(plugin, catalog, options)]
    ids = {case.id for case in found}
    parts = {case.id.rpartition("/")[0] for case in found}
    for what, given, possible in (
        ("known failure", set(known_failures or ()), ids),
        ("part with settings", set(options.settings), parts),
    ):
        if unknown := sorted(given - possible):
            raise UsageError(f"There is no such {what}. Got {unknown[0]!r}. Possible: {', '.join(sorted(possible))}.")
    return found


def _plugins(catalog: Catalog, name: str) -> list[Plugin]:
    wanted = _canonical(name)
    found = [plugin for plugin in catalog.plugins if wanted in (_canonical(plugin.distribution), plugin.name.lower())]
    if not found:
        known = {label for plugin in catalog.plugins for label in (plugin.distribution, plugin.name)}
        raise UnknownName("plugin", name, known, "Install it first: pip install FOLDER. For one file: --plugin FILE.")
    return found


def _cases(plugin: Plugin, catalog: Catalog, options: Options) -> list[Case]:
    subjects = [
        kind(entry.spec, plugin, catalog, options)
        for spec_type, kind in SUBJECTS.items()
        for entry in catalog.entries(spec_type)
        if entry.plugin == plugin
    ]
    return [
        Case(check, subject)
        for subject in (PluginSubject(plugin, catalog), *subjects)
        for check in CHECKS[subject.kind]
    ]


def _canonical(name: str) -> str:
    """A distribution's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()
