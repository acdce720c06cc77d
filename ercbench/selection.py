"""Which of several states is kept. Only the runner calls this; a plugin learns nothing but the choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ercbench.config import Selection


def choose(selection: Selection, dev: Sequence[float], test: Callable[[int], float]) -> int:
    """Weighted F1 of every candidate (fractions) -> index of the one to keep.

    Args:
        selection: the recipe's ``selection.*``.
        dev: unrounded dev scores.
        test: the test score of one candidate; asked only where the recipe says that ties are broken by test.

    Returns:
        The first of the best on dev. With ``ties: test``, dev scores are first rounded to 0.01 points, and the first
        of those with the best test score wins, as in EACL's released code.
    """
    if selection.ties == "first":
        return dev.index(max(dev))
    rounded = [round(100 * score, 2) for score in dev]
    equals = [index for index, score in enumerate(rounded) if score == max(rounded)]
    if len(equals) == 1:
        return equals[0]
    return max(equals, key=test)  # max keeps the first of equals
