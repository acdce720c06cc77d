"""The command line starts light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from recorded import Cell, record

HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "sklearn",
    "pandas",
    "accelerate",
    "scipy",
    "matplotlib",
    "wandb",
    "mlflow",
    "tensorboard",
    "trackio",
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list"],
        ["list", "recipes"],
        ["list", "losses", "--json"],
        ["list", "trackers"],
        ["plugin", "list"],
        ["run", "--help"],
        ["compare", "--help"],
        ["grid", "--help"],
        ["ablate", "--help"],
        ["data", "fetch", "--help"],
        ["report", "--help"],
        ["verify", "--help"],
        ["submit", "--help"],
        ["list", "checkpoints"],
        ["status", "--help"],
        ["status", "."],
        ["gc", "--help"],
        ["gc", ".", "--dry-run"],
    ],
    ids=" ".join,
)
def test_command_loads_nothing_heavy(arguments: list[str]) -> None:
    """Help and lists are printed without importing torch or anything else that is large."""
    code = (
        "import sys\n"
        "from ercbench.cli import cli\n"
        f"cli({arguments!r}, standalone_mode=False)\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize("command", ["verify", "submit"])
def test_checking_records_needs_no_torch(command: str, tmp_path: Path) -> None:
    """Scores are computed again, and runs are packed, without torch or anything that loads a model."""
    record(tmp_path / "results", Cell())
    arguments = [command, str(tmp_path / "results"), *(["--to", str(tmp_path / "out")] if command == "submit" else [])]
    never = ("torch", "transformers", "datasets", "accelerate", "safetensors", "tokenizers")
    code = (
        "import sys\n"
        "from ercbench.cli import cli\n"
        f"cli({arguments!r}, standalone_mode=False)\n"
        f"print('LOADED', [name for name in {never!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "LOADED []"


def test_resolving_a_recipe_loads_nothing_heavy() -> None:
    """A plugin's hooks return light specs: resolving every recipe needs no torch."""
    code = (
        "import sys\n"
        "from ercbench.catalog import load_catalog\n"
        "from ercbench.config import resolve\n"
        "from ercbench.specs import Recipe\n"
        "catalog = load_catalog()\n"
        "[resolve(catalog, recipe.name, 'mini', 'meld', {}) for recipe in catalog.all(Recipe)]\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "LOADED []"
