"""The static site: the same bytes for the same boards, nothing from elsewhere, hostile text as text, usable by all."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import board_values as made
import pytest
from click.testing import CliRunner
from html_nodes import Node, read, words
from hypothesis import given
from hypothesis import strategies as st

from ercbench.cli import cli
from ercbench.errors import RecordError
from ercbench.leaderboard import write_site
from ercbench.leaderboard.board_json import Comparison, Interval, Leaderboard
from ercbench.leaderboard.site import pages as pages_file
from ercbench.leaderboard.site import render_site
from ercbench.leaderboard.site import tables as tables_file
from ercbench.leaderboard.site.plots import bar, range_plot, scale
from ercbench.leaderboard.site.tables import NEAREST

RESULTS = Path(__file__).parents[2] / "leaderboards"
STYLE = (Path(__file__).parents[2] / "ercbench/leaderboard/site/templates/style.css").read_text(encoding="utf-8")


def site(leaderboard: Leaderboard) -> dict[str, Node]:
    """The pages of a site by name."""
    return {name: read(text) for name, text in render_site(leaderboard)}


@cache
def example() -> dict[str, Node]:
    """The site of the boards that most tests look at."""
    return site(made.example())


def talk() -> Node:
    """Its page with rows of every kind."""
    return example()["talk.html"]


def line(page: Node, name: str) -> Node:
    """The first row of a page that is called so."""
    return next(row for row in page.all("tr", **{"class": "row"}) if row.all("th")[0].text.startswith(name))


def opened(page: Node, name: str) -> Node:
    """What the first row that is called so opens."""
    rows = page.all("tr")
    return rows[next(at for at, row in enumerate(rows) if row is line(page, name)) + 1]


def test_the_same_boards_give_the_same_bytes() -> None:
    """Two builds are equal, page by page, and the index comes first."""
    first = list(render_site(made.example()))
    assert first == list(render_site(made.example()))
    assert [name for name, _ in first] == ["index.html", "speech.html", "talk.html"]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> int:
    """So many rows of a table open on its first page, fewer than usual."""
    for module in (tables_file, pages_file):
        monkeypatch.setattr(module, "ROWS", 4)
    return 4


@pytest.mark.parametrize(
    "boards",
    [made.example(), made.hostile(), made.many(11), Leaderboard(boards=[])],
    ids=["all", "bad", "long", "none"],
)
def test_pages_are_well_formed(boards: Leaderboard, short: int) -> None:
    """Elements nest, no id is there twice, what an attribute refers to exists, and links within a site lead there."""
    found = site(boards)
    ids = {name: Counter(node.attributes["id"] for node in page.all() if "id" in node.attributes)
           for name, page in found.items()}  # fmt: skip
    for name, page in found.items():
        assert set(ids[name].values()) <= {1}
        for node in page.all():
            assert (node.attributes.get("aria-labelledby") or "main") in ids[name]
        for link in (node.attributes["href"] or "" for node in page.all("a")):
            target, _, anchor = unquote(link).partition("#")
            if not target.startswith(("records/", "leaderboard.json")):
                assert not anchor or anchor in ids[target or name]
                assert target in found or not target


def test_the_index_has_every_board() -> None:
    """A line per track and context protocol, with the tied first rows and the highest published number."""
    rows = [[words(cell) for cell in row.parts if isinstance(cell, Node)]
            for row in example()["index.html"].all("tr", **{"class": "row"})]  # fmt: skip
    assert rows == [
        ["Speech2,610 test utterances", "-", "-", "no runs yet", "-", "0", "50.1of 1"],
        ["Talk1", "full", "past", "alpha@1, beta@1", "68.85± 0.50", "2", "70.10of 4"],
        ["Talk1", "mini", "past", "alpha@1, beta@1", "69.70± 0.50", "3+ 3 not ranked", "70.10of 4"],
        ["Talk1", "mini", "full", "nothing ranked yet", "-", "0+ 1 not ranked", "70.10of 4"],
    ]


def test_ties_and_standings_are_visible() -> None:
    """Ranks are ranges; rows without a rank stand in groups of their own, each with its reason."""
    [table] = talk().all("table", id="mini-past")
    firsts = [words(body.all("th")[0]).partition("@")[0] for body in table.all("tbody")]
    assert firsts == [
        "alpha",
        "Not ranked yet: nobody who has the data compared these rows",
        "Not ranked: fewer than three seeds",
        "Not ranked: outside the rules",
    ]
    ranks = {words(row.all("th")[0]).split("@")[0]: words(row.all("td")[0])
             for row in table.all("tr", **{"class": "row"})}  # fmt: skip
    assert ranks["alpha"] == "1-2"
    assert ranks["beta"] == "1-3"
    assert ranks["epsilon"] == ranks["zeta"] == "-not ranked"
    assert "reason of outside-rules" in words(line(talk(), "zeta"))


def test_a_row_opens_everything_about_it() -> None:
    """Scores with both intervals, seeds with links, emotions, slices, comparisons, commands, signature."""
    [mini] = talk().all("table", id="mini-past")
    panel = opened(mini, "alpha@1")
    text = words(panel)
    for part in (
        "Weighted F169.70 ± 0.50",
        "95 % over dialogues67.70 to 71.70",
        "95 % over seeds68.50 to 70.90",
        "1-2 of 3",
        "anger69.70",
        "neutral39.70",
        "shift 1,20059.70",
        "beta@1+1.00-1.00 to +3.00tie",
        "Alpha as printed 69.90The paper of Alpha+0.40-1.60 to +2.40same track",
        "ercbench run alpha --dataset talk --track mini --seed 2",
        "weighted_f1|classes:7|data:talk@1|alpha",
        "The paper of alpha",
    ):
        assert part in text, part
    links = [node.attributes["href"] or "" for node in panel.all("a")]
    assert [link.rpartition("/")[2] for link in links[:3]] == ["seed-0.json", "seed-1.json", "seed-2.json"]
    assert all(re.fullmatch(r"records/talk/mini/\w+@1/seed-\d.json", link) for link in links[:3])
    assert panel.all("rect")[0].attributes["width"] == "69.7%"


def test_a_comparison_reads_from_the_side_of_its_row() -> None:
    """The lower of two rows sees the difference with the other sign."""
    rows = [made.row(0, "upper"), made.row(1, "lower")]
    of = made.task(rows)
    pair = Comparison(
        a=rows[0].id, b=rows[1].id, effect=0.021, interval=Interval(low=0.004, high=0.038), p=0.001,
        p_adjusted=0.0004, different=True,
    )  # fmt: skip
    board = made.board(made.section(of.model_copy(update={"comparisons": [pair]})))
    page = site(Leaderboard(boards=[board]))["talk.html"]
    assert "lower@1+2.10+0.40 to +3.80differentp < 0.001" in words(opened(page, "upper@1"))
    assert "upper@1-2.10-3.80 to -0.40differentp < 0.001" in words(opened(page, "lower@1"))


def test_only_the_nearest_comparisons_are_shown() -> None:
    """A row of a long table lists its neighbours, in the order of the table, and says how many there are."""
    rows = [made.row(at) for at in range(20)]
    every = [
        Comparison(a=a.id, b=b.id, effect=0.01, interval=Interval(low=0.0, high=0.02), p=1.0, p_adjusted=1.0,
                   different=False)
        for at, a in enumerate(rows) for b in rows[at + 1 :]
    ]  # fmt: skip
    of = made.task(rows).model_copy(update={"comparisons": every})
    page = site(Leaderboard(boards=[made.board(made.section(of))]))["talk.html"]
    panel = opened(page, "method-10@1")
    [table] = panel.all("table", **{"class": "compared"})
    assert [words(head) for head in table.all("th")] == [f"method-{at}@1" for at in (6, 7, 8, 9, 11, 12, 13, 14)]
    assert f"The {NEAREST} nearest of 19." in words(panel)


def test_published_rows_are_never_among_ours() -> None:
    """No table holds both, published tables have no ranks, and numbers of unknown versions stand apart."""
    ours, theirs = talk().all("table", **{"class": "ours"}), talk().all("table", **{"class": "published"})
    assert {row.attributes["data-status"] for table in ours for row in table.all("tr", **{"class": "row"})} == {
        "verified",
        "reproduced",
    }
    assert {row.attributes["data-status"] for table in theirs for row in table.all("tr", **{"class": "row"})} == {
        "published"
    }
    assert [table.attributes["id"] for table in theirs] == [
        "published-text", "published-text-unknown", "published-multimodal",
    ]  # fmt: skip
    for table in theirs:
        assert "rank" not in [head.attributes.get("data-key") for head in table.all("th")]
    assert [words(row)[:11] for row in theirs[0].all("tr", **{"class": "row"})] == ["Theirsencod", "Olderencode"]


def test_a_contaminated_encoder_is_flagged_on_its_row() -> None:
    """The flag stands on the row, the reason in what it opens."""
    assert "may have seen the test set" in words(line(talk(), "epsilon"))
    assert "Its encoder has read the scripts." in words(opened(talk(), "epsilon"))


@pytest.mark.parametrize("page", ["index.html", "talk.html"])
def test_hostile_text_is_text(page: str) -> None:
    """Every name tries to be a script: no element, attribute or link on a page comes from it, and all is readable."""
    found = site(made.hostile())[page]
    safe = example()[page]
    assert {node.tag for node in found.all()} <= {node.tag for node in safe.all()} | {"small", "dt"}
    names = {name for node in found.all() for name in node.attributes}
    assert not [name for name in names if name.startswith("on") or name in ("style", "srcdoc", "formaction")]
    assert len(found.all("script")) == 1
    assert found.all("script")[0].text == safe.all("script")[0].text
    links = [node.attributes["href"] or "" for node in found.all("a")]
    assert all(re.fullmatch(r"(records/|index\.html|talk\.html|leaderboard\.json|#)[\w@./#-]*", link) for link in links)
    shown = found.all("main")[0].text
    for text in made.HOSTILE[:3] if page == "index.html" else made.HOSTILE:
        assert text in shown


def test_text_that_turns_writing_round_is_dropped() -> None:
    """A right-to-left override in a name would show another name than the one it is."""
    row = made.row(0, "good\u202ednab\u200b\x07", encoder="two\nlines")
    page = site(Leaderboard(boards=[made.board(made.section(made.task([row])))]))["talk.html"]
    assert words(line(page, "gooddnab@1").all("th")[0]) == "gooddnab@1two lines"


@pytest.mark.parametrize("page", ["index.html", "speech.html", "talk.html"])
def test_only_the_pages_own_script_can_run(page: str) -> None:
    """The policy names the script and the style by their hashes and allows nothing else, not even to load a picture."""
    [meta] = example()[page].all("meta", **{"http-equiv": "Content-Security-Policy"})
    policy = dict(rule.split(" ", 1) for rule in (meta.attributes["content"] or "").split("; "))
    for rule, tag in (("script-src", "script"), ("style-src", "style")):
        [element] = example()[page].all(tag)
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert policy[rule] == f"'sha256-{digest}'"
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["trusted-types"] == "'none'"
    assert policy["img-src"] == "data:"


@pytest.mark.parametrize("page", ["index.html", "speech.html", "talk.html"])
def test_nothing_comes_from_elsewhere(page: str) -> None:
    """No link, picture, font or script of a page has an address beyond the site."""
    for node in example()[page].all():
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = node.attributes.get(name) or ""
            assert "//" not in value.replace("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'", "")
    assert not re.search(r"@import|url\(|https?:", STYLE)


@pytest.mark.parametrize("page", ["index.html", "speech.html", "talk.html"])
def test_pages_are_accessible(page: str) -> None:
    """Language, one h1, landmarks, captions, scopes and labels; what is drawn only is hidden and said in words."""
    found = example()[page]
    assert found.all("html")[0].attributes["lang"] == "en"
    assert [len(found.all(tag)) for tag in ("h1", "main", "header", "footer", "title")] == [1, 1, 1, 1, 1]
    assert words(found.all("title")[0])
    for table in found.all("table"):
        assert words(table.all("caption")[0])
        assert table.all("th")
    for head in found.all("th"):
        assert head.attributes.get("scope") in ("col", "row", "rowgroup")
    for control in found.all("input") + found.all("select"):
        assert any(control in label.all() and words(label) for label in found.all("label"))
    for picture in found.all("svg"):
        assert picture.attributes.get("aria-hidden") == "true" or any(picture in p.all() for p in found.all("svg"))
    levels = [int(node.tag[1]) for node in found.all() if re.fullmatch("h[1-6]", node.tag)]
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_tables_are_complete_without_javascript() -> None:
    """All rows are in the page in their order; what needs the script is not shown until it runs."""
    [form] = talk().all("form")
    assert "hidden" in form.attributes
    assert not [head for head in talk().all("thead") if head.all("button")]
    assert ".copy { display: none" in STYLE
    [ranked, *_] = talk().all("table", id="mini-past")[0].all("tbody")
    scores = [float(row.all("td")[1].all("b")[0].text) for row in ranked.all("tr", **{"class": "row"})]
    assert scores == sorted(scores, reverse=True)
    assert len(talk().all("tr", **{"class": "row"})) == 13
    assert len(talk().all("tr", **{"class": "more"})) == 9


def colours(scheme: str) -> dict[str, str]:
    """The colours of the style sheet, light or dark."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    return dict(re.findall(r"--(\w+): (#\w{6})", blocks[0] if scheme == "light" else blocks[1]))


def luminance(colour: str) -> float:
    """Of WCAG 2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "raised"])
@pytest.mark.parametrize("ink", ["ink", "quiet", "accent", "warn"])
def test_text_stands_out(scheme: str, ground: str, ink: str) -> None:
    """Every colour of text has the contrast of WCAG AA on every background, light and dark."""
    high, low = sorted((luminance(colours(scheme)[name]) for name in (ink, ground)), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_a_long_table_opens_its_further_rows_on_pages_of_their_own(short: int) -> None:
    """All rows are on the first page; those beyond the first ones wait, and link to where they open."""
    found = site(made.many(11))
    assert list(found) == ["index.html", "talk-0.html", "talk-0~2.html", "talk-0~3.html"]
    first = found["talk-0.html"]
    rows = first.all("tr", **{"class": "row"})
    assert len(rows) == 11
    waiting = [row for row in rows if "beyond" in (row.attributes["class"] or "")]
    assert waiting == rows[short:]
    assert len(first.all("tr", **{"class": "more"})) == short
    assert words(first.all("details", **{"class": "all"})[0]) == "Show all 11 rows"
    assert rows[short].all("a")[0].attributes["href"] == f"talk-0~2.html#{rows[short].attributes['id']}"
    assert rows[-1].all("a")[0].attributes["href"] == f"talk-0~3.html#{rows[-1].attributes['id']}"
    for number, count in ((2, short), (3, 3)):
        page = found[f"talk-0~{number}.html"]
        assert len(page.all("tr", **{"class": "row"})) == len(page.all("tr", **{"class": "more"})) == count
        assert not [row for row in page.all("tr") if "beyond" in (row.attributes.get("class") or "")]


def test_tables_of_one_name_have_addresses_of_their_own() -> None:
    """Two contents of a data set with the same track, and tracks that look alike, do not share an id."""
    tasks = [made.task([made.row(at, str(at))], track) for at, track in enumerate(["mini", "Mini!", "mini"])]
    other = made.section(made.task([made.row(9)]), fingerprint="sha256:" + "2" * 64)
    page = site(Leaderboard(boards=[made.board(made.section(*tasks), other)]))["talk.html"]
    assert [table.attributes["id"] for table in page.all("table", **{"class": "ours"})] == [
        "mini-past", "mini-past-2", "mini-past-3", "mini-past-4",
    ]  # fmt: skip


def test_a_data_set_called_index_is_refused() -> None:
    """Its page would be the index."""
    with pytest.raises(RecordError, match="name of the index"):
        list(render_site(Leaderboard(boards=[made.board(name="index")])))


@given(values=st.lists(st.floats(-0.5, 1.5), max_size=6))
def test_a_scale_is_round_and_holds_its_values(values: list[float]) -> None:
    """Its quarters are round numbers of points, every value lies on it, and it is not much wider than they are."""
    found = scale(values)
    width = found.high - found.low
    for value in values:
        assert found.low - 1e-9 <= value <= found.high + 1e-9
        assert 0 <= float(found.at(value).removesuffix("%")) <= 100
    assert float(f"{25 * width:.3g}") == pytest.approx(25 * width)
    if values and max(values) > min(values) + 0.01:
        assert width <= 5 * (max(values) - min(values))


def test_pictures_are_drawn_to_scale() -> None:
    """A dot, a band and a line stand where their numbers are; what goes on beyond the scale has an arrow."""
    on = scale([0.5, 0.6])
    assert (on.low, on.high) == (0.5, 0.6)
    plot = range_plot(on, 0.55, Interval(low=0.525, high=0.575), Interval(low=0.4, high=0.56))
    assert 'class="band" x1="25%" x2="75%"' in plot
    assert 'class="line" x1="0%" x2="60%"' in plot
    assert plot.count("<path") == 1
    assert 'cx="50%"' in plot
    assert 'width="100%"' in bar(1.2)
    assert 'width="41.2%"' in bar(0.412)


def test_an_interval_over_two_seeds_does_not_widen_the_table() -> None:
    """Two seeds give an interval wider than the table; the scale keeps to what can be compared."""
    wide = made.spread(0.6).model_copy(update={"interval": Interval(low=0.1, high=1.1)})
    rows = [made.row(0), made.row(1, standing="few-seeds", seeds=2, test=wide)]
    page = site(Leaderboard(boards=[made.board(made.section(made.task(rows)))]))["talk.html"]
    [ticks] = page.all("small", **{"class": "scale"})
    assert [words(tick) for tick in ticks.all("span")] == ["60", "80"]


# ---- The folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A copy of the committed boards."""
    return Path(shutil.copytree(RESULTS, tmp_path / "results"))


def linked(to: Path) -> set[Path]:
    """The files that the pages of a site link to."""
    found = set()
    for page in to.glob("*.html"):
        for node in read(page.read_text(encoding="utf-8")).all("a"):
            target = unquote((node.attributes["href"] or "").partition("#")[0])
            found |= {Path(to, target).resolve()} if target else set()
    return found


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_site_is_complete_in_its_folder(results: Path, tmp_path: Path) -> None:
    """Every link of a site leads to a file in the folder; the records are copies, byte for byte."""
    names = write_site(results, tmp_path / "site")
    assert names[:2] == ("index.html", "emorynlp.html")
    targets = linked(tmp_path / "site")
    assert targets
    assert all(path.is_file() and path.is_relative_to(tmp_path / "site") for path in targets)
    for name, content in files(tmp_path / "site" / "records").items():
        assert content == (results / "records" / name).read_bytes()
    assert not [name for name in files(tmp_path / "site") if name.endswith(".csv")]


def test_writing_again_changes_no_byte(results: Path, tmp_path: Path) -> None:
    """A site that is written over an earlier one, and one in another folder, are the same."""
    write_site(results, tmp_path / "one")
    before = files(tmp_path / "one")
    write_site(results, tmp_path / "one")
    write_site(results, tmp_path / "two")
    assert files(tmp_path / "one") == before == files(tmp_path / "two")


def test_records_can_stay_where_they_are(results: Path, tmp_path: Path) -> None:
    """With links instead of copies, and in the results folder itself, every link leads to the record."""
    write_site(results, tmp_path / "a b" / "site", copy=False)
    assert not (tmp_path / "a b" / "site" / "records").exists()
    before = files(results / "records")
    write_site(results, results)
    assert files(results / "records") == before
    for folder in (tmp_path / "a b" / "site", results):
        targets = linked(folder)
        assert all(path.is_file() for path in targets)
        assert any(path.is_relative_to(results / "records") for path in targets)


def test_what_is_no_longer_on_the_boards_leaves_the_site(results: Path, tmp_path: Path) -> None:
    """Pages and records of an earlier site go; files that are not ours stay."""
    to = tmp_path / "site"
    write_site(results, to)
    (to / "mine.html").write_text("<p>mine")
    shutil.rmtree(results / "records" / "iemocap")
    (results / "published.yaml").unlink()
    names = write_site(results, to)
    assert "iemocap.html" not in names
    assert sorted(path.name for path in to.glob("*.html")) == sorted([*names, "mine.html"])
    assert not list((to / "records" / "iemocap").rglob("*.json"))


def test_somebody_elses_pages_are_not_overwritten(results: Path, tmp_path: Path) -> None:
    """A folder with an index.html that ercbench did not write is refused, and so is a file."""
    (tmp_path / "index.html").write_text("<p>My home page")
    with pytest.raises(RecordError, match="did not write"):
        write_site(results, tmp_path)
    with pytest.raises(RecordError, match="is a file"):
        write_site(results, tmp_path / "index.html")
    assert (tmp_path / "index.html").read_text() == "<p>My home page"


def test_a_link_out_of_the_records_is_not_published(results: Path, tmp_path: Path) -> None:
    """A record that is a link to a file elsewhere is refused, named; nothing is written."""
    [record, *_] = sorted((results / "records").rglob("seed-0.json"))
    secret = tmp_path / "secret.json"
    secret.write_bytes(record.read_bytes())
    record.unlink()
    record.symlink_to(secret)
    with pytest.raises(RecordError, match=re.escape(record.relative_to(results).as_posix())):
        write_site(results, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_the_command_says_where_the_site_is(results: Path, tmp_path: Path) -> None:
    """Words for people, JSON for programs; a mistake ends with the code of its error."""
    to = tmp_path / "site"
    arguments = ["leaderboard", "site", "--results", str(results), "--to", str(to)]
    done = CliRunner().invoke(cli, arguments)
    assert (done.exit_code, done.output) == (0, f"Wrote 6 page(s). Open {to / 'index.html'}\n")
    done = CliRunner().invoke(cli, [*arguments, "--link-records", "--json"])
    assert json.loads(done.output)["written"][0] == "index.html"
    assert json.loads((to / "leaderboard.json").read_text())["boards"]
