"""The static site in headless Chromium: it sorts, filters, opens and remembers, and runs nothing but its own script."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import board_values as made
import pytest

from ercbench.leaderboard.board_json import Leaderboard
from ercbench.leaderboard.site import render_site

pytestmark = pytest.mark.browser

INJECTED = """<script>window.hacked = 1</script><img src="x.png" onerror="window.hacked = 1">
<iframe src="javascript:parent.hacked = 1"></iframe><style>body { display: none }</style>
<a id="trap" href="javascript:window.hacked = 1" style="color: red">trap</a><script src="evil.js"></script>"""
OVERFLOW = """return [...document.querySelectorAll('body *')].filter(one =>
    one.getBoundingClientRect().right > innerWidth + 1 ||
    (one.matches('td, th, dd, dt') && !one.querySelector('.unseen') && one.scrollWidth > one.clientWidth + 1)
).map(one => one.outerHTML.slice(0, 80))"""
PAGES = [(name, page) for name in ("example", "hostile") for page in ("index.html", "talk.html")]
NONSENSE = ["status=none&sort=x.y.z&open=nothing&context=%", "sort=mini-past.f1.sideways", "%", "=&&=", "open=main"]


class Browser:
    """A page of a site in Chromium. Every load starts with an empty console."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver, self.folder = driver, folder

    def open(self, page: str = "talk.html", width: int = 1280, dark: bool = False) -> None:
        """Load a page of the site, at a width, in one of the two colour schemes."""
        self.driver.get("about:blank")
        self.problems()
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=scheme)
        phone = width < 600
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=phone)
        self.driver.get((self.folder / page.partition("#")[0]).as_uri() + "".join(page.partition("#")[1:]))

    def send(self, command: str, **values: Any) -> Any:
        """A command of the Chrome DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, values)

    def run(self, script: str, *arguments: Any) -> Any:
        """The result of a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def some(self, selector: str) -> Any:
        """The first element that fits."""
        return self.driver.find_element("css selector", selector)

    def shown(self, table: str = "mini-past") -> list[str]:
        """What the rows of a table that can be seen are called, in their order."""
        script = """return [...document.querySelectorAll(`#${arguments[0]} > tbody > tr.row`)]
            .filter(row => row.checkVisibility()).map(row => row.querySelector('th').textContent.split('@')[0])"""
        return list(self.run(script, table))

    def sorted(self, table: str = "mini-past") -> dict[str, str]:
        """By column: how a table says it is sorted."""
        script = """return Object.fromEntries([...document.querySelectorAll(`#${arguments[0]} th[aria-sort]`)]
            .map(head => [head.dataset.key, head.getAttribute('aria-sort')]))"""
        return dict(self.run(script, table))

    def state(self) -> str:
        """What stands behind the # of the address, once the page has settled."""
        self.run("return new Promise(done => setTimeout(done, 250))")
        return str(self.run("return decodeURIComponent(location.hash.slice(1).replaceAll('+', ' '))"))

    def problems(self) -> list[str]:
        """What the console says, since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that were asked for, since it was last asked."""
        events = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """Headless Chromium. The tests are skipped where it, its driver or selenium is missing."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed; it comes with `test`")
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    service = shutil.which("chromedriver")
    if binary is None or service is None:
        pytest.skip("chromium and chromedriver are not installed (Debian: apt install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium's sandbox does not work for root
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(service))
    yield found
    found.quit()


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a site made of the boards that this name gives."""
    folder = tmp_path_factory.mktemp("sites")
    boards: dict[str, Callable[[], Leaderboard]] = {
        "example": made.example,
        "hostile": made.hostile,
        "long": lambda: made.many(130, seeds=1),
    }

    def write(name: str) -> Path:
        if not (folder / name).exists():
            (folder / name).mkdir()
            for page, text in render_site(boards[name]()):
                (folder / name / page).write_text(text, encoding="utf-8")
        return folder / name

    return write


@pytest.fixture
def browser(driver: Any, sites: Callable[[str], Path]) -> Iterator[Browser]:
    """Chromium with the example site; after every test the console must be empty."""
    found = Browser(driver, sites("example"))
    yield found
    assert found.problems() == []


