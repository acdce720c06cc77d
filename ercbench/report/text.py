"""Numbers and names -> text. The only place of a report where scores are multiplied by 100 and rounded."""

from __future__ import annotations

from ercbench.leaderboard.markdown import points, visible
from ercbench.statistics import Interval, SeedSpread

NOTHING = "-"
"""Where there is no number."""


def share(fraction: float | None) -> str:
    """A fraction -> per cent with one decimal: 0.70414 -> ``70.4%``."""
    return NOTHING if fraction is None else f"{100 * fraction:.1f}%"


def score(fraction: float | None) -> str:
    """A fraction -> points with two decimals, as on the boards."""
    return NOTHING if fraction is None else points(fraction)


def signed(fraction: float) -> str:
    """A difference of fractions -> points with their sign."""
    return f"{100 * fraction:+.2f}"


def interval(found: Interval | None, sign: bool = False) -> str:
    """An interval -> ``52.10 to 56.30``."""
    if found is None:
        return NOTHING
    low, high = (signed(end) if sign else points(end) for end in (found.low, found.high))
    return f"{low} to {high}"


def spread(found: SeedSpread) -> str:
    """Mean and standard deviation over seeds, the mean alone for a single one."""
    return points(found.mean) + ("" if found.deviation is None else f" ± {points(found.deviation)}")


def count(number: float) -> str:
    """A count, or a mean of counts: whole, or with one decimal."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def probability(p: float) -> str:
    """A p-value with as many digits as the first 2000 resamples can tell."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def several(number: int, one: str, many: str = "") -> str:
    """A number and what there is so many of: ``1 seed``, ``2 seeds``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def over(seeds: int) -> str:
    """What a caption says of several seeds."""
    return "; mean and standard deviation over seeds" if seeds > 1 else ""


def shortened(word: str, most: int = 13) -> str:
    """A name that fits in a plot; characters that cannot be seen are dropped."""
    word = visible(word)
    return word if len(word) <= most else word[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
