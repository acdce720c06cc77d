"""The plugin keeps the promises of its parts: each check of the conformance kit is a test of its own."""

from ercbench.testing import parametrize_with_checks


@parametrize_with_checks("ercbench-dailydialog")
def test_conformance(check):
    """The promise that the test is named after. Those of the data set itself are skipped where its files are not."""
    check()
