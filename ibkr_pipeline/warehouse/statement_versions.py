"""What is new of a statement's rows: a row for every change, none for what is told again.

What lives here: the comparison of staged rows with those in core, by hashes, and the insert. What
must not: which row is current (`statement_views.py`), or the rules of one section.

A row is a new version if it differs from the one of its key that comes before it by the broker's
own order, the instant the statement was made; where none comes before, from the one after it.
Rows are compared by two hashes of 64 bits, computed on both sides in the same session; the wide
columns are read once and never held.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from ibkr_pipeline.schemas import core, meta
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse.conflicts import append_conflicts
from ibkr_pipeline.warehouse.transaction import WriteTransaction

_OWNER = ", ".join(core.OWNER)
_ASIDE = ("version", "load_id", "available_at", "recorded_at", "generated_at")
#: Fingerprint of a fill, as `known_keys.py` makes it.
_FINGERPRINT = f"('0x' || substr(sha1(concat_ws('|', {_OWNER}, fill_id)), 1, 10))::BIGINT"


_KNOWN_FILLS = (
    f"SELECT 1 FROM {meta.EXECUTION_KEYS.name} "
    "WHERE fingerprint IN (SELECT fingerprint FROM told_rows)"
)


#: Place of a staged row among all of the statement: its load, then its row.
_PLACE = "(list_position($load_ids, load_id)::BIGINT << 40) + row_number"
#: Memory of the database while rows are compared, and while they are copied in and committed; what
#: does not fit is written out, or read again. Copying 200,000 fills takes 180 MiB if it may and 45
#: so, and three times as many 480 and 70; it takes a third longer.
_SOME, _LITTLE = "256MiB", "32MiB"
_Parts = dict[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionedTable:
    """A table whose rows statements tell again.

    Attributes:
        table: The core table.
        key: Columns that identify what a row speaks of, without its version.
        day: Column that is part of the identity and bounds which rows are looked at, if any.
        window: Condition that a newer statement `header` speaks of the row `told`.
    """

    table: Table
    key: tuple[str, ...]
    day: str | None
    window: str

    @property
    def has_version(self) -> bool:
        """Whether versions are numbered."""
        return "version" in self.table.schema

    @property
    def key_hash(self) -> str:
        """SQL of the hash of the key."""
        return f"hash({_listed(self.key)})"

    @property
    def content_hash(self) -> str:
        """SQL of the hash of everything that makes a version."""
        names = [name for name in self.table.schema if name not in (*_ASIDE, "source_id")]
        return f"hash({_listed(names)})"


def spare_memory(transaction: WriteTransaction) -> None:
    """Let the database write out what it holds, also in the commit, instead of keeping it.

    For what is left of the transaction, and of its connection.
    """
    # What is in use cannot be written out; then all is well without.
    with contextlib.suppress(duckdb.OutOfMemoryException):
        _limit(transaction, _LITTLE)


def append_versions(
    transaction: WriteTransaction,
    versioned: VersionedTable,
    paths: Sequence[Path],
    load_ids: Sequence[str],
) -> pl.DataFrame:
    """Append the staged rows that say something new; return the counts of each load.

    Two rows of one statement with the same id and other content: of a statement's own rows the
    second is told apart by number; of fills the first is kept, the other goes to
    `meta.conflicts`.

    Args:
        transaction: The open transaction.
        versioned: What the rows are.
        paths: Parts of one statement.
        load_ids: Loads of the rows.

    Returns:
        load_id, n_read, n_new, n_changed, a row for each load that has rows.
    """
    parts: _Parts = {"paths": [str(path) for path in paths], "load_ids": list(load_ids)}
    _limit(transaction, _SOME)
    _tell(transaction, versioned, parts)
    _know(transaction, versioned, _bound(transaction, versioned))
    _compare(transaction)
    _report(transaction, versioned, parts)
    counts = _counts(transaction, load_ids)
    if _any(transaction, "SELECT 1 FROM fresh_rows"):
        _insert(transaction, versioned, parts)
    return counts


def _counts(transaction: WriteTransaction, load_ids: Sequence[str]) -> pl.DataFrame:
    counts = transaction.query(
        """SELECT told_rows.place_id >> 40 AS load_number, count(*) AS n_read,
            count(*) FILTER (WHERE is_first) AS n_new,
            count(*) FILTER (WHERE NOT is_first) AS n_changed
        FROM told_rows LEFT JOIN fresh_rows USING (place_id)
        WHERE told_rows.place = 1 GROUP BY ALL"""
    )
    numbers = pl.DataFrame(
        {"load_id": list(load_ids), "load_number": range(1, 1 + len(load_ids))},
        schema={"load_id": pl.String, "load_number": pl.Int64},
    )
    return numbers.join(counts, on="load_number", how="inner").drop("load_number")


def _tell(transaction: WriteTransaction, versioned: VersionedTable, parts: _Parts) -> None:
    """Put identity and hashes of the staged rows into `told_rows`; `place` 2 repeats a row.

    Of fills that are all new the content is compared with nothing, and not looked at.
    """
    is_fill = versioned.table is core.EXECUTIONS
    _tell_rows(transaction, versioned, parts, with_content=not is_fill)
    again = transaction.connection.execute(
        "SELECT count(*) - count(DISTINCT key_hash) FROM told_rows"
    ).fetchall()[0][0]
    if is_fill and (again or _any(transaction, _KNOWN_FILLS)):
        _tell_rows(transaction, versioned, parts, with_content=True)
    by_content = "SELECT 1 FROM told_rows WHERE starts_with(source_id, 'row:')"
    if not is_fill and (again or _any(transaction, by_content)):
        _number(transaction, parts)
    elif again:
        _mark_repeated(transaction)


def _tell_rows(
    transaction: WriteTransaction,
    versioned: VersionedTable,
    parts: _Parts,
    *,
    with_content: bool,
) -> None:
    is_fill = versioned.table is core.EXECUTIONS
    extra = f"{_FINGERPRINT} AS fingerprint, event_ts" if is_fill else "NULL AS fingerprint"
    day = f'"{versioned.day}"' if versioned.day else "NULL::DATE"
    name = "NULL::VARCHAR" if is_fill else "source_id"
    content = versioned.content_hash if with_content else "0::UBIGINT"
    transaction.connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE told_rows AS
        SELECT {_PLACE} AS place_id, generated_at, {name} AS source_id,
            {versioned.key_hash} AS key_hash, {content} AS content_hash,
            {day} AS told_day, 1 AS place, {extra}
        FROM read_parquet($paths)""",
        parts,
    )


