"""The two savings for pre-trained encoders, against what they replace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from ercbench.checkpoints import load_backbone, locate
from ercbench.transformer import CpuDropout, states_at, use_cpu_dropout


@pytest.mark.parametrize("architecture", ["roberta", "bert", "deberta-v2", "mpnet"])
def test_states_at_equals_the_whole_layer(tiny_checkpoint: Callable[[str], Path], architecture: str) -> None:
    """States, and gradients of all parameters, are those of the full computation, for every architecture."""
    backbone = load_backbone(locate(str(tiny_checkpoint(architecture)), ())).eval()
    inputs = {"input_ids": torch.randint(5, 60, (3, 11)), "attention_mask": torch.ones(3, 11, dtype=torch.long)}
    inputs["attention_mask"][1, 7:] = 0
    rows, positions = torch.tensor([0, 0, 1, 2]), torch.tensor([2, 10, 6, 0])
    read = states_at(backbone, inputs, rows, positions)
    whole = backbone(**inputs).last_hidden_state[rows, positions]
    torch.testing.assert_close(read, whole, atol=1e-5, rtol=0)
    parameters = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    for a, b in zip(
        torch.autograd.grad(read.sin().sum(), parameters, allow_unused=True),
        torch.autograd.grad(whole.sin().sum(), parameters, allow_unused=True),
        strict=True,
    ):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_states_at_computes_less(tiny_checkpoint: Callable[[str], Path]) -> None:
    """The dense half of the last layer is given the positions read and no others, and is whole again afterwards."""
    backbone = load_backbone(locate(str(tiny_checkpoint("bert")), ()))
    shapes: list[tuple[int, ...]] = []
    backbone.encoder.layer[-1].intermediate.register_forward_hook(  # type: ignore[union-attr, operator]
        lambda module, args, output: shapes.append(tuple(args[0].shape))
    )
    inputs = {"input_ids": torch.randint(5, 60, (3, 11))}
    states_at(backbone, inputs, torch.arange(3), torch.zeros(3, dtype=torch.long))
    backbone(**inputs)
    assert shapes == [(3, 32), (3, 11, 32)]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(1,), (3, 5), (40, 50, 70)])
def test_dropout_keeps_its_rate(rate: float, shape: tuple[int, ...]) -> None:
    """Kept numbers are scaled, the share of dropped ones is the rate within five standard errors, gradients follow."""
    torch.manual_seed(1)
    x = torch.ones(shape, requires_grad=True)
    y = CpuDropout(rate)(x)
    y.sum().backward()
    kept = y[y != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - rate)), rtol=1e-3, atol=0)
    error = (rate * (1 - rate) / y.numel()) ** 0.5
    assert abs(float((y == 0).float().mean()) - rate) <= 5 * error + 1e-4
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())


def test_dropout_draws_independent_numbers() -> None:
    """Neighbours, which share one draw of 64 bits, are dropped independently of each other."""
    torch.manual_seed(2)
    dropped = (CpuDropout(0.5)(torch.ones(100_000, 4)) == 0).float()
    covariance = torch.corrcoef(dropped.T) - torch.eye(4)
    assert float(covariance.abs().max()) < 5 / 100_000**0.5


def test_dropout_repeats_with_the_seed_and_rests_in_evaluation() -> None:
    """The same seed drops the same numbers; in evaluation, and at rate 0, nothing is dropped; at rate 1, everything."""
    x = torch.randn(7, 9)
    module = CpuDropout(0.3)
    torch.manual_seed(3)
    first = module(x)
    torch.manual_seed(3)
    assert torch.equal(first, module(x))
    assert torch.equal(module.eval()(x), x)
    assert torch.equal(CpuDropout(0.0)(x), x)
    assert torch.equal(CpuDropout(1.0)(x), torch.zeros_like(x))


def test_every_dropout_of_a_model_is_replaced() -> None:
    """At any depth, with its rate; nothing else is touched."""
    model = nn.Sequential(nn.Dropout(0.2), nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.4)))
    use_cpu_dropout(model)
    assert [module.p for module in model.modules() if isinstance(module, CpuDropout)] == [0.2, 0.4]
    assert isinstance(model[1][0], nn.Linear)  # type: ignore[index]
