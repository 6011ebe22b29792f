"""Read what was published: the read copy, and the loads as control knows them.

What lives here: which source answers which question, and as of when. What must not: output
formats (`cli/`), or anything that makes a directory or waits for a writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb
import polars as pl

from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.models.requests import LoadRow
from ibkr_pipeline.pipelines.coverage import coverage_of, reads_of
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.errors import ConfigError, WarehouseMissingError
from ibkr_pipeline.settings import Settings, load_settings
from ibkr_pipeline.warehouse import opening
from ibkr_pipeline.warehouse.ops import breaks_as_of
from ibkr_pipeline.warehouse.read_copy import FILE_NAME
from ibkr_pipeline.warehouse.reads import Basis, as_of

#: Tables of the read copy that can be shown, by the name a person types.
SHOWN = (
    "accounts",
    "positions",
    "orders",
    "executions",
    "account_ledger",
    "snapshots",
    "instruments",
    "contracts",
    "portfolios",
)
#: What statements tell, by the name a person types -> subject of `warehouse.reads`.
STATEMENTS = {
    "option-events": "option_events",
    "cash": "cash_transactions",
    "nav": "nav",
    "statement-positions": "statement_positions",
    "corporate-actions": "corporate_actions",
    "transfers": "transfers",
    "conversion-rates": "conversion_rates",
    "nav-changes": "nav_changes",
    "cash-reports": "cash_reports",
    "fx-positions": "fx_positions",
    "statement-of-funds": "statement_of_funds",
    "pending-exercises": "pending_exercises",
    "statements": "flex_statements",
    "option-event-evidence": "option_event_evidence",
}
#: Loads and coverage are shown from control, which knows the failed ones too.
LOADS, COVERAGE = "loads", "coverage"
BREAKS, EXPIRATIONS = "breaks", "expirations"
TABLES = (*SHOWN[:4], LOADS, *SHOWN[4:], *STATEMENTS, COVERAGE, BREAKS, EXPIRATIONS)

_INSTANT = pl.Datetime("us", "UTC")
_LOAD_COLUMNS: dict[str, pl.DataType] = {
    "load_id": pl.String(),
    "broker": pl.String(),
    "environment": pl.String(),
    "account_id": pl.String(),
    "dataset": pl.String(),
    "section": pl.String(),
    "from_date": pl.Date(),
    "to_date": pl.Date(),
    "status": pl.String(),
    "reason": pl.String(),
    "retryable": pl.Boolean(),
    "started_at": _INSTANT,
    "available_at": _INSTANT,
    "applied_at": _INSTANT,
    "n_messages": pl.Int64(),
    "n_read": pl.Int64(),
    "n_new": pl.Int64(),
    "n_changed": pl.Int64(),
    "n_unchanged": pl.Int64(),
    "n_gone": pl.Int64(),
    "request_id": pl.String(),
    "run_id": pl.String(),
    "raw_path": pl.String(),
}


def open_read_copy(path: str | Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open the published read copy, read-only; the caller closes it.

    Args:
        path: The read copy or the data directory; by default the configured data directory.

    Raises:
        WarehouseMissingError: If nothing has been published there.
    """
    return opening.open_read_copy(read_copy_path(path))


def read_copy_path(path: str | Path | None = None) -> Path:
    """Return where the read copy is, whether or not it is there yet."""
    chosen = load_settings().environment_dir if path is None else Path(path).expanduser()
    return chosen / FILE_NAME if chosen.is_dir() or chosen.suffix != ".duckdb" else chosen


