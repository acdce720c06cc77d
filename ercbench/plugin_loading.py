"""Finds plugins and loads each apart from the others, so that a broken one stops nothing.

Each is imported and asked what it offers in a thread of its own, for a limited time. Whatever goes wrong is kept as its
`Plugin.problem`. The environment decides which and how:

- ``ERCBENCH_PLUGINS=a,b`` loads the distributions a and b and no others, ``ERCBENCH_PLUGINS=-c`` all but c. What comes
  with ercbench itself is always loaded.
- ``ERCBENCH_PLUGIN_SECONDS=60`` allows so many seconds per plugin instead of 10; ercbench's own take what they take.
- ``ERCBENCH_STRICT_PLUGINS=1`` makes every problem an error.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from threading import Thread
from typing import Any

import pluggy

from ercbench import hookspecs
from ercbench.checkpoint_specs import CheckpointFacts
from ercbench.errors import PluginError, UsageError
from ercbench.local_plugins import LocalFile, load_files
from ercbench.specs import (
    ClassifierSpec,
    CurriculumSpec,
    DatasetSpec,
    EncoderSpec,
    LossSpec,
    Recipe,
    RendererSpec,
    Spec,
    TrackerSpec,
    TrackSpec,
)

log = logging.getLogger("ercbench")
OWN = "ercbench"
"""The distribution whose plugins are always loaded: without its data sets and tracks there is nothing to run."""

CHOICE, LIMIT, STRICT = "ERCBENCH_PLUGINS", "ERCBENCH_PLUGIN_SECONDS", "ERCBENCH_STRICT_PLUGINS"

KINDS: dict[str, type[Spec]] = {
    "datasets": DatasetSpec,
    "renderers": RendererSpec,
    "encoders": EncoderSpec,
    "losses": LossSpec,
    "curricula": CurriculumSpec,
    "classifiers": ClassifierSpec,
    "checkpoints": CheckpointFacts,
    "tracks": TrackSpec,
    "recipes": Recipe,
    "trackers": TrackerSpec,
}
"""What a plugin can offer: the plural that hooks and commands use, and the type of its specs."""


@dataclass(frozen=True)
class Plugin:
    """One plugin that was found.

    Attributes:
        distribution: what pip installs, or the name of a local file.
        version: its version; ``local file`` for one.
        name: of the entry point.
        module: that holds its hooks.
        problem: why it offers nothing; None when it loaded and every hook of it returned sound specs.
        left_out: ``ERCBENCH_PLUGINS`` does not want it.
        sha256: of a local file.
        seconds: that loading took.
    """

    distribution: str
    version: str
    name: str
    module: str
    problem: str | None = None
    left_out: bool = False
    sha256: str | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def state(self) -> str:
        """In words."""
        return f"left out by {CHOICE}" if self.left_out else self.problem or "loaded"


@dataclass(frozen=True)
class Loaded:
    """A plugin, what it offers, and its module; both empty where it did not load."""

    plugin: Plugin
    specs: Sequence[Spec] = ()
    module: Any = None


@dataclass(frozen=True)
class _Source:
    """A plugin before it is loaded."""

    plugin: Plugin
    load: Callable[[], Any]


def load_plugins(found: Iterable[EntryPoint] | None = None, local: Sequence[Path] = ()) -> list[Loaded]:
    """Load every installed plugin that is wanted, and local files.

    Args:
        found: entry points to load instead of the installed ones.
        local: Python files with a plugin each.

    Raises:
        UsageError: a local file is not there or cannot be a module, or a variable of the environment is not acceptable.
    """
    points = entry_points(group=hookspecs.GROUP) if found is None else found
    sources = [_of_entry_point(point) for point in points]
    sources.sort(key=lambda source: (source.plugin.distribution, source.plugin.name))
    wanted, limit = _Choice(os.environ.get(CHOICE)), _seconds()
    files = [_of_file(file) for file in load_files(local)]
    with redirect_stdout(sys.stderr):  # what a plugin prints must not end up in a table or in JSON
        loaded = [
            _load(source, limit) if wanted(source.plugin) else Loaded(replace(source.plugin, left_out=True))
            for source in sources
        ]
        loaded += [Loaded(plugin) for plugin in wanted.missing()]
        loaded += [_load(file, limit) for file in files]
    return _without_repeats(loaded)


def strict() -> bool:
    """Whether a plugin's failure is to end the program."""
    return os.environ.get(STRICT, "") not in ("", "0")


