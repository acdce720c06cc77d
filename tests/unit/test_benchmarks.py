"""The benchmark compares like with like: the released loop computes what ours computes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _root_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """``benchmarks`` is not installed; it is run from the project's folder."""
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


@pytest.mark.parametrize("size", [1, 9, 64])
def test_both_forms_of_the_loss_agree(size: int) -> None:
    """Value and gradients to 1e-6."""
    from benchmarks.parts.loss import difference

    assert difference(size) < 1e-6


def test_one_step_of_both_loops_has_the_same_loss(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    """Same tokens, same weights, no dropout: the total of the released loop is that of ours."""
    from ercbench_eacl.encoder import EaclEncoder, EaclModel
    from ercbench_eacl.losses import AnchorContrastiveLoss, SeparationLoss
    from ercbench_eacl.settings import AnchorContrastiveSettings, EncoderSettings, SeparationSettings

    from benchmarks.naive import NaiveLoop
    from ercbench.checkpoints import locate
    from ercbench.types import MASK, Batch, LabelSet, Prompt

    labels = LabelSet.of({"glad": "joyful", "grim": "mad", "flat": "neutral"})
    checkpoint = locate(str(tiny_checkpoint("bert")), ())
    encoder = EaclEncoder(EncoderSettings(), labels, checkpoint)
    ask = [Prompt(f"u/{i}", (f"For utterance: {'tea ' * i} a feels {MASK} ",), 0, "a says: tea") for i in range(8)]
    tokens, gold = encoder.tokenize(ask), torch.arange(8) % 3
    torch.manual_seed(5)
    model: EaclModel = encoder.load().eval()
    naive = NaiveLoop(checkpoint, model.label_states, encoder.tokenizer.pad_token_id, tmp_path)
    naive.modules.eval()
    naive.map.load_state_dict(model.map.state_dict())
    naive.head.load_state_dict(model.head.state_dict())
    batch = encoder.collate(tokens)
    found = model(Batch(batch.uids, batch.inputs, gold))
    contrastive = AnchorContrastiveLoss(AnchorContrastiveSettings(), labels, 1024)(found).total
    separation = SeparationLoss(SeparationSettings(), labels, 1024)(found).total
    assert found.logits is not None
    ours = 0.1 * torch.nn.functional.cross_entropy(found.logits, gold) + 0.9 * (contrastive + 0.1 * separation)
    assert naive.step(tokens, gold) == pytest.approx(float(ours.detach()), abs=1e-5)


def test_work_agrees_with_a_count_by_hand(tiny_checkpoint: Callable[[str], Path]) -> None:
    """Two rows of 3 and 5 real tokens through two layers of width 32 and inner width 48."""
    from benchmarks.ours import work
    from ercbench.checkpoints import load_backbone, locate
    from ercbench.encoding import pad
    from ercbench.types import Batch, Tokens

    backbone = load_backbone(locate(str(tiny_checkpoint("bert")), ()))
    tokens = [Tokens("a", (1, 2, 3), 0), Tokens("b", (1, 2, 3, 4, 5), 4)]
    found = work(Batch(("a", "b"), pad(tokens, 0)), backbone)
    attention = 2 * 4 * 32 * (3 * 3 + 5 * 5)
    projections = 2 * 8 * 2 * 3 * 32 * 32
    dense = 2 * (32 * 32 + 2 * 32 * 48)
    forward = attention + projections + dense * 8 + dense * 2  # the last layer's at two places
    assert (found.tokens, found.padded, found.flops) == (8, 10, 3 * forward)


def test_the_committed_figures_have_their_machine_and_command() -> None:
    """Every part measured says on what, when and how; figures of short commands have no part in their name."""
    from benchmarks.__main__ import BY_NAME, PARTS

    latest = json.loads((ROOT / "benchmarks" / "results" / "latest.json").read_text())
    machines = latest.pop("machines")
    assert set(machines) == set(PARTS) - set(BY_NAME)
    for key in latest:
        part = key.split(".")[0]
        machine = machines[part if "." in key else "startup"]
        assert machine["command"].startswith("python -m benchmarks")
        assert {"date", "processor", "threads", "torch", "ercbench"} <= machine.keys()


def fails() -> None:
    """A loop that cannot be built."""
    raise RuntimeError("no weights")


def test_a_loop_that_ends_early_is_noticed(capfd: pytest.CaptureFixture[str]) -> None:
    """Its process says why, and nobody waits for it."""
    from benchmarks.lanes import Lane

    with pytest.raises(EOFError):
        Lane(fails, [])  # type: ignore[arg-type]
    capfd.readouterr()
