"""Templates -> HTML, for the site and for reports: what comes from outside is escaped, and none of it invisible."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ercbench.leaderboard.markdown import visible


def html_environment(templates: Path) -> Environment:
    """The environment of a folder of templates. A name that a template is not given is an error."""
    return Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        finalize=_cleaned,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _cleaned(value: object) -> object:
    """A value without characters that cannot be seen, such as those that turn writing round; then it is escaped."""
    return value if isinstance(value, Markup) else visible(str(value))
