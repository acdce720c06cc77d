"""Distributions as pip installs them: wheels of one module each, installed into a folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path


def wheel(folder: Path, distribution: str, module: str, source: str, version: str = "1.0") -> Path:
    """Write a wheel whose entry point ``main`` is `module`; with an empty `source` the module is not in it."""
    stem = f"{distribution.replace('-', '_')}-{version}"
    files = {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/entry_points.txt": f"[ercbench]\nmain = {module}\n",
    }
    if source:
        files[f"{module}.py"] = source
    record = f"{stem}.dist-info/RECORD"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(record, "".join(f"{name},,\n" for name in [*files, record]))
    return path


def install(target: Path, wheels: Path, sources: Mapping[str, str]) -> None:
    """Build a wheel per distribution, and have pip install them all into `target`."""
    wheels.mkdir(parents=True, exist_ok=True)
    built = [wheel(wheels, name, module_of(name), source) for name, source in sources.items()]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*command, "--disable-pip-version-check", "--target", target, *built], check=True)


def module_of(distribution: str) -> str:
    """The module of a distribution."""
    return distribution.replace("-", "_")
