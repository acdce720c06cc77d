"""No plugin can get at the labels of test while a run goes on; see ``leak_free_checks.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKS = Path(__file__).with_name("leak_free_checks.py")
"""Tests of their own, in a process of their own: other tests leave labels in memory, and the spy sees all."""


def test_a_plugin_that_looks_everywhere_finds_no_label_of_test() -> None:
    """In a process that does nothing but run recipes."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CHECKS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKS.parents[2])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
