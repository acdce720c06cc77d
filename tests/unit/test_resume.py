"""What an unfinished run keeps on disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ercbench.errors import RecordError, UsageError, WriteError
from ercbench.resume import STATE, Unfinished
from ercbench.types import Epoch


def epoch(number: int, score: float = 0.5) -> Epoch:
    """A finished epoch."""
    return Epoch(number, {"total": 1 / 3, "cross-entropy": 0.1}, score, score, 1.5, 200.0)


def tensors(value: float) -> dict[str, Tensor]:
    """As a training run has them: of several types and shapes, one a scalar, one not contiguous."""
    grid = torch.full((4, 6), value)
    return {"model.a": grid, "model.b": grid.clone().T, "optimizer.0.step": torch.tensor(value), "n": torch.tensor([3])}


def save(folder: Path, scores: Sequence[float]) -> Unfinished:
    """A run whose epochs had these scores; the weights of epoch n are all n."""
    unfinished = Unfinished(folder)
    done: list[Epoch] = []
    for number, score in enumerate(scores, 1):
        best = all(score > earlier.selection_score for earlier in done)
        done.append(epoch(number, score))
        unfinished.save(done, tensors(number), {"w": torch.full((2,), float(number))} if best else None)
    return unfinished


def test_what_was_saved_is_found_again(tmp_path: Path) -> None:
    """Epochs to the last digit, tensors bit by bit, from another object as from another process."""
    save(tmp_path / "run", [0.1, 0.2])
    saved = Unfinished(tmp_path / "run").load()
    assert saved is not None
    assert saved.epochs == (epoch(1, 0.1), epoch(2, 0.2))
    assert saved.last.keys() == tensors(2).keys()
    for name, tensor in tensors(2).items():
        assert torch.equal(saved.last[name], tensor)
        assert saved.last[name].dtype == tensor.dtype


def test_there_is_nothing_before_the_first_epoch(tmp_path: Path) -> None:
    """A run that never finished an epoch starts from the beginning."""
    assert Unfinished(tmp_path / "deep" / "run").load() is None


def test_how_often_and_where_it_was_taken_up_is_kept(tmp_path: Path) -> None:
    """Each time a run is taken up is added to those before, and lasts."""
    save(tmp_path / "run", [0.1])
    second = Unfinished(tmp_path / "run")
    assert second.load().resumed_after == (1,)  # type: ignore[union-attr]
    second.save([epoch(1), epoch(2)], tensors(2), None)
    assert Unfinished(tmp_path / "run").load().resumed_after == (1, 2)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("scores", "best"), [([0.5, 0.4, 0.3], 1), ([0.1, 0.5, 0.4], 2), ([0.1, 0.2, 0.3], 3), ([0.2, 0.2], 1)]
)
def test_the_best_weights_are_kept_while_later_epochs_are_worse(tmp_path: Path, scores: list[float], best: int) -> None:
    """And found by another object."""
    save(tmp_path / "run", scores)
    assert torch.equal(Unfinished(tmp_path / "run").best()["w"], torch.full((2,), float(best)))


def test_files_that_are_no_longer_named_are_removed(tmp_path: Path) -> None:
    """However many epochs, there are the state, the last weights and the best ones, and leftovers of a kill go."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "last-7.safetensors.tmp").write_bytes(b"half of it")
    save(tmp_path / "run", [0.1, 0.5, 0.4, 0.3])
    assert {file.name for file in (tmp_path / "run").iterdir()} == {STATE, "last-4.safetensors", "best-2.safetensors"}


