"""A small simulation: intervals hold the truth, and tests find nothing where there is nothing; figures as tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]
SIMULATIONS = 150
WIDE = 4 * (0.05 * 0.95 / SIMULATIONS) ** 0.5
"""Four standard errors of a share of 5 or 95 %."""


@pytest.fixture(autouse=True)
def _root_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """``benchmarks`` is not installed; it is run from the project's folder. A small population is enough here."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.setattr("benchmarks.simulated.POPULATION", 4)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("benchmarks", "calibration")]:
        del sys.modules[name]


def test_intervals_hold_the_truth() -> None:
    """On 31 long dialogues; an interval that takes utterances for independent does not, so the data are hard enough."""
    from benchmarks.parts.calibration import coverage
    from benchmarks.simulated import SHAPES

    found = coverage(SHAPES["iemocap"], SIMULATIONS)
    assert found["coverage"] > 0.95 - WIDE
    assert found["coverage_utterances"] < 0.8
    assert found["half_width"] > 0.04  # an interval over everything would hold the truth too
    assert found["half_width"] < 0.1


def test_tests_find_nothing_where_there_is_nothing() -> None:
    """Two methods that get different things right and score the same on the population."""
    from benchmarks.parts.calibration import null
    from benchmarks.simulated import SHAPES

    found = null(SHAPES["iemocap"], SIMULATIONS)
    assert abs(found["effect"]) < 0.002
    assert found["effect_coverage"] > 0.95 - WIDE
    for name in ("reject_null", "reject_null_bootstrap", "reject_null_randomisation"):
        assert found[name] < 0.05 + WIDE, name


def test_seeds_of_one_method_are_not_told_apart() -> None:
    """Neither are two methods that are equal on average; seeds drift enough for that to be a question."""
    from benchmarks.parts.calibration import seeds
    from benchmarks.simulated import SHAPES

    found = seeds(SHAPES["iemocap"], SIMULATIONS // 3)
    assert found["seed_deviation"] > 0.008
    for name in ("same_method_3", "same_method_5", "equal_methods_3", "equal_methods_5"):
        assert found[name] < 0.05 + 3**0.5 * WIDE, name


@pytest.mark.parametrize("name", ["meld", "emorynlp", "iemocap"])
def test_simulated_test_sets_are_like_the_real_ones(name: str) -> None:
    """As many utterances, the same frequencies of labels, and labels of a dialogue as alike as was asked for."""
    from benchmarks.simulated import SHAPES, Method, TestSet

    shape = SHAPES[name]
    method = Method((0.0,) * len(shape.labels), seeds=2)
    counts = TestSet(shape, 4000, np.random.default_rng(0)).counts(method, drift=False)
    gold = counts[0].sum(axis=2)  # (G, C)
    assert counts[0].sum(axis=2).tolist() == counts[1].sum(axis=2).tolist()
    assert (counts[0] != counts[1]).any()
    per_dialogue = gold.sum(axis=1)
    assert shape.dialogues * per_dialogue.mean() == pytest.approx(sum(shape.labels), rel=0.06)
    assert gold.sum(axis=0) / gold.sum() == pytest.approx(shape.frequencies, abs=0.02)
    p = gold.sum(axis=0) / gold.sum()
    spread = (((gold - per_dialogue[:, None] * p) ** 2 / p).sum() - gold.sum() * (len(p) - 1)) / (len(p) - 1)
    alike = spread / (per_dialogue * (per_dialogue - 1)).sum()
    assert alike == pytest.approx(1 / (1 + shape.mixing), rel=0.12)


def test_calibration_needs_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other parts say that they do."""
    from benchmarks.__main__ import main
    from benchmarks.parts import calibration

    monkeypatch.delenv("ERCBENCH_DATA", raising=False)
    monkeypatch.setattr(calibration, "SHAPES", {})
    assert CliRunner().invoke(main, ["calibration", "--quick"], catch_exceptions=False).exit_code == 0
    refused = CliRunner().invoke(main, ["calibration", "text", "--quick"])
    assert refused.exit_code == 2
    assert "The figures are of the real data sets" in refused.output


def test_the_page_shows_every_figure_in_percent() -> None:
    """A row per interval and per test, a column per test set; the machine's other parts are not its business."""
    import calibration as page

    keys = [*page.SIZES, *page.INTERVALS, *page.TESTS]
    latest: dict[str, Any] = {
        f"calibration.{name}.{key}": (100 * column + row) / 1e4
        for column, name in enumerate(page.SETS)
        for row, key in enumerate(keys)
    }
    latest |= {"calibration.simulations": 2000, "calibration.error": 0.00487}
    latest |= {"calibration.seed_simulations": 1000, "calibration.seed_error": 0.0069}
    latest["machines"] = {"calibration": {"date": "2026-01-01", "command": "c"}}
    lines = page.tables(latest).splitlines()
    for row, title in enumerate([*page.SIZES.values(), *page.INTERVALS.values(), *page.TESTS.values()]):
        (line,) = [line for line in lines if line.startswith(f"| {title} ")]
        assert [float(cell) for cell in line.split("|")[2:-1]] == pytest.approx(
            [row / 100, 1 + row / 100, 2 + row / 100], abs=0.051
        )
    assert "2,000 intervals" in page.tables(latest)