def described(error: BaseException) -> str:
    """An error of a plugin's code: its kind, its message, and the place in that code."""
    if isinstance(error, PluginError):
        return str(error)
    ours = (str(Path(__file__).parent) + os.sep, str(Path(pluggy.__file__).parent) + os.sep, "<frozen", "<string")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(ours)]
    theirs = [frame for frame in frames if f"{os.sep}importlib{os.sep}" not in frame.filename]
    place = f" ({'/'.join(Path(theirs[-1].filename).parts[-2:])}, line {theirs[-1].lineno})" if theirs else ""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}{place}" if message else f"{type(error).__name__}{place}"


# ------------------------------------------------------------------------------------------------- finding


def _identity(distribution: Distribution | None) -> tuple[str, str]:
    """Name and version, as far as its metadata are there; an installation that broke off leaves none."""
    if distribution is None:
        return "unknown", "unknown"
    try:
        return distribution.name or "unknown", distribution.version or "unknown"
    except Exception:  # broken metadata fail in many ways; the plugin itself may still be sound
        return "unknown", "unknown"


def _of_entry_point(point: EntryPoint) -> _Source:
    name, version = _identity(point.dist)
    return _Source(Plugin(name, version, point.name, point.value), point.load)


def _of_file(file: LocalFile) -> _Source:
    path = file.path
    return _Source(Plugin(path.name, "local file", path.stem, path.stem, sha256=file.sha256), file.load)


