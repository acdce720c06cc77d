"""What is on the boards -> a static site: an index and a page per data set, without a server or outside resources.

In reading order: ``plots.py`` draws, ``tables.py`` lays out what a page shows, ``pages.py`` makes the pages,
``folder.py`` writes them with the records they link to.
"""

from ercbench.leaderboard.site.folder import write_site
from ercbench.leaderboard.site.pages import render_site

__all__ = ["render_site", "write_site"]
