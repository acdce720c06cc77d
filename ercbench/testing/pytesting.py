"""The kit as pytest tests: one test per check, with an id that can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from ercbench.testing.checks import Case
from ercbench.testing.kit import cases


@dataclass(frozen=True)
class _Call:
    """A case that speaks pytest's language when it is called."""

    case: Case

    def __call__(self) -> None:
        """Pass, skip with the reason, or fail with what to change."""
        import pytest

        result = self.case.run()
        if result.outcome == "skipped":
            pytest.skip(result.message)
        if result.outcome == "failed":
            pytest.fail(result.message, pytrace=False)


def parametrize_with_checks(
    name: str,
    known_failures: Mapping[str, str] | None = None,
    settings: Mapping[str, Mapping[str, JsonValue]] | None = None,
    data_dir: Path | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a test function with one argument, ``check``, into one test per check of a plugin.

    Args:
        name: the distribution, or a plugin as ``ercbench plugin list`` names it.
        known_failures: reasons by id; such a test is expected to fail, and fails if it passes.
        settings: for parts whose defaults cannot be used as they are: values by setting, by ``kind/name``.
        data_dir: folder with one folder per data set; None looks in the usual places.

    Raises:
        UnknownName: no installed plugin has the name.
        UsageError: a known failure or a setting names nothing that is checked.

    Example:
        >>> @parametrize_with_checks("my-plugin")  # doctest: +SKIP
        ... def test_conformance(check):
        ...     check()
    """
    import pytest

    known = dict(known_failures or {})

    def marks(case: Case) -> list[Any]:
        return [pytest.mark.xfail(reason=known[case.id], strict=True)] if case.id in known else []

    found = cases(name, known, settings, data_dir)
    decorate: Callable[[Callable[..., None]], Callable[..., None]] = pytest.mark.parametrize(
        "check", [pytest.param(_Call(case), id=case.id, marks=marks(case)) for case in found]
    )
    return decorate
