"""The pages of the documentation as data: headings, links, code blocks, paths they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ibkr_pipeline_tests.repository import ROOT

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_SECTION = re.compile(
    r"^#{2,6} +(?P<title>.+?) *\n(?P<text>.*?)(?=^#{2,6} |\Z)", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^#{1,6} +(?P<title>.+?) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced code block.

    Attributes:
        page: Page it stands on.
        line: Line of its first line of code.
        language: First word of the fence.
        marks: Further words of the fence. `run`: a test executes it; `settings`, `scenario`: what
            a YAML block is.
        text: Its code.
    """

    page: Path
    line: int
    language: str
    marks: frozenset[str]
    text: str


def pages() -> tuple[Path, ...]:
    """Return the README and every page of the documentation."""
    return (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def blocks(page: Path) -> Iterator[Block]:
    """Yield the code blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        language, *marks = found["info"].split() or [""]
        yield Block(
            page=page,
            line=text.count("\n", 0, found.start("text")) + 1,
            language=language,
            marks=frozenset(marks),
            text=found["text"],
        )


def tables(page: Path) -> dict[str, list[list[str]]]:
    """Return heading -> rows of the tables below it, each a list of cells, without the header.

    A bar inside a cell is taken for the end of it.
    """
    found: dict[str, list[list[str]]] = {}
    for section in _SECTION.finditer(prose(page)):
        lines = [line for line in section["text"].splitlines() if line.startswith("|")]
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        ruled = [place for place, row in enumerate(rows) if set(row[0]) == {"-"}]
        heads = {place - 1 for place in ruled} | set(ruled)
        found[section["title"]] = [row for place, row in enumerate(rows) if place not in heads]
    return found


def links(page: Path) -> Iterator[str]:
    """Yield the target of every link and picture of a page."""
    for found in _LINK.finditer(prose(page)):
        yield found["target"]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = (found["title"] for found in _HEADING.finditer(prose(page)))
    return {
        "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")
        for title in titles
    }


def prose(page: Path) -> str:
    """Return the text of a page without its code blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))
