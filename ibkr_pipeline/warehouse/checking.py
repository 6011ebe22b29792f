"""Whether rows fit their table.

What lives here: the check every row passes on its way into a table. What must not: what the rules
are; a table states them (`schemas/`), and pandera is what says which of them rows break.

Rows nearly always fit, and pandera takes tens of milliseconds, and as many MiB to import, to say
so. The same rules are asked in one pass first; only rows that may break one go on to pandera.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from ibkr_pipeline.schemas.table import Table

_LONGEST = 300


def problem_of(table: Table, rows: pl.DataFrame) -> str | None:
    """Return what is wrong with rows for a table, shortened; None where they fit."""
    if _fits(table, rows):
        return None
    # Imported here: pandera brings pandas, half a second and 60 MiB of it.
    import pandera.errors

    try:
        table.pandera.validate(rows)
    except (pandera.errors.SchemaError, pandera.errors.SchemaErrors) as error:
        # Its own text may repeat every failing row.
        text = " ".join(str(error).split())
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return None


def _fits(table: Table, rows: pl.DataFrame) -> bool:
    """Return whether rows keep every rule of the table's pandera schema."""
    if dict(rows.schema) != table.schema:
        return False
    if rows.is_empty():
        return True
    return all(rows.select(_rules(table)).row(0))


@cache
def _rules(table: Table) -> list[pl.Expr]:
    names = [pl.col(name) for name in table.key]
    key = names[0] if len(names) == 1 else pl.struct(names)
    kept = [key.n_unique() == pl.len()]
    for column in table.columns:
        if not column.nullable:
            kept.append(pl.col(column.name).null_count() == 0)
        if column.allowed:
            kept.append(pl.col(column.name).is_in(list(column.allowed)).all())
    return [rule.alias(str(at)) for at, rule in enumerate(kept)]
