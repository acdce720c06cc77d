"""What an unfinished run keeps on disk, so that a kill loses at most the running epoch.

Per run one folder: weights and optimizer state after the last finished epoch, the weights of the best epoch, what was
sealed after each, and a small JSON file that names them all with their sha256. Each file is written to a temporary
file, synced and renamed, the JSON file last: whatever it names is whole. Where it is not, because a disk or a person
changed it, that is said, and the run starts afresh.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ercbench.errors import Busy, RecordError
from ercbench.ranks import Ranks
from ercbench.tensors import read_tensors, sha256_of_file, write_tensors
from ercbench.types import Epoch
from ercbench.whole_files import sha256_of, write_atomically, writing

if TYPE_CHECKING:
    from torch import Tensor

STATE, SEALED = "state.json", "sealed-"


@dataclass(frozen=True)
class Saved:
    """An unfinished run as it was found: its finished epochs, and how often and where it was taken up before."""

    epochs: tuple[Epoch, ...]
    resumed_after: tuple[int, ...]
    last: Mapping[str, Tensor]


class Unfinished:
    """The folder of one unfinished run. Used as a context manager, it keeps a second run out.

    Of the processes that share a run, all read it, and the main one alone writes and locks.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = lambda _: None, ranks: Ranks | None = None) -> None:
        """Name the folder.

        Args:
            folder: of this run alone.
            say: told, in a sentence, where something in it is damaged.
            ranks: the processes that share the run; None for this one alone.

        Raises:
            WriteError: the folder that holds it cannot be made.
        """
        self.folder, self._say, self._ranks = folder, say, ranks or Ranks()
        self._resumed_after: tuple[int, ...] = ()
        with writing(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder.with_suffix(".lock"))

    def __enter__(self) -> Unfinished:
        busy = self._ranks.main and not self._locked()
        if self._ranks.any(busy):
            raise Busy(
                "Another process is at this very run. Wait for it, or end it; then start the same command again."
            )
        return self

    def _locked(self) -> bool:
        """Whether the lock could be had."""
        with writing(Path(self._lock.lock_file)):
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                return False
        return True

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def load(self) -> Saved | None:
        """What was saved, or None where there is nothing, or nothing whole; then what there is, is removed."""
        found = self._cleared() if self._ranks.main else None
        self._ranks.wait()
        found = found if self._ranks.main else self._verified()
        if found is None:
            return None
        self._resumed_after = (*found["resumed_after"], len(found["epochs"]))
        epochs = tuple(Epoch(**epoch) for epoch in found["epochs"])
        return Saved(epochs, self._resumed_after, self._read(found["files"]["last"]["name"]))

    def _cleared(self) -> dict[str, Any] | None:
        """What is whole; all else in the folder is removed."""
        found = self._verified()
        if found is None:
            self.remove()
        else:
            self._remove_others(found)
        return found

    def save(self, epochs: Sequence[Epoch], last: Mapping[str, Tensor], best: Mapping[str, Tensor] | None) -> None:
        """Keep the state after an epoch.

        Args:
            epochs: all finished epochs.
            last: tensors of model, losses and optimizer.
            best: weights of the epoch just finished if it is the best so far, else None.

        Raises:
            WriteError: there is no room, or it may not be written there.
            RecordError: the best weights were kept by an earlier call, and where is no longer to be found.
        """
        if not self._ranks.main:
            return
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        state = self._state()
        files = {"last": self._write(f"last-{len(epochs)}.safetensors", last)}
        if best is not None:
            files["best"] = self._write(f"best-{len(epochs)}.safetensors", best)
        elif state is None:
            raise self._lost(STATE)
        known = {} if state is None else state["files"]
        files = {**{name: file for name, file in known.items() if name != "last"}, **files}
        sealed = self._sealed(len(epochs))
        if sealed.exists():
            files[sealed.stem] = {"name": sealed.name, "sha256": sha256_of_file(sealed)}
        content = {"epochs": [asdict(epoch) for epoch in epochs], "resumed_after": self._resumed_after, "files": files}
        text = json.dumps(content)
        write_atomically(self.folder / STATE, json.dumps({"content": text, "sha256": sha256_of(text)}))
        self._remove_others(content)

    def best(self) -> Mapping[str, Tensor]:
        """The weights of the best epoch, when the main process has written them.

        Raises:
            RecordError: they were damaged since they were saved.
        """
        self._ranks.wait()
        state = self._state()
        damaged = STATE if state is None else self._damaged(state, "best")
        if state is None or damaged:
            raise self._lost(str(damaged))
        return self._read(state["files"]["best"]["name"])

    def seal(self, epoch: int, labels: Sequence[str]) -> None:
        """Keep the label keys predicted on test after an epoch, in the order in which test is encoded."""
        if not self._ranks.main:
            return
        text = "\n".join(labels)
        write_atomically(self._sealed(epoch), json.dumps({"content": text, "sha256": sha256_of(text)}))

    def sealed(self, epoch: int) -> list[str] | None:
        """What `seal` kept, None where that is not there or not whole."""
        text = _content(self._sealed(epoch))
        return None if text is None else text.split("\n")

    def remove(self) -> None:
        """Forget everything: the run is finished, or starts afresh."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _sealed(self, epoch: int) -> Path:
        return self.folder / f"{SEALED}{epoch}.json"

    def _state(self) -> dict[str, Any] | None:
        """The content of the JSON file, None where it is missing or not what was written."""
        text = _content(self.folder / STATE)
        state: dict[str, Any] | None = None if text is None else json.loads(text)
        return state

    def _verified(self) -> dict[str, Any] | None:
        """The content of the JSON file where every file that it names is whole; what is damaged is told."""
        state = self._state()
        damaged = STATE if state is None else self._damaged(state, *state["files"])
        if damaged is None:
            return state
        if (self.folder / STATE).exists():
            self._say(
                f"What was kept of this run is damaged and is not used: {self.folder / damaged} is not what was "
                "written. The run starts afresh."
            )
        return None

    def _damaged(self, state: Mapping[str, Any], *which: str) -> str | None:
        """The name of the first file that is not as the JSON file has it."""
        files = [state["files"][one] for one in which]
        return next((f["name"] for f in files if sha256_of_file(self.folder / f["name"]) != f["sha256"]), None)

    def _lost(self, name: str) -> RecordError:
        """What is said when weights were kept, and cannot be had back."""
        return RecordError(
            "What was kept of this run was damaged while it went on, and is not used. Got "
            f"{self.folder / name}, which is not what was written. Start the same command again: it starts afresh."
        )

    def _remove_others(self, state: Mapping[str, Any]) -> None:
        """Remove weights of earlier epochs, and what killed processes left."""
        named = {STATE, *(file["name"] for file in state["files"].values())}
        for file in self.folder.iterdir():
            if file.name not in named and not file.name.startswith(SEALED):
                file.unlink()

    def _read(self, name: str) -> Mapping[str, Tensor]:
        return read_tensors(self.folder / name)

    def _write(self, name: str, tensors: Mapping[str, Tensor]) -> dict[str, str]:
        return {"name": name, "sha256": write_tensors(self.folder / name, tensors)}


def _content(path: Path) -> str | None:
    """The text inside one of our JSON files, None where it is missing or not what was written."""
    try:
        envelope = json.loads(path.read_text(encoding="utf-8"))
        content: str = envelope["content"]
        return content if sha256_of(content) == envelope["sha256"] else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not what was written
        return None


def epochs_kept(folder: Path, verify: bool = False) -> int:
    """How many epochs of a run are finished and kept; 0 where there is nothing, or, with `verify`, not all is whole."""
    text = _content(folder / STATE)
    if text is None:
        return 0
    state: dict[str, Any] = json.loads(text)
    files = state["files"].values() if verify else ()
    damaged = any(sha256_of_file(folder / file["name"]) != file["sha256"] for file in files)
    return 0 if damaged else len(state["epochs"])