def test_a_click_sorts_a_column_and_another_turns_it_round(browser: Browser) -> None:
    """Numbers begin with the highest, words with A; groups stay apart and aria-sort says what holds."""
    browser.open()
    assert browser.shown() == ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
    assert browser.sorted() == {"rank": "ascending"}
    browser.some("#mini-past th[data-key=method] button").click()
    browser.some("#mini-past th[data-key=method] button").click()
    assert browser.sorted() == {"method": "descending"}
    assert browser.shown() == ["gamma", "beta", "alpha", "delta", "epsilon", "zeta"]
    browser.some("#mini-past th[data-key=f1] button").click()
    assert browser.sorted() == {"f1": "descending"}
    assert browser.shown()[:3] == ["alpha", "beta", "gamma"]
    assert browser.sorted("full-past") == {"rank": "ascending"}


@pytest.mark.parametrize("key", ["rank", "method", "f1", "interval", "macro", "dev", "seeds", "status"])
def test_every_column_sorts_by_keyboard(browser: Browser, key: str) -> None:
    """A heading is a button that can be seen to have the focus; Enter sorts."""
    browser.open()
    heading = browser.some(f"#mini-past th[data-key={key}] button")
    browser.run("arguments[0].focus({focusVisible: true})", heading)
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    before = browser.sorted().get(key)
    heading.send_keys("\ue007")
    assert browser.sorted() == {key: "descending" if before else browser.sorted()[key]}
    assert len(browser.sorted()) == 1


def test_rows_without_a_value_stand_last(browser: Browser) -> None:
    """Sorted either way, a row without an interval is below those that have one."""
    boards = made.example().model_copy(
        update={"boards": [made.board(made.section(made.task(
            [made.row(1, "alpha", over_dialogues=None), made.row(2, "beta"), made.row(3, "gamma")]
        )))]}
    )  # fmt: skip
    [_, (_, text)] = render_site(boards)
    (browser.folder / "gaps.html").write_text(text, encoding="utf-8")
    browser.open("gaps.html")
    orders = []
    for _ in range(2):
        browser.some("#mini-past th[data-key=interval] button").click()
        orders.append(browser.shown())
    assert orders == [["beta", "gamma", "alpha"], ["gamma", "beta", "alpha"]]


def test_filters_leave_what_was_asked_for(browser: Browser) -> None:
    """By words, by status, by track and by context; empty groups and tables go, and the count is told."""
    browser.open()
    assert browser.some("output").text == "13 rows"
    browser.some("[name=q]").send_keys("large ALPHA")
    assert (browser.shown("full-past"), browser.shown()) == (["alpha"], [])
    assert browser.some("output").text == "1 of 13 rows"
    assert not browser.some("#published-text").is_displayed()
    browser.some("button[type=reset]").click()
    browser.run("return new Promise(done => setTimeout(done))")
    assert browser.some("output").text == "13 rows"
    browser.some("[name=track]").send_keys("mini")
    assert (browser.shown("full-past"), len(browser.shown()), browser.shown("mini-full")) == ([], 6, ["alpha"])
    browser.some("[name=context]").send_keys("past")
    assert (len(browser.shown()), browser.shown("mini-full")) == (6, [])
    browser.some("[value=verified]").click()
    assert browser.shown() == ["delta"]
    browser.some("[value=reproduced]").click()
    assert browser.some(".nothing").is_displayed()
    browser.some(".nothing button").click()
    browser.run("return new Promise(done => setTimeout(done))")
    assert browser.some("output").text == "13 rows"
    for name in ("verified", "reproduced"):
        browser.some(f"[value={name}]").click()
    assert browser.shown("published-text") == ["Theirsencoder", "Olderencode" + "r"]
    assert browser.shown() == []


def test_a_row_opens_and_closes(browser: Browser) -> None:
    """By its name with the keyboard, or by a click anywhere on it; what it opens stays below it when sorted."""
    browser.open()
    panel = browser.some("#mini-past tr.row + tr.more")
    assert not panel.is_displayed()
    browser.some("#mini-past summary").send_keys("\ue007")
    assert panel.is_displayed()
    assert "ercbench run alpha --dataset talk --track mini --seed 1" in panel.text
    for text in ("anger", "69.70", "68.50 to 70.90", "The paper of alpha", "weighted_f1|classes:7"):
        assert text in panel.text
    browser.some("#mini-past th[data-key=f1] button").click()
    browser.some("#mini-past th[data-key=f1] button").click()
    assert browser.shown()[:3] == ["gamma", "beta", "alpha"]
    assert browser.run("return arguments[0].previousElementSibling.textContent.includes('alpha')", panel)
    browser.run("arguments[0].previousElementSibling.querySelector('td.plot').click()", panel)
    assert not panel.is_displayed()