@pytest.mark.parametrize(
    ("step", "epochs"),
    [
        ("safetensors.torch.save_file", 2),
        ("os.replace", 2),
        ("ercbench.resume.write_atomically", 2),
        ("pathlib.Path.unlink", 3),
    ],
    ids=["weights", "weights whole", "state", "cleaning up"],
)
def test_a_kill_while_saving_loses_at_most_that_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, epochs: int
) -> None:
    """Stopped while the third epoch is saved, at any step of it, the second or the third is found whole."""
    unfinished = save(tmp_path / "run", [0.1, 0.2])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(step, killed)
    with pytest.raises(KeyboardInterrupt):
        unfinished.save([epoch(1), epoch(2), epoch(3)], tensors(3), {"w": torch.full((2,), 3.0)})
    monkeypatch.undo()
    found = Unfinished(tmp_path / "run")
    saved = found.load()
    assert saved is not None
    assert len(saved.epochs) == epochs
    assert torch.equal(saved.last["model.a"], tensors(epochs)["model.a"])
    assert torch.equal(found.best()["w"], torch.full((2,), float(epochs)))


def flip(file: Path, position: float) -> None:
    """Turn one bit over."""
    content = bytearray(file.read_bytes())
    content[int(position * (len(content) - 1))] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["last-2.safetensors", "best-1.safetensors"])
@pytest.mark.parametrize("position", [0, 0.1, 0.5, 0.9, 1])
def test_weights_with_a_wrong_bit_are_not_used(tmp_path: Path, name: str, position: float) -> None:
    """One bit turned over, anywhere in either file: the run starts afresh."""
    save(tmp_path / "run", [0.2, 0.1])
    flip(tmp_path / "run" / name, position)
    assert Unfinished(tmp_path / "run").load() is None


@pytest.mark.parametrize("name", ["last-2.safetensors", "best-1.safetensors", "sealed-1.json", STATE])
def test_damage_is_said(tmp_path: Path, name: str) -> None:
    """In one line that names the file; nothing of the run is kept then."""
    unfinished = Unfinished(tmp_path / "run")
    unfinished.seal(1, ["a", "b"])
    save(tmp_path / "run", [0.2, 0.1])
    flip(tmp_path / "run" / name, 0.5)
    said: list[str] = []
    assert Unfinished(tmp_path / "run", said.append).load() is None
    [line] = said
    assert line.startswith(f"What was kept of this run is damaged and is not used: {tmp_path / 'run' / name} is not")
    assert not (tmp_path / "run").exists()


def test_nothing_is_said_where_there_is_nothing(tmp_path: Path) -> None:
    """A first start, and one after a kill before the first state was whole."""
    said: list[str] = []
    assert Unfinished(tmp_path / "run", said.append).load() is None
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".last-1.safetensors.tmp").write_bytes(b"half of it")
    assert Unfinished(tmp_path / "run", said.append).load() is None
    assert said == []
    assert not (tmp_path / "run").exists()


def test_best_weights_that_were_damaged_in_the_meantime_are_not_used(tmp_path: Path) -> None:
    """While the run went on: it ends with a message, and starts afresh the next time."""
    unfinished = save(tmp_path / "run", [0.2, 0.1])
    flip(tmp_path / "run" / "best-1.safetensors", 0.5)
    with pytest.raises(
        RecordError, match=r"best-1\.safetensors, which is not what was written\. Start the same command"
    ):
        unfinished.best()
    (tmp_path / "run" / STATE).unlink()
    for lost in (unfinished.best, lambda: unfinished.save([epoch(1), epoch(2), epoch(3)], tensors(3), None)):
        with pytest.raises(RecordError, match=r"state\.json, which is not"):
            lost()


