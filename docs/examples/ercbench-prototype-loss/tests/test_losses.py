"""The loss is what its equations say: compared with loops over numbers, and where the answer is known."""

import math

import pytest
import torch
from ercbench_prototype_loss import PrototypeSettings
from ercbench_prototype_loss.losses import PrototypeLoss

from ercbench import EncodedBatch, LabelSet

LABELS = LabelSet.of({"ang": "angry", "hap": "happy", "sad": "sad"})


def batch(vectors, labels):
    """A batch as the loss is given it."""
    return EncodedBatch(tuple(map(str, range(len(labels)))), vectors, vectors, None, None, labels)


def slow(vectors, labels, prototypes, settings):
    """The equations, one number after the other."""
    dce = pull = 0.0
    for z, y in zip(vectors, labels, strict=True):
        near = [
            [math.exp(-settings.gamma * sum((a - b) ** 2 for a, b in zip(z, m, strict=True))) for m in of_one]
            for of_one in prototypes
        ]
        dce -= math.log(sum(near[y]) / sum(map(sum, near)))
        pull += min(sum((a - b) ** 2 for a, b in zip(z, m, strict=True)) for m in prototypes[y])
    return dce / len(labels), settings.compactness * pull / len(labels)


@pytest.mark.parametrize("per_emotion", [1, 3])
def test_the_loss_is_what_loops_say(per_emotion):
    """Both terms, and their sum."""
    torch.manual_seed(0)
    settings = PrototypeSettings(per_emotion=per_emotion, gamma=0.3, compactness=0.05)
    loss = PrototypeLoss(settings, LABELS, dimension=4)
    vectors, labels = torch.randn(7, 4), torch.tensor([0, 2, 1, 1, 0, 2, 2])
    dce, pull = slow(vectors.tolist(), labels.tolist(), loss.prototypes.tolist(), settings)
    found = loss(batch(vectors, labels))
    assert found.parts["dce"].item() == pytest.approx(dce, rel=1e-5)
    assert found.parts["compactness"].item() == pytest.approx(pull, rel=1e-5)
    assert found.total.item() == pytest.approx(dce + pull, rel=1e-5)


def test_equally_far_prototypes_are_equally_likely():
    """The loss of a vector that is as far from every emotion is the logarithm of their number."""
    loss = PrototypeLoss(PrototypeSettings(per_emotion=1, compactness=0), LABELS, dimension=3)
    loss.prototypes.data = torch.eye(3)[:, None]
    found = loss(batch(torch.zeros(2, 3), torch.tensor([0, 1])))
    assert found.total.item() == pytest.approx(math.log(3))
