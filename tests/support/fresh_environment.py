"""A virtual environment of its own that sees what the tests' own environment has installed, and needs no network."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

SCRIPT = '#!/bin/sh\nexec "$(dirname "$0")/python" -m {module} "$@"\n'
MODULES = {"pip": "pip", "pytest": "pytest", "ercbench": "ercbench_command"}
COMMAND = "from ercbench.cli import main\n\nmain()\n"


@dataclass(frozen=True)
class Environment:
    """Its folder, and the variables with which its commands are run."""

    folder: Path
    variables: dict[str, str]

    def run(self, command: str, folder: Path, code: int = 0) -> str:
        """Run a shell command in a folder, see that it ends with `code`, and return all that it printed."""
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=self.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"$ {command}\n{done.stdout}"
        return done.stdout


def make(folder: Path) -> Environment:
    """Make one, with commands pip, pytest and ercbench; pip installs what it is given and nothing besides."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip())
    parent = sysconfig.get_path("purelib")
    (own / "parent.pth").write_text(f"import site; site.addsitedir({parent!r})\n", encoding="utf-8")
    (own / "ercbench_command.py").write_text(COMMAND, encoding="utf-8")
    for name, module in MODULES.items():
        script = folder / "bin" / name
        script.write_text(SCRIPT.format(module=module), encoding="utf-8")
        script.chmod(0o755)
    variables = os.environ | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(folder),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path and not path.startswith(sys.base_prefix)),
        "PYTHONIOENCODING": "utf-8",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to say: build with what is installed
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    return Environment(folder, variables)
