"""Rows of a statement's sections -> rows of their core tables, each with the id it is known by.

What lives here: the identity of a row in every section. What must not: versions, and what a later
statement no longer tells; that needs what core knows (`warehouse/`).

A row with an id of the broker's is known by it. What is told once per account, session and
subject (NAV, positions, rates) is known by those. What has neither is known by what it says;
equal rows of one statement are told apart by number when they enter core.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import polars as pl

from ibkr_pipeline.normalization.contracts import contracts_of
from ibkr_pipeline.normalization.statement_contracts import with_contract_terms
from ibkr_pipeline.normalization.statement_provenance import StatementProvenance
from ibkr_pipeline.normalization.statement_trades import normalize_trades
from ibkr_pipeline.schemas import flex
from ibkr_pipeline.schemas.statements import TABLE_OF_SECTION
from ibkr_pipeline.schemas.table import Table

_NO_ID = ("", "0")
_PLACE = ("account_id", "row_number", "level_of_detail")
#: Sections that tell terms of contracts beside their own subject.
_OF_CONTRACTS = (flex.OPEN_POSITIONS.name, flex.SECURITIES.name)


def normalize_section(
    frame: pl.DataFrame, section_table: str, provenance: StatementProvenance
) -> dict[str, pl.DataFrame]:
    """Return what a chunk of a section brings, by core table.

    Rows of statements keep `row_number` and have `source_id`; they lack version and recorded_at.
    OptionEAE brings no rows of its own: it is evidence (`option_events.py`).

    Args:
        frame: Rows of one account, in the columns of the section's table.
        section_table: `flex.…` table of the section.
        provenance: Of that section.

    Raises:
        ValueError: If the table is no section's.
    """
    if section_table == flex.TRADES.name:
        return normalize_trades(frame, provenance)
    found: dict[str, pl.DataFrame] = {}
    if section_table in TABLE_OF_SECTION:
        found[TABLE_OF_SECTION[section_table].name] = _rows(frame, section_table, provenance)
    elif section_table not in (flex.SECURITIES.name, flex.OPTION_EAE.name):
        raise ValueError(f"{section_table!r} was no table of a section of a statement.")
    if section_table in _OF_CONTRACTS:
        found.update(_contracts(frame, provenance))
    return found


def _rows(frame: pl.DataFrame, section_table: str, provenance: StatementProvenance) -> pl.DataFrame:
    table = TABLE_OF_SECTION[section_table]
    named = frame.with_columns(
        *provenance.columns(), _IDENTITIES[section_table](provenance).alias("source_id")
    )
    named = named.with_columns(_named_by_content(named, table).alias("source_id"))
    kept = [name for name in table.schema if name not in ("version", "recorded_at")]
    return named.select("row_number", *kept)


def _contracts(frame: pl.DataFrame, provenance: StatementProvenance) -> dict[str, pl.DataFrame]:
    rows = with_contract_terms(frame).with_columns(*provenance.columns())
    return contracts_of(rows)


def _named_by_content(rows: pl.DataFrame, table: Table) -> pl.Series:
    """Return the ids, those that are missing made of a hash of everything the row says."""
    ids = rows.get_column("source_id")
    if not ids.null_count():
        return ids
    told = [name for name in table.schema if name in _told_by(table) and name in rows.columns]
    texts = rows.filter(pl.col("source_id").is_null()).select(
        pl.concat_str(
            [pl.col(name).cast(pl.String).fill_null("\x00") for name in told], separator="\x1f"
        )
    )
    hashed = iter(
        [
            f"row:{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:20]}"
            for text in texts.to_series()
        ]
    )
    return pl.Series(
        "source_id", [next(hashed) if name is None else name for name in ids], dtype=pl.String
    )


def _told_by(table: Table) -> tuple[str, ...]:
    """Return the columns of a statement's core table that the statement itself tells."""
    (frame,) = (name for name, core_table in TABLE_OF_SECTION.items() if core_table is table)
    section = next(item for item in flex.TABLES if item.name == frame)
    return tuple(column.name for column in section.columns if column.name not in _PLACE)


def _by_transaction(*beside: str) -> Callable[[StatementProvenance], pl.Expr]:
    """By transactionID, with what sets lines of one booking apart; null where there is none."""

    def identity(_: StatementProvenance) -> pl.Expr:
        name = pl.concat_str(
            [pl.lit("txn"), "transaction_id", *(pl.col(item).fill_null("") for item in beside)],
            separator=":",
        )
        return pl.when(~pl.col("transaction_id").is_in(_NO_ID)).then(name)

    return identity


def _by_subject(*names: str) -> Callable[[StatementProvenance], pl.Expr]:
    """By the columns that say what the row is about."""

    def identity(_: StatementProvenance) -> pl.Expr:
        subject = [pl.col(name).cast(pl.String).fill_null("") for name in names]
        return pl.concat_str(subject, separator=":")

    return identity


def _by_account(_: StatementProvenance) -> pl.Expr:
    return pl.lit("account")


def _by_day(provenance: StatementProvenance) -> pl.Expr:
    """By the day the statement ends and the contract: what is pending is pending that day."""
    return pl.concat_str(
        [
            pl.lit(provenance.to_date.isoformat()),
            pl.col("con_id").cast(pl.String),
            pl.col("transaction_type").fill_null(""),
            pl.col("model_code").fill_null(""),
        ],
        separator=":",
    )


_IDENTITIES: Mapping[str, Callable[[StatementProvenance], pl.Expr]] = {
    flex.CASH_TRANSACTIONS.name: _by_transaction(),
    flex.CORPORATE_ACTIONS.name: _by_transaction(),
    flex.TRANSFERS.name: _by_transaction(),
    flex.STATEMENT_OF_FUNDS.name: _by_transaction("currency", "activity_code"),
    flex.NAV.name: _by_subject("report_date"),
    flex.NAV_CHANGES.name: _by_subject("from_date", "to_date"),
    flex.CASH_REPORT.name: _by_subject("from_date", "to_date", "currency"),
    flex.OPEN_POSITIONS.name: _by_subject("report_date", "con_id", "model_code"),
    flex.FX_POSITIONS.name: _by_subject("report_date", "functional_currency", "currency"),
    flex.CONVERSION_RATES.name: _by_subject("report_date", "from_currency", "to_currency"),
    flex.PENDING_EXERCISES.name: _by_day,
    flex.ACCOUNT_INFORMATION.name: _by_account,
}
