"""`ibkr-pipeline show`: the current rows of a table, or those of an earlier instant."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ibkr_pipeline.cli.invocation import AccountOption, ConfigOption, JsonOption, begin
from ibkr_pipeline.cli.output import write_line, write_rows, write_table
from ibkr_pipeline.cli.show_columns import COLUMNS
from ibkr_pipeline.primitives.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

#: Rows a person sees unless asked for more.
MOST_ROWS = 50


class ShowTable(StrEnum):
    """What can be shown."""

    ACCOUNTS = "accounts"
    POSITIONS = "positions"
    ORDERS = "orders"
    EXECUTIONS = "executions"
    LOADS = "loads"
    ACCOUNT_LEDGER = "account_ledger"
    SNAPSHOTS = "snapshots"
    INSTRUMENTS = "instruments"
    CONTRACTS = "contracts"
    PORTFOLIOS = "portfolios"
    OPTION_EVENTS = "option-events"
    CASH = "cash"
    NAV = "nav"
    STATEMENT_POSITIONS = "statement-positions"
    CORPORATE_ACTIONS = "corporate-actions"
    TRANSFERS = "transfers"
    CONVERSION_RATES = "conversion-rates"
    NAV_CHANGES = "nav-changes"
    CASH_REPORTS = "cash-reports"
    FX_POSITIONS = "fx-positions"
    STATEMENT_OF_FUNDS = "statement-of-funds"
    PENDING_EXERCISES = "pending-exercises"
    STATEMENTS = "statements"
    OPTION_EVENT_EVIDENCE = "option-event-evidence"
    COVERAGE = "coverage"
    BREAKS = "breaks"
    EXPIRATIONS = "expirations"


class ShowBasis(StrEnum):
    """Which instant of a row `--as-of` compares with."""

    AVAILABLE = "available"
    RECORDED = "recorded"


def show(  # noqa: PLR0913  # one argument per option
    context: typer.Context,
    *,
    table: Annotated[ShowTable, typer.Argument(help="What to show.")],
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="T", help="Date (its end, UTC) or ISO 8601 instant."),
    ] = None,
    basis: Annotated[
        ShowBasis, typer.Option(help="What could be known at T, or what we had recorded by T.")
    ] = ShowBasis.AVAILABLE,
    account: AccountOption = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout.")] = False,
    parquet: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write a Parquet file.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=0, help="Rows of the table for people; 0 for all.")
    ] = MOST_ROWS,
    config: ConfigOption = None,
) -> None:
    """Show the current rows of a table from the published read copy; never blocks a run."""
    settings = begin(context, config, as_json=as_json, accounts=account)
    if sum((as_json, as_csv, parquet is not None)) > 1:
        raise ConfigError(
            "Several formats were asked for; expected one of --json, --csv, --parquet."
        )
    from ibkr_pipeline.pipelines import reading, reading_notes
    from ibkr_pipeline.pipelines.data_directory import with_stamped_mode

    settings = with_stamped_mode(settings)
    at = None if as_of is None else reading.parse_instant(as_of)
    frame = reading.show(settings, table.value, at=at, basis=basis.value, accounts=account)
    for name in reading_notes.unread(
        settings, table.value, at=at, basis=basis.value, accounts=account
    ):
        typer.echo(_note(table.value, name, as_of), err=True)
    if as_json:
        write_rows(frame.iter_rows(named=True))
    elif as_csv:
        _write_csv(frame)
    elif parquet is not None:
        frame.write_parquet(parquet)
        typer.echo(f"{frame.height} rows written to {parquet}", err=True)
    else:
        named = reading_notes.with_local_symbol(settings, frame)
        _write_for_people(table.value, named, limit)


def _note(table: str, account: str, as_of: str | None) -> str:
    by_then = "" if as_of is None else f" by {as_of}"
    return (
        f"note: {table} of {account} had not been read{by_then}: no rows does not mean that there "
        f"were none."
    )


def _write_for_people(table: str, frame: pl.DataFrame, limit: int) -> None:
    names = COLUMNS.get(table) or tuple(frame.columns)
    shown = frame.head(limit) if limit else frame
    write_table(f"{table} ({frame.height} rows)", names, shown.select(names).iter_rows())
    if shown.height < frame.height:
        write_line(f"{frame.height - shown.height} more rows; --limit 0 shows all")


def _write_csv(frame: pl.DataFrame) -> None:
    import csv

    from ibkr_pipeline.cli.output import csv_text

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(frame.columns)
    writer.writerows([csv_text(value) for value in row] for row in frame.iter_rows())
