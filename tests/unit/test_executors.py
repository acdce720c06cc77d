"""Who runs the cells of a plan: what may be asked for, and what is shown while several run at once."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict
from typing import Any

import click
import pytest

import ercbench
from ercbench.cells import CellName
from ercbench.cli import cli
from ercbench.cli.cell_progress import CellLines, LiveCells, reporter
from ercbench.cli.options import request_of
from ercbench.errors import UsageError
from ercbench.grid import Ray, Request
from ercbench.progress import Silent
from ercbench.run_log import GridState

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="ray is not installed; the extra `ray` has it"
)


def asked(*words: str) -> Request:
    """What a command line comes to."""
    command = cli.get_command(click.Context(cli), "run")
    assert command is not None
    options = command.make_context("run", ["majority", *words]).params
    return request_of(options, options["recipes"], True)


def test_cells_are_run_here_unless_asked_otherwise() -> None:
    """Without options the executor is this process, on the command line as from Python."""
    assert asked().executor is None
    assert asked("--executor", "serial").executor is None


@needs_ray
def test_settings_of_ray() -> None:
    """The options are the fields of `ercbench.Ray`."""
    assert asked("--executor", "ray").executor == Ray() == ercbench.Ray(None, None, 1)
    words = ["--executor", "ray", "--ray-address", "auto", "--gpus-per-run", "0.5", "--cpus-per-run", "4"]
    assert asked(*words).executor == Ray("auto", 0.5, 4)


@pytest.mark.parametrize("words", [("--ray-address", "auto"), ("--gpus-per-run", "1"), ("--cpus-per-run", "2")])
def test_settings_of_ray_are_for_ray(words: tuple[str, str]) -> None:
    """An option that would do nothing is refused."""
    with pytest.raises(UsageError, match=f"{words[0]} is for --executor ray"):
        asked(*words)


@needs_ray
@pytest.mark.parametrize(
    "settings", [{"cpus_per_run": 0}, {"gpus_per_run": -1}, {"gpus_per_run": 1.5}, {"gpus_per_run": float("nan")}]
)
def test_what_no_machine_can_give_is_refused(settings: dict[str, Any]) -> None:
    """No processor, less than no GPU, one and a half of them, no number."""
    with pytest.raises(UsageError, match="A run takes at least one processor"):
        Ray(**settings)


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is prepared."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r'Ray is not installed\. Install it: pip install "ercbench\[ray\]"'):
        Ray()


def test_another_executor_is_refused() -> None:
    """From Python too."""
    with pytest.raises(UsageError, match=r"must be 'serial' or ercbench\.Ray\(\.\.\.\)\. Got 'dask'"):
        ercbench.run("majority", dataset="meld-sample", executor="dask")  # type: ignore[arg-type]


class Nodes:
    """Stands for ray: a machine without GPU, and one with two."""

    def nodes(self) -> list[dict[str, Any]]:
        """As Ray tells them; one is gone."""
        large: dict[str, float] = {"CPU": 64.0, "GPU": 8.0}
        machines: list[tuple[bool, dict[str, float]]] = [(True, {"CPU": 4.0}), (True, {"CPU": 8.0, "GPU": 2.0})]
        return [{"Alive": alive, "Resources": has} for alive, has in [*machines, (False, large)]]


class Told(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        """Keep it."""
        self.lines.append(message)


@needs_ray
@pytest.mark.parametrize(
    ("settings", "device", "expected"),
    [
        ({}, None, ("cuda", 1, 1)),
        ({}, "cpu", ("cpu", 1, 0)),
        ({"gpus_per_run": 0.5, "cpus_per_run": 3}, None, ("cuda", 3, 0.5)),
        ({"gpus_per_run": 0}, None, ("cpu", 1, 0)),
        ({"gpus_per_run": 2}, "cuda", ("cuda", 1, 2)),
    ],
)
def test_what_a_run_takes_of_a_machine(
    settings: dict[str, Any], device: str | None, expected: tuple[str, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU where the cluster has any, unless told otherwise; the device is named, so that none falls back silently."""
    from ercbench import ray_cluster

    monkeypatch.setattr(ray_cluster, "ray", Nodes())
    monkeypatch.setattr(ray_cluster, "available_devices", lambda: ["cpu"])
    found, needs = ray_cluster.resources(Ray(**settings), device, Told())
    assert (found, needs["num_cpus"], needs["num_gpus"]) == expected


