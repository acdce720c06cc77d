"""What an unfinished run keeps on disk, so that a kill loses at most the running epoch.

Per run one folder: weights and optimizer state after the last finished epoch, the weights of the best epoch, and a
small JSON file that names both with their sha256. Each file is written to a temporary file, synced and renamed, the
JSON file last: whatever it names is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ercbench.errors import Busy
from ercbench.ranks import Ranks
from ercbench.tensors import read_tensors, sha256_of_file, write_tensors
from ercbench.types import Epoch
from ercbench.whole_files import sha256_of, write_atomically

if TYPE_CHECKING:
    from torch import Tensor

STATE = "state.json"


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

    def __init__(self, folder: Path, ranks: Ranks | None = None) -> None:
        self.folder = folder
        self._ranks = ranks or Ranks()
        self._resumed_after: tuple[int, ...] = ()
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder.with_suffix(".lock"))

    def __enter__(self) -> Unfinished:
        if not self._ranks.main:
            return self
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise Busy(
                "Another process is at this very run. Wait for it, or end it; then start the same command again."
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def load(self) -> Saved | None:
        """What was saved, or None where there is nothing, or nothing whole."""
        state = self._state(verify=True)
        if state is None:
            return None
        epochs = tuple(Epoch(**epoch) for epoch in state["epochs"])
        self._resumed_after = (*state["resumed_after"], len(epochs))
        return Saved(epochs, self._resumed_after, self._read(state["files"]["last"]["name"]))

    def save(self, epochs: Sequence[Epoch], last: Mapping[str, Tensor], best: Mapping[str, Tensor] | None) -> None:
        """Keep the state after an epoch.

        Args:
            epochs: all finished epochs.
            last: tensors of model, losses and optimizer.
            best: weights of the epoch just finished if it is the best so far, else None.
        """
        if not self._ranks.main:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        state = self._state(verify=False)
        files = {"last": self._write(f"last-{len(epochs)}.safetensors", last)}
        if best is not None:
            files["best"] = self._write(f"best-{len(epochs)}.safetensors", best)
        elif state is not None:
            files["best"] = state["files"]["best"]
        content = {"epochs": [asdict(epoch) for epoch in epochs], "resumed_after": self._resumed_after, "files": files}
        text = json.dumps(content)
        write_atomically(self.folder / STATE, json.dumps({"content": text, "sha256": sha256_of(text)}))
        for file in self.folder.glob("*.safetensors*"):
            if file.name not in {entry["name"] for entry in files.values()}:
                file.unlink()

    def best(self) -> Mapping[str, Tensor]:
        """The weights of the best epoch, when the main process has written them."""
        self._ranks.wait()
        state = self._state(verify=False)
        assert state is not None
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
        return self.folder / f"sealed-{epoch}.json"

    def _state(self, verify: bool) -> dict[str, Any] | None:
        text = _content(self.folder / STATE)
        if text is None:
            return None
        state: dict[str, Any] = json.loads(text)
        if verify and any(
            sha256_of_file(self.folder / file["name"]) != file["sha256"] for file in state["files"].values()
        ):
            return None
        return state

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
