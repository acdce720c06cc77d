"""Every hook: its documented example is run, and what it does is seen. `tests/contract/test_hooks.py` misses none."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import observed
import pytest

import ercbench
from ercbench import hookspecs
from ercbench.errors import TrainingError
from ercbench.observing import Observer
from ercbench.plugin_loading import KINDS, ask
from ercbench.specs import Spec


def example(hook: str) -> ModuleType:
    """A plugin module that holds the example of a hook's documentation."""
    about = inspect.getdoc(getattr(hookspecs, hook)) or ""
    _, found, code = about.partition("Example::\n")
    assert found, f"{hook} has no example"
    module = ModuleType(f"example_of_{hook}")
    vars(module).update({name: getattr(ercbench, name) for name in ercbench.__all__})
    module.ERCBENCH_API = ercbench.API_LEVEL  # type: ignore[attr-defined]
    exec(compile(textwrap.dedent(code), hook, "exec"), vars(module))
    return module


def offered(kind: str) -> Spec:
    """The spec that the example of ``ercbench_KIND`` offers, which must be of that kind."""
    [spec] = ask(example(f"ercbench_{kind}"), kind)
    assert isinstance(spec, KINDS[kind])
    return spec


def printed(hook: str, capsys: pytest.CaptureFixture[str], folder: Path, error: Exception | None = None) -> list[str]:
    """What the example of an observer hook prints during a run."""
    module = example(hook)
    observed.play([Observer("Plugin example", lambda: module)], folder, error)
    return capsys.readouterr().err.splitlines()


def test_hook_datasets() -> None:
    """A data set is offered, with its labels in order."""
    spec: Any = offered("datasets")
    assert (spec.name, spec.labels.keys) == ("phone-calls", ("calm", "upset"))


def test_hook_renderers() -> None:
    """A renderer is offered."""
    assert offered("renderers").name == "shouted"


def test_hook_encoders() -> None:
    """An encoder is offered."""
    assert offered("encoders").name == "letters"


def test_hook_losses() -> None:
    """A loss is offered."""
    assert offered("losses").name == "focal"


def test_hook_curricula() -> None:
    """A curriculum is offered."""
    assert offered("curricula").name == "rare-first"


def test_hook_classifiers() -> None:
    """A classifier is offered."""
    assert offered("classifiers").name == "nearest-mean"


def test_hook_checkpoints() -> None:
    """Facts are offered: which data some weights had seen."""
    spec: Any = offered("checkpoints")
    assert (spec.name, spec.trained_on[0].dataset) == ("call-bert", "phone-calls")


def test_hook_tracks() -> None:
    """A track is offered."""
    assert offered("tracks").name == "phone"


def test_hook_recipes() -> None:
    """A recipe is offered."""
    assert offered("recipes").name == "eacl-focal"


def test_hook_trackers() -> None:
    """A tracker is offered."""
    assert offered("trackers").name == "bell"


def test_hook_run_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told once, with the run's values."""
    lines = printed("ercbench_run_started", capsys, tmp_path)
    assert lines == ["talk/mini/method@3/seed-7: 2 epochs on 80 utterances"]


def test_hook_stage_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told per stage."""
    assert printed("ercbench_stage_started", capsys, tmp_path) == ["talk/mini/method@3/seed-7: training begins"]


def test_hook_epoch_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told per epoch."""
    assert printed("ercbench_epoch_finished", capsys, tmp_path) == [
        "talk/mini/method@3/seed-7: epoch 1, dev weighted F1 10.00",
        "talk/mini/method@3/seed-7: epoch 2, dev weighted F1 20.00",
    ]


def test_hook_stage_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told per stage, with its seconds."""
    assert printed("ercbench_stage_finished", capsys, tmp_path) == ["training took 6.0 s"]


def test_hook_run_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told once, with the record."""
    assert printed("ercbench_run_finished", capsys, tmp_path) == ["test weighted F1 75.00"]


def test_hook_run_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told once, in place of run finished."""
    assert printed("ercbench_run_failed", capsys, tmp_path) == []
    lines = printed("ercbench_run_failed", capsys, tmp_path, TrainingError("A loss is not finite."))
    assert lines == ["talk/mini/method@3/seed-7 failed: TrainingError: A loss is not finite."]
