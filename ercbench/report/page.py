"""A report -> one HTML page that asks for nothing beside itself: style and plots are in it, scripts there are none."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from ercbench import __version__
from ercbench.leaderboard.html import html_environment
from ercbench.report.blocks import Report

TEMPLATES = Path(__file__).with_name("templates")


def render(report: Report) -> str:
    """Report -> HTML. Every string of the report is escaped; the plots, which ``svg.py`` made, stand as they are."""
    environment = html_environment(TEMPLATES)
    environment.filters["kind"] = lambda block: type(block).__name__
    style = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704 (it comes with ercbench)
    text = environment.get_template("page.html.j2").render(report=report, style=style, version=__version__)
    return "\n".join(line for line in map(str.strip, text.splitlines()) if line) + "\n"
