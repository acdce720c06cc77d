"""`ercbench run --processes N` through the installed command: the numbers of one process, and every way to end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import unlucky
from safetensors.torch import load_file

import ercbench
from ercbench.failures import read_failure
from ercbench.records import RunRecord, read_records
from ercbench.testing.tiny import tiny_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = ["--dataset", "meld-sample", "--track", "mini", "--limit", "4", "--device", "cpu"]
PLUGIN = '''
"""A loss for whose second batch the second process has no memory, once."""
import os

import torch
from torch import nn
from ercbench import LossOutput, LossSpec, hookimpl

ERCBENCH_API = 1


class Large(nn.Module):
    def __init__(self, settings, labels, dimension):
        super().__init__()
        self.register_buffer("mean", torch.zeros(dimension))
        self.calls = 0

    def forward(self, batch):
        self.calls += 1
        self.mean = 0.5 * self.mean + batch.vectors.detach().mean(0)
        if self.calls == 2 and os.environ.get("RANK") == "1":
            raise MemoryError
        return LossOutput((batch.vectors - self.mean).square().mean())


@hookimpl
def ercbench_losses():
    return [LossSpec(name="large", summary="Large", target=f"{__name__}:Large")]
'''


@pytest.fixture
def encoder(tmp_path: Path) -> dict[str, Any]:
    """A tiny encoder without dropout, as values of a recipe."""
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_checkpoint().name, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_dropout_prob": 0.0}))
    return {"encoder.checkpoint": str(folder), "encoder.dropout": 0.0, "encoder.attention_dropout": 0.0}


def options(values: dict[str, Any]) -> list[str]:
    """Values of a recipe as the command takes them."""
    return [word for path, value in values.items() for word in ("--set", f"{path}={value}")]


def run(
    command: Path, folder: Path, *arguments: str, code: int = 0, verb: str = "run"
) -> subprocess.CompletedProcess[str]:
    """``ercbench run``, or another command, in a folder, to its end."""
    found = subprocess.run(
        [command, verb, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "ERCBENCH_PLUGIN_SECONDS": "300"},
    )  # fmt: skip
    assert found.returncode == code, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    return found


@contextmanager
def running(command: Path, folder: Path, *arguments: str, until: str) -> Iterator[subprocess.Popen[str]]:
    """``ercbench run`` in a folder as it goes on after it has printed `until`; its processes are ended in any case."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ERCBENCH_PLUGIN_SECONDS": "300"}
    with subprocess.Popen(
        [command, "run", *arguments], cwd=folder, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        printed = []
        for line in process.stderr:
            printed.append(line)
            if line.startswith(until):
                break
        else:
            pytest.fail("".join(printed))
        theirs = psutil.Process(process.pid).children(recursive=True)
        try:
            yield process
        finally:
            for one in [process, *theirs]:
                if one.poll() is None if isinstance(one, subprocess.Popen) else one.is_running():
                    one.kill()


def alone(recipes: str | list[str], values: dict[str, Any], results: Path, *plugins: Path) -> None:
    """The same run in this process."""
    ercbench.run(
        recipes, dataset="meld-sample", track="mini", limit=4, device="cpu", overrides=values, results=results,
        plugins=plugins,
    )  # fmt: skip


def found(folder: Path) -> list[RunRecord]:
    """Records below a results folder, in order."""
    return [record for _, record in read_records(folder)]


def learnt(folder: Path, recipe: str, file: str) -> dict[str, torch.Tensor]:
    """Tensors that were kept of its model."""
    [path] = folder.glob(f"records/*/*/{recipe}@*/seed-0.model/{file}.safetensors")
    return load_file(path)


def scores_of(folder: Path, recipe: str = "eacl") -> torch.Tensor:
    """What the predictions file says, (N, C)."""
    [path] = folder.glob(f"records/*/*/{recipe}@*/seed-0.predictions.csv")
    rows = [line.split(",")[1:] for line in path.read_text().splitlines()[1:]]
    return torch.tensor([[float(value) for value in row] for row in rows])


def test_two_processes_give_what_one_gives(ercbench_command: Path, encoder: dict[str, Any], tmp_path: Path) -> None:
    """Losses, parameters and predictions to 1e-5, with losses that have parameters or a memory, with shared context,
    shares that are uneven or empty, pieces, and memory that runs out in one process; the record tells all of it.
    """  # noqa: D205
    (tmp_path / "large.py").write_text(PLUGIN)
    values = encoder | {"training.epochs": 2, "training.batch_size": 19}
    values |= {"losses.metric": "pml:ArcFaceLoss", "losses.large.weight": 0.1}
    alone(["eacl", "eacl-shared"], values, tmp_path / "one", tmp_path / "large.py")
    arguments = ["eacl", "eacl-shared", *SMALL, *options(values), "--plugin", "large.py"]
    two = run(ercbench_command, tmp_path, *arguments, "--results", "two", "--processes", "2", "--chunk", "8")
    assert two.stderr.count("epoch 1/2: dev") == 2  # one line per recipe: the main process alone reports
    assert two.stderr.count("Memory ran out with 8 utterances encoded at once. From here on it is 4;") == 2
    one, both = tmp_path / "one", tmp_path / "two"
    for alone_of, shared in zip(found(one), found(both), strict=True):
        recipe = shared.recipe.name
        for epoch, other in zip(alone_of.training.epochs, shared.training.epochs, strict=True):
            assert epoch.losses == pytest.approx(other.losses, abs=1e-5)
            assert (epoch.chunk, other.chunk) == (None, 4)
        for file in ("model", "losses", "vectors", "classifier"):
            tensors, others = learnt(one, recipe, file), learnt(both, recipe, file)
            assert tensors.keys() == others.keys()
            for name, tensor in tensors.items():
                torch.testing.assert_close(tensor, others[name], atol=1e-5, rtol=1e-5, msg=f"{name}: {{}}".format)
        torch.testing.assert_close(scores_of(one, recipe), scores_of(both, recipe), atol=1e-5, rtol=1e-5)
        assert alone_of.scores.test.confusion == shared.scores.test.confusion
        assert (alone_of.environment.processes, shared.environment.processes) == (1, 2)
        assert shared.environment.hardware.startswith("2 x ")
        assert shared.command == f"{alone_of.command} --processes 2"


def test_a_run_is_ended_and_taken_up_by_another_number_of_processes(
    ercbench_command: Path, encoder: dict[str, Any], tmp_path: Path
) -> None:
    """Ctrl-C ends all processes, and so does the death of the one that started them; nothing is lost."""
    values = encoder | {"training.epochs": 5}
    alone("eacl", values, tmp_path / "whole")
    two = ["eacl", *SMALL, *options(values), "--results", "ended", "--processes", "2"]
    for epoch, end, code in [(1, signal.SIGINT, 130), (2, signal.SIGKILL, -signal.SIGKILL)]:
        with running(ercbench_command, tmp_path, *two, until=f"epoch {epoch}/5: dev") as process:
            children = psutil.Process(process.pid).children(recursive=True)
            assert len(children) == 2
            os.kill(process.pid, end)
            _, printed = process.communicate(timeout=60)
            assert process.returncode == code, printed
            assert not psutil.wait_procs(children, timeout=20)[1]
            assert "Traceback" not in printed
            if end == signal.SIGINT:
                assert printed.count("The same command goes on after the last finished epoch.") == 1
    alone("eacl", values, tmp_path / "ended")
    [whole], [taken] = (found(tmp_path / name) for name in ("whole", "ended"))
    assert len(taken.training.resumed_after_epochs) == 2
    for epoch_of, other in zip(whole.training.epochs, taken.training.epochs, strict=True):
        assert epoch_of.losses == pytest.approx(other.losses, abs=1e-5)
    torch.testing.assert_close(scores_of(tmp_path / "whole"), scores_of(tmp_path / "ended"), atol=1e-5, rtol=1e-5)
    assert taken.environment.processes == 1
    assert [epoch.processes for epoch in taken.training.epochs] == [2, 2, 1, 1, 1]
    assert not list((tmp_path / "ended" / ".unfinished").glob("*/*"))


def test_a_cell_that_fails_does_not_keep_the_others_from_running(
    ercbench_command: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its processes end with it and are started again for the next cell; the exit code is that of the failure."""
    plugin, _ = unlucky.write(tmp_path, monkeypatch)
    arguments = ["nan", "lucky", *SMALL, "--plugin", str(plugin), "--results", "r", "--processes", "2"]
    ended = run(ercbench_command, tmp_path, *arguments, code=6)
    assert "1 run failed; the others are done." in ended.stderr
    assert "Terminated" not in ended.stderr
    [record] = found(tmp_path / "r")
    assert (record.recipe.name, record.environment.processes) == ("lucky", 2)
    failure = read_failure(tmp_path / "r" / "failures" / "meld-sample" / "mini" / "nan@1" / "seed-0.json")
    assert failure is not None
    assert (failure.error, failure.where) == ("TrainingError", "training, after epoch 1")


def test_what_cannot_be_shared_is_said_before_anything_starts(ercbench_command: Path, tmp_path: Path) -> None:
    """A recipe that trains no encoder; in a grid of recipes too, and with ``--dry-run``."""
    arguments = ["tfidf-lr", *SMALL, "--processes", "2", "--dry-run"]
    found = run(ercbench_command, tmp_path, *arguments, code=2)
    assert "tfidf-lr trains none on meld-sample. Got --processes 2." in found.stderr


def test_a_combination_that_fails_does_not_keep_the_others_from_running(
    ercbench_command: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though each combination is a plan of its own; what the others gave is printed."""
    plugin, _ = unlucky.write(tmp_path, monkeypatch)
    arguments = ["--recipe", "lucky", "--loss", "unlucky,cross-entropy", "--set", "losses.unlucky.happens=nan"]
    arguments += [*SMALL, "--plugin", str(plugin), "--results", "r", "--processes", "2"]
    ended = run(ercbench_command, tmp_path, *arguments, code=6, verb="grid")
    assert "1 run failed; the others are done." in ended.stderr
    assert "- loss=unlucky on meld-sample: seed 0: " in ended.stdout
    [folder] = (tmp_path / "r" / "grid" / "lucky").glob("cross-entropy-*")
    [record] = found(folder)
    assert (record.overrides["losses.cross-entropy.weight"], record.environment.processes) == (1.0, 2)
    assert found(tmp_path / "r" / "grid" / "lucky") == []
