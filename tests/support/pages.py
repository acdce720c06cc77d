"""What stands in a Markdown page: its blocks, the files it shows, its commands with what they print, its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path


def blocks(path: Path, *languages: str) -> list[str]:
    """The fenced blocks of a text in one of the languages."""
    fenced = re.findall(r"^```(\w+)\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [content for language, content in fenced if language in languages]


def named_files(path: Path) -> dict[str, str]:
    """The files that a text shows in full: a line with nothing but the name and a colon, then a block."""
    named = r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$"
    return dict(re.findall(named, path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


def console(path: Path) -> list[tuple[str, list[str]]]:
    """Every command of a text's console blocks, with the lines that are shown below it."""
    found: list[tuple[str, list[str]]] = []
    for block in blocks(path, "console"):
        assert block.startswith("$ "), f"{path.name}: a console block begins with a command"
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


def shown(line: str, output: str) -> bool:
    """Whether the output has a line; one that ends in ``...`` is the beginning of one."""
    lines = [printed.rstrip() for printed in output.splitlines()]
    if line.endswith("..."):
        return any(printed.startswith(line.removesuffix("...").rstrip()) for printed in lines)
    return line.rstrip() in lines


def write_files(path: Path, folder: Path) -> None:
    """Write the files that a text shows in full into a folder."""
    for name, content in named_files(path).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


def rows(path: Path, header: str) -> Iterator[list[str]]:
    """The cells of the table whose first column is called `header`, without the marks of code."""
    lines = path.read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"| {header} |"))
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            return
        yield [re.sub(r"^`([^`]*)`$", r"\1", cell.strip()) for cell in line.strip("|").split(" | ")]


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and the site make it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")


def prose(path: Path) -> str:
    """A text without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """The anchors of a text's headings."""
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)}
