"""The doctor's look at configured strategies: does each class path lead to a class?

What lives here: finding the file and parsing it. What must not: importing it; a strategy's code
runs when it is evaluated and at no other time.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ibkr_pipeline.pipelines.doctor_findings import DoctorFinding, fail, ok, warn
from ibkr_pipeline.settings import Settings, StrategySettings


def examine_strategies(
    settings: Settings, *, search_path: Sequence[str] | None = None
) -> tuple[DoctorFinding, ...]:
    """Look for the class of every configured strategy.

    Args:
        settings: Which strategies.
        search_path: Folders modules are looked for in; the current one and Python's by default.
    """
    folders = [Path(item or ".") for item in (search_path or (".", *sys.path))]
    return tuple(_examine(strategy, folders) for strategy in settings.strategies)


def _examine(strategy: StrategySettings, folders: Sequence[Path]) -> DoctorFinding:
    module, _, name = strategy.class_path.rpartition(".")
    check = f"strategy {strategy.name}"
    problem = _problem(module, name, folders)
    if problem is None:
        return ok(check, f"class {strategy.class_path}")
    finding = fail if strategy.enabled else warn
    return finding(
        check,
        problem,
        expected=f"a class {name} in module {module}",
        mend=f"correct strategies.class_path, or add the file (looked in {len(folders)} folders)",
    )


def _problem(module: str, name: str, folders: Sequence[Path]) -> str | None:
    file = next(iter(_files(module, folders)), None)
    if file is None:
        return f"module {module} was not found"
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        return f"{file} cannot be parsed: {error}"
    return None if name in _bound_names(tree) else f"{file} has no class {name}"


def _files(module: str, folders: Sequence[Path]) -> Iterator[Path]:
    relative = Path(*module.split("."))
    for folder in folders:
        for candidate in (folder / relative.with_suffix(".py"), folder / relative / "__init__.py"):
            if candidate.is_file():
                yield candidate


def _bound_names(tree: ast.Module) -> set[str]:
    """Return the classes a module defines and the names it imports."""
    names = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names
