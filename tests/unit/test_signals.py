"""How a command ends that was told to from outside."""

from __future__ import annotations

import os
import signal
import time
from typing import NoReturn

import pytest

from ercbench.cli.signals import stoppable


def test_sigterm_is_told_whatever_a_library_makes_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Ray, where it waits, raises a KeyboardInterrupt of its own; the exit code is that of the signal all the same."""

    def interrupted() -> NoReturn:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)  # the signal ends it
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None
        raise AssertionError("not stopped")

    with pytest.raises(SystemExit) as ended, stoppable():
        interrupted()
    assert ended.value.code == 143
    assert capsys.readouterr().err == "Terminated. The same command goes on after the last finished epoch.\n"


def test_ctrl_c_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """Without SIGTERM it is Ctrl-C; afterwards the handler is the one that was there."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, stoppable():
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr().err.startswith("Interrupted.")
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_handler_that_was_not_set_from_python_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python does not tell what it was; afterwards SIGTERM does what it does by default."""
    setting = signal.signal
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(signal, "signal", lambda *given: (setting(*given), None)[1])
    with stoppable():
        pass
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    setting(signal.SIGTERM, before)
