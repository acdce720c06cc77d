"""No installed plugin, however broken, stops ercbench. Each stands in a wheel that pip installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import wheels

LIMIT = 3.0
"""Seconds a plugin may take here; the sound ones take milliseconds."""

HEAD = "from ercbench import LossSpec, RendererSpec, hookimpl\nERCBENCH_API = 1\n"


def offering(answer: str, hook: str = "ercbench_losses", mark: str = "@hookimpl\n", head: str = HEAD) -> str:
    """A plugin's module with one hook."""
    return f"{head}{mark}def {hook}():\n    return {answer}\n"


def loss(name: str) -> str:
    """A spec, as code; its target is missing."""
    return f'[LossSpec(name="{name}", summary="", target="no_such_module_anywhere:Loss")]'


BROKEN = {
    "b-fails-at-import": ("1 / 0\n", "ZeroDivisionError: division by zero ("),
    "b-missing-import": ("import no_such_module_anywhere\n", "No module named 'no_such_module_anywhere'"),
    "b-missing-itself": ("", "No module named 'b_missing_itself'"),
    "b-syntax": ("def f(:\n", "SyntaxError"),
    "b-exits": ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
    "b-interrupts": ("raise KeyboardInterrupt\n", "KeyboardInterrupt"),
    "b-hangs": (
        "import time\ntime.sleep(60)\n",
        f"still loading after {LIMIT:g} s. Leave it out with ERCBENCH_PLUGINS",
    ),
    "b-raises-in-hook": (offering("{}['lost']"), "KeyError: 'lost' ("),
    "b-hangs-in-hook": (offering("__import__('time').sleep(60)"), f"still loading after {LIMIT:g} s"),
    "b-wrong-type": (
        offering('[RendererSpec(name="r", summary="", target="a:B")]'),
        "ercbench_losses must return LossSpecs, got RendererSpec",
    ),
    "b-bad-spec": (offering('[LossSpec(name="Bad Name", summary="", target="a:B")]'), "ValidationError"),
    "b-misspelt": (offering("[]", "ercbench_loses"), "unknown hook 'ercbench_loses'"),
    "b-unmarked": (offering("[]", mark=""), "ercbench_losses is not marked with @hookimpl"),
    "b-twice": (offering(f"{loss('same')} * 2"), "ercbench_losses returns 'same' twice"),
    "b-later-level": (offering("[]", head=HEAD.replace("1", "2")), "made for API level 2; this ercbench has level 1"),
    "b-no-level": (offering("[]", head=HEAD.replace("ERCBENCH", "OTHER")), "It must set ERCBENCH_API"),
}
"""Distribution to its module and the reason that must be given."""

SOUND = {
    "a-sound": offering(loss("a-loss")),
    "z-sound": offering(loss("z-loss")),
    "c-clash": offering(loss("clashing")),
    "d-clash": offering(loss("clashing")),
    "e-loud": "print('hello')\n" + offering("print('again') or []"),
}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which pip installed all of them; the metadata of one more are damaged."""
    folder = tmp_path_factory.mktemp("site")
    sources = {name: source for name, (source, _) in BROKEN.items()} | SOUND | {"f-damaged": offering(loss("f-loss"))}
    wheels.install(folder, tmp_path_factory.mktemp("wheels"), sources)
    [metadata] = folder.glob("f_damaged-*.dist-info/METADATA")
    metadata.unlink()
    return folder


def ercbench(site: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with these distributions installed, the hanging ones left out unless told otherwise."""
    path = os.pathsep.join([str(site), *sys.path[1:]])
    found = {
        "PYTHONPATH": path,
        "ERCBENCH_PLUGIN_SECONDS": f"{LIMIT:g}",
        "ERCBENCH_PLUGINS": "-b-hangs,-b-hangs-in-hook",
    }
    code = f"from ercbench.cli import main\nmain({list(arguments)!r})"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | found | environment, check=False
    )


@pytest.fixture(scope="session")
def listed(site: Path) -> dict[str, dict[str, Any]]:
    """What ``plugin list --json`` tells of all of them, by distribution."""
    found = ercbench(site, "plugin", "list", "--json", ERCBENCH_PLUGINS="-none")
    assert found.returncode == 0, found.stderr
    return {row["distribution"]: row for row in json.loads(found.stdout)}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_listed_with_its_reason(listed: dict[str, dict[str, Any]], name: str) -> None:
    """It offers nothing, and whoever looks is told why."""
    row = listed[name]
    assert BROKEN[name][1] in row["problem"]
    assert row["state"] == row["problem"]
    assert row["offers"] == {}


def test_sound_plugins_load_beside_broken_ones(listed: dict[str, dict[str, Any]]) -> None:
    """Those before and those after them, and what comes with ercbench; seconds are told."""
    assert listed["a-sound"]["offers"] == {"losses": ["a-loss"]}
    assert listed["z-sound"]["offers"] == {"losses": ["z-loss"]}
    assert listed["ercbench"]["problem"] is None
    assert listed["b-hangs"]["seconds"] >= LIMIT > listed["z-sound"]["seconds"] >= 0  # told in milliseconds


