"""A matplotlib figure -> SVG that stands inside a page: the same bytes every time, in the page's colours and fonts.

Plots are drawn in a handful of stand-in colours, each of which becomes a variable of the page's style sheet, so that
one plot suits a light page, a dark one and paper.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, ACCENT, HEAT, PAPER, SECOND = (f"#0{n}0{n}0{n}" for n in range(1, 7))
_COLOURS = {
    INK: "currentColor",
    FAINT: "var(--line)",
    ACCENT: "var(--accent)",
    HEAT: "var(--heat)",
    PAPER: "var(--paper)",
    SECOND: "var(--second)",
}
SALT = "ercbench"
HALO = "halo"
"""Texts whose gid begins so get a rim in the colour of the page."""

_FONTS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'
_DROPPED = ("metadata", "title")
_LONG_NUMBER = re.compile(r"(-?\d+\.\d\d)\d+")
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": SALT,
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "hatch.linewidth": 0.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


@contextmanager
def canvas(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of this many inches and its axes, in the style of the report, whatever the user's own settings are."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(), warnings.catch_warnings():
        # Text is kept as text and set by the reader's fonts; here it is only measured.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots()


def inline(figure: Figure, name: str, title: str) -> Markup:
    """A figure, inside its `canvas` -> SVG to stand in a page.

    Args:
        figure: what was drawn.
        name: unlike that of every other plot of the page; its ids begin with it.
        title: what it shows, for whoever cannot see it.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314 (it was written by matplotlib one line above)
    _strip(root)
    ids = {found: f"{name}-{number}" for number, found in enumerate(_ids(root))}
    for element in root.iter():
        _reform(element, ids)
    for element in root.iter():
        _share_style(element)
    width = float(root.attrib["viewBox"].split()[2])
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-labelledby": f"{name}-title",
        "style": f"max-width: {1.45 * width:.0f}px; min-width: {min(0.9 * width, 2 * width - 340):.0f}px",
    }
    heading = ElementTree.Element("title", {"id": f"{name}-title"})
    heading.text = title
    root.insert(0, heading)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 (ElementTree has escaped every text)


def _strip(element: ElementTree.Element) -> None:
    """Leave out what a page does not need: names of namespaces, comments, metadata."""
    element.tag = element.tag.rpartition("}")[2]
    element.attrib = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
    element.text, element.tail = (text if text and text.strip() else None for text in (element.text, element.tail))
    for child in list(element):
        _strip(child)
        if child.tag in _DROPPED:
            element.remove(child)


def _ids(root: ElementTree.Element) -> list[str]:
    """The ids that something in the figure refers to."""
    used = {
        found
        for element in root.iter()
        for value in element.attrib.values()
        for found in re.findall(r"(?:^|url\()#([\w-]+)", value)
    }
    return [element.attrib["id"] for element in root.iter() if element.attrib.get("id") in used]


def _reform(element: ElementTree.Element, ids: dict[str, str]) -> None:
    """Ids of its own, colours and fonts of the page, shorter numbers."""
    old = element.attrib.pop("id", None)
    if old in ids:
        element.attrib["id"] = ids[old]
    elif old and old.startswith(HALO):
        element.attrib["class"] = HALO
    for name, value in element.attrib.items():
        text = re.sub(r"((?:^|url\()#)([\w-]+)", lambda found: found[1] + ids.get(found[2], found[2]), value)
        element.attrib[name] = _LONG_NUMBER.sub(r"\1", text) if name in ("d", "x", "y", "transform") else text
    if style := element.attrib.get("style"):
        element.attrib["style"] = _styled(style)


def _styled(style: str) -> str:
    for colour, variable in _COLOURS.items():
        style = style.replace(colour, variable)
    return re.sub(r"(font: [^;']*)'[^;]*", lambda found: found[1] + _FONTS.replace('"', "'"), style)


def _share_style(group: ElementTree.Element) -> None:
    """Markers of one look get it from their group."""
    styles = {child.attrib.get("style") for child in group}
    if len(group) > 1 and {child.tag for child in group} == {"use"} and len(styles) == 1 and None not in styles:
        group.attrib["style"] = styles.pop() or ""
        for child in group:
            del child.attrib["style"]