def show(
    settings: Settings,
    table: str,
    *,
    at: datetime | None = None,
    basis: Basis = "available",
    accounts: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Return the current rows of a table, or those current at an instant.

    Args:
        settings: Where the data directory is.
        table: A name of `TABLES`.
        at: The instant; now by default.
        basis: Whether `at` cuts by what was available or by what was recorded. Loads are cut by
            when they were started.
        accounts: Only these accounts.

    Raises:
        ConfigError: If the table is not one that can be shown.
        WarehouseMissingError: If nothing has been read or published yet.
    """
    if table == LOADS:
        return _loads(settings, at=at, accounts=accounts)
    if table == COVERAGE:
        return _coverage(settings, at=at, accounts=accounts)
    if table not in TABLES:
        raise ConfigError(f"Table was {table!r}; expected one of {', '.join(TABLES)}.")
    try:
        connection = open_read_copy(settings.environment_dir)
    except WarehouseMissingError as error:
        raise WarehouseMissingError(f"{error}{_elsewhere(settings)}") from error
    try:
        if table == BREAKS:
            return breaks_as_of(connection, at=at, accounts=accounts)
        if table == EXPIRATIONS:
            return _expirations(connection, settings, at=at, accounts=accounts)
        subject = STATEMENTS.get(table, table)
        return as_of(connection, subject, at=at, basis=basis, accounts=accounts)
    finally:
        connection.close()


def _elsewhere(settings: Settings) -> str:
    """Return where rows of other environments are, as a hint."""
    found = [
        mode.value
        for mode in Environment
        if (settings.model_copy(update={"mode": mode}).environment_dir / FILE_NAME).exists()
    ]
    return "".join(
        f" Rows of the {mode} environment are there: set IBKR_PIPELINE_MODE={mode} to see them."
        for mode in found
    )


def parse_instant(text: str) -> datetime:
    """Return the instant a person wrote.

    A date means the end of that day, UTC, so that what was known on that day is in; a time
    without a zone is UTC.

    Raises:
        ConfigError: If it is neither a date nor an ISO 8601 instant.
    """
    try:
        day = _day(text)
        if day is not None:
            return datetime.combine(day, time.max, tzinfo=UTC)
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"Instant was {text!r}; expected a date such as 2026-11-18 or an instant such as "
            f"2026-11-18T21:30:00Z."
        ) from error
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _day(text: str) -> date | None:
    """Return the date a text is, in any spelling of ISO 8601; None if it is none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _expirations(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    *,
    at: datetime | None,
    accounts: Sequence[str] | None,
) -> pl.DataFrame:
    from ibkr_pipeline.pipelines.expirations import expiring_in

    if at is not None:
        raise ConfigError(
            "Expirations were asked for as of an earlier instant; they are computed from what is "
            "known now. Leave --as-of out."
        )
    found = expiring_in(connection, environment=settings.mode.value, now=SystemClock().now())
    return found if accounts is None else found.filter(pl.col("account_id").is_in(accounts))


def _coverage(
    settings: Settings, *, at: datetime | None, accounts: Sequence[str] | None
) -> pl.DataFrame:
    clock = SystemClock()
    with _control(settings, clock) as control:
        reads = reads_of(control, settings.mode, at=at, accounts=accounts)
    now = clock.now() if at is None else at
    return coverage_of(reads, broker="ibkr", environment=settings.mode, now=now)


def _control(settings: Settings, clock: Clock) -> ControlStore:
    """Return the control store, which is not made where nothing was ever read."""
    if settings.postgres_url is None and not settings.control_path.exists():
        raise WarehouseMissingError(
            f"Nothing has been read into {settings.environment_dir} yet. Run `ibkr-pipeline sync "
            f"all` first."
        )
    return ControlStore.open(settings.control_url, clock=clock)


def _loads(
    settings: Settings, *, at: datetime | None, accounts: Sequence[str] | None
) -> pl.DataFrame:
    with _control(settings, SystemClock()) as control:
        before = None if at is None else at + timedelta(microseconds=1)
        rows = [
            row
            for row in control.loads(before=before)
            if row.environment is settings.mode and (accounts is None or row.account_id in accounts)
        ]
    return pl.DataFrame([_load_row(row) for row in rows], schema=_LOAD_COLUMNS, orient="row")


def _load_row(row: LoadRow) -> dict[str, object]:
    found: dict[str, object] = {
        name: getattr(row, name) for name in _LOAD_COLUMNS if name != "n_messages"
    }
    return found | {
        "environment": row.environment.value,
        "dataset": row.dataset.value,
        "status": row.status.value,
        "n_messages": row.n_rows,
    }