def test_the_commands_of_a_row_can_be_copied(browser: Browser) -> None:
    """The button puts one command per seed on the clipboard and says so."""
    browser.open()
    browser.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    browser.some("#mini-past summary").click()
    button = browser.some("#mini-past .copy")
    button.click()
    browser.run("return new Promise(done => setTimeout(done, 100))")
    assert button.text == "Copied"
    commands = "\n".join(f"ercbench run alpha --dataset talk --track mini --seed {seed}" for seed in range(3))
    assert browser.run("return navigator.clipboard.readText()") == commands


def test_a_view_can_be_linked(browser: Browser) -> None:
    """What was filtered, sorted and opened stands in the address, and the address brings it back."""
    browser.open()
    browser.some("[name=q]").send_keys("a")
    browser.some("[name=track]").send_keys("mini")
    browser.some("[value=published]").click()
    browser.some("#mini-past th[data-key=method] button").click()
    browser.some("#mini-past th[data-key=method] button").click()
    browser.some("#mini-past summary").click()
    opened = browser.run("return document.querySelector('details.open[open]').closest('tr').id")
    state = browser.state()
    assert state == f"q=a&track=mini&status=verified reproduced&sort=mini-past.method.descending&open={opened}"
    before = browser.shown(), browser.sorted()
    address = browser.driver.current_url
    browser.open("talk.html")
    assert browser.shown() != before[0]
    browser.driver.get("about:blank")
    browser.driver.get(address)
    assert (browser.shown(), browser.sorted()) == before
    assert browser.some(f"#{opened} + tr.more").is_displayed()
    assert [box.is_selected() for box in browser.driver.find_elements("name", "status")] == [True, True, False]
    browser.run("location.hash = ''")
    assert browser.state() == ""
    assert (browser.shown()[0], browser.sorted()) == ("alpha", {"rank": "ascending"})


@pytest.mark.parametrize("hash", NONSENSE)
def test_an_address_that_makes_no_sense_does_no_harm(browser: Browser, hash: str) -> None:  # noqa: A002
    """What is not known is left out; the page works."""
    browser.open(f"talk.html#{hash}")
    assert browser.sorted() == {"rank": "ascending"}
    browser.some("[name=q]").clear()
    browser.some("#mini-past th[data-key=f1] button").click()
    assert browser.sorted() == {"f1": "descending"}


def test_a_link_to_a_row_opens_it(browser: Browser) -> None:
    """The anchor of a row scrolls to it, opened; without JavaScript too."""
    row = made.example().boards[1].sections[0].tasks[1].rows[2]
    browser.open(f"talk.html#row-{row.id}")
    assert browser.some(f"#row-{row.id} + tr.more").is_displayed()
    assert (
        browser.run("return document.getElementById(arguments[0]).getBoundingClientRect().top", f"row-{row.id}") < 900
    )


def test_nothing_leaves_the_folder(browser: Browser) -> None:
    """Loading, sorting, filtering and opening ask for the page itself and nothing else."""
    browser.open()
    browser.requests()
    browser.open("index.html")
    browser.open("talk.html")
    browser.some("#mini-past summary").click()
    browser.some("[name=q]").send_keys("alpha")
    asked = [url for url in browser.requests() if not url.startswith(("about:", "data:"))]
    assert asked == [(browser.folder / name).as_uri() for name in ("index.html", "talk.html")]


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize(("name", "page"), PAGES)
def test_no_page_is_wider_than_the_screen(
    browser: Browser, sites: Callable[[str], Path], name: str, page: str, width: int
) -> None:
    """With every row open nothing sticks out, on a phone nor on a desk, however long the names."""
    browser.folder = sites(name)
    browser.open(page, width)
    browser.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run(OVERFLOW) == []


def test_a_phone_sorts_by_a_list(browser: Browser) -> None:
    """Columns that a phone leaves out can be sorted by all the same, and a row opens what they say."""
    browser.open(width=390)
    assert not browser.some("#mini-past th[data-key=macro]").is_displayed()
    browser.some("#mini-past-title ~ .order select").send_keys("Macro F1")
    assert browser.sorted() == {"macro": "descending"}
    browser.some("#mini-past summary").click()
    assert "Macro F1, dev F1" in browser.some("#mini-past tr.more").text