def test_sealed_labels_last_and_leftovers_of_a_kill_go(tmp_path: Path) -> None:
    """A run that is taken up keeps what was sealed, and nothing temporary, whatever library made it."""
    unfinished = Unfinished(tmp_path / "run")
    unfinished.seal(1, ["a", "b"])
    save(tmp_path / "run", [0.2])
    for name in (".tmp07sxzC", ".state.json.abc.tmp", "last-7.safetensors"):
        (tmp_path / "run" / name).write_bytes(b"half of it")
    again = Unfinished(tmp_path / "run")
    assert again.load() is not None
    names = {STATE, "last-1.safetensors", "best-1.safetensors", "sealed-1.json"}
    assert {file.name for file in (tmp_path / "run").iterdir()} == names
    assert again.sealed(1) == ["a", "b"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """With the message of what cannot be written."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(WriteError, match=r"taken/run cannot be written"):
        Unfinished(tmp_path / "taken" / "run")


@pytest.mark.parametrize("name", ["last-2.safetensors", "best-1.safetensors", STATE])
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_file_cut_short_is_not_used(tmp_path: Path, name: str, share: float) -> None:
    """Cut anywhere, weights or state: the run starts afresh."""
    save(tmp_path / "run", [0.2, 0.1])
    content = (tmp_path / "run" / name).read_bytes()
    (tmp_path / "run" / name).write_bytes(content[: int(share * len(content))])
    assert Unfinished(tmp_path / "run").load() is None


@pytest.mark.parametrize("name", ["last-2.safetensors", "best-1.safetensors", STATE])
def test_a_file_that_is_gone_is_noticed(tmp_path: Path, name: str) -> None:
    """Without it the run starts afresh."""
    save(tmp_path / "run", [0.2, 0.1])
    (tmp_path / "run" / name).unlink()
    assert Unfinished(tmp_path / "run").load() is None


def test_after_damage_a_run_can_be_saved_again(tmp_path: Path) -> None:
    """Starting afresh overwrites what was damaged."""
    save(tmp_path / "run", [0.2, 0.1])
    flip(tmp_path / "run" / "last-2.safetensors", 0.5)
    afresh = Unfinished(tmp_path / "run")
    assert afresh.load() is None
    afresh.save([epoch(1)], tensors(1), {"w": torch.zeros(2)})
    saved = Unfinished(tmp_path / "run").load()
    assert saved is not None
    assert (saved.epochs, saved.resumed_after) == ((epoch(1),), (1,))


SECOND = """
import sys
from pathlib import Path
from ercbench.errors import RecordError, UsageError, WriteError
from ercbench.resume import Unfinished
try:
    with Unfinished(Path(sys.argv[1])):
        print("let in")
except UsageError as error:
    print(error)
"""


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """While one process is at a run, another is told so at once; afterwards it is let in."""

    def second() -> str:
        command = [sys.executable, "-c", SECOND, str(tmp_path / "run")]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.strip()

    with Unfinished(tmp_path / "run"):
        assert second().startswith("Another process is at this very run.")
    assert second() == "let in"


def test_the_lock_is_released_when_a_run_fails(tmp_path: Path) -> None:
    """So that the command can be started again from the same process."""
    with pytest.raises(ZeroDivisionError), Unfinished(tmp_path / "run"):
        raise ZeroDivisionError
    with Unfinished(tmp_path / "run"):
        pass


def test_runs_do_not_stand_in_each_others_way(tmp_path: Path) -> None:
    """Another run, another lock."""
    with Unfinished(tmp_path / "run-1") as first, Unfinished(tmp_path / "run-2") as second:
        assert first.folder != second.folder


def test_removing_forgets_everything(tmp_path: Path) -> None:
    """Nothing is found afterwards, and removing what is not there is no error."""
    unfinished = save(tmp_path / "run", [0.1])
    unfinished.remove()
    unfinished.remove()
    assert not (tmp_path / "run").exists()
    assert Unfinished(tmp_path / "run").load() is None


def test_a_refused_process_raises_a_usage_error(tmp_path: Path) -> None:
    """Also where both are in one process: two objects, one run."""
    with (
        Unfinished(tmp_path / "run"),
        pytest.raises(UsageError, match="at this very run"),
        Unfinished(tmp_path / "run"),
    ):
        pass


@pytest.mark.parametrize("text", ["null", "[]", "3", "{}", '{"content": "{}", "sha256": "x"}'])
def test_a_state_file_of_another_kind_counts_as_none(tmp_path: Path, text: str) -> None:
    """A state file that `save` did not write is not taken up."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.json").write_text(text)
    assert Unfinished(tmp_path / "run").load() is None
