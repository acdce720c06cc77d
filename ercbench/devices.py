"""Where a run computes and in which precision. The only file that imports accelerate."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from ercbench.errors import UsageError
from ercbench.pieces import Chunk
from ercbench.ranks import Ranks
from ercbench.types import Batch

if TYPE_CHECKING:
    from torch import Tensor, nn, optim

DeviceName = Literal["cpu", "cuda", "mps"]
PATIENCE = timedelta(days=1)
"""How long processes wait for each other. One that has ended is told by whoever started them, at once."""


def available_devices() -> list[DeviceName]:
    """The kinds of device this machine has, the fastest first."""
    import torch

    found: list[DeviceName] = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_device(requested: str | None, processes: int = 1) -> DeviceName:
    """The device that is asked for, or the fastest; one GPU for every process.

    Raises:
        UsageError: this machine has no such device, or not as many as there are processes.
    """
    import torch

    available = available_devices()
    if requested is not None and requested not in available:
        raise UsageError(f"This machine has no such device. Got --device {requested}. Here: {', '.join(available)}.")
    name = next(device for device in available if requested in (None, device))
    if processes > 1 and name == "mps":
        raise UsageError(
            f"Device mps takes one process. Got --processes {processes}. Leave it out, or add --device cpu."
        )
    if processes > 1 and name == "cuda" and processes > (there := torch.cuda.device_count()):
        raise UsageError(f"Each process needs a GPU of its own. Got --processes {processes}, and {there} here.")
    # Two can be tried on any machine; more than there are processors only wait for each other.
    if name == "cpu" and processes > max(2, there := os.cpu_count() or 1):
        raise UsageError(
            f"Processes share the processors. Got --processes {processes}, and {there} here. Ask for fewer."
        )
    return name


class Device:
    """A device opened for one run: moves batches, and holds what accelerate knows about precision.

    Attributes:
        name: its kind.
        precision: of the forward pass, ``bf16`` or ``fp32``.
        torch_device: as torch calls it.
        chunk: how many utterances it encodes at once.
        ranks: this process among those of the run.
    """

    def __init__(
        self, requested: str | None = None, precision: str = "auto", chunk: int | None = None, processes: int = 1
    ) -> None:
        """Open a device.

        Args:
            requested: ``cpu``, ``cuda`` or ``mps``; None takes the fastest there is.
            precision: ``auto`` (bf16 on a GPU that has it), ``fastest`` (bf16 on whatever has it), ``bf16`` or
                ``fp32``.
            chunk: utterances to encode at once; None for all that go together.
            processes: of this run, of which this must be one, see ``launching.py``.

        Raises:
            UsageError: this machine has no such device, or the device no such precision, or this process was not
                started as one of several.
        """
        import torch
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
        from accelerate.utils import InitProcessGroupKwargs

        name = choose_device(requested, processes)
        on_gpu = name == "cuda" and torch.cuda.is_bf16_supported()
        has_bf16 = on_gpu or (name == "cpu" and _cpu_has_bf16())
        if precision == "bf16" and not has_bf16:
            raise UsageError(f"Device {name} has no bf16. Got precision bf16. Set it to fp32.")
        wanted = {"auto": on_gpu, "fastest": has_bf16, "bf16": True, "fp32": False}[precision]
        self.precision = "bf16" if wanted else "fp32"
        # accelerate keeps one state per process, and a second run may want another precision.
        AcceleratorState._reset_state(reset_partial_state=True)
        mixed = "bf16" if self.precision == "bf16" else "no"
        patience = InitProcessGroupKwargs(timeout=PATIENCE)
        self._accelerator = Accelerator(cpu=name == "cpu", mixed_precision=mixed, kwargs_handlers=[patience])
        self.name = name
        self.torch_device = self._accelerator.device if processes > 1 else torch.device(name)
        self.chunk, self.ranks = Chunk(chunk), self._ranks(processes)
        if name == "cpu":
            _keep_freed_memory()

    def _ranks(self, processes: int) -> Ranks:
        """This process among those that accelerate knows of."""
        if processes == 1:
            return Ranks()
        if self._accelerator.num_processes != processes:
            raise UsageError(
                f"This process is not one of {processes}. Got processes={processes}. Several are started by the "
                "command line: ercbench run ... --processes N"
            )
        return Ranks(self._accelerator.process_index, processes, self.torch_device)

    @property
    def hardware(self) -> str:
        """The device in words: a GPU's name, or the processor and its threads; with several processes how many."""
        import torch

        if self.name == "cuda":
            found = str(torch.cuda.get_device_name())
        else:
            found = f"{_processor()}, {torch.get_num_threads()} threads"
        return found if self.ranks.alone else f"{self.ranks.processes} x {found}"

    def move(self, batch: Batch) -> Batch:
        """Batch -> the same batch on this device."""
        inputs = {name: self._send(tensor) for name, tensor in batch.inputs.items()}
        return Batch(batch.uids, inputs, None if batch.labels is None else self._send(batch.labels))

    def _send(self, tensor: Tensor) -> Tensor:
        """To a GPU from pinned memory, so that the copy runs beside the computation."""
        if self.name == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.torch_device, non_blocking=True)

    @contextmanager
    def draws(self, seed: int) -> Iterator[None]:
        """Within, torch's random numbers are those of a seed; after it, they go on as if nothing had been drawn."""
        import torch

        state = self.random_state()
        torch.manual_seed(seed)
        try:
            yield
        finally:
            self.set_random_state(state)

    def random_state(self) -> tuple[Tensor, ...]:
        """Where torch's random numbers are, on the CPU and on this device."""
        import torch

        on_device = {"cuda": torch.cuda.get_rng_state, "mps": torch.mps.get_rng_state}
        more = (on_device[self.name](),) if self.name in on_device else ()
        return torch.get_rng_state(), *more

    def set_random_state(self, state: tuple[Tensor, ...]) -> None:
        """Go back to what `random_state` gave."""
        import torch

        on_device = {"cuda": torch.cuda.set_rng_state, "mps": torch.mps.set_rng_state}
        torch.set_rng_state(state[0])
        for found in state[1:]:
            on_device[self.name](found)

    def agree(self) -> None:
        """Encode no more at once than any process of the run does."""
        least = self.ranks.least(self.chunk.at_most(sys.maxsize))
        if least < self.chunk.at_most(sys.maxsize):
            self.chunk.lower(least)
            self.chunk.tell(f"Another process encodes {least} utterances at once, and so do all from here on.")

    def free(self) -> None:
        """Hand memory back that is kept for later: after it ran out, pieces of another size want other blocks."""
        import torch

        if self.name == "cuda":
            torch.cuda.empty_cache()
        elif self.name == "mps":
            torch.mps.empty_cache()

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
