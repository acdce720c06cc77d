"""Records of runs -> one page that says what they got right and wrong, and why it may be so. No torch here.

To follow a number from a record to the page, read: ``find.py`` (paths to records), ``gather.py`` (records to everything
that is known of a data set), the parts ``overview.py``, ``versus.py``, ``emotions.py``, ``trust.py``, ``space.py`` and
``curves.py``, each of which makes ``blocks.py`` of it, ``build.py``, which puts them in order, and ``page.py`` and
``markdown.py``, which write them down. ``plots.py`` and ``svg.py`` draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ercbench.catalog import Catalog


@dataclass(frozen=True)
class Written:
    """What was written: the files, and whether there is dialogue text in them."""

    files: tuple[Path, ...]
    has_text: bool


@dataclass(frozen=True)
class Wishes:
    """How a report should be.

    Attributes:
        data_dir: the folder of the data sets; where it is named, data that are not in it are an error.
        text: show the dialogue around mistakes where the data are at hand.
        markdown: write Markdown too, beside the page.
    """

    data_dir: Path | None = None
    text: bool = True
    markdown: bool = False


def write(catalog: Catalog, runs: Sequence[Path], page: Path, wishes: Wishes, tell: Callable[[str], None]) -> Written:
    """Records -> a page, and the same as Markdown where that is wished for.

    Args:
        catalog: where data sets are looked up.
        runs: paths of records, and folders that hold some.
        page: where to write; a file there is replaced.
        wishes: how it should be.
        tell: is told what takes its time, and what is left out.

    Raises:
        UsageError: a path leads to no record.
        RecordError: a record, its predictions or its vectors are damaged or do not belong together.
        DataError: the data are not in the folder that was named.
    """
    from ercbench.report import markdown
    from ercbench.report import page as html
    from ercbench.report.build import build
    from ercbench.whole_files import write_atomically

    report = build(catalog, runs, wishes.data_dir, wishes.text, tell)
    texts = {page: html.render(report)}
    if wishes.markdown:
        texts[page.with_suffix(".md")] = markdown.render(report)
    for file, text in texts.items():
        write_atomically(file, text)
    return Written(tuple(texts), report.has_text)