@needs_ray
def test_a_run_that_fits_on_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it is refused; on a cluster, which a machine may join, it is said. CUDA without GPUs is always refused."""
    from ercbench import ray_cluster

    monkeypatch.setattr(ray_cluster, "ray", Nodes())
    with pytest.raises(UsageError, match=r"No machine has 9 CPUs and 1 GPUs for a run\. There are: 4 CPUs and 0"):
        ray_cluster.resources(Ray(cpus_per_run=9), None, Told())
    told = Told()
    ray_cluster.resources(Ray("auto", cpus_per_run=9), None, told)
    assert told.lines[0].endswith("The runs wait until one joins the cluster.")
    with pytest.raises(UsageError, match="Runs on CUDA need GPUs"):
        ray_cluster.resources(Ray(gpus_per_run=0), "cuda", told)


@needs_ray
def test_machines_with_other_versions_are_told_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each machine with each distribution that differs; of one that was lost, or that has what is wanted, nothing."""
    from ray.exceptions import RayTaskError, WorkerCrashedError

    from ercbench import ray_cluster

    def get(answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    broken = RayTaskError("installed", "Traceback\nModuleNotFoundError: No module named 'ercbench'", ImportError())
    monkeypatch.setattr(ray_cluster, "ray", type("Ray", (), {"get": staticmethod(get)}))
    wanted = {"ercbench": "0.1.0", "ercbench-foo": "1.3"}
    answers: list[Any] = [
        dict(wanted),
        {"ercbench": "0.1.0", "ercbench-foo": "not installed"},
        WorkerCrashedError(),
        broken,
    ]
    found = [[str(error) for error in ray_cluster._differing("far", one, wanted)] for one in answers]
    assert [len(errors) for errors in found] == [0, 1, 0, 1]
    assert found[1] == ["far lacks ercbench-foo, which the run needs. Install it: pip install ercbench-foo==1.3"]
    assert "far cannot load ercbench" in found[3][0]


@needs_ray
@pytest.mark.parametrize("address", ["ray://head:10001", "127.0.0.1", "localhost:none", "127.0.0.1:1"])
def test_an_address_that_is_none(address: str) -> None:
    """Told at once, without a traceback."""
    from ercbench.ray_cluster import connected

    with pytest.raises(UsageError, match="Got --ray-address"), connected(Ray(address)):
        pass


CELLS = [CellName("good@1", "talk", "mini", "past", seed) for seed in (0, 1)]


@pytest.fixture
def state() -> GridState:
    """Two cells, both queued."""
    found = GridState()
    listed = [{"cell": asdict(cell), "state": "queued", "epochs": 3} for cell in CELLS]
    found.apply({"event": "grid_started", "time": "now", "cells": listed})
    return found


def test_lines_tell_what_is_new(state: GridState, capsys: pytest.CaptureFixture[str]) -> None:
    """A line when a cell begins, after each epoch, when it moves, and when it is done; none without news."""
    lines, cell = CellLines(), asdict(CELLS[0])

    def after(*events: dict[str, Any]) -> list[str]:
        for event in events:
            state.apply({"cell": cell, **event})
        lines.cells(state)
        return capsys.readouterr().err.splitlines()

    name = "good@1 on talk, track mini, context past, seed 0"
    assert after() == []
    assert after({"event": "cell_started", "node": "a"}) == [f"{name}: running on a"]
    epoch = {"epoch": 2, "dev_weighted_f1": 0.5}
    assert after({"event": "epoch_finished", "epoch": epoch}) == [
        f"{name}: running on a, epoch 2/3, dev weighted F1 50.00"
    ]
    assert after() == []
    lost = {"event": "cell_requeued", "message": "a was lost"}
    assert after(lost) == [f"{name}: queued: a was lost"]
    again = {"event": "cell_started", "node": "b"}
    assert after(again) == [f"{name}: running on b, epoch 2/3, dev weighted F1 50.00"]
    done = {"event": "cell_finished", "dev_weighted_f1": 0.6, "test_weighted_f1": 0.7}
    assert after(done) == [f"{name}: done, dev weighted F1 60.00"]


def test_a_terminal_has_a_table(
    state: GridState, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Drawn when cells are told, and left as it is at the end; lines are printed above it. Quiet shows nothing."""
    assert type(reporter(quiet=True)) is Silent
    assert isinstance(reporter(quiet=False), CellLines)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown = reporter(quiet=False)
    assert isinstance(shown, LiveCells)
    shown.cells(state)
    shown.say("a [line]")
    shown.cells(state)
    shown.end()
    shown.end()
    printed = capsys.readouterr().err
    assert "2 cells: 0 running, 2 queued" in printed
    assert "a [line]" in printed
