"""Files that a disk or a person has changed: told by checksum, and redone or refused, never used."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_runs import Ended, Forks, the_record, told

from ercbench import models
from ercbench.errors import RecordError
from ercbench.records import read_record
from ercbench.resume import Unfinished

AFRESH = "What was kept of this run is damaged and is not used: {} is not what was written. The run starts afresh."


def cut(content: bytes) -> bytes:
    """Its first half."""
    return content[: len(content) // 2]


def flipped(content: bytes, rng: random.Random | None = None) -> bytes:
    """One bit turned over."""
    rng = rng or random.Random(4)
    position = rng.randrange(len(content))
    return content[:position] + bytes([content[position] ^ 1 << rng.randrange(8)]) + content[position + 1 :]


Damage = Callable[[bytes], bytes]


def damage_one(folder: Path, pattern: str, damage: Damage) -> Path:
    """Damage the only file of a name."""
    [file] = folder.glob(pattern)
    file.write_bytes(damage(file.read_bytes()))
    return file


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("last-2.safetensors", cut),
        ("best-*.safetensors", flipped),
        ("state.json", flipped),
        ("state.json", cut),
        ("sealed-1.json", flipped),
    ],
)
def test_a_damaged_unfinished_run_starts_afresh_and_says_so(
    forks: Forks, undisturbed: dict[str, Any], unfinished: Path, tmp_path: Path, name: str, damage: Damage
) -> None:
    """State, last weights, best weights, sealed labels: whatever is damaged, the run says which file and is redone."""
    results = shutil.copytree(unfinished, tmp_path / "results")
    file = damage_one(results, f".unfinished/*/{name}", damage)
    ended = forks.run(results)
    assert AFRESH.format(file) in ended.stderr
    assert "Resuming" not in ended.stderr
    assert told(results) == undisturbed


def test_an_undamaged_unfinished_run_goes_on(
    forks: Forks, undisturbed: dict[str, Any], unfinished: Path, tmp_path: Path
) -> None:
    """The same without damage: it goes on after the second epoch and says nothing of damage."""
    results = shutil.copytree(unfinished, tmp_path / "results")
    ended = forks.run(results)
    assert "Resuming after epoch 2 of 3." in ended.stderr
    assert "damaged" not in ended.stderr
    assert told(results) == undisturbed


@pytest.mark.parametrize(
    ("name", "damage"), [("seed-0.json", cut), ("seed-0.predictions.csv", flipped), ("seed-0.sealed.csv", cut)]
)
def test_a_damaged_result_does_not_count_as_done(
    forks: Forks, undisturbed: dict[str, Any], finished: tuple[Path, Ended], tmp_path: Path, name: str, damage: Damage
) -> None:
    """Record, predictions or sealed file: the same command refuses and says what to do, and with --force redoes it."""
    results = shutil.copytree(finished[0], tmp_path / "results")
    file = damage_one(results, f"records/*/*/*/{name}", damage)
    ended = forks.run(results)
    assert ended.returncode == 7
    assert "Traceback" not in ended.stderr
    assert f"{file}" in ended.stderr
    assert "--force" in ended.stderr
    assert forks.run(results, "--force").returncode == 0
    assert told(results) == undisturbed


@pytest.mark.parametrize(
    ("name", "damage"), [("model.safetensors", flipped), ("classifier.safetensors", cut), ("model.json", cut)]
)
def test_a_damaged_model_predicts_nothing(
    forks: Forks, finished: tuple[Path, Ended], tmp_path: Path, name: str, damage: Damage
) -> None:
    """Weights, classifier or description: `predict` refuses it with one message that says how to get another."""
    results = shutil.copytree(finished[0], tmp_path / "results")
    damage_one(results, f"records/*/*/*/seed-0.model/{name}", damage)
    (tmp_path / "asked.jsonl").write_text('{"dialogue": "1", "turn": 0, "speaker": "Ann", "text": "Hm."}\n')
    ended = forks.start(["predict", str(the_record(results)), str(tmp_path / "asked.jsonl")], results).wait()
    assert (ended.returncode, ended.stdout) == (7, "")
    assert "Traceback" not in ended.stderr
    assert "Run it again with --force" in ended.stderr


def flips(file: Path, times: int) -> Iterator[bytes]:
    """The content of a file with one bit turned over, in many places; the file is put back afterwards."""
    content, rng = file.read_bytes(), random.Random(len(file.name))
    for _ in range(times):
        changed = flipped(content, rng)
        file.write_bytes(changed)
        yield changed
    file.write_bytes(content)


def test_no_flipped_bit_of_a_record_is_believed(finished: tuple[Path, Ended], tmp_path: Path) -> None:
    """Wherever a bit of the record turns over, it is refused with a message, or says just what it said before."""
    path = the_record(shutil.copytree(finished[0], tmp_path / "results"))
    right, refused = read_record(path), 0
    for _ in flips(path, 600):
        try:
            assert read_record(path) == right
        except RecordError:
            refused += 1
    assert refused > 560


def test_no_flipped_bit_of_a_model_is_believed(finished: tuple[Path, Ended], tmp_path: Path) -> None:
    """The same for the description of a model, and any bit of its weights."""
    path = the_record(shutil.copytree(finished[0], tmp_path / "results"))
    record, folder = read_record(path), models.model_folder(path)
    right = models._verified(path, record)
    for name in ("model.json", "model.safetensors", "classifier.safetensors"):
        refused = 0
        for _ in flips(folder / name, 200):
            try:
                found = models._verified(path, record)
            except RecordError:
                refused += 1
            else:
                assert name == "model.json"
                assert found.keys() == right.keys()
        assert refused > (50 if name == "model.json" else 199)


def test_no_flipped_bit_of_an_unfinished_run_is_believed(unfinished: Path, tmp_path: Path) -> None:
    """State, sealed labels, weights: a bit anywhere, and nothing of it is taken up; or it says what it said before."""
    [kept] = [path for path in (unfinished / ".unfinished").iterdir() if path.is_dir()]
    right = Unfinished(shutil.copytree(kept, tmp_path / "right")).load()
    assert right is not None
    for file in sorted(kept.iterdir()):
        for number in range(60 if file.suffix == ".json" else 10):
            folder = shutil.copytree(kept, tmp_path / f"{file.name}-{number}")
            (folder / file.name).write_bytes(flipped(file.read_bytes(), random.Random(number)))
            said: list[str] = []
            found = Unfinished(folder, said.append).load()
            assert found is None or (file.name == "state.json" and found.epochs == right.epochs)
            assert (found is None) == bool(said)
            shutil.rmtree(folder, ignore_errors=True)
