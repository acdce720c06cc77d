"""The conformance kit: checks that a plugin keeps the promises its parts make, for its author to run.

In a test file of the plugin, each check becomes a test of its own::

    from ercbench.testing import parametrize_with_checks


    @parametrize_with_checks("my-plugin")
    def test_conformance(check):
        check()

``ercbench plugin check my-plugin`` runs the same from the command line. Everything runs on a CPU, without a network, on
tiny inputs. One file per kind of part holds its checks; ``registry.py`` lists them; ``docs/reference/conformance.md``
says what each promises. pytest is imported when the decorator is used, torch when a check needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ercbench.testing.checks import Check, Result
    from ercbench.testing.kit import check_plugin
    from ercbench.testing.pytesting import parametrize_with_checks
    from ercbench.testing.registry import all_checks

__all__ = ["Check", "Result", "all_checks", "check_plugin", "parametrize_with_checks"]

_HOMES = {
    "Check": "checks",
    "Result": "checks",
    "all_checks": "registry",
    "check_plugin": "kit",
    "parametrize_with_checks": "pytesting",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"ercbench.testing.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ercbench.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
