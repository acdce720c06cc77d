"""The trackers that come with ercbench, each with the real library, writing to a local folder and read back."""

from __future__ import annotations

import dataclasses
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import observed
import pytest
from click.testing import CliRunner
from ercbench_stock.trackers.figures import of_epoch

from ercbench.catalog import load_catalog
from ercbench.cli import cli
from ercbench.errors import ErcbenchError, TrainingError
from ercbench.events import EpochInfo
from ercbench.observing import Observer, find_observers
from ercbench.specs import TrackerSpec

NAME = "talk/mini/method@3/seed-7"
EPOCHS = {
    "dev/weighted_f1": [0.1, 0.2],
    "loss/total": [1.0, 0.5],
    "loss/pull": [0.5, 0.25],
    "train/seconds": [2.0, 4.0],
    "train/utterances_per_second": [40.0, 40.0],
}
FINAL = {"final/test_weighted_f1": 0.75, "final/dev_weighted_f1": 0.2, "seconds/training": 6.0}


def trackers(**asked: Mapping[str, Any]) -> list[Observer]:
    """The trackers asked for."""
    errors: list[ErcbenchError] = []
    found = find_observers(load_catalog(), asked, errors)
    assert not errors
    return found


def needs(module: str, extra: str) -> None:
    """Skip where an extra is not installed."""
    pytest.importorskip(module, reason=f"{module} is not installed; it comes with the extra `{extra}`")


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_json_lines_hold_every_event(tmp_path: Path) -> None:
    """One line per event in order, below the folder of the records; a second run of the same cell begins afresh."""
    for _ in range(2):
        observed.play(trackers(jsonl={}), tmp_path)
    found = lines(tmp_path / "tracking" / "jsonl" / f"{NAME}.jsonl")
    events = ["run_started", "stage_started", "epoch_finished", "epoch_finished", "stage_finished", "run_finished"]
    assert [line.pop("event") for line in found] == events
    assert all(line.pop("time").endswith("+00:00") for line in found)
    started, stage, first, second, done, finished = found
    assert (started["run"], started["seed"], started["config"]) == (NAME, 7, observed.CONFIG)
    assert started["utterances"] == {"train": 80, "dev": 10, "test": 8}
    assert (stage, done) == ({"stage": "training"}, {"stage": "training", "seconds": 6.0})
    assert first == {
        "epoch": 1, "losses": {"total": 1.0, "pull": 0.5}, "dev_weighted_f1": 0.1, "seconds": 2.0,
        "utterances_per_second": 40.0, "resumed": True, "utterances": None, "difficulty": None,
        "difficulty_of_train": None, "chunk": None, "processes": 1,
    }  # fmt: skip
    assert (second["epoch"], second["resumed"]) == (2, False)
    assert FINAL.items() <= finished["figures"].items()


def test_what_a_curriculum_chose_is_among_the_figures() -> None:
    """Utterances and their difficulty where there are any; without a curriculum there is nothing to draw."""
    plain = EpochInfo(1, {"total": 0.5}, 0.25, 2.0, 40.0, False)
    assert not {"train/utterances", "train/difficulty"} & of_epoch(plain).keys()
    chosen = of_epoch(dataclasses.replace(plain, utterances=7, difficulty=0.125, difficulty_of_train=0.25))
    assert (chosen["train/utterances"], chosen["train/difficulty"]) == (7.0, 0.125)
    assert chosen["train/difficulty_of_train"] == 0.25


def test_json_lines_of_a_failure(tmp_path: Path) -> None:
    """The last line tells the error; the folder is the one asked for."""
    observed.play(trackers(jsonl={"folder": str(tmp_path / "mine")}), tmp_path, TrainingError("not finite"))
    last = lines(tmp_path / "mine" / f"{NAME}.jsonl")[-1]
    assert (last["event"], last["error"]) == ("run_failed", "TrainingError: not finite")


def test_tensorboard(tmp_path: Path) -> None:
    """Figures by epoch, final figures at the last, the values of the run as text."""
    needs("tensorboard", "tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    observed.play(trackers(tensorboard={}), tmp_path)
    found = EventAccumulator(str(tmp_path / "tracking" / "tensorboard" / NAME))
    found.Reload()
    for name, values in EPOCHS.items():
        points = found.Scalars(name)
        assert [point.step for point in points] == [1, 2]
        assert [point.value for point in points] == pytest.approx(values)
    for name, value in FINAL.items():
        [point] = found.Scalars(name)
        assert (point.step, point.value) == (2, pytest.approx(value))
    assert b'"training.epochs": 2' in found.Tensors("config/text_summary")[0].tensor_proto.string_val[0]


def test_mlflow(tmp_path: Path) -> None:
    """A run in the local file store: parameters, figures by epoch, how it ended; one that fails counts as failed."""
    needs("mlflow", "mlflow")
    observed.play(trackers(mlflow={}), tmp_path)
    observed.play(trackers(mlflow={}), tmp_path, TrainingError("not finite"))
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=(tmp_path / "tracking" / "mlflow").as_uri())
    experiment = client.get_experiment_by_name("ercbench")
    assert experiment is not None
    runs = {run.info.status: run for run in client.search_runs([experiment.experiment_id])}
    assert runs.keys() == {"FINISHED", "FAILED"}
    assert runs["FAILED"].data.tags["error"] == "TrainingError: not finite"
    done = runs["FINISHED"]
    assert done.info.run_name == NAME
    assert done.data.params == {**{path: str(value) for path, value in observed.CONFIG.items()}, "seed": "7"}
    for name, values in EPOCHS.items():
        points = client.get_metric_history(done.info.run_id, name)
        assert [(point.step, point.value) for point in points] == list(enumerate(values, 1))
    assert FINAL.items() <= done.data.metrics.items()


