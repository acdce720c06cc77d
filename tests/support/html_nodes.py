"""HTML -> elements, strictly: what is not closed, or closed twice, is an error. For tests of pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "hr"}
DASHES = str.maketrans({"\N{EN DASH}": "-", "\N{MINUS SIGN}": "-"})


@dataclass
class Node:
    """An element as a browser reads it; `text` is all that is written in it."""

    tag: str
    attributes: dict[str, str | None]
    parts: list[Node | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it."""
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    def all(self, tag: str = "", **wanted: str) -> list[Node]:
        """The elements below this one, by tag and attributes; a class may be one of several."""
        found = []
        for part in self.parts:
            if isinstance(part, Node):
                found += [part] if part.fits(tag, wanted) else []
                found += part.all(tag, **wanted)
        return found

    def fits(self, tag: str, wanted: dict[str, str]) -> bool:
        """Whether it has this tag and these attributes."""
        words = {key: (self.attributes.get(key) or "").split() for key in wanted}
        return tag in ("", self.tag) and all(value in words[key] for key, value in wanted.items())


class Reader(HTMLParser):
    """HTML -> nodes; an element that is not closed, or closed twice, is an error."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Node("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        node = Node(tag, dict(attrs))
        assert len(node.attributes) == len(attrs), f"an attribute of {tag} is there twice"
        self.open[-1].parts.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that holds nothing."""
        self.open[-1].parts.append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        assert self.open.pop().tag == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        """Text."""
        self.open[-1].parts.append(data)


def read(text: str) -> Node:
    """The document of a page."""
    reader = Reader()
    reader.feed(text)
    reader.close()
    [root] = reader.open
    return root


def words(node: Node) -> str:
    """The text of an element with single blanks; every dash and minus is ``-``."""
    return " ".join(node.text.split()).translate(DASHES)
