"""Plugins: the broken ones are kept apart, and names never change by themselves."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ercbench.catalog import Catalog, load_catalog, load_target
from ercbench.errors import PluginError, UnknownName
from ercbench.hookspecs import API_LEVEL, hookimpl
from ercbench.specs import LossSpec, Recipe, RendererSpec, TrackSpec


class Point(EntryPoint):
    """An entry point of a distribution that is not installed."""

    def __init__(self, distribution: str, name: str, value: str) -> None:
        super().__init__(name, value, "ercbench")
        vars(self)["dist"] = SimpleNamespace(name=distribution, version="1.0")


def loss(name: str, target: str = "somewhere:Loss") -> LossSpec:
    """A light spec."""
    return LossSpec(name=name, summary="", target=target)


def hook(kind: str, answer: Any) -> Any:
    """A hook implementation that returns `answer`, or calls it where it can be called."""

    def implementation() -> Any:
        return answer() if callable(answer) else answer

    implementation.__name__ = f"ercbench_{kind}"
    return hookimpl(implementation)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Any:
    """(distribution, hooks by kind) -> the entry point of a module that holds them."""

    def make(distribution: str, level: object = API_LEVEL, **answers: Any) -> Point:
        module = ModuleType(f"module_of_{distribution.replace('-', '_')}")
        if level is not None:
            module.ERCBENCH_API = level  # type: ignore[attr-defined]
        for kind, answer in answers.items():
            setattr(module, f"ercbench_{kind}", hook(kind, answer))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return Point(distribution, "main", module.__name__)

    return make


def explode() -> Any:
    """Stands for a hook with a fault in it."""
    raise ZeroDivisionError("in the middle of a hook")


def problem_of(catalog: Catalog, distribution: str) -> str | None:
    """Why a plugin did not load."""
    return {found.distribution: found.problem for found in catalog.plugins}[distribution]


BROKEN = {
    "misspelt hook": ({"loses": [loss("lost")]}, "unknown hook 'ercbench_loses'"),
    "wrong return type": ({"losses": [RendererSpec(name="r", summary="", target="a:B")]}, "must return LossSpecs"),
    "not even specs": ({"losses": ["pull"]}, "must return LossSpecs, got str"),
    "not a list": ({"losses": 3}, "must return a list of LossSpecs, got int"),
    "hook that raises": ({"losses": explode}, "ZeroDivisionError: in the middle of a hook"),
    "half of it sound": ({"losses": [loss("lost")], "recipes": explode}, "ZeroDivisionError"),
    "made for a later level": (
        {"level": API_LEVEL + 1, "losses": [loss("lost")]},
        f"made for API level {API_LEVEL + 1}",
    ),
    "no level": ({"level": None, "losses": [loss("lost")]}, "made for API level None"),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("name", ["aaa-broken", "zzz-broken"], ids=["first", "last"])
def test_a_broken_plugin_is_kept_apart(plugin: Any, fault: str, name: str) -> None:
    """It offers nothing, its reason is kept, and plugins before and after it load as ever."""
    answers, reason = BROKEN[fault]
    catalog = load_catalog([plugin("mmm-sound", losses=[loss("pull")]), plugin(name, **answers)])
    assert reason in (problem_of(catalog, name) or "")
    assert problem_of(catalog, "mmm-sound") is None
    assert [entry.spec.name for entry in catalog.entries(LossSpec)] == ["pull"]


@pytest.mark.parametrize("fault", BROKEN)
def test_unknown_names_mention_broken_plugins(plugin: Any, fault: str) -> None:
    """Who asks for a name that a broken plugin would have offered is told of the plugin and its reason."""
    answers, reason = BROKEN[fault]
    catalog = load_catalog([plugin("sound", losses=[loss("pull")]), plugin("broken", **answers)])
    with pytest.raises(UnknownName) as caught:
        catalog.get(LossSpec, "lost")
    assert "Unknown loss. Got 'lost'." in str(caught.value)
    assert "Known: pull." in str(caught.value)
    assert "Plugins that did not load: broken (" in str(caught.value)
    assert reason in str(caught.value)


def test_a_plugin_that_cannot_be_imported_is_kept_apart(plugin: Any) -> None:
    """A missing module is that plugin's problem and nobody else's."""
    points = [Point("broken", "main", "no_such_module_anywhere"), plugin("sound", losses=[loss("pull")])]
    catalog = load_catalog(points)
    assert problem_of(catalog, "broken") == "ModuleNotFoundError: No module named 'no_such_module_anywhere'"
    assert catalog.get(LossSpec, "pull").name == "pull"


def test_a_plugin_with_a_fault_at_import_is_kept_apart(
    plugin: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is a module whose own code fails while it is imported."""
    (tmp_path / "faulty_at_import.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    catalog = load_catalog([Point("broken", "main", "faulty_at_import"), plugin("sound", losses=[loss("pull")])])
    place = f"{tmp_path.name}/faulty_at_import.py, line 1"
    assert problem_of(catalog, "broken") == f"ZeroDivisionError: division by zero ({place})"
    assert problem_of(catalog, "sound") is None


def test_a_hook_with_an_argument_that_is_not_there_is_kept_apart(plugin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook that asks for more than it is given does not stop the others, not even beside a misspelt one."""
    point = plugin("aaa-broken", loses=[])

    @hookimpl
    def ercbench_losses(surprise: object) -> list[LossSpec]:
        return [loss("lost")]

    monkeypatch.setattr(sys.modules[point.value], "ercbench_losses", ercbench_losses, raising=False)
    catalog = load_catalog([point, plugin("sound", losses=[loss("pull")])])
    assert "surprise" in (problem_of(catalog, "aaa-broken") or "")
    assert [spec.name for spec in catalog.all(LossSpec)] == ["pull"]


def test_two_distributions_with_the_same_entry_point_name_both_load(plugin: Any) -> None:
    """The entry point's name, ``main`` for both, decides nothing."""
    catalog = load_catalog([plugin("one", losses=[loss("pull")]), plugin("two", losses=[loss("push")])])
    assert [spec.name for spec in catalog.all(LossSpec)] == ["pull", "push"]


def test_a_clash_of_names_is_an_error_that_names_both_owners(plugin: Any) -> None:
    """The bare name is refused; ``distribution:name`` finds each; nothing is renamed."""
    ours, theirs = loss("pull", "ours:Pull"), loss("pull", "theirs:Pull")
    catalog = load_catalog([plugin("theirs", losses=[theirs]), plugin("ours", losses=[ours])])
    with pytest.raises(
        PluginError, match=r"'pull' is offered by more than one plugin\. Say which: ours:pull and theirs:pull"
    ):
        catalog.get(LossSpec, "pull")
    assert catalog.get(LossSpec, "ours:pull") == ours
    assert catalog.get(LossSpec, "theirs:pull") == theirs
    assert catalog.entry(LossSpec, "theirs:pull").plugin.distribution == "theirs"


def test_the_full_name_works_without_a_clash(plugin: Any) -> None:
    """And a distribution that does not offer the name is an unknown name."""
    catalog = load_catalog([plugin("ours", losses=[loss("pull")]), plugin("theirs", tracks=[])])
    assert catalog.get(LossSpec, "ours:pull") is catalog.get(LossSpec, "pull")
    with pytest.raises(UnknownName, match="theirs:pull"):
        catalog.get(LossSpec, "theirs:pull")


def test_one_name_may_stand_for_things_of_two_kinds(plugin: Any) -> None:
    """A renderer and a loss of the same name do not clash."""
    renderer = RendererSpec(name="pull", summary="", target="a:B")
    catalog = load_catalog([plugin("one", losses=[loss("pull")]), plugin("two", renderers=[renderer])])
    assert catalog.get(RendererSpec, "pull") == renderer


@pytest.mark.parametrize("name", ["aaa-thief", "zzz-thief"])
def test_no_plugin_can_replace_the_answer_of_another(plugin: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A wrapper around a hook, allowed by pluggy, reaches no other plugin's specs."""
    thief = plugin(name)

    @hookimpl(wrapper=True)
    def ercbench_losses() -> Any:
        yield
        return [[loss("stolen")]]

    monkeypatch.setattr(sys.modules[thief.value], "ercbench_losses", ercbench_losses, raising=False)
    catalog = load_catalog([thief, plugin("mmm-sound", losses=[loss("pull")])])
    assert [e.spec.name for e in catalog.entries(LossSpec) if e.plugin.distribution == "mmm-sound"] == ["pull"]


def test_a_hook_may_return_nothing(plugin: Any) -> None:
    """None and an empty list are sound answers."""
    catalog = load_catalog([plugin("quiet", losses=None, recipes=[])])
    assert problem_of(catalog, "quiet") is None
    assert catalog.all(Recipe) == []


def test_the_order_of_entry_points_does_not_matter(plugin: Any) -> None:
    """Plugins are listed by distribution, whatever order the file system gave."""
    points = [plugin("b", losses=[loss("y")]), plugin("a", losses=[loss("z")])]
    assert load_catalog(points).plugins == load_catalog(points[::-1]).plugins
    assert [found.distribution for found in load_catalog(points).plugins] == ["a", "b"]


def test_the_installed_plugins_load() -> None:
    """Those that come with ercbench are found by the same door, and nothing about them is broken."""
    ours = [found for found in load_catalog().plugins if found.distribution == "ercbench"]
    assert {found.name for found in ours} == {"stock", "eacl"}
    assert [found.problem for found in ours] == [None, None]
    assert {"full", "mini"} <= {track.name for track in load_catalog().all(TrackSpec)}


def test_a_target_is_imported() -> None:
    """``module:attribute`` gives the attribute."""
    assert load_target("ercbench.errors:PluginError") is PluginError


@pytest.mark.parametrize("target", ["no_such_module_anywhere:Thing", "ercbench.errors:NoSuchThing"])
def test_a_target_that_is_not_there_is_the_plugins_fault(target: str) -> None:
    """The message names the target."""
    with pytest.raises(PluginError, match=f"Cannot load '{target}'"):
        load_target(target)
