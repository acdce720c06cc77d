"""Turns the comments of reference/api.md into what mkdocstrings reads, so that they are not seen where it is not."""

from __future__ import annotations

import re
from typing import Any


def on_page_markdown(markdown: str, **_: Any) -> str:
    """``<!-- ::: ercbench.run -->`` -> ``::: ercbench.run``; called by mkdocs for every page."""
    return re.sub(r"^<!-- (::: \S+) -->$", r"\1\n", markdown, flags=re.MULTILINE)
