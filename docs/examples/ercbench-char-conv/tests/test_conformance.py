"""The plugin keeps the promises of its parts: each check of the conformance kit is a test of its own."""

from ercbench.testing import parametrize_with_checks


@parametrize_with_checks("ercbench-char-conv")
def test_conformance(check):
    """The promise that the test is named after; the same vector alone and padded in a batch is one of them."""
    check()
