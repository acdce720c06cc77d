"""The spine computes what is needed, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ercbench import runner
from ercbench.catalog import load_catalog
from ercbench.config import resolve
from ercbench.devices import Device
from ercbench.preparing import Prepared, prepare
from ercbench.progress import Silent
from ercbench.records import RunRecord

pytestmark = pytest.mark.usefixtures("one_thread")


class Watching(Silent):
    """Counts utterances by what is done with them; `stop` ends the run when that is first heard."""

    def __init__(self, stop: str = "") -> None:
        self.done: Counter[str] = Counter()
        self.stop = stop

    def advance(self, units: int, doing: str, figures: Mapping[str, float] | None = None) -> None:
        """Count."""
        if self.stop and doing.startswith(self.stop):
            raise KeyboardInterrupt
        self.done[doing] += units


@pytest.fixture
def small(tiny_checkpoint: Callable[[str], Path]) -> Callable[..., Prepared]:
    """EACL on a few dialogues with a tiny encoder and the values given."""

    def make(**values: object) -> Prepared:
        catalog = load_catalog()
        overrides = {"encoder.checkpoint": str(tiny_checkpoint("bert")), "encoder.width": 16}
        overrides |= {path.replace("__", "."): value for path, value in values.items()}
        return prepare(catalog, resolve(catalog, "eacl", "mini", "meld-sample", overrides), None, 3)  # type: ignore[arg-type]

    return make


def run(prepared: Prepared, folder: Path, watching: Watching) -> RunRecord:
    """One run, its model thrown away."""
    return runner.run(prepared, 0, Device("cpu", "fp32"), folder, watching, keep_model=False)


def test_every_split_is_encoded_as_often_as_needed(small: Callable[..., Prepared], tmp_path: Path) -> None:
    """Dev and test once per epoch, which serves the end too, test only once where nothing is sealed; train once."""
    for seal in (True, False):
        prepared, watching = small(training__epochs=2, selection__seal_test=seal), Watching()
        run(prepared, tmp_path / str(seal), watching)
        train, dev, test = (len(prepared.tokens[split]) for split in ("train", "dev", "test"))
        encoded = {doing: count for doing, count in watching.done.items() if not doing.startswith("epoch")}
        times = 2 if seal else 1
        assert encoded == {"scoring dev": 2 * dev, "encoding train": train, "encoding test": times * test}


def test_an_interrupted_run_gives_the_same_record(small: Callable[..., Prepared], tmp_path: Path) -> None:
    """Scores and predictions are those of an undisturbed run, whether or not dev has to be encoded again."""
    prepared = small(training__epochs=2, training__lr=1e-2)
    whole = run(prepared, tmp_path / "whole", Watching())
    with pytest.raises(KeyboardInterrupt):
        run(prepared, tmp_path / "again", Watching("epoch 2/2"))
    again = run(prepared, tmp_path / "again", Watching())
    assert again.training.resumed_after_epochs == [1]
    assert (again.scores, again.predictions) == (whole.scores, whole.predictions)


def test_without_training_a_second_run_encodes_nothing(
    small: Callable[..., Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vectors of an untrained encoder are kept, and found again whatever the classifier's settings are."""
    monkeypatch.setenv("ERCBENCH_CACHE", str(tmp_path / "cache"))
    first, second = Watching(), Watching()
    found = run(small(training__epochs=0), tmp_path / "a", first)
    assert (found.training.epochs, found.training.chosen_epoch) == ([], 0)
    assert set(first.done) == {"encoding train", "encoding dev", "encoding test"}
    run(small(training__epochs=0, classifier__epochs=3), tmp_path / "b", second)
    assert not second.done
