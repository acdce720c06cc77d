"""Floors: decisions without an encoder, against counts made by hand, and to the digit on the real data sets."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ercbench_stock.floors import Majority, NoEncoder, Stratified
from ercbench_stock.settings import FloorSettings, NoEncoderSettings

from ercbench import classifying, encoding, runner
from ercbench.catalog import load_catalog
from ercbench.config import resolve
from ercbench.devices import Device
from ercbench.preparing import prepare
from ercbench.progress import Silent
from ercbench.types import LabelSet, Prompt, Representation

LABELS = LabelSet.of({"glad": "glad", "grim": "grim", "calm": "calm"})
TRAIN = [1] * 6 + [0] * 3 + [2] * 1


def representation(names: list[str], labels: list[int] | None = None) -> Representation:
    """Vectors without dimensions."""
    nothing = np.zeros((len(names), 0), dtype=np.float32)
    return Representation(tuple(names), nothing, nothing, labels=None if labels is None else np.array(labels))


def train() -> Representation:
    """Ten labelled utterances."""
    return representation([f"talk/train/0/{turn}" for turn in range(len(TRAIN))], TRAIN)


def test_the_majority_is_what_most_of_train_carry() -> None:
    """Every utterance gets it, with the shares of train as probabilities; of equals the first in label order wins."""
    [found] = classifying.fit(Majority(FloorSettings(), LABELS), train(), None, 0)
    scores = classifying.predict(found, representation(["a", "b"]), 3).scores
    assert scores.argmax(1).tolist() == [1, 1]
    assert np.exp(scores[0]) == pytest.approx([0.3, 0.6, 0.1])
    tied = representation(["x", "y"], [2, 0])
    [equal] = Majority(FloorSettings(), LABELS).fit(tied, None, 0)
    assert equal.score(representation(["a"])).argmax(1).tolist() == [0]


def test_draws_are_as_frequent_as_in_train() -> None:
    """Over many utterances each label is drawn with its share of train, within four standard errors."""
    [found] = Stratified(FloorSettings(), LABELS).fit(train(), None, 3)
    names = [f"talk/test/{dialogue}/0" for dialogue in range(4000)]
    drawn = Counter(found.score(representation(names)).argmax(1).tolist())
    for label, share in enumerate([0.3, 0.6, 0.1]):
        assert drawn[label] / 4000 == pytest.approx(share, abs=4 * (share * (1 - share) / 4000) ** 0.5)


def test_a_draw_depends_on_seed_and_uid_alone() -> None:
    """Neither the order of utterances nor what else is asked for changes it; another seed does."""
    names = [f"talk/test/{dialogue}/0" for dialogue in range(50)]
    classifier = Stratified(FloorSettings(), LABELS)
    [found], [other] = classifier.fit(train(), None, 2**32 - 5), classifier.fit(train(), None, 1)
    whole = found.score(representation(names))
    alone = np.concatenate([found.score(representation([name])) for name in reversed(names)])[::-1]
    assert np.array_equal(whole, alone)
    assert not np.array_equal(whole, other.score(representation(names)))


@pytest.mark.parametrize("kind", [Majority, Stratified])
def test_a_floor_is_restored_from_its_tensors(kind: type[Majority] | type[Stratified]) -> None:
    """To the same decisions, whatever bits the seed has."""
    classifier = kind(FloorSettings(), LABELS)
    [found] = classifier.fit(train(), None, 2**32 - 5)
    names = representation([f"talk/test/{dialogue}/0" for dialogue in range(50)])
    again = kind(FloorSettings(), LABELS).restore(found.tensors())
    assert np.array_equal(again.score(names), found.score(names))
    assert all(array.dtype == np.float32 for array in found.tensors().values())


def test_without_an_encoder_vectors_have_no_dimensions() -> None:
    """Every utterance passes, in order, and nothing is known of it."""
    encoder = NoEncoder(NoEncoderSettings(), LABELS, None)
    tokens = encoding.tokenize(encoder, [Prompt(name, ("text",), 0) for name in "abcde"])
    model = encoder.load()
    encoding.fit(encoder, model, tokens, 2)
    found = encoding.encode(encoder, model, tokens, Device("cpu", "fp32"), 2)
    assert found.uids == tuple("abcde")
    assert found.vectors.shape == found.hidden.shape == (5, 0)


@pytest.mark.real_data
@pytest.mark.parametrize(("dataset", "floor"), [("iemocap", 9.06), ("meld", 31.27), ("emorynlp", 10.94)])
def test_the_majority_floor_to_the_digit(real_data: Path, tmp_path: Path, dataset: str, floor: float) -> None:
    """Weighted F1 on test is what was measured with scikit-learn on the same files."""
    catalog = load_catalog()
    prepared = prepare(catalog, resolve(catalog, "majority", "mini", dataset, {}), real_data, None)
    record = runner.run(prepared, 0, Device("cpu", "fp32"), tmp_path, Silent())
    assert round(100 * record.scores.test.weighted_f1, 2) == floor
    assert (record.encoder.checkpoint, record.encoder.parameters, record.ranked) == ("none", 0, True)
