"""Where the text of a query comes from, found in the source: from definitions, or from a value.

What lives here: the search. What must not: what is allowed (`test_sql_text.py`).

A name in an f-string of SQL is followed to where it was bound, a parameter to every call of its
function, and a call of a function to what that returns. What ends at a module's own names, at a
literal or at a definition is known when the program is written; what ends elsewhere is a value.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

_SQL = re.compile(
    r"\b(?:SELECT|FROM|WHERE|INSERT|UPDATE|DELETE|CREATE|ATTACH|COPY|JOIN|BETWEEN|CASE|IN \()|"
    r"IS DISTINCT|TIMESTAMPTZ|read_ndjson|arg_max"
)
#: Their text is that of an instant, whatever they are asked of.
_INSTANTS = {"isoformat", "stamp"}
#: Spans of time: their text is that of two instants and of the column they are given.
_SPANS = {"condition"}

Function = ast.FunctionDef | ast.Lambda


@dataclass(frozen=True)
class SqlText:
    """The SQL of some modules.

    Attributes:
        modules: File name -> syntax tree.
        definitions: Types of parameters that hold definitions alone, as they are annotated.
        checked: (file, parameter) that the code checks or quotes before it becomes text; the file
            may be `*`.
        entrances: Functions that are called from outside of these modules with what they check.
    """

    modules: Mapping[str, ast.Module]
    definitions: Collection[str]
    checked: Collection[tuple[str, str]]
    entrances: Collection[str] = ()

    def values(self) -> dict[tuple[str, str], list[str]]:
        """Return (file, parameter) of every value that becomes text -> where that SQL stands."""
        found: dict[tuple[str, str], list[str]] = {}
        for file, tree in self.modules.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr) and _is_sql(node):
                    for origin in self._origins(file, node):
                        found.setdefault(origin, []).append(f"{file}:{node.lineno}")
        return found

    def _origins(self, file: str, text: ast.JoinedStr) -> Iterator[tuple[str, str]]:
        """Yield the parameters a text comes from, other than definitions and checked ones."""
        waiting: list[tuple[str, ast.AST]] = [(file, text)]
        seen: set[ast.AST] = set()
        while waiting:
            place, node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            if isinstance(node, ast.arg):
                sources = self._arguments(place, node)
                if sources is None:
                    yield place, node.arg
            elif isinstance(node, ast.Name):
                sources = [(place, source) for source in self._bound_to(node)]
            else:
                sources = list(self._parts(place, node))
            waiting.extend(sources or ())

    def _parts(self, file: str, node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
        """Yield what a text is made of, with the file it stands in; conditions decide nothing."""
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id in self._results:
            yield from self._results[called.id]
        elif _is_instant(called or node) or _is_quoting(node):
            return
        elif isinstance(node, ast.Call) and isinstance(called, ast.Attribute):
            ours = () if called.attr in _SPANS else (called,)
            yield from ((file, part) for part in (*ours, *node.args, *node.keywords))
        elif isinstance(node, ast.Subscript):
            yield file, node.value
        elif isinstance(node, ast.IfExp):
            yield from ((file, node.body), (file, node.orelse))
        elif not isinstance(node, ast.Compare | ast.comprehension):
            yield from ((file, child) for child in ast.iter_child_nodes(node))

    def _bound_to(self, name: ast.Name) -> list[ast.AST]:
        """Return the parameter of that name, or what it is made from; nothing for a module's."""
        for function in self._functions_around(name):
            parameter = next((a for a in _parameters(function) if a.arg == name.id), None)
            sources: list[ast.AST] = list(_sources(function, name.id))
            if parameter is not None:
                return [parameter]
            if sources:
                return sources
        return []

    def _arguments(self, file: str, parameter: ast.arg) -> list[tuple[str, ast.AST]] | None:
        """Return what is passed for a parameter; None where that cannot be known.

        A method's calls are those of that name, on whatever.
        """
        annotation = ast.unparse(parameter.annotation) if parameter.annotation else ""
        if annotation in self.definitions or {(file, parameter.arg), ("*", parameter.arg)} & set(
            self.checked
        ):
            return []
        function = next(self._functions_around(parameter))
        name = _name_of(function)
        calls = [] if name in self.entrances else self._calls.get(name, [])
        passed = [(caller, _argument(function, parameter, call)) for caller, call in calls]
        return [(caller, node) for caller, node in passed if node is not None] if calls else None

    def _functions_around(self, node: ast.AST) -> Iterator[Function]:
        while (parent := self._parents.get(node)) is not None:
            if isinstance(parent, Function):
                yield parent
            node = parent

    @cached_property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        return {
            child: parent
            for tree in self.modules.values()
            for parent in ast.walk(tree)
            for child in ast.iter_child_nodes(parent)
        }

    @cached_property
    def _results(self) -> dict[str, list[tuple[str, ast.AST]]]:
        """Module-level functions -> what they return."""
        return {
            function.name: [
                (file, node.value)
                for node in ast.walk(function)
                if isinstance(node, ast.Return) and node.value is not None
            ]
            for file, tree in self.modules.items()
            for function in tree.body
            if isinstance(function, ast.FunctionDef)
        }

    @cached_property
    def _calls(self) -> dict[str, list[tuple[str, ast.Call]]]:
        calls: dict[str, list[tuple[str, ast.Call]]] = {}
        for file, tree in self.modules.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                    calls.setdefault(_called(node.func), []).append((file, node))
        return calls


