"""What travels to another machine and back when a cell is run there; Ray itself has no part in it."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from made_runs import made_data
from without_ray import Cluster, Killed

import ercbench
from ercbench import classifying, working, workspaces
from ercbench.catalog import load_catalog, load_with_files
from ercbench.collecting import Collector, arrived
from ercbench.data import load
from ercbench.errors import PluginError, RecordError, UsageError
from ercbench.executing import execute
from ercbench.failures import Facts, RemoteError, facts_of
from ercbench.grid import Plan, Request, plan
from ercbench.manifest import read_manifest
from ercbench.own import of_corpus
from ercbench.progress import Silent
from ercbench.receiving import receive
from ercbench.records import PluginIdentity, RunRecord
from ercbench.shipping import order_of, read_order, unpack

pytestmark = pytest.mark.usefixtures("one_thread")

PLUGIN = '''
"""A recipe of one's own."""

from ercbench import Recipe, hookimpl

ERCBENCH_API = 1


@hookimpl
def ercbench_recipes():
    return [Recipe(name="mine", summary="", version="1", reference="ours", base="majority", values={})]
'''


@pytest.fixture
def planned(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> Callable[..., tuple[Plan, Request]]:
    """A plan of one cell: EACL with a tiny encoder for three epochs on four dialogues, unless told otherwise."""

    def make(recipe: str = "eacl", dataset: Any = "meld-sample", plugins: Sequence[Path] = ()) -> tuple[Plan, Request]:
        training = {"encoder.checkpoint": str(tiny_checkpoint("bert")), "encoder.width": 16, "training.epochs": 3}
        request = Request(
            recipes=[recipe],
            datasets=[dataset],
            track="mini",
            seeds=[0],
            overrides=training if recipe == "eacl" else {},
            limit=4 if recipe == "eacl" else None,
            results=tmp_path / "results",
            device="cpu",
        )
        return plan(load_with_files(plugins), request), request

    return make


def serial(request: Request, folder: Path) -> tuple[RunRecord, bytes]:
    """The same cell in this process: its record and predictions."""
    here = replace(request, results=folder)
    [record] = execute(plan(load_catalog(), here), here, Silent()).records
    [predictions] = folder.rglob("*.predictions.csv")
    return record, predictions.read_bytes()


def accept(cluster: Cluster, result: dict[str, Any]) -> tuple[RunRecord, bytes]:
    """The command takes in what a machine made."""
    assert "error" not in result, result
    record = receive(cluster.results, cluster.prepared, cluster.seed, result["files"])
    [predictions] = (cluster.results / "records").rglob("*.predictions.csv")
    return record, predictions.read_bytes()


def same(one: RunRecord, other: RunRecord) -> bool:
    """Whether two records differ in nothing but time and how often the run was taken up."""
    untimed = [json.loads(record.model_dump_json()) for record in (one, other)]
    for record in untimed:
        del record["seconds"], record["started"], record["training"]["resumed_after_epochs"]
        for epoch in record["training"]["epochs"]:
            del epoch["seconds"], epoch["utterances_per_second"]
    return untimed[0] == untimed[1]


def test_a_cell_run_elsewhere_is_the_cell_run_here(
    planned: Callable[..., tuple[Plan, Request]], tmp_path: Path
) -> None:
    """Record, predictions and model come back, each epoch leaves its checkpoint, and the events say who did it."""
    cluster = Cluster(*(of := planned()))
    told = cluster.run("far")
    kept = [call[1:3] for call in cluster.calls if call[0] == "keep"]
    assert len(kept) == 3
    assert (
        json.loads(json.loads((cluster.unfinished() / "state.json").read_text())["content"])["epochs"][2]["epoch"] == 3
    )
    events = cluster.events("cell_started", "epoch_finished", "warned")
    assert [event["event"] for event in events] == ["cell_started", *["epoch_finished"] * 3]
    assert events[0]["node"] == "far"
    record, predictions = accept(cluster, told)
    whole, expected = serial(of[1], tmp_path / "serial")
    assert predictions == expected
    assert same(record, whole)
    here, there = (
        sorted(path.relative_to(folder) for path in (folder / "records").rglob("*"))
        for folder in (tmp_path / "serial", cluster.results)
    )
    assert here == there
    assert not arrived(cluster.results, cluster.order.expected.identity).exists()


def test_all_that_was_asked_for_travels_or_is_decided_here(
    planned: Callable[..., tuple[Plan, Request]], tmp_path: Path
) -> None:
    """Whoever adds a field to `Request` must decide which of the two it is; what travels arrives as it was."""
    here = {
        "sample",
        "force",
        "retry_failed",
        "fetch",
        "executor",
        "processes",
    }  # which cells are to be run, and by whom
    anew = {"data_dir", "results", "datasets"}  # folders of that machine
    plain, request = planned("majority")
    asked = replace(request, keep_model=False, trackers={"jsonl": {"folder": "x"}}, limit=7, chunk=3)
    prepared, [seed] = plain.groups[0]
    order = order_of(replace(prepared, limit=7), seed, asked, "cpu", (1, 1))
    there = unpack(order, {}, tmp_path)
    for field in fields(Request):
        if field.name not in here | anew:
            assert getattr(there, field.name) == getattr(asked, field.name), field.name
            assert field.name in {"device", "track", "context", "recipes", "seeds", "overrides"} or (
                getattr(asked, field.name) != field.default
            ), f"{field.name}: give it another value than its default here, and see that it travels"


def test_a_cell_whose_machine_is_lost_goes_on_elsewhere(
    planned: Callable[..., tuple[Plan, Request]], tmp_path: Path
) -> None:
    """Lost in its third epoch, while a checkpoint is sent, it goes on after the second with the same predictions."""
    cluster = Cluster(*(of := planned()))

    def lose(method: str, arguments: tuple[Any, ...]) -> None:
        if method == "close" and arguments[2].startswith("last-3"):
            raise Killed

    with pytest.raises(Killed):
        cluster.run("first", lose)
    cluster.collector.take()
    record, predictions = accept(cluster, cluster.run("second"))
    assert record.training.resumed_after_epochs == [2]
    assert predictions == serial(of[1], tmp_path / "serial")[1]
    [again] = cluster.events("cell_requeued")
    assert again["message"] == "first was lost; taken up by second"


def test_a_command_that_is_started_again_sends_what_it_kept(planned: Callable[..., tuple[Plan, Request]]) -> None:
    """The checkpoint in the results folder is where a run on this machine looks, and what the next command sends."""
    of = planned()

    def lose(method: str, arguments: tuple[Any, ...]) -> None:
        if method == "keep":
            raise Killed

    with pytest.raises(Killed):
        Cluster(*of).run("first", lose)
    again = Cluster(*of)
    record, _ = accept(again, again.run("second"))
    assert record.training.resumed_after_epochs == [1]


def test_a_cell_that_loses_its_machines_again_and_again_fails(planned: Callable[..., tuple[Plan, Request]]) -> None:
    """After as many starts as are allowed the next machine does not begin, and says why."""
    cluster = Cluster(*planned("majority"), attempts=2)

    def lose(method: str, arguments: tuple[Any, ...]) -> None:
        if method == "tell":
            raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            cluster.run("weak", lose)
    error = cluster.run("weak")["error"]
    assert error["error"] == "MachinesLost"
    assert error["message"].startswith("2 machines or processes were lost")


def test_an_old_start_is_turned_away(tmp_path: Path) -> None:
    """A machine that was taken for lost and still writes is refused; nothing of it is kept."""
    collector = Collector(str(tmp_path), owner=1)
    old, _ = collector.start("cell", "a", {})
    new, _ = collector.start("cell", "b", {})
    with pytest.raises(UsageError, match="taken up by another machine"):
        collector.write(("cell", old), "checkpoint", "last-1.safetensors", 0, b"old")
    collector.tell(("cell", old), [{"event": "said"}])
    assert [event["event"] for event in collector.take()] == ["cell_requeued"]
    collector.write(("cell", new), "checkpoint", "last-1.safetensors", 0, b"new")
    with pytest.raises(UsageError, match=r"last-1\.safetensors arrived damaged"):
        collector.close(("cell", new), "checkpoint", "last-1.safetensors", "0" * 64)


@pytest.mark.parametrize("kind", ["folder", "corpus", "named"])
def test_the_data_set_travels(
    kind: str, planned: Callable[..., tuple[Plan, Request]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of one's own, a corpus in memory and a data set from the data folder give the same predictions there."""
    folder = made_data(tmp_path, "talk")
    dataset: Any = str(folder)
    if kind == "corpus":
        dataset = of_corpus(load(read_manifest(folder)))
    if kind == "named":
        dataset = "meld-sample"
    cluster = Cluster(*(of := planned("majority", dataset)))
    assert bool(cluster.files) == (kind != "named"), "a bundled data set is there already"
    _, expected = serial(of[1], tmp_path / "serial")
    if kind == "folder":
        folder.rename(tmp_path / "gone")
    record, predictions = accept(cluster, cluster.run("far"))
    assert predictions == expected
    assert record.dataset.name == ("meld-sample" if kind == "named" else "talk")


@pytest.mark.real_data
def test_a_data_set_from_the_data_folder_travels(
    real_data: Path, planned: Callable[..., tuple[Plan, Request]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of its files that were read, by the names that a record has for them; the other machine has none."""
    cluster = Cluster(*(of := planned("majority", "meld")))
    _, expected = serial(of[1], tmp_path / "serial")
    monkeypatch.setenv("ERCBENCH_DATA", str(tmp_path / "nothing"))
    record, predictions = accept(cluster, cluster.run("far"))
    assert predictions == expected
    assert set(record.dataset.files) == {Path(name).name for name in cluster.files}


class Files(dict[str, bytes]):
    """Files that a test can see being let go."""


def test_nothing_of_test_is_at_hand_while_a_cell_runs(
    planned: Callable[..., tuple[Plan, Request]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data set's files, with the labels of test, are laid out and let go before a plugin's code runs."""
    cluster = Cluster(*planned("majority", str(made_data(tmp_path, "talk"))))
    given = [Files(cluster.files)]
    there, held, fit = weakref.ref(given[0]), [], classifying.fit

    def watched(*arguments: Any) -> Any:
        held.append(there() is not None)
        return fit(*arguments)

    monkeypatch.setattr(classifying, "fit", watched)
    order = cluster.order
    told = working.work(order, (given.pop, {}), lambda name, *more: getattr(cluster.collector, name)(*more), "far")
    assert "error" not in told
    assert held == [False]


def test_a_cell_uses_the_threads_it_was_given(planned: Callable[..., tuple[Plan, Request]]) -> None:
    """As many as it has processors, and as many as before when it is over."""
    cluster = Cluster(*planned("majority"))
    cluster.order = cluster.order.model_copy(update={"threads": 3})
    record, _ = accept(cluster, cluster.run("far"))
    assert record.environment.hardware.endswith(", 3 threads")
    assert torch.get_num_threads() == 1


def test_local_plugins_travel(planned: Callable[..., tuple[Plan, Request]], tmp_path: Path) -> None:
    """A plugin's file is shipped as it was read, and the record names its sha256."""
    file = tmp_path / "my_recipe.py"
    file.write_text(PLUGIN)
    cluster = Cluster(*planned("mine", plugins=[file]))
    file.unlink()
    record, _ = accept(cluster, cluster.run("far"))
    assert [one.distribution for one in record.plugins if one.sha256] == ["my_recipe.py"]


def changed(cluster: Cluster, **expected: Any) -> None:
    """Ship an order in which something else is expected."""
    changes = {"expected": cluster.order.expected.model_copy(update=expected)}
    cluster.order = cluster.order.model_copy(update=changes)


def test_other_versions_of_plugins_are_refused(planned: Callable[..., tuple[Plan, Request]]) -> None:
    """Before anything is trained, with what to install; all of them at once."""
    cluster = Cluster(*planned("majority"))
    wanted = (
        PluginIdentity(distribution="ercbench-foo", version="1.3", sha256=None),
        PluginIdentity(distribution="ercbench", version="99.0", sha256=None),
    )
    changed(cluster, plugins=wanted, packages=cluster.order.expected.packages | {"ercbench": "99.0"})
    told = cluster.run("far")
    assert told["error"]["exit_code"] == 4
    assert told["error"]["traceback"] is None
    assert told["stage"] is None
    assert (
        "far lacks ercbench-foo, which the run needs. Install it: pip install ercbench-foo==1.3"
        in told["error"]["message"]
    )
    assert (
        f"far has ercbench {ercbench.__version__}, and the command was given where there is ercbench 99.0"
        in told["error"]["message"]
    )
    assert not cluster.events("cell_started")


def test_an_order_of_another_version_is_refused(planned: Callable[..., tuple[Plan, Request]]) -> None:
    """One that has a field more, or lacks one, is told as what it is."""
    text = Cluster(*planned("majority")).order.model_dump_json()
    assert read_order(text, "far").cell.seed == 0
    for other in (text.replace("{", '{"new": 1, ', 1), text.replace('"threads"', '"cores"')):
        with pytest.raises(PluginError, match="Install the same version of ercbench on all machines"):
            read_order(other, "far")


@pytest.mark.parametrize("what", ["fingerprint", "digest", "weights", "identity", "values"])
def test_a_cell_that_comes_to_something_else_is_refused(
    what: str, planned: Callable[..., tuple[Plan, Request]]
) -> None:
    """Other data, other settings, other weights: nothing is trained."""
    cluster = Cluster(*planned("majority"))
    values = cluster.order.expected.values | {"context.past": 3}
    changed(cluster, **{what: values if what == "values" else "another"})
    told = cluster.run("far")
    assert told["error"]["exit_code"] == 2
    assert ("context.past" if what == "values" else what) in told["error"]["message"]
    assert not cluster.events("cell_started")


def test_an_encoder_that_is_a_folder_must_be_there(planned: Callable[..., tuple[Plan, Request]]) -> None:
    """Weights do not travel; the message says where they must lie."""
    cluster = Cluster(*planned())
    cluster.order = cluster.order.model_copy(update={"local_encoder": "/no/such/encoder"})
    told = cluster.run("far")
    assert told["error"]["exit_code"] == 5
    assert "far has none of that path. Got /no/such/encoder" in told["error"]["message"]


def test_other_packages_are_told(planned: Callable[..., tuple[Plan, Request]]) -> None:
    """Another torch is no reason to refuse; it is one to say so."""
    cluster = Cluster(*planned("majority"))
    changed(cluster, packages=cluster.order.expected.packages | {"torch": "0.1"})
    accept(cluster, cluster.run("far"))
    [warned] = cluster.events("warned")
    assert "and not 0.1" in warned["message"]


def test_what_a_cell_raises_comes_back_as_text(
    planned: Callable[..., tuple[Plan, Request]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Class, message and traceback, not an object whose class may not be here; with the stage in which it happened."""
    cluster = Cluster(*planned("majority"))

    def broken(*_: object) -> None:
        raise ZeroDivisionError("by a plugin")

    monkeypatch.setattr("ercbench.classifying.fit", broken)
    told = json.loads(json.dumps(cluster.run("far")))
    error = RemoteError(Facts(**told["error"]), told["node"])
    assert told["stage"] == "classifying"
    assert (error.exit_code, facts_of(error).error) == (1, "ZeroDivisionError")
    assert "ZeroDivisionError on far:\nTraceback" in str(error)


@pytest.mark.parametrize("name", ["../escaped", "/etc/passwd", "a/../../b", "c:\\d", ""])
def test_files_from_elsewhere_stay_in_their_folder(name: str, tmp_path: Path) -> None:
    """A name that leads out of the folder is refused, wherever it is used."""
    collector = Collector(str(tmp_path / "results"), owner=1)
    number, _ = collector.start("cell", "a", {})
    with pytest.raises(UsageError, match="must be relative"):
        collector.write(("cell", number), "arrived", name, 0, b"x")
    assert not list(tmp_path.rglob("*escaped*"))


def test_what_arrives_is_checked(planned: Callable[..., tuple[Plan, Request]]) -> None:
    """A file that changed after it arrived, or one that is missing, makes no record."""
    cluster = Cluster(*planned("majority"))
    files = cluster.run("far")["files"]
    folder = arrived(cluster.results, cluster.order.expected.identity)
    [predictions] = folder.rglob("*.predictions.csv")
    predictions.write_text(predictions.read_text().replace("0", "1"))
    with pytest.raises(RecordError, match="arrived damaged"):
        receive(cluster.results, cluster.prepared, cluster.seed, files)
    with pytest.raises(RecordError, match="not the run that was asked for"):
        receive(
            cluster.results, cluster.prepared, cluster.seed, {k: v for k, v in files.items() if "predictions" not in k}
        )
    assert not (cluster.results / "records").exists()


def test_large_files_travel_in_pieces(
    planned: Callable[..., tuple[Plan, Request]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No piece is larger than what is sent at once, on the way there and back."""
    monkeypatch.setattr(working, "CHUNK", 5000)
    monkeypatch.setattr("ercbench.collecting.CHUNK", 5000)
    cluster = Cluster(*planned())

    def lose(method: str, arguments: tuple[Any, ...]) -> None:
        if method == "close" and arguments[2].startswith("last-2"):
            raise Killed

    with pytest.raises(Killed):
        cluster.run("first", lose)
    record, _ = accept(cluster, cluster.run("second"))
    assert record.training.resumed_after_epochs == [1]
    sizes = [call[-1] for call in cluster.calls if call[0] == "write"]
    assert max(sizes) == 5000
    assert len([call for call in cluster.calls if call[0] == "read"]) > 5


def test_folders_of_killed_runs_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed process left, data among it, goes when the next begins; what is in use stays."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(workspaces, "SOON", 0.0)
    for name, holds in (("killed", "lock"), ("killed-at-its-end", "data")):
        left = tmp_path / f"{working.PREFIX}{name}"
        left.mkdir()
        (left / holds).touch()
    with workspaces.workspace(working.PREFIX) as one, workspaces.workspace(working.PREFIX) as other:
        assert sorted(tmp_path.iterdir()) == sorted([one, other])
    assert not list(tmp_path.iterdir())