def _number(transaction: WriteTransaction, parts: _Parts) -> None:
    """Tell rows of one id apart: equal ones by number where content is the id, else by content."""
    owner_key = ", ".join(f"owners.{name}" for name in core.OWNER)
    transaction.connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE told_rows AS
        WITH owners AS (
            SELECT DISTINCT list_position($load_ids, load_id)::BIGINT AS load, {_OWNER}
            FROM read_parquet($paths)
        ), seen AS (
            SELECT *, place_id >> 40 AS load, starts_with(source_id, 'row:') AS is_by_content,
                min(place_id) OVER (PARTITION BY place_id >> 40, source_id, content_hash)
                    AS first_place,
                row_number() OVER (PARTITION BY place_id >> 40, source_id ORDER BY place_id) AS nth
            FROM told_rows
        ), numbered AS (
            SELECT *, CASE WHEN is_by_content THEN nth ELSE
                dense_rank() OVER (PARTITION BY load, source_id ORDER BY first_place) END AS number
            FROM seen
        ), named AS (
            SELECT * REPLACE (
                CASE WHEN is_by_content OR number > 1
                    THEN source_id || '#' || number ELSE source_id END AS source_id,
                CASE WHEN is_by_content OR place_id = first_place THEN 1 ELSE 2 END AS place
            ) FROM numbered
        )
        SELECT named.* EXCLUDE (load, is_by_content, first_place, nth, number)
            REPLACE (hash({owner_key}, named.source_id) AS key_hash)
        FROM named JOIN owners USING (load)""",
        parts,
    )


def _mark_repeated(transaction: WriteTransaction) -> None:
    transaction.connection.execute(
        """CREATE OR REPLACE TEMP TABLE told_rows AS
        SELECT * REPLACE (
            row_number() OVER (PARTITION BY key_hash ORDER BY place_id)::INTEGER AS place
        ) FROM told_rows"""
    )


def _know(transaction: WriteTransaction, versioned: VersionedTable, bound: str) -> None:
    """Put the hashes of the rows core has of the same keys into `known_rows`."""
    transaction.connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE known_rows AS
        SELECT {versioned.key_hash} AS key_hash, {versioned.content_hash} AS content_hash,
            generated_at, {"version" if versioned.has_version else "0"} AS version
        FROM {versioned.table.name}
        WHERE {bound}
            AND {versioned.key_hash} IN (SELECT key_hash FROM told_rows)
            AND generated_at IS NOT NULL"""
    )


