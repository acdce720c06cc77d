"""A classifier that reads dialogues on conversations of one's own: it knows what was said before, in any chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from ercbench import models
from ercbench.catalog import load_catalog
from ercbench.config import resolve
from ercbench.conversations import Turn
from ercbench.devices import Device
from ercbench.inference import Predictor, _joined, _last_dialogue, softmax
from ercbench.models import TrainedModel
from ercbench.prediction_files import read_predictions
from ercbench.preparing import prepare
from ercbench.progress import Silent
from ercbench.runner import run
from ercbench.types import Corpus, Representation

pytestmark = pytest.mark.usefixtures("one_thread")

CATALOG, CPU = load_catalog(), Device("cpu", "fp32")
NAMES = ("bilstm-frozen", "dialogue-rnn", "dag-erc", "dag-erc-finetuned")


@pytest.fixture(params=NAMES)
def kept(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, request: pytest.FixtureRequest
) -> tuple[TrainedModel, Corpus, Path]:
    """A model of each recipe, the corpus it was trained on, and its predictions."""
    small = {"encoder.checkpoint": str(tiny_checkpoint("bert")), "classifier.epochs": 2, "classifier.lr": 0.05}
    config = resolve(CATALOG, request.param, "mini", "meld-sample", small)
    prepared = prepare(CATALOG, config, None, 4)
    record = run(prepared, 0, CPU, tmp_path, Silent())
    assert (record.protocol.context, record.protocol.context_past) == ("past", "all")
    [path] = tmp_path.glob("records/*/*/*/seed-0.json")
    return models.load(CATALOG, path), prepared.corpus, path.with_name("seed-0.predictions.csv")


def said(corpus: Corpus) -> Iterator[Turn]:
    """The dialogues of test, as somebody else's."""
    for dialogue in corpus.test:
        for utterance in dialogue.utterances:
            yield Turn(dialogue.key, utterance.speaker, utterance.text, "row")


@pytest.mark.parametrize("chunk", [1, 3, 512])
def test_answers_are_those_of_the_run_in_any_chunk(kept: tuple[TrainedModel, Corpus, Path], chunk: int) -> None:
    """Turn by turn, in a few or all at once: the earlier turns of the dialogue are known, and nothing else is."""
    trained, corpus, predictions = kept
    predictor = Predictor(trained, CPU)
    _, recorded = read_predictions(predictions)
    for _ in range(2):  # a second stream knows nothing of the first
        found = [[*e.probabilities.values()] for e in predictor.predict(said(corpus), chunk)]
        np.testing.assert_allclose(found, softmax(recorded.scores), atol=2e-4)


def rows(uids: list[str], first: int) -> Representation:
    """Rows that are numbered on from `first`."""
    numbers = np.arange(first, first + len(uids), dtype=np.float32)[:, None]
    sparse = {"words": csr_array(numbers)}
    speakers = tuple(uid[-1] for uid in uids)
    return Representation(tuple(uids), numbers, numbers * 2, numbers * 3, sparse=sparse, speakers=speakers)


def test_what_is_remembered_is_the_dialogue_that_goes_on() -> None:
    """All rows of the last dialogue with everything that belongs to them, and no others."""
    known = _joined(rows(["in/test/0/0", "in/test/1/0"], 1), rows(["in/test/1/1", "in/test/1/2"], 3))
    assert known.uids == ("in/test/0/0", "in/test/1/0", "in/test/1/1", "in/test/1/2")
    last = _last_dialogue(known)
    assert last.uids == known.uids[1:]
    assert last.speakers == ("0", "1", "2")
    assert last.logits is not None
    assert last.sparse is not None
    tables = (last.hidden, last.vectors / 2, last.logits / 3, last.sparse["words"].toarray())
    assert [table.ravel().tolist() for table in tables] == [[2, 3, 4]] * 4
