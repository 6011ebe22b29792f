"""What a demo shows when its nights are over.

What lives here: the wording and the choice of columns. What must not: the nights themselves
(`demo_sessions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from ibkr_pipeline.cli.demo_sessions import Night
from ibkr_pipeline.cli.output import write_line, write_table
from ibkr_pipeline.cli.sync import facts_of
from ibkr_pipeline.pipelines.reading import read_copy_path, show
from ibkr_pipeline.pipelines.reading_notes import n_corrections, with_local_symbol
from ibkr_pipeline.pipelines.summary import DatasetSummary, summarize_run
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.settings import Settings

if TYPE_CHECKING:
    from ibkr_pipeline.defs.launch import LaunchResult

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "accounts": ("account_id", "base_currency", "net_liquidation_value", "total_cash"),
    "positions": (
        "account_id", "local_symbol", "security_type", "quantity", "market_value", "currency",
    ),
    "orders": (
        "account_id", "local_symbol", "side", "order_type", "total_quantity", "filled_quantity",
        "limit_price", "status",
    ),
    "executions": (
        "account_id", "local_symbol", "side", "fill_quantity", "price", "commission",
        "commission_currency", "commission_status",
    ),
    "option-events": (
        "account_id", "event_date", "local_symbol", "event_type", "state", "signed_quantity",
        "delivered_quantity", "delivered_price", "sources",
    ),
}  # fmt: skip
LEGS = (
    "option_event_id", "account_id", "symbol", "security_type", "signed_quantity", "price",
    "trade_date", "code",
)  # fmt: skip
#: Rows of each table that are shown.
MOST_ROWS = 12


def write_night(night: Night) -> None:
    """Write one line for a night that is over."""
    checks = night.result.checks
    n_failed = sum(not check.passed for check in checks)
    write_line(
        f"session {night.session}: read in the evening; {len(checks)} checks, {n_failed} failed",
        style="green" if night.result.success else "red",
    )


def write_report(
    settings: Settings,
    nights: Sequence[Night],
    summaries: Sequence[DatasetSummary],
    *,
    had_rows: bool,
) -> None:
    """Write what landed, what the checks found, what is new, and what to do next.

    Args:
        settings: Where everything is.
        nights: The nights that were read, one at least.
        summaries: What the last of them did.
        had_rows: Whether a demo was played here before.
    """
    if read_copy_path(settings.environment_dir).exists():
        _write_rows(settings)
        _write_legs(settings)
    _write_checks(nights[-1].result)
    if read_copy_path(settings.environment_dir).exists():
        _write_breaks(settings)
    _write_changes(settings, nights, summaries, had_rows=had_rows)
    _write_next_steps(settings)


def to_report(settings: Settings, nights: Sequence[Night]) -> dict[str, Any]:
    """Return what `--json` tells beside the summary of the last night."""
    return {
        "sessions": [
            {
                "session": night.session.isoformat(),
                "run_id": night.result.run_id,
                "success": night.result.success,
                "new_executions": _n_new_fills(settings, night),
            }
            for night in nights
        ],
        "checks": _checks(nights[-1].result),
        "paths": _paths(settings),
    }


def _checks(result: LaunchResult) -> list[dict[str, Any]]:
    return [
        {
            "asset": check.asset,
            "check": check.name,
            "severity": check.severity.lower(),
            "passed": check.passed,
            "reason": check.description or None,
        }
        for check in result.checks
    ]


def _paths(settings: Settings) -> dict[str, str]:
    history = settings.dagster_home or settings.run_history_dir
    return {
        "data": str(settings.environment_dir),
        "warehouse": str(settings.warehouse_path),
        "read_copy": str(read_copy_path(settings.environment_dir)),
        "dagster_home": str(history.expanduser().absolute()),
        "log": str(settings.log_path),
    }


def _write_rows(settings: Settings) -> None:
    for table, names in COLUMNS.items():
        frame = with_local_symbol(settings, show(settings, table))
        hidden = f", {MOST_ROWS} shown" if frame.height > MOST_ROWS else ""
        write_table(
            f"{table}: {frame.height} rows{hidden}",
            names,
            frame.select(names).head(MOST_ROWS).iter_rows(),
        )


def _write_legs(settings: Settings) -> None:
    """Show the trades an assignment was booked as: the option, and what it delivered."""
    legs = show(settings, "executions").filter(
        pl.col("option_event_id").str.ends_with(":assignment")
    )
    if not legs.is_empty():
        rows = legs.sort("option_event_id", "price").select(LEGS).iter_rows()
        write_table("the legs of assignments", LEGS, rows)


def _write_breaks(settings: Settings) -> None:
    """Say whether gateway, statements and positions agree."""
    n_open = show(settings, "breaks").filter(pl.col("break_state") == "open").height
    if n_open:
        write_line(f"reconciliation: {n_open} open breaks (`ibkr-pipeline show breaks`)")
    else:
        write_line("reconciliation: clean, no break is open")


def _write_checks(result: LaunchResult) -> None:
    failed = [check for check in result.checks if not check.passed]
    write_line(f"checks: {len(result.checks) - len(failed)} passed, {len(failed)} failed")
    for check in failed:
        write_line(f"  {check.asset} {check.name} ({check.severity}): {check.description}")


def _write_changes(
    settings: Settings,
    nights: Sequence[Night],
    summaries: Sequence[DatasetSummary],
    *,
    had_rows: bool,
) -> None:
    """Say what a second demo is for: nothing is counted twice, nothing changes by itself."""
    n_fills = sum(_n_new_fills(settings, night) for night in nights)
    fills = f"{n_fills} new executions{_corrections(settings, nights) if n_fills else ''}"
    if not had_rows:
        write_line(f"{fills}. Run the demo again: it will find 0.")
        return
    moved = [
        item.n_new + item.n_changed + item.n_gone
        for summary in summaries
        if summary.dataset is Dataset.POSITIONS
        for item in summary.subjects
    ]
    positions = f"{sum(moved)} changed" if any(moved) else "equal to those of the last run"
    write_line(f"{fills}; current positions: {positions}.")


def _n_new_fills(settings: Settings, night: Night) -> int:
    facts = facts_of(settings, night.result)
    (summary,) = summarize_run(settings, facts, (Dataset.EXECUTIONS,))
    return sum(subject.n_new for subject in summary.subjects)


def _corrections(settings: Settings, nights: Sequence[Night]) -> str:
    """Return how many of the new executions replace one that is there: the table has fewer rows."""
    count = sum(n_corrections(settings, night.result.run_id) for night in nights)
    if count == 0:
        return ""
    return f", {count} of them {'a correction' if count == 1 else 'corrections'} of an earlier one"


def _write_next_steps(settings: Settings) -> None:
    copy = read_copy_path(settings.environment_dir)
    here = Path.cwd()
    shown = copy.relative_to(here) if copy.is_relative_to(here) else copy
    for line in (
        "",
        f"The warehouse is {settings.warehouse_path}; readers open {copy}.",
        "What to do next:",
        "  ibkr-pipeline ui                the runs, assets and checks in a browser (make ui)",
        "  IBKR_PIPELINE_MODE=simulated ibkr-pipeline show positions",
        "In a notebook:",
        "  import ibkr_pipeline",
        f"  ibkr_pipeline.open_warehouse({str(shown)!r}).sql('from core.current_positions')",
        "Your own account, to read and never to send an order:",
        "  ibkr-pipeline doctor            is TWS or Gateway there and ready?",
        "  ibkr-pipeline sync all          a paper account in TWS on port 7497; else set IBKR_PORT",
        "  IBKR_PIPELINE_MODE=live IBKR_PORT=7496 ibkr-pipeline sync all",
    ):
        write_line(line)
