"""The contrastive loss alone: seconds and peak memory, ours and the released form, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import torch

from benchmarks.naive import contrastive
from benchmarks.parts import Options
from ercbench import EncodedBatch, LabelSet
from ercbench.catalog import load_target

SIZES = (64, 256, 512, 1024, 4096)
LARGEST_NAIVE = 512
"""Utterances: beyond it the tensors of the released form, several times U x U x D numbers, outgrow common memory."""
WIDTH, CLASSES = 1024, 7


def measure(options: Options) -> dict[str, float | None]:
    """Seconds, peak memory in MiB, their ratios, and the largest difference of value and gradient."""
    figures: dict[str, float | None] = {}
    for size in SIZES[:1] if options.quick else SIZES:
        ours = _alone("ours", size)
        naive = _alone("naive", size) if size <= LARGEST_NAIVE else None
        figures |= {f"loss.{size}.seconds": ours["seconds"], f"loss.{size}.mebibytes": ours["mebibytes"]}
        figures[f"loss.{size}.naive_seconds"] = naive and naive["seconds"]
        figures[f"loss.{size}.naive_mebibytes"] = naive and naive["mebibytes"]
        figures[f"loss.{size}.time_ratio"] = naive and naive["seconds"] / ours["seconds"]
        figures[f"loss.{size}.memory_ratio"] = naive and naive["mebibytes"] / ours["mebibytes"]
        figures[f"loss.{size}.difference"] = difference(size) if size <= LARGEST_NAIVE else None
    return figures


def difference(size: int) -> float:
    """The largest difference between the two forms, of the value and of the gradients."""
    found = [_value_and_gradients(form, size) for form in ("ours", "naive")]
    return max(float((a - b).abs().max()) for a, b in zip(*found, strict=True))


def _value_and_gradients(form: str, size: int) -> list[torch.Tensor]:
    vectors, labels, anchors = inputs(size)
    value = loss(form, vectors, labels, anchors)
    value.backward()
    assert vectors.grad is not None
    assert anchors.grad is not None
    return [value.detach(), vectors.grad, anchors.grad]


def loss(form: str, vectors: torch.Tensor, labels: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """Either form of the anchor-contrastive loss."""
    if form == "naive":
        return contrastive(vectors, labels, anchors)
    settings = load_target("ercbench_eacl.settings:AnchorContrastiveSettings")()
    ours = load_target("ercbench_eacl.losses:AnchorContrastiveLoss")(settings, LabelSet(()), WIDTH)
    batch = EncodedBatch(tuple(map(str, range(len(vectors)))), vectors, vectors, None, anchors, labels)
    total: torch.Tensor = ours(batch).total
    return total


def inputs(size: int, classes: int = CLASSES) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors (B, D), labels (B,), anchors (C, D), the same ones every time."""
    draw = torch.Generator().manual_seed(size)
    vectors = torch.randn(size, WIDTH, generator=draw).requires_grad_()
    anchors = torch.randn(classes, WIDTH, generator=draw).requires_grad_()
    return vectors, torch.randint(classes, (size,), generator=draw), anchors


def _alone(form: str, size: int) -> dict[str, float]:
    """Measure one form at one size in a new process, whose peak memory is then its own."""
    code = f"from benchmarks.parts.loss import report; report({form!r}, {size})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def report(form: str, size: int) -> None:
    """Print seconds of the fastest of some repetitions, forward and backward, and the memory they took at most."""
    loss(form, *inputs(8)).backward()  # what is loaded once
    given = inputs(size)
    before = _memory("VmRSS")
    seconds = []
    for _ in range(1 if form == "naive" and size > 256 else 10):
        begun = time.perf_counter()
        loss(form, *given).backward()
        seconds.append(time.perf_counter() - begun)
    peak = _memory("VmHWM") - before
    print(json.dumps({"seconds": min(seconds), "mebibytes": max(peak, 0.01)}))  # noqa: T201


def _memory(field: str) -> float:
    """Memory of this process in MiB: ``VmRSS`` now, ``VmHWM`` at its highest."""
    with open("/proc/self/status", encoding="utf-8") as file:
        [line] = [line for line in file if line.startswith(field)]
    return int(line.split()[1]) / 1024