@pytest.mark.parametrize("page", ["index.html", "talk.html"])
def test_dark_mode_follows_the_system(browser: Browser, page: str) -> None:
    """The same page is dark on light, or light on dark."""
    script = "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
    brightness = []
    for dark in (False, True):
        browser.open(page, dark=dark)
        brightness.append([sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in browser.run(script)])
    (light_ground, light_ink), (dark_ground, dark_ink) = brightness
    assert (light_ground > 700, light_ink < 150) == (True, True)
    assert (dark_ground < 150, dark_ink > 600) == (True, True)


def test_hostile_names_do_not_run(browser: Browser, sites: Callable[[str], Path]) -> None:
    """Names made of scripts are shown as text, also after sorting, filtering and opening; the console is empty."""
    browser.folder = sites("hostile")
    for page in ("index.html", "talk.html"):
        browser.open(page)
        browser.run("for (const one of document.querySelectorAll('details')) one.open = true")
        for button in browser.driver.find_elements("css selector", "thead button"):
            browser.run("arguments[0].click()", button)
        browser.some("[name=q]").send_keys("<script>")
        browser.run("return new Promise(done => setTimeout(done, 300))")
        assert browser.run("return window.hacked") is None
        assert made.HOSTILE[0] in browser.some("main").text


def test_even_unescaped_names_would_not_run(browser: Browser) -> None:
    """With markup put into the page as if escaping had failed, the policy stops every script, style and request."""
    text = (browser.folder / "talk.html").read_text(encoding="utf-8")
    (browser.folder / "unescaped.html").write_text(text.replace("</main>", INJECTED + "</main>"), encoding="utf-8")
    browser.open("unescaped.html")
    browser.requests()
    browser.run("document.getElementById('trap').click()")
    browser.run("return new Promise(done => setTimeout(done, 200))")
    assert browser.run("return window.hacked") is None
    assert browser.some("h1").is_displayed()
    assert browser.shown()[0] == "alpha"
    complaints = browser.problems()
    assert len(complaints) >= 6
    assert all("Content Security Policy" in complaint for complaint in complaints)


def test_the_site_works_without_javascript(browser: Browser) -> None:
    """Tables are there in their order, rows open, and there is no button that does nothing."""
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open()
        assert browser.some("#mini-past").is_displayed()
        assert not browser.driver.find_elements("css selector", "thead button")
        assert not browser.some("form.filters").is_displayed()
        summary, panel = browser.some("#mini-past summary"), browser.some("#mini-past tr.more")
        assert not panel.is_displayed()
        summary.click()
        assert panel.is_displayed()
        assert not browser.some("#mini-past .copy").is_displayed()
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_a_long_table_shows_its_first_rows_until_asked(browser: Browser, sites: Callable[[str], Path]) -> None:
    """Sorting and filtering reach all rows; the first hundred are shown, and all of them on demand."""
    browser.folder = sites("long")
    browser.open("talk-0.html")
    assert len(browser.shown("t0-past")) == 100
    browser.some("#t0-past th[data-key=macro] button").click()
    browser.some("#t0-past th[data-key=macro] button").click()
    assert browser.shown("t0-past")[0] == "method-0-0-129"
    assert len(browser.shown("t0-past")) == 100
    browser.some("[name=q]").send_keys("method-0-0-12")
    assert sorted(browser.shown("t0-past")) == sorted(
        ["method-0-0-12", *(f"method-0-0-12{digit}" for digit in range(10))]
    )
    assert not browser.some("details.all").is_displayed()
    browser.some("button[type=reset]").click()
    browser.run("return new Promise(done => setTimeout(done))")
    summary = browser.some("details.all summary")
    assert summary.text == "Show all 130 rows"
    summary.click()
    assert len(browser.shown("t0-past")) == 130
    assert browser.state() == "sort=t0-past.macro.ascending&rows=t0-past.1000"
    browser.run("location.hash = 'rows=t0-past.110'")
    browser.run("return new Promise(done => setTimeout(done, 100))")
    assert len(browser.shown("t0-past")) == 110
    link = browser.run("return document.querySelector('#t0-past tr.row > th > a').href")
    browser.driver.get(link)
    assert browser.some("tr.row:target + tr.more, tr.row:has(details[open]) + tr.more").is_displayed()