def _normal(name: str) -> str:
    """A distribution's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


class _Choice:
    """What ``ERCBENCH_PLUGINS`` says."""

    def __init__(self, text: str | None) -> None:
        names = [name.strip() for name in (text or "").split(",") if name.strip()]
        self._without = {_normal(name[1:]) for name in names if name.startswith("-")}
        self._named = {_normal(name): name for name in names if not name.startswith("-")}
        self._only = text is not None and not self._without
        self._met: set[str] = set()

    def __call__(self, plugin: Plugin) -> bool:
        name = _normal(plugin.distribution)
        self._met.add(name)
        if name == OWN or name in self._without:
            return name == OWN
        return name in self._named or not (self._named or self._only)

    def missing(self) -> list[Plugin]:
        """What is named and not installed."""
        problem = f"{CHOICE} names it, and no distribution of this name has a plugin of ercbench. Install it"
        return [
            Plugin(name, "not installed", "unknown", "unknown", problem)
            for normal, name in self._named.items()
            if normal not in self._met
        ]


def _seconds() -> float:
    """How long a plugin may take to load."""
    text = os.environ.get(LIMIT) or "10"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise UsageError(f"{LIMIT} must be a number of seconds above 0. Got {text!r}.")
    return seconds


# ------------------------------------------------------------------------------------------------- loading


def _load(source: _Source, limit: float) -> Loaded:
    """Load one plugin and ask it, alone, for everything it offers.

    In a thread, since nothing else can be left behind when it does not come back. An import that was broken off half
    way would leave broken modules to everybody else.
    """
    answer: list[Loaded] = []
    begun = time.perf_counter()
    thread = Thread(target=lambda: answer.append(_attempt(source)), name=f"load {source.plugin.name}", daemon=True)
    thread.start()
    thread.join(None if _normal(source.plugin.distribution) == OWN else limit)
    seconds = round(time.perf_counter() - begun, 3)
    if answer:
        return replace(answer[0], plugin=replace(answer[0].plugin, seconds=seconds))
    name = source.plugin.distribution
    problem = f"still loading after {limit:g} s. Leave it out with {CHOICE}=-{name}, or allow more with {LIMIT}=SECONDS"
    log.warning("Plugin %s is not used: %s.", name, problem)
    return Loaded(replace(source.plugin, problem=problem, seconds=seconds))


def _attempt(source: _Source) -> Loaded:
    try:
        module = source.load()
        return Loaded(source.plugin, ask(module, f"{source.plugin.distribution}:{source.plugin.name}"), module)
    # Anything may go wrong inside somebody else's module, `sys.exit` included; it must not stop the other plugins.
    except BaseException as error:
        return Loaded(replace(source.plugin, problem=described(error)))


def ask(module: Any, name: str) -> list[Spec]:
    """Collect the specs of one plugin, in the order of the hooks.

    Raises:
        PluginError: it is made for another API level, or a hook returns what it must not, or a name twice. See also
            `register`.
    """
    level = getattr(module, "ERCBENCH_API", None)
    if level != hookspecs.API_LEVEL:
        mend = "It must set ERCBENCH_API" if level is None else "Install a version of it, or of ercbench, that fits"
        raise PluginError(f"made for API level {level!r}; this ercbench has level {hookspecs.API_LEVEL}. {mend}")
    hooks = register(module, name)
    specs: list[Spec] = []
    for kind, spec_type in KINDS.items():
        for answer in getattr(hooks, f"ercbench_{kind}")():
            specs += _checked(f"ercbench_{kind}", spec_type, answer)
    return specs


def register(plugin: object, name: str) -> pluggy.HookRelay:
    """The hooks of one plugin or tracker, apart from those of any other, so that no wrapper reaches another's answers.

    Raises:
        PluginError: a hook is not marked.
        pluggy.PluginValidationError: a hook that there is not, or an argument that it does not have.
    """
    for hook in (hook for hook in vars(hookspecs) if hook.startswith("ercbench_")):
        if callable(found := getattr(plugin, hook, None)) and not hasattr(found, f"{hookspecs.GROUP}_impl"):
            raise PluginError(f"{hook} is not marked with @hookimpl, so nobody would call it. Mark it")
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name)
    manager.check_pending()
    return manager.hook


def _checked(hook: str, spec_type: type[Spec], answer: object) -> list[Spec]:
    """What a hook returned, when it is what it must be."""
    if not isinstance(answer, Iterable) or isinstance(answer, Spec):
        raise PluginError(f"{hook} must return a list of {spec_type.__name__}s, got {type(answer).__name__}")
    specs: list[Spec] = []
    for spec in answer:
        if not isinstance(spec, spec_type):
            raise PluginError(f"{hook} must return {spec_type.__name__}s, got {type(spec).__name__}")
        if any(spec.name == earlier.name for earlier in specs):
            raise PluginError(f"{hook} returns {spec.name!r} twice. Every name must stand for one thing")
        specs.append(spec)
    return specs


def _without_repeats(loaded: Sequence[Loaded]) -> list[Loaded]:
    """Within a distribution a name stands for one thing, or ``distribution:name`` would be ambiguous."""
    taken: dict[tuple[str, type[Spec], str], str] = {}
    kept = []
    for one in loaded:
        keys = [(one.plugin.distribution, type(spec), spec.name) for spec in one.specs]
        if repeated := [key for key in keys if key in taken]:
            _, _, name = repeated[0]
            problem = f"offers {name!r}, which plugin {taken[repeated[0]]!r} of the same distribution offers already"
            one = Loaded(replace(one.plugin, problem=problem))  # noqa: PLW2901
        else:
            taken |= dict.fromkeys(keys, one.plugin.name)
        kept.append(one)
    return kept
