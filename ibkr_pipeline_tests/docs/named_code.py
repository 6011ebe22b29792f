"""The code that pages name: files, and what `FILE::NAME` defines, looked up without importing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ibkr_pipeline_tests.docs.pages import prose
from ibkr_pipeline_tests.repository import ROOT, syntax_tree

_SPAN = re.compile(r"`([^`\n]+)`")
_NAMED = re.compile(r"(?P<path>ibkr_pipeline(?:_tests)?/[\w./-]*)(?:::(?P<name>[\w.:]+))?")
_DOTTED = re.compile(r"(?:ibkr_pipeline|ibkr_pipeline_tests)(?:\.\w+)+")


def named_code(page: Path) -> tuple[str, ...]:
    """Return every file, `FILE::NAME` and dotted path of the repository a page names."""
    spans = _SPAN.findall(prose(page))
    return tuple(text for text in spans if _NAMED.fullmatch(text) or _DOTTED.fullmatch(text))


def named_tests(text: str) -> tuple[str, ...]:
    """Return the `FILE::NAME` of tests that a text names."""
    spans = _SPAN.findall(text)
    return tuple(span for span in spans if span.startswith("ibkr_pipeline_tests/") and "::" in span)


def exists(named: str) -> bool:
    """Say whether a file, and the name defined in it, is in the repository."""
    found = _NAMED.fullmatch(named)
    if found is None:
        return _dotted_exists(named.split("."))
    path = ROOT / found["path"]
    if found["name"] is None:
        return path.exists()
    return path.is_file() and _is_defined(syntax_tree(path), re.split(r"::|\.", found["name"]))


def _dotted_exists(parts: Sequence[str]) -> bool:
    """Say whether a dotted path leads to a package, a module or a name defined in one."""
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        module = place.with_suffix(".py")
        if module.is_file():
            return _is_defined(syntax_tree(module), parts[length:])
        if (place / "__init__.py").is_file():
            return length == len(parts)
    return False


def _is_defined(tree: ast.Module, names: Sequence[str]) -> bool:
    inside: ast.AST = tree
    for name in names:
        found = next((node for known, node in _definitions(inside) if known == name), None)
        if found is None:
            return False
        inside = found
    return True


def _definitions(inside: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield what a module or class defines: functions, classes, fields, attributes of `self`."""
    for node in getattr(inside, "body", []):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node
        elif isinstance(node, ast.Assign):
            yield from (
                (target.id, node) for target in node.targets if isinstance(target, ast.Name)
            )
        if isinstance(inside, ast.ClassDef) and isinstance(node, ast.FunctionDef):
            yield from _attributes_of_self(node)


def _attributes_of_self(method: ast.FunctionDef) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(method):
        if not (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)):
            continue
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            yield node.attr, node
