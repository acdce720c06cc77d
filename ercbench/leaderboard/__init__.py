"""Stage 8. RunRecords and published rows -> tables -> Markdown. No torch here.

In reading order: ``published.py`` reads what others printed, ``tables.py`` turns records into rows, ``markdown.py``
makes text that is safe to show, ``build.py`` puts the boards together. The text is the same, byte for byte, for the
same records: it holds no date, and everything in it is sorted.
"""

from ercbench.leaderboard.build import build, check, write_boards

__all__ = ["build", "check", "write_boards"]
