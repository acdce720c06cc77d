"""The page and the Markdown: nothing from outside does anything in them, and nothing in them asks for anything."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from click.testing import CliRunner
from made_runs import gold_of, keep_vectors, made_data, made_run

from ercbench.catalog import Catalog
from ercbench.cli.report import report as command
from ercbench.errors import UsageError
from ercbench.leaderboard.markdown import escape
from ercbench.report import Wishes, markdown, write
from ercbench.report import page as html
from ercbench.report.blocks import Beside, Figures, Part, Report, Table
from ercbench.report.build import build
from ercbench.report.plots import HUES

HOSTILE = "<script>alert(1)</script> <img src=x onerror=y> \"'&amp; [a](javascript:b) **c** $x$ | ` \u202e\u0007"
EMPTY = ("area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source")
NO_PLUGINS = Catalog([], [])


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text; elements that are not closed are an error."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element of SVG without content."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text."""
        self.words.append(data)

    @property
    def text(self) -> str:
        """All text, with single blanks."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set that the runs are about; nothing in it can be trusted."""
    words = {"hap": "happy", "exc": "excited", "ang": "angry", "neu": "<b>neutral</b> $\\frac{1}{2}$"}
    return made_data(tmp_path_factory.mktemp("data"), words=words, text=HOSTILE, speaker="<u>Ann</u> `")


