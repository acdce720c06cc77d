"""Where a run computes and in which precision. The only file that imports accelerate."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

from ercbench.errors import UsageError
from ercbench.types import Batch

if TYPE_CHECKING:
    from torch import Tensor, nn, optim

DeviceName = Literal["cpu", "cuda", "mps"]


def available_devices() -> list[DeviceName]:
    """The kinds of device this machine has, the fastest first."""
    import torch

    found: list[DeviceName] = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


class Device:
    """A device opened for one run: moves batches, and holds what accelerate knows about precision."""

    def __init__(self, requested: str | None = None, precision: str = "auto") -> None:
        """Open a device.

        Args:
            requested: ``cpu``, ``cuda`` or ``mps``; None takes the fastest there is.
            precision: ``auto`` (bf16 on a GPU that has it), ``fastest`` (bf16 on whatever has it), ``bf16`` or
                ``fp32``.

        Raises:
            UsageError: this machine has no such device, or the device no such precision.
        """
        import torch
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

        available = available_devices()
        name = requested or available[0]
        if name not in available:
            raise UsageError(f"This machine has no such device. Got --device {name}. Here: {', '.join(available)}.")
        on_gpu = name == "cuda" and torch.cuda.is_bf16_supported()
        has_bf16 = on_gpu or (name == "cpu" and _cpu_has_bf16())
        if precision == "bf16" and not has_bf16:
            raise UsageError(f"Device {name} has no bf16. Got precision bf16. Set it to fp32.")
        wanted = {"auto": on_gpu, "fastest": has_bf16, "bf16": True, "fp32": False}[precision]
        self.precision = "bf16" if wanted else "fp32"
        # accelerate keeps one state per process, and a second run may want another precision.
        AcceleratorState._reset_state(reset_partial_state=True)
        mixed = "bf16" if self.precision == "bf16" else "no"
        self._accelerator = Accelerator(cpu=name == "cpu", mixed_precision=mixed)
        self.name = name
        self.torch_device = torch.device(name)
        if name == "cpu":
            _keep_freed_memory()

    @property
    def hardware(self) -> str:
        """The device in words: a GPU's name, or the processor and its threads."""
        import torch

        if self.name == "cuda":
            return str(torch.cuda.get_device_name())
        return f"{_processor()}, {torch.get_num_threads()} threads"

    def move(self, batch: Batch) -> Batch:
        """Batch -> the same batch on this device."""
        inputs = {name: self._send(tensor) for name, tensor in batch.inputs.items()}
        return Batch(batch.uids, inputs, None if batch.labels is None else self._send(batch.labels))

    def _send(self, tensor: Tensor) -> Tensor:
        """To a GPU from pinned memory, so that the copy runs beside the computation."""
        if self.name == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.torch_device, non_blocking=True)

    def autocast(self) -> AbstractContextManager[Any]:
        """The forward pass in this run's precision."""
        context: AbstractContextManager[Any] = self._accelerator.autocast()
        return context

    def prepare(self, optimizer: optim.Optimizer) -> optim.Optimizer:
        """Let accelerate drive the optimizer."""
        prepared: optim.Optimizer = self._accelerator.prepare(optimizer)
        return prepared

    def backward(self, loss: Tensor) -> None:
        """Differentiate."""
        self._accelerator.backward(loss)

    def clip(self, parameters: Iterable[nn.Parameter], norm: float) -> None:
        """Scale gradients down to at most `norm`."""
        self._accelerator.clip_grad_norm_(list(parameters), norm)


def _cpu_has_bf16() -> bool:
    """Whether the processor multiplies bf16 natively; emulated it would be slower than float32."""
    import torch

    if not hasattr(torch.cpu, "get_capabilities"):  # older releases of torch do not tell
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _keep_freed_memory() -> None:
    """Tell glibc to reuse freed memory instead of handing it back and faulting it in again at every training step."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        m_trim_threshold, m_mmap_threshold, largest = -1, -3, 2**31 - 1
        libc.mallopt(m_mmap_threshold, largest)
        libc.mallopt(m_trim_threshold, largest)
