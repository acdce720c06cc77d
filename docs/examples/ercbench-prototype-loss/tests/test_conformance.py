"""The plugin keeps the promises of its parts: each check of the conformance kit is a test of its own."""

from ercbench.testing import parametrize_with_checks


@parametrize_with_checks("ercbench-prototype-loss")
def test_conformance(check):
    """The promise that the test is named after."""
    check()