@pytest.fixture(scope="module")
def runs(talk: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two seeds of one system, one with vectors, and another system with a hostile name."""
    results = tmp_path_factory.mktemp("results")
    paths = [made_run(results, talk, seed) for seed in (0, 1)]
    keep_vectors(paths[0])
    names = {"recipe__name": "<i>other</i>|`*", "command": HOSTILE, "encoder__checkpoint": HOSTILE}
    nothing: dict[str, Any] = {"training__epochs": [], "training__prototype_similarity": None}
    return [*paths, made_run(results, talk, 5, 0.3, **names, **nothing)]


@pytest.fixture(scope="module")
def report(talk: Path, runs: list[Path]) -> Report:
    """The report on them, with text."""
    return build(NO_PLUGINS, runs, talk.parent, True, lambda line: None)


@pytest.fixture(scope="module")
def text(report: Report) -> str:
    """The page."""
    return html.render(report)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    """The page, read again."""
    return Page(text)


def walk(part: Report | Part) -> Iterator[Part]:
    """Every part below."""
    for below in part.parts:
        yield below
        yield from walk(below)


def all_tables(report: Report) -> Iterator[Table]:
    """Every table of a report, those of plots too."""
    for part in walk(report):
        for block in part.blocks:
            match block:
                case Table():
                    yield block
                case Beside(figure, blocks):
                    yield figure.table
                    yield from (one for one in blocks if isinstance(one, Table))
                case Figures(figures):
                    yield from (figure.table for figure in figures)


def squeezed(text: str) -> str:
    """Without what cannot be seen."""
    return " ".join(text.replace("\u202e", "").replace("\u0007", "").split())


# ---------------------------------------- nothing from outside does anything


def test_what_comes_from_outside_is_text(page: Page) -> None:
    """Dialogue, speakers, label words, recipe names and commands make no element and no attribute."""
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "form", "base", "link", "i", "u", "foreignobject"}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert squeezed(HOSTILE) in page.text
    assert "<u>Ann</u>" in page.text
    assert "<i>other</i>|`*@1" in page.text


def test_what_cannot_be_seen_is_dropped(text: str, report: Report) -> None:
    """No character turns the direction of writing round or rings a bell."""
    for written in (text, markdown.render(report)):
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]", written)


def test_markdown_makes_nothing_of_what_comes_from_outside(report: Report) -> None:
    """No HTML but what is escaped, no link; a cell stays a cell, a command cannot leave its block."""
    written = markdown.render(report)
    outside = re.sub(r"^(```+)sh\n.*?^\1$", "", written, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"<[a-z/!]", outside)
    assert "\\[a\\](javascript:b)" in outside
    for table in re.findall(r"(?:^\|.*\n)+", outside, re.MULTILINE):
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(bars) == 1, table


def test_nothing_is_fetched(page: Page, text: str) -> None:
    """Every reference leads to a place in the page; the page's own policy forbids the rest."""
    ids = Counter(attributes["id"] for _, attributes in page.elements if attributes.get("id"))
    assert set(ids.values()) == {1}
    for tag, attributes in page.elements:
        for name in ("href", "src", "srcset", "data", "action", "xlink:href", "poster", "background"):
            if (value := attributes.get(name)) is not None:
                assert value.startswith("#"), (tag, name, value)
                assert value[1:] in ids, (tag, name, value)
    shown = [value or "" for _, attributes in page.elements for value in attributes.values()]
    style = text.partition("<style>")[2].partition("</style>")[0]
    for found in re.findall(r"url\(([^)]*)\)", " ".join([*shown, style])):
        assert found.removeprefix("#") in ids
    assert "@import" not in style
    assert "http" not in style
    [policy] = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")


# ---------------------------------------- what everybody can read


def test_every_plot_has_a_name_and_its_numbers(page: Page, report: Report, text: str) -> None:
    """A role, a title, and a table with the same numbers; texts in plots are text."""
    plots = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(plots) > 10
    for plot in plots:
        assert 'role="img"' in plot
        [title] = re.findall(r'<title id="([\w-]+)">[^<]+</title>', plot)
        assert f'aria-labelledby="{title}"' in plot
        assert "<text" in plot
    for table in all_tables(report):
        assert table.header
        assert {len(row) for row in table.rows} <= {len(table.header)}, table.caption


def test_the_markdown_has_every_table_of_the_page(report: Report, page: Page) -> None:
    """What the page shows in plots and tables stands in the Markdown as tables."""
    written = markdown.render(report)
    for table in all_tables(report):
        for row in table.rows:
            for cell in row:
                assert squeezed(cell) in page.text
                assert escape(cell) in written


def test_colours_are_legible_on_light_and_dark() -> None:
    """Every colour of an emotion has a contrast of 3 : 1 at least, as WCAG asks of graphics."""

    def brightness(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    style = (html.TEMPLATES / "style.css").read_text(encoding="utf-8")
    papers = re.findall(r"--paper: (#[0-9a-f]{6})", style)
    assert len(set(papers)) == 2
    for colour in HUES:
        for paper in papers:
            dark, light = sorted([brightness(colour), brightness(paper)])
            assert (light + 0.05) / (dark + 0.05) >= 3, (colour, paper)


def test_no_stand_in_colour_is_left(text: str) -> None:
    """Plots take the colours of the page, light or dark."""
    assert not re.search(r"#0[1-6]0[1-6]0[1-6]", text)
    assert "currentColor" in text


# ---------------------------------------- the same every time


def test_the_same_input_gives_the_same_bytes(talk: Path, runs: list[Path], text: str) -> None:
    """Also where the reader has settings of matplotlib; nothing of this machine or hour is in the page."""
    with mpl.rc_context({"font.size": 30, "axes.labelpad": 30, "svg.hashsalt": "other", "legend.markerscale": 3}):
        again = build(NO_PLUGINS, runs, talk.parent, True, lambda line: None)
    assert html.render(again) == text
    assert str(talk.parent) not in text
    assert str(runs[0].parent) not in text


# ---------------------------------------- what may be shown


def test_text_is_shown_with_its_terms(page: Page) -> None:
    """Before anything else the page says whose words these are, and what may be done with them."""
    assert "Its terms: only for reading." in page.text
    assert any(attributes.get("content") == "noindex" for _, attributes in page.elements)


@pytest.mark.parametrize("at_hand", [True, False])
def test_no_text_means_no_text(talk: Path, runs: list[Path], tmp_path: Path, at_hand: bool) -> None:
    """With --no-text, and where the data are not at hand, no word and no speaker of a dialogue is written."""
    wishes = Wishes(talk.parent if at_hand else None, text=not at_hand, markdown=True)
    written = write(NO_PLUGINS, runs[:1], tmp_path / "page.html", wishes, lambda line: None)
    assert not written.has_text
    assert written.files == (tmp_path / "page.html", tmp_path / "page.md")
    plain = Page(written.files[0].read_text(encoding="utf-8")).text
    turns = [turn for dialogue in gold_of(talk).corpus.test for turn in dialogue.utterances]
    for file in written.files:
        content = file.read_text(encoding="utf-8")
        assert "Ann" not in content
        assert not re.search(r"test \d+\.\d", content)
    assert ("talk/test/" in plain) == at_hand
    assert len(turns) > 20
    assert ("tells gold labels" in plain) == at_hand
    assert ("not at hand" in plain) != at_hand


def test_vectors_are_drawn_or_it_says_how_to_keep_them(page: Page, report: Report) -> None:
    """Label vectors are named in the picture; a system without kept vectors shows the command that keeps them."""
    first, second = [part for part in walk(report) if part.title == "Test vectors"]
    assert sum(isinstance(block, Figures) for block in first.blocks) == 1
    assert "No vectors were kept" in page.text
    assert f"{squeezed(HOSTILE)} --force" in page.text
    assert not any(isinstance(block, Figures) for block in second.blocks)
    [figures] = [block for block in first.blocks if isinstance(block, Figures)]
    assert all("excited" in figure.svg for figure in figures.figures)
    assert all(figure.svg.count("<use") > 40 for figure in figures.figures)


# ---------------------------------------- the command


def test_the_command_writes_a_page(talk: Path, runs: list[Path], tmp_path: Path) -> None:
    """It says what it wrote, and that dialogue text is in it."""
    target = tmp_path / "out" / "talk.html"
    arguments = [str(runs[1]), "--to", str(target), "--data-dir", str(talk.parent)]
    found = CliRunner().invoke(command, arguments)
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines()[0] == f"Wrote {target.as_posix()}"
    assert "Dialogue text is in it" in found.stdout
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not target.with_suffix(".md").exists()


def test_the_page_must_be_html(runs: list[Path], tmp_path: Path) -> None:
    """Another ending is refused, so that Markdown and page cannot be one file."""
    found = CliRunner().invoke(command, [str(runs[0]), "--to", str(tmp_path / "page.md")])
    assert isinstance(found.exception, UsageError)
