"""The pages hold together: links lead somewhere, named folders exist, generated pages are fresh."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from ibkr_pipeline_tests.docs.pages import anchors, blocks, links, pages, prose
from ibkr_pipeline_tests.repository import ROOT, relative

#: A path in backticks that begins with a folder of the repository.
NAMED_PATH = re.compile(
    r"`((?:ibkr_pipeline|ibkr_pipeline_tests|docs|deploy|benchmarks|tools)/[\w./-]*)`"
)


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    """A reader who follows a link must not end at nothing."""
    broken = [link for link in links(page) if "://" not in link and not _leads(page, link)]

    assert [] == broken


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_named_folders_and_files_exist(page: Path) -> None:
    """Documentation that describes what is not there is worse than none."""
    named = NAMED_PATH.findall(prose(page))

    assert [] == [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_every_page_can_be_reached_from_the_map(page: Path) -> None:
    """A page nobody can find helps nobody."""
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        current = waiting.pop()
        if current in reached or current.suffix != ".md" or not current.is_file():
            continue
        reached.add(current)
        waiting += [
            (current.parent / link.split("#")[0]).resolve()
            for link in links(current)
            if "://" not in link and link.split("#")[0]
        ]

    assert page in reached


def test_generated_pages_are_fresh() -> None:
    """The reference says what the code says; `make docs` writes it anew."""
    expected = _generator().pages()

    assert expected == {path: path.read_text(encoding="utf-8") for path in expected}


def test_no_page_gives_an_account_code_of_somebody() -> None:
    """Examples use the codes nobody has."""
    codes = {
        code
        for page in pages()
        for text in (prose(page), *(block.text for block in blocks(page)))
        for code in re.findall(r"\b(?:DU|DF|U)\d{5,}\b", text)
    }

    assert set() == {code for code in codes if not re.fullmatch(r"(?:DU|DF|U)000000\d", code)}


def _leads(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors(target)


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
