"""The way to Ray: starting it on this machine, or finding the cluster that this machine belongs to."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ercbench.devices import available_devices
from ercbench.errors import ErcbenchError, PluginError, Problems, UsageError
from ercbench.grid import Ray
from ercbench.progress import Reporter
from ercbench.provenance import package_versions
from ercbench.shipping import other_versions
from ercbench.workspaces import workspace

REACH = 5.0
"""Seconds in which a cluster must answer."""


@contextmanager
def connected(settings: Ray) -> Iterator[None]:
    """Ray, as long as this lasts: one that was there before stays, one that is started here ends.

    Raises:
        UsageError: there is no cluster at the address.
    """
    if ray.is_initialized():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    logs = nullcontext() if settings.address else workspace("ercbench-ray-", _short())
    with logs as folder:
        try:
            if settings.address is None:
                _begin(str(folder))
            else:
                _join(settings.address)
            with _stopping(handler):
                yield
        finally:
            ray.shutdown()


def _short() -> str | None:
    """Where temporary files have short names: names of sockets must not be longer than about a hundred characters."""
    return "/tmp" if os.path.isdir("/tmp") else None  # noqa: S108 - a folder of its own is made in it


def _begin(logs: str) -> None:
    """Start Ray for this command alone, where no other machine reaches it. It reports its use only where told to."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    as_without_ray = {"worker_niceness": 0}
    ray.init(address="local", _node_ip_address="127.0.0.1", _temp_dir=logs, _system_config=as_without_ray, **quiet)


def _join(address: str) -> None:
    """Connect to the cluster that this machine belongs to."""
    if "://" in address:
        raise UsageError(
            f"The command must be given on a machine of the cluster. Got --ray-address {address}. Start it there, with "
            "--ray-address auto."
        )
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "1")  # Ray tries for a quarter of an hour otherwise
    try:
        if found := _recent() if address == "auto" else address:
            _probe(found)
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError) as error:  # what Ray raises is one of them, by release and reason
        raise UsageError(
            f"There is no Ray cluster that this machine belongs to. Got --ray-address {address}: "
            f"{_reason(error)} Start one on the first machine with `ray start --head --port=6379`, "
            "join the others with `ray start --address=HOST:6379`, or leave --ray-address out."
        ) from error


def _recent() -> str | None:
    """Where Ray looks for the cluster of this machine, which may be gone by now; None where it will find none."""
    if named := os.environ.get("RAY_ADDRESS"):
        return named
    kept = Path(os.environ.get("RAY_TMPDIR", _short() or tempfile.gettempdir()), "ray", "ray_current_cluster")
    return kept.read_text(encoding="utf-8").strip() if kept.is_file() else None


def _reason(error: Exception) -> str:
    """What an error says first, as a sentence."""
    return str(error).strip().splitlines()[0].rstrip(".") + "."


def _probe(address: str) -> None:
    """See that somebody answers at an address. Ray takes a loopback address for the address of this machine."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise ConnectionError("that is not HOST:PORT")
    if host in ("localhost", "127.0.0.1", "::1"):
        host = ray.util.get_node_ip_address()
    try:
        socket.create_connection((host, int(port)), timeout=REACH).close()
    except OSError as error:
        raise ConnectionError(f"nobody answers at {host}:{port} ({error}).") from error


@contextmanager
def _stopping(before: Any) -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does; Ray set a handler of its own, which would leave without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop if before in (signal.SIG_DFL, None) else before)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def check_machines(wanted: Mapping[str, str], needs: Mapping[str, float]) -> None:
    """See that the machines that may run cells have the right versions: one that has not would refuse cell after cell.

    A machine that joins later is asked when it begins a cell.

    Args:
        wanted: versions by distribution.
        needs: what a cell takes of a machine; those with less are not asked.

    Raises:
        PluginError: some have not; `Problems` for several.
    """
    asked: dict[str, Any] = {}
    for node in ray.nodes():
        has = node["Resources"]
        if node["Alive"] and has.get("CPU", 0) >= needs["num_cpus"] and has.get("GPU", 0) >= needs["num_gpus"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            task = ray.remote(package_versions).options(num_cpus=0, max_retries=0, scheduling_strategy=there)
            asked[f"{node['NodeManagerHostname']} {node['NodeID'][:6]}"] = task.remote(list(wanted))
    errors = [error for name, answer in asked.items() for error in _differing(name, answer, wanted)]
    if errors:
        raise errors[0] if len(errors) == 1 else Problems(errors)


def _differing(node: str, answer: Any, wanted: Mapping[str, str]) -> list[ErcbenchError]:
    """What a machine lacks; nothing where it was lost meanwhile."""
    try:
        found = ray.get(answer)
    except RayTaskError as error:
        reason = str(error).strip().splitlines()[-1]
        return [PluginError(f'{node} cannot load ercbench: {reason} Install it: pip install "ercbench[ray]"')]
    except RayError:
        return []
    return other_versions(node, found, wanted)


def resources(settings: Ray, device: str | None, reporter: Reporter) -> tuple[str | None, dict[str, float]]:
    """The device that runs are told to use, and what of a machine each takes.

    Raises:
        UsageError: the device and the number of GPUs do not go together, or no machine has so much.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    on_gpu = device == "cuda" or (device is None and any(node.get("GPU") for node in nodes))
    gpus = settings.gpus_per_run if settings.gpus_per_run is not None else float(on_gpu)
    if device == "cuda" and not gpus:
        raise UsageError("Runs on CUDA need GPUs. Got --device cuda and --gpus-per-run 0. Leave one of them out.")
    needs = {"num_cpus": float(settings.cpus_per_run), "num_gpus": gpus}
    if not any(node.get("CPU", 0) >= needs["num_cpus"] and node.get("GPU", 0) >= gpus for node in nodes):
        largest = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        told = f"No machine has {settings.cpus_per_run} CPUs and {gpus:g} GPUs for a run. There are: {largest}."
        if settings.address is None:
            raise UsageError(f"{told} Ask for less with --cpus-per-run and --gpus-per-run.")
        reporter.say(f"{told} The runs wait until one joins the cluster.")
    chosen = device or ("cuda" if gpus else "mps" if "mps" in available_devices() else "cpu")
    return chosen, needs
