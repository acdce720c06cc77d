"""What can be set on the stock parts. No torch here."""

from __future__ import annotations

from ercbench import Settings


class CrossEntropySettings(Settings):
    """Cross-entropy has nothing to set."""


class LinearHeadSettings(Settings):
    """The linear head has nothing to set."""
