"""``ercbench gc``: what nobody needs goes, and nothing else."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from filelock import FileLock
from left_runs import HERE, described, unfinished
from recorded import Cell, record

from ercbench import leftovers
from ercbench.catalog import load_catalog
from ercbench.cli import cli
from ercbench.leftovers import DAY, find_leftovers, remove
from ercbench.run_log import RunLog
from ercbench.unfinished import RunDescription, results_folders, unfinished_runs

CATALOG = load_catalog()


def age(path: Path, seconds: float) -> None:
    """Let a file or a folder be as old as that."""
    for one in (*path.rglob("*"), path) if path.is_dir() else (path,):
        os.utime(one, (time.time() - seconds, time.time() - seconds))


def gc(*arguments: object) -> Result:
    """The command."""
    return CliRunner().invoke(cli, ["gc", *map(str, arguments)], catch_exceptions=False)


def files(results: Path) -> set[str]:
    """Everything there."""
    return {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}


def test_a_run_that_can_go_on_is_kept(tmp_path: Path) -> None:
    """Nothing of it is touched, and it is said what it is."""
    folder = unfinished(tmp_path, "abc-seed-0")
    before = files(tmp_path)
    found = gc(tmp_path)
    assert files(tmp_path) == before
    assert f"Kept {folder}" in found.stdout
    assert "tfidf-lr@2 on talk, track mini, context past, seed 0: goes on after epoch 2" in found.stdout
    assert found.stdout.endswith("There is nothing to remove.\n")


def test_a_run_whose_record_is_there_goes(tmp_path: Path) -> None:
    """A kill came between the record and the end of its checkpoints; the record and its predictions stay."""
    path = record(tmp_path, Cell())
    before = files(tmp_path)
    unfinished(tmp_path, "abc-seed-0", **described(path))
    found = gc(tmp_path)
    assert files(tmp_path) == before
    assert "its record is there" in found.stdout
    assert f"{tmp_path / '.unfinished'} (" in found.stdout


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"config": {"training.epochs": 9}}, True),
        ({"fingerprint": "sha256:1"}, True),
        ({"local_plugins": frozenset({"a"})}, False),
    ],
)
def test_the_record_of_another_run_in_its_place(tmp_path: Path, change: dict[str, Any], kept: bool) -> None:
    """Of other settings or data: the run is still to be finished. With a local plugin that was mended since: not."""
    path = record(tmp_path, Cell())
    folder = unfinished(tmp_path, "abc", **{**described(path), **change, "recipe": HERE})
    cell = RunDescription.model_validate_json(folder.with_suffix(".json").read_bytes()).cell
    cell.record(tmp_path).parent.mkdir(parents=True, exist_ok=True)
    cell.record(tmp_path).write_bytes(path.read_bytes())
    age(cell.record(tmp_path), 3600)
    gc(tmp_path)
    assert folder.is_dir()  # somebody began the run once more
    age(folder, 7200)
    found = gc(tmp_path)
    assert folder.is_dir() == kept
    assert ("a later record is there" in found.stdout) != kept


def test_a_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """What is damaged stands in nobody's way."""
    folder = unfinished(tmp_path, "abc")
    [run] = unfinished_runs(tmp_path)
    assert run.description
    path = run.description.cell.record(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    gc(tmp_path)
    assert folder.is_dir()


@pytest.mark.parametrize("damage", ["state.json", "last-2.safetensors", "best-2.safetensors", "all"])
def test_what_is_not_whole_goes(tmp_path: Path, damage: str) -> None:
    """Nobody can go on from it."""
    folder = unfinished(tmp_path, "abc")
    for file in folder.iterdir():
        if damage in (file.name, "all"):
            file.write_bytes(file.read_bytes()[:-1])
    found = gc(tmp_path)
    assert files(tmp_path) == set()
    assert "holds nothing whole to go on from" in found.stdout


def test_what_a_process_is_at_is_let_be(tmp_path: Path) -> None:
    """Whole or not, done or not: while its lock is held, nothing of the run goes, nor what it may be about to write."""
    folder = unfinished(tmp_path, "abc")
    (folder / "state.json").unlink()
    model = tmp_path / "records" / "talk" / "mini" / "x@1" / "seed-0.model"
    model.mkdir(parents=True)
    stray = model / "model.safetensors.tmp"
    stray.touch()
    age(tmp_path, DAY)
    before = files(tmp_path)
    with FileLock(folder.with_suffix(".lock")):
        assert gc(tmp_path, "--dry-run").stdout == "There is nothing to remove.\n"
        assert gc(tmp_path, "--older-than", 0).stdout == "There is nothing to remove.\n"
        assert files(tmp_path) == before
    gc(tmp_path)
    assert files(tmp_path) == set()
    assert not model.exists()


def test_a_run_that_is_taken_up_before_it_is_removed_stays(tmp_path: Path) -> None:
    """Between looking and removing a process may have begun with it, or have kept another epoch and ended."""
    folder = unfinished(tmp_path, "abc", epochs=0)
    folder.mkdir()
    found = find_leftovers(tmp_path, CATALOG)
    with FileLock(folder.with_suffix(".lock")):
        assert remove(found) == []
    unfinished(tmp_path, "abc", epochs=1)
    assert folder not in {one.path for one in remove(found)}
    assert folder.is_dir()


def test_recipes_that_are_not_installed_are_listed_and_kept(tmp_path: Path) -> None:
    """Unless they are older than what is asked for; so are runs of which nobody knows the cell."""
    old, gone, unknown = (
        unfinished(tmp_path, name, recipe)
        for name, recipe in (("old", "tfidf-lr@0"), ("gone", "was-here@1"), ("unknown", None))
    )
    age(old, 3 * DAY)
    age(unknown, 3 * DAY)
    found = gc(tmp_path)
    assert "was-here@1 is not installed; goes with --older-than DAYS" in found.stdout
    assert "tfidf-lr@0 is not installed" in found.stdout
    assert "no one knows of which cell" in found.stdout
    assert all(path.is_dir() for path in (old, gone, unknown))
    gc(tmp_path, "--older-than", 4)
    assert all(path.is_dir() for path in (old, gone, unknown))
    found = gc(tmp_path, "--older-than", 2)
    assert "and nothing was written to it for 3 days" in found.stdout
    assert [path.is_dir() for path in (old, gone, unknown)] == [False, True, False]


def test_locks_and_descriptions_of_runs_that_kept_nothing_go(tmp_path: Path) -> None:
    """In one line."""
    for number in range(5):
        unfinished(tmp_path, f"run-{number}", epochs=0)
    assert f"Removed 10 files and folders in {tmp_path / '.unfinished'} (" in gc(tmp_path).stdout
    assert files(tmp_path) == set()


def test_models_without_a_record_go(tmp_path: Path) -> None:
    """Those with one stay."""
    path = record(tmp_path, Cell())
    for model in (path.with_suffix(".model"), path.with_name("seed-77.model")):
        model.mkdir()
        (model / "model.json").write_text("{}")
    gc(tmp_path)
    assert path.with_suffix(".model").is_dir()
    assert not path.with_name("seed-77.model").exists()


@pytest.mark.parametrize("name", ["tmpab_3x9zq", ".seed-0.json.k3j2.tmp", "last-2.safetensors.tmp"])
def test_temporary_files_go_when_nobody_writes_them(tmp_path: Path, name: str) -> None:
    """Not those of the last minute, and nothing that has another name or lies elsewhere."""
    places = [tmp_path / "records" / "talk", tmp_path / "failures", tmp_path / ".unfinished", tmp_path / "logs"]
    for place in [*places, tmp_path / "mine"]:
        place.mkdir(parents=True)
        for file in (place / name, place / "seed-0.predictions.csv"):
            file.write_text("x")
    gc(tmp_path)
    assert all((place / name).exists() for place in places)
    age(tmp_path, 120)
    gc(tmp_path)
    assert not any((place / name).exists() for place in places)
    assert (tmp_path / "mine" / name).exists()
    assert all((place / "seed-0.predictions.csv").exists() for place in places if place.name != ".unfinished")


def test_old_logs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay, and those of commands that live, however old; so does not the lock of a killed one."""
    monkeypatch.setattr(leftovers, "KEPT_LOGS", 2)
    logs = [tmp_path / "logs" / f"2026010{day}T000000.000000-1.jsonl" for day in range(1, 6)]
    with RunLog(tmp_path) as live:
        live.start([], "serial")
        for log in logs:
            log.write_text("")
            log.with_suffix(".lock").touch()
        (tmp_path / "logs" / "alone.lock").touch()
        oldest = tmp_path / "logs" / "20250101T000000.000000-1.jsonl"
        oldest.write_text("")
        with FileLock(oldest.with_suffix(".lock")):
            gc(tmp_path)
        kept = {*logs[-2:], oldest, live.path}
        assert set((tmp_path / "logs").glob("*.jsonl")) == kept
        locks = {path.stem for path in (tmp_path / "logs").glob("*.lock")}
        assert locks == {oldest.stem, live.path.stem}


def test_what_a_driver_collects_is_let_be(tmp_path: Path) -> None:
    """While cells run elsewhere, their checkpoints come in without a lock; they are not taken for leftovers."""
    folder = unfinished(tmp_path, "abc")
    (folder / "state.json").unlink()
    with RunLog(tmp_path) as log:
        log.start([], "ray")
        gc(tmp_path)
        assert folder.is_dir()
    with RunLog(tmp_path) as log:
        log.start([], "serial")
        gc(tmp_path)
        assert not folder.is_dir()


def test_what_came_from_elsewhere_and_was_not_taken_in_goes(tmp_path: Path) -> None:
    """The run that it is of can go on from its own checkpoint, which stays."""
    folder = unfinished(tmp_path, "abc")
    before = files(tmp_path)
    arrived = folder.with_suffix(".arrived")
    arrived.mkdir()
    (arrived / "seed-0.json").write_text("{}")
    gc(tmp_path)
    assert not arrived.exists()
    assert files(tmp_path) == before - {".unfinished/abc.lock"}


def test_a_dry_run_removes_nothing(tmp_path: Path) -> None:
    """It says the same, in bytes too."""
    folder = unfinished(tmp_path, "abc")
    (folder / "state.json").unlink()
    (folder / "last-2.safetensors.tmp").write_text("half of it")
    age(folder, 120)
    before = files(tmp_path)
    told = json.loads(gc(tmp_path, "--dry-run", "--json").stdout)
    assert "Would remove" in gc(tmp_path, "--dry-run").stdout
    assert files(tmp_path) == before
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert (told["dry_run"], told["bytes"], told["kept"]) == (True, size, [])
    done = json.loads(gc(tmp_path, "--json").stdout)
    assert done == {**told, "dry_run": False}
    assert {one["path"] for one in done["removed"]} == {
        folder.as_posix(), folder.with_suffix(".json").as_posix(), folder.with_suffix(".lock").as_posix(),
    }  # fmt: skip


def test_samples_and_variants_are_looked_at_too(tmp_path: Path) -> None:
    """Each is a results folder below another; whatever else lies there is nobody's business."""
    places = [
        tmp_path,
        tmp_path / "sample",
        tmp_path / "grid" / "x" / "a-1",
        tmp_path / "sample" / "ablate" / "y" / "b",
    ]
    for place in [*places, tmp_path / "mine"]:
        unfinished(place, "abc", epochs=0)
    assert set(results_folders(tmp_path)) == set(places)
    gc(tmp_path)
    assert [list((place / ".unfinished").iterdir()) for place in places] == [[]] * 4
    assert list((tmp_path / "mine" / ".unfinished").iterdir())


def test_a_description_of_another_run_is_none(tmp_path: Path) -> None:
    """A file that was copied or is broken does not make a run what it is not."""
    folder = unfinished(tmp_path, "abc")
    folder.with_suffix(".json").rename(folder.with_name("other.json"))
    folder.with_name("broken.json").write_text("{}")
    assert {run.identity: run.description for run in unfinished_runs(tmp_path)} == {
        "abc": None, "broken": None, "other": None,
    }  # fmt: skip