def _is_sql(text: ast.JoinedStr) -> bool:
    constant = "".join(
        str(part.value) if isinstance(part, ast.Constant) else "?" for part in text.values
    )
    return _SQL.search(constant) is not None


def _parameters(function: Function) -> list[ast.arg]:
    arguments = function.args
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def _is_instant(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in _INSTANTS


def _is_quoting(node: ast.AST) -> bool:
    """Say whether a call doubles quotes: what a path needs where SQL takes no parameter."""
    doubling = (""".replace("'", "''")""", """.replace('"', '""')""")
    return isinstance(node, ast.Call) and ast.unparse(node).endswith(doubling)


def _name_of(function: Function) -> str:
    """Return the name a function is called by, as `_called` does."""
    if isinstance(function, ast.Lambda):
        return ""
    return f".{function.name}" if _is_method(function) else function.name


def _is_method(function: Function) -> bool:
    return [a.arg for a in _parameters(function)][:1] in (["self"], ["cls"])


def _called(function: ast.Name | ast.Attribute) -> str:
    """Return the name of a function, or a method's with a dot before it."""
    return function.id if isinstance(function, ast.Name) else f".{function.attr}"


def _argument(function: Function, parameter: ast.arg, call: ast.Call) -> ast.AST | None:
    """Return what a call passes for a parameter; None where it leaves the default."""
    named = next((k.value for k in call.keywords if k.arg == parameter.arg), None)
    place = _parameters(function).index(parameter) - _is_method(function)
    return named if named is not None or not 0 <= place < len(call.args) else call.args[place]


def _sources(function: Function, name: str) -> Iterator[ast.AST]:
    """Yield what a name is made from in a function: assigned, iterated over, appended."""
    for node in ast.walk(function):
        targets: list[ast.AST] = []
        source: ast.AST | None = None
        if isinstance(node, ast.Assign):
            targets, source = list(node.targets), node.value
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            targets, source = [node.target], node.value
        elif isinstance(node, ast.For | ast.comprehension):
            targets, source = [node.target], node.iter
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            targets, source = [node.optional_vars], node.context_expr
        elif _is_grown(node, name):
            yield node
        if source is not None and any(_names(target, name) for target in targets):
            yield source


def _is_grown(node: ast.AST, name: str) -> bool:
    """Say whether a call appends to a list of that name."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"append", "extend", "insert"}
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == name
    )


def _names(target: ast.AST, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(target))