def test_a_plugin_without_metadata_is_listed_as_unknown(listed: dict[str, dict[str, Any]]) -> None:
    """An installation that broke off leaves a distribution without a name; its plugin may still load."""
    assert (listed["unknown"]["module"], listed["unknown"]["offers"]) == ("f_damaged", {"losses": ["f-loss"]})


def test_a_clash_is_listed_for_both(listed: dict[str, dict[str, Any]]) -> None:
    """Both load, and each is told of the other."""
    assert listed["c-clash"]["clashes"] == ["loss 'clashing' is offered by d-clash too"]
    assert listed["d-clash"]["clashes"] == ["loss 'clashing' is offered by c-clash too"]
    assert listed["c-clash"]["state"] == "loaded"


def test_what_plugins_print_does_not_reach_standard_output(site: Path) -> None:
    """A list as JSON stays JSON."""
    found = ercbench(site, "list", "losses", "--json")
    assert {row["name"] for row in json.loads(found.stdout)} >= {"a-loss", "z-loss"}
    assert found.stderr.splitlines() == ["hello", "again"]


def test_an_unknown_name_mentions_them(site: Path) -> None:
    """The message of a name that nobody offers tells which plugins did not load, and which were left out."""
    found = ercbench(site, "show", "eacl", "--track", "mini", "--set", "losses.lost.weight=1")
    assert found.returncode == 2
    assert "Unknown loss. Got 'lost'." in found.stderr
    for name, (_, reason) in BROKEN.items():
        if "hangs" not in name:
            assert f"{name} (" in found.stderr
            assert reason in found.stderr
    assert "Plugins left out by ERCBENCH_PLUGINS: b-hangs, b-hangs-in-hook." in found.stderr


def test_a_clash_is_an_error_where_the_name_is_used(site: Path) -> None:
    """It names both owners."""
    found = ercbench(site, "show", "eacl", "--track", "mini", "--set", "losses.clashing.weight=1")
    assert found.returncode == 4
    assert "Say which: c-clash:clashing and d-clash:clashing." in found.stderr


def test_a_part_whose_code_is_missing_is_found_before_training(site: Path, tmp_path: Path) -> None:
    """``--dry-run`` reports it with the target."""
    arguments = ["run", "eacl", "--dataset", "meld-sample", "--track", "mini", "--dry-run", "--results", str(tmp_path)]
    found = ercbench(site, *arguments, "--set", "losses.a-loss.weight=1")
    assert found.returncode == 4
    assert "Cannot load 'no_such_module_anywhere:Loss', which a plugin names" in found.stderr
    assert "Traceback" not in found.stderr


def test_selection(site: Path) -> None:
    """ERCBENCH_PLUGINS names what is loaded, however its name is written; what comes with ercbench always is."""
    found = ercbench(site, "plugin", "list", "--json", ERCBENCH_PLUGINS="A_Sound, z.sound,not-here")
    rows = {(row["distribution"], row["name"]): row for row in json.loads(found.stdout)}
    states = {name: row["state"] for (name, _), row in rows.items()}
    assert {name for name, state in states.items() if state == "loaded"} == {"a-sound", "z-sound", "ercbench"}
    assert "ERCBENCH_PLUGINS names it, and no distribution of this name has a plugin" in states["not-here"]
    assert states["b-hangs"] == "left out by ERCBENCH_PLUGINS"
    alone = ercbench(site, "plugin", "list", "--json", ERCBENCH_PLUGINS="")
    assert {row["distribution"] for row in json.loads(alone.stdout) if row["state"] == "loaded"} == {"ercbench"}


def test_strict_makes_every_problem_an_error(site: Path) -> None:
    """All are reported at once, clashes too; where nothing is wrong nothing happens."""
    found = ercbench(site, "list", "losses", ERCBENCH_STRICT_PLUGINS="1")
    assert found.returncode == 4
    for name in BROKEN:
        assert (f"- {name} 1.0, main: " in found.stderr) == ("hangs" not in name)
    assert "- c-clash 1.0, main: loss 'clashing' is offered by d-clash too" in found.stderr
    sound = {"ERCBENCH_PLUGINS": "a-sound,z-sound", "ERCBENCH_STRICT_PLUGINS": "1"}
    assert ercbench(site, "list", "losses", **sound).returncode == 0
    assert ercbench(site, "list", "losses", ERCBENCH_STRICT_PLUGINS="0").returncode == 0


@pytest.mark.parametrize("value", ["soon", "0", "-3", "nan"])
def test_a_limit_that_is_no_number_is_refused(site: Path, value: str) -> None:
    """With what it must be."""
    found = ercbench(site, "list", "losses", ERCBENCH_PLUGIN_SECONDS=value)
    assert found.returncode == 2
    assert f"ERCBENCH_PLUGIN_SECONDS must be a number of seconds above 0. Got {value!r}." in found.stderr
