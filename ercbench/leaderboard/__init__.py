"""Stage 8. RunRecords and published rows -> tables -> Markdown and other formats. No torch here.

In reading order: ``seeds.py`` takes from records what boards need, ``evidence.py`` keeps what it took gold labels to
find out, ``gathering.py`` finds it out, ``ranking.py`` says who is ranked, ``averages.py`` makes a row,
``published.py`` reads what others printed, ``tables.py`` puts the boards together as the values of ``board_json.py``.
From these every format is made: ``markdown.py`` makes text that is safe to show and ``pages.py`` the pages,
``csv_tables.py`` and ``exports.py`` the rest, ``site/`` the HTML. ``build.py`` writes the files. They are the same,
byte for byte, for the same records and evidence: they hold no date, and everything in them is sorted.
"""

from ercbench.leaderboard.board_json import Leaderboard, read_leaderboard
from ercbench.leaderboard.build import Written, build, check, write_boards
from ercbench.leaderboard.exports import export
from ercbench.leaderboard.site import write_site

__all__ = ["Leaderboard", "Written", "build", "check", "export", "read_leaderboard", "write_boards", "write_site"]