def test_wandb_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An offline run on disk: values, figures by epoch, final figures as the summary, how it ended."""
    needs("wandb", "wandb")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    observed.play(trackers(wandb={"project": "erc"}), tmp_path)
    import wandb

    wandb.teardown()  # waits for the process that writes, as the end of a program does
    [path] = (tmp_path / "tracking" / "wandb" / "wandb").glob("offline-run-*/run-*.wandb")
    history: list[dict[str, Any]] = []
    config: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    for kept in wandb_records(path):
        if kept.WhichOneof("record_type") == "run":
            assert (kept.run.project, kept.run.display_name) == ("erc", NAME)
            config |= {item.key: json.loads(item.value_json) for item in kept.run.config.update}
        history += [
            {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in kept.history.item}
        ] * kept.HasField("history")
        summary |= {item.key or item.nested_key[0]: json.loads(item.value_json) for item in kept.summary.update}
        if kept.HasField("exit"):
            assert kept.exit.exit_code == 0
    assert config["training.epochs"] == 2
    assert {name: [point[name] for point in history] for name in EPOCHS} == EPOCHS
    assert [point["_step"] for point in history] == [1, 2]
    assert FINAL.items() <= summary.items()


def wandb_records(path: Path) -> Iterator[Any]:
    """What stands in a ``.wandb`` file: a 7-byte head, then a log in blocks of 32 KiB as LevelDB writes it."""
    from wandb.proto import wandb_internal_pb2

    data = path.read_bytes()
    position, whole = 7, b""
    while position + 7 <= len(data):
        room = 32768 - position % 32768
        if room < 7:
            position += room
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        whole += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield wandb_internal_pb2.Record.FromString(whole)
            whole = b""


def test_trackio(tmp_path: Path) -> None:
    """A run in the local database. In a process of its own: Trackio reads its folder once, when it is imported."""
    needs("trackio", "trackio")
    script = (
        "import json, sys\n"
        "from pathlib import Path\n"
        f"sys.path[:0] = {[str(Path(observed.__file__).parent)]!r}\n"
        "import observed\n"
        "from ercbench.catalog import load_catalog\n"
        "from ercbench.observing import find_observers\n"
        "found = find_observers(load_catalog(), {'trackio': {'project': 'erc'}}, errors := [])\n"
        "assert not errors\n"
        f"observed.play(found, Path({str(tmp_path)!r}))\n"
        "from trackio.sqlite_storage import SQLiteStorage\n"
        f"logs = SQLiteStorage.get_logs('erc', {NAME!r})\n"
        f"print(json.dumps([logs, SQLiteStorage.get_run_config('erc', {NAME!r})]))\n"
    )
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio"), "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    logs, config = json.loads(done.stdout)
    assert config["training.epochs"] == 2
    for name, values in EPOCHS.items():
        assert [(point["step"], point[name]) for point in logs if name in point] == list(enumerate(values, 1))
    assert FINAL.items() <= logs[-1].items()


@pytest.mark.parametrize("spec", load_catalog().all(TrackerSpec), ids=lambda spec: spec.name)
def test_a_missing_library_is_told_with_what_installs_it(spec: TrackerSpec) -> None:
    """The message names the extra; nothing of the library is imported until the tracker is asked for."""
    library = spec.name
    code = (
        "import sys\n"
        f"sys.modules[{library!r}] = None\n"
        "from ercbench.catalog import load_catalog\n"
        "from ercbench.observing import find_observers\n"
        f"find_observers(load_catalog(), {{{spec.name!r}: {{}}}}, errors := [])\n"
        "print(*errors)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert (f"pip install 'ercbench[{spec.name}]'" in found) == bool(spec.install), found


def test_options_of_trackers_on_the_command_line(tmp_path: Path) -> None:
    """An option of a tracker that was not asked for, and one without a value, are refused."""
    arguments = ["run", "eacl", "--dataset", "meld-sample", "--tracker", "jsonl", "--tracker-option"]
    for option, message in (
        ("wandb.project=erc", "is for a tracker named with --tracker. Got 'wandb.project=erc'. Named: jsonl."),
        ("folder", "--tracker-option wants NAME.FIELD=VALUE. Got 'folder'. Example: --tracker-option wandb.project"),
    ):
        found = CliRunner().invoke(cli, [*arguments, option])
        assert message in str(found.exception)
