"""Which of several states is kept."""

from __future__ import annotations

from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ercbench.config import Selection
from ercbench.selection import choose

FRACTIONS = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def never(index: int) -> NoReturn:
    """A test score that must not be looked at."""
    raise AssertionError("the test split was looked at")


@given(FRACTIONS)
def test_the_first_of_the_best_on_dev_is_kept(dev: list[float]) -> None:
    """Unrounded, and without a look at the test split."""
    kept = choose(Selection(), dev, never)
    assert all(dev[kept] > score for score in dev[:kept])
    assert all(dev[kept] >= score for score in dev[kept:])


def test_the_smallest_difference_counts() -> None:
    """A difference far below what a table shows decides."""
    assert choose(Selection(), [0.5, 0.5 + 1e-12, 0.4], never) == 1


def test_the_released_code_breaks_ties_by_test() -> None:
    """With ``ties: test``, dev scores equal to 0.01 points are equal, the best test score wins, then the first."""
    ties = Selection(ties="test")
    dev = [0.50001, 0.50004, 0.50003, 0.4]
    assert choose(ties, dev, [0.2, 0.3, 0.3, 0.9].__getitem__) == 1
    assert choose(ties, dev, [0.3, 0.3, 0.3, 0.9].__getitem__) == 0


def test_without_a_tie_the_test_split_is_not_looked_at() -> None:
    """A difference of 0.01 points on dev is enough."""
    assert choose(Selection(ties="test"), [0.5, 0.5001], never) == 1


@pytest.mark.parametrize("ties", ["first", "test"])
def test_a_single_state_is_kept(ties: str) -> None:
    """There is nothing to choose."""
    assert choose(Selection.model_validate({"ties": ties}), [0.1], never) == 0
