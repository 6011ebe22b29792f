"""SQL is made of definitions alone; a value reaches a query as a parameter."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from ibkr_pipeline_tests.graph.sql_text import SqlText
from ibkr_pipeline_tests.repository import PACKAGE, syntax_tree

#: Types of parameters that hold nothing but definitions.
DEFINITIONS = {"Table", "Column", "Dataset", "_Subject"}
#: What other rooms call with words of their own.
ENTRANCES = {"as_of"}
#: Parameters that become text all the same, and why they may.
CHECKED = {
    ("reads.py", "basis"): "one of two words, else it raises",
    ("*", "cut"): "a condition in time; the one who makes it, reads.py, is looked at",
    ("read_copy.py", "connection"): "the name DuckDB itself gives the open database",
}


def test_no_value_becomes_part_of_a_query() -> None:
    """What a broker wrote may hold quotes and semicolons; bound, it stays what it is."""
    modules = {
        path.relative_to(PACKAGE / "warehouse").as_posix(): syntax_tree(path)
        for path in sorted((PACKAGE / "warehouse").rglob("*.py"))
    }

    assert {} == SqlText(modules, DEFINITIONS, CHECKED, ENTRANCES).values()
    assert set() == {
        one
        for one in CHECKED
        if not SqlText(modules, DEFINITIONS, set(CHECKED) - {one}, ENTRANCES).values()
    }


@pytest.mark.parametrize(
    ("source", "value"),
    [
        pytest.param(
            "def f(account): return f\"SELECT 1 FROM t WHERE a = '{account}'\"",
            "account",
            id="parameter",
        ),
        pytest.param(
            """
            def f(rows):
                ids = ", ".join(f"'{row['id']}'" for row in rows)
                return f"SELECT 1 FROM t WHERE id IN ({ids})"
            """,
            "rows",
            id="over a local name",
        ),
        pytest.param(
            """
            def f(rows):
                conditions = []
                for row in rows:
                    conditions.append(row)
                return f"SELECT 1 FROM t WHERE {' AND '.join(conditions)}"
            """,
            "rows",
            id="appended",
        ),
        pytest.param(
            """
            def _g(name): return f"SELECT 1 FROM t WHERE {name}"
            def f(symbol): return _g(symbol)
            """,
            "symbol",
            id="over a call",
        ),
        pytest.param(
            """
            def f(symbol):
                def inner(): return f"SELECT 1 FROM t WHERE {symbol}"
                return inner
            """,
            "symbol",
            id="in a closure",
        ),
    ],
)
def test_a_value_is_followed_to_where_it_comes_from(source: str, value: str) -> None:
    """Without this the search above could find nothing anywhere."""
    found = SqlText({"sample.py": _tree(source)}, DEFINITIONS, ()).values()

    assert {("sample.py", value)} == set(found)


@pytest.mark.parametrize(
    "source",
    [
        "NAME = 't'\ndef f(): return f'SELECT 1 FROM {NAME}'",
        "def f(table: Table): return f'SELECT 1 FROM {table.name}'",
        "def _g(n): return f'SELECT 1 FROM {n}'\ndef f(): return _g('t')",
        "def f(at): return f'WHERE a BETWEEN {at.isoformat()} AND b'",
        """
        def f(path):
            location = str(path).replace("'", "''")
            return f"ATTACH '{location}'"
        """,
        "def f(account): raise ValueError(f'{account} was asked for from nowhere.')",
    ],
    ids=["constant", "definition", "literal over a call", "instant", "quoted path", "message"],
)
def test_what_is_known_beforehand_is_let_through(source: str) -> None:
    """A rule that forbids everything would be switched off."""
    assert {} == SqlText({"sample.py": _tree(source)}, DEFINITIONS, ()).values()


def _tree(source: str) -> ast.Module:
    return ast.parse(dedent(source))
