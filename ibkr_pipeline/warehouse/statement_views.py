"""Which rows of statements, evidence and option events are current, given a cut in time.

What lives here: the SQL of the subjects that statements fill row by row. What must not: fills
(`fill_views.py`), or running it.

The newest statement wins, by the instant the broker made it; never the one that came in last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ibkr_pipeline.schemas import core, statements
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse.evidence_order import WITHDRAWN

_OWNER = ", ".join(core.OWNER)
_EVIDENCE = statements.OPTION_EVENT_EVIDENCE


def told_last(table: Table) -> Callable[[str], str]:
    """Return the query of one row per booking or subject: as the newest statement tells it."""

    def query(cut: str) -> str:
        return f"""
            SELECT {_columns(table)} FROM {table.name} WHERE {cut}
            QUALIFY row_number() OVER (
                PARTITION BY {_OWNER}, source_id ORDER BY generated_at DESC, version DESC
            ) = 1"""

    return query


def statement_positions(cut: str) -> str:
    """Positions at the end of each session, without those a newer statement no longer has."""
    latest = told_last(statements.STATEMENT_POSITIONS)(cut)
    return f"SELECT * FROM ({latest}) WHERE signed_quantity <> 0"


def pending_exercises(cut: str) -> str:
    """What was pending at the end of the last session any statement tells of."""
    latest = told_last(statements.PENDING_EXERCISES)(cut)
    return f"""
        SELECT * FROM ({latest}) AS told SEMI JOIN (
            SELECT {_OWNER}, max(to_date)::VARCHAR AS day
            FROM {statements.FLEX_STATEMENTS.name}
            WHERE section = 'PendingExercises' AND {cut} GROUP BY {_OWNER}
        ) AS days ON {" AND ".join(f"told.{name} = days.{name}" for name in core.OWNER)}
            AND split_part(told.source_id, ':', 1) = days.day"""


def flex_statements(cut: str) -> str:
    """Every section of every statement."""
    table = statements.FLEX_STATEMENTS
    return f"SELECT {_columns(table)} FROM {table.name} WHERE {cut}"


def evidence(cut: str) -> str:
    """One row per piece of evidence, without those withdrawn; an event once named stays so."""
    order = "(coalesce(generated_at, available_at), version)"
    columns = ", ".join(
        f'linked AS "{name}"' if name == "option_event_id" else f'"{name}"'
        for name in _EVIDENCE.schema
    )
    return f"""
        SELECT {columns} FROM (
            SELECT *, arg_max(option_event_id, {order}) OVER (
                    PARTITION BY {_OWNER}, evidence_id) AS linked,
                row_number() OVER (
                    PARTITION BY {_OWNER}, evidence_id ORDER BY {order} DESC) AS place
            FROM {_EVIDENCE.name} WHERE {cut}
        ) WHERE place = 1 AND NOT ({WITHDRAWN})"""


def option_events(cut: str) -> str:
    """One row per option event: what is to be said of it last."""
    table = statements.OPTION_EVENTS
    return f"""
        SELECT {_columns(table)} FROM {table.name} WHERE {cut}
        QUALIFY row_number() OVER (
            PARTITION BY {_OWNER}, option_event_id ORDER BY available_at DESC, version DESC
        ) = 1"""


def _columns(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)


#: Subject -> query of its current rows, given a cut.
STATEMENT_SELECTIONS: Mapping[str, Callable[[str], str]] = {
    "flex_statements": flex_statements,
    **{
        table.name.removeprefix("core."): told_last(table)
        for table in statements.TABLE_OF_SECTION.values()
    },
    "statement_positions": statement_positions,
    "pending_exercises": pending_exercises,
    "option_event_evidence": evidence,
    "option_events": option_events,
}