def _bound(transaction: WriteTransaction, versioned: VersionedTable) -> str:
    """Return a condition that leaves most of the table unread."""
    if versioned.table is core.EXECUTIONS:
        transaction.connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE known_times AS
            SELECT DISTINCT event_ts FROM {meta.EXECUTION_KEYS.name}
            SEMI JOIN told_rows USING (fingerprint)"""
        )
        if not _any(transaction, "SELECT 1 FROM known_times"):
            return "FALSE"
        return """event_ts >= (SELECT min(event_ts) FROM known_times)
            AND event_ts <= (SELECT max(event_ts) FROM known_times)
            AND event_ts IN (SELECT event_ts FROM known_times)"""
    if versioned.day:
        return f""""{versioned.day}" BETWEEN (SELECT min(told_day) FROM told_rows)
            AND (SELECT max(told_day) FROM told_rows)"""
    return "TRUE"


def _compare(transaction: WriteTransaction) -> None:
    """Put the rows that say something new into `fresh_rows`."""
    if not _any(transaction, "SELECT 1 FROM known_rows"):
        query = "SELECT *, TRUE AS is_first, 1 AS version FROM told_rows WHERE place = 1"
    else:
        query = """
            SELECT told.*, highest.version IS NULL AS is_first,
                coalesce(highest.version, 0) + 1 AS version
            FROM told_rows AS told
            ASOF LEFT JOIN known_rows AS older
                ON told.key_hash = older.key_hash AND told.generated_at >= older.generated_at
            ASOF LEFT JOIN known_rows AS newer
                ON told.key_hash = newer.key_hash AND told.generated_at < newer.generated_at
            LEFT JOIN (
                SELECT key_hash, max(version) AS version FROM known_rows GROUP BY key_hash
            ) AS highest ON told.key_hash = highest.key_hash
            WHERE told.place = 1
                AND coalesce(older.content_hash, newer.content_hash)
                    IS DISTINCT FROM told.content_hash
                AND older.generated_at IS DISTINCT FROM told.generated_at"""
    transaction.connection.execute(f"CREATE OR REPLACE TEMP TABLE fresh_rows AS {query}")


def _report(transaction: WriteTransaction, versioned: VersionedTable, parts: _Parts) -> None:
    """Keep beside what one statement, or two made at one instant, tell in two ways."""
    found = transaction.query(
        """SELECT told.place_id FROM told_rows AS told JOIN told_rows AS kept USING (key_hash)
        WHERE told.place > 1 AND kept.place = 1 AND told.content_hash <> kept.content_hash
        UNION
        SELECT told.place_id FROM told_rows AS told
        JOIN known_rows AS known USING (key_hash, generated_at)
        WHERE told.content_hash <> known.content_hash
            AND (SELECT count(*) FROM known_rows AS same WHERE same.key_hash = told.key_hash
                AND same.generated_at = told.generated_at
                AND same.content_hash = told.content_hash) = 0"""
    )
    if found.is_empty():
        return
    rows = transaction.query(
        f"""SELECT * FROM read_parquet($paths)
        WHERE {_PLACE} IN (SELECT place_id FROM found) ORDER BY {_PLACE}""",
        params={**parts},
        found=found,
    )
    append_conflicts(
        transaction,
        versioned.table,
        rows,
        record=versioned.key[3],
        reason="told in two ways by one statement, or by two made at the same instant",
        compared=[name for name in rows.columns if name not in (*_ASIDE, "row_number")],
    )


def _insert(transaction: WriteTransaction, versioned: VersionedTable, parts: _Parts) -> None:
    """Append the rows of `fresh_rows`, and the fingerprints of fills.

    Where every row is new, what was compared is dropped first, to have its memory for the rows.
    """
    given = {
        "version": "fresh.version",
        "recorded_at": transaction.stamp,
        "source_id": "fresh.source_id",
    }
    columns = ", ".join(given.get(name, f'staged."{name}"') for name in versioned.table.schema)
    told, fresh = transaction.connection.execute(
        "SELECT (SELECT count(*) FROM told_rows), (SELECT count(*) FROM fresh_rows)"
    ).fetchall()[0]
    if versioned.table is core.EXECUTIONS:
        transaction.append_selected(
            meta.EXECUTION_KEYS, "SELECT fingerprint, event_ts FROM fresh_rows"
        )
    if told == fresh and not versioned.has_version:
        transaction.connection.execute("DROP TABLE told_rows; DROP TABLE fresh_rows")
        _limit(transaction, _LITTLE)
        transaction.append_selected(
            versioned.table,
            f"SELECT {columns} FROM read_parquet($paths) AS staged",
            params={"paths": parts["paths"]},
        )
        _limit(transaction, _SOME)
    else:
        transaction.append_selected(
            versioned.table,
            f"""SELECT {columns} FROM (
                SELECT *, {_PLACE} AS place_id FROM read_parquet($paths)
            ) AS staged JOIN fresh_rows AS fresh USING (place_id)""",
            params={**parts},
        )


def _limit(transaction: WriteTransaction, memory: str) -> None:
    # One thread holds one group of rows until it is written out; two hold two.
    transaction.connection.execute(f"SET threads = 1; SET memory_limit = '{memory}'")


def _any(transaction: WriteTransaction, query: str) -> bool:
    return bool(transaction.connection.execute(f"{query} LIMIT 1").fetchall())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
