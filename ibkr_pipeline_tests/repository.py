"""The repository as data for the tests that check it: its root, its files, its syntax trees."""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ibkr_pipeline"

_LEFT_OUT = {".git", ".venv", "build", "dist", "data", "__pycache__"}


@cache
def repository_files() -> tuple[Path, ...]:
    """Return every file that belongs to the repository, tracked or about to be.

    Without git (an unpacked archive) every file outside caches and environments counts.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = listed.stdout.decode().split("\0")
        return tuple(ROOT / name for name in names if name and (ROOT / name).is_file())
    return tuple(sorted(_walk(ROOT)))


def package_modules() -> tuple[Path, ...]:
    """Return every Python file of the package."""
    return tuple(sorted(PACKAGE.rglob("*.py")))


@cache
def syntax_tree(path: Path) -> ast.Module:
    """Return the syntax tree of a Python file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def relative(path: Path) -> str:
    """Return `path` as the repository spells it."""
    return path.relative_to(ROOT).as_posix()


def imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted name of everything a module imports, wherever in it the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def _walk(folder: Path) -> Iterator[Path]:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _LEFT_OUT and not entry.name.endswith(("_cache", ".egg-info")):
                yield from _walk(Path(entry.path))
        elif entry.is_file() and not entry.name.startswith(".coverage"):
            yield Path(entry.path)
