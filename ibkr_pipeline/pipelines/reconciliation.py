"""Do the tables agree with one another? Comparisons as pure functions, findings as frames.

What lives here: orders against executions, accounts against what is managed and expected,
staleness and the plausibility of fills; positions against executions stand in
`position_reconciliation.py`. What must not: SQL (`reconciliation_inputs.py`), or mending
anything: a break is told, never patched.

Every function returns a frame of `findings.SCHEMA`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl

from ibkr_pipeline.pipelines.findings import Finding, Verdict, quantity_text, to_frame
from ibkr_pipeline.pipelines.position_reconciliation import (
    reconcile_positions,
    reconcile_zero_executions,
)
from ibkr_pipeline.primitives.enums import Environment, OrderStatus

__all__ = [
    "reconcile_accounts",
    "reconcile_execution_roots",
    "reconcile_fill_times",
    "reconcile_orders",
    "reconcile_positions",
    "reconcile_staleness",
    "reconcile_zero_executions",
]

#: How far ahead of our clock a fill may be stamped before it is taken for wrong.
CLOCK_TOLERANCE = timedelta(minutes=5)
_ZERO = Decimal(0)


def reconcile_orders(
    orders: pl.DataFrame, executions: pl.DataFrame, *, last_read: Mapping[str, datetime]
) -> pl.DataFrame:
    """Compare the filled quantity of each order with the fills told for it.

    Args:
        orders: Current orders with a fill: account_id, order_key, con_id, security_type, status,
            total_quantity, filled_quantity, available_at, first_filled_quantity (as first told).
        executions: Current fills of these orders: account_id, order_key, fill_quantity,
            is_combo_parent.
        last_read: Account -> when its last complete executions read was sent.
    """
    combos = executions.filter(pl.col("is_combo_parent").fill_null(value=False))
    legs = executions.filter(~pl.col("is_combo_parent").fill_null(value=False))
    filled = {
        "legs": _filled_by_order(legs),
        "combos": _filled_by_order(combos),
    }
    return to_frame(
        _order_finding(
            row,
            found=filled["combos" if row["security_type"] == "BAG" else "legs"].get(
                (row["account_id"], row["order_key"]), _ZERO
            ),
            read_at=last_read.get(row["account_id"]),
        )
        for row in orders.iter_rows(named=True)
    )


def reconcile_accounts(
    managed: Sequence[str] | None,
    *,
    stored: Sequence[str],
    expected: Sequence[str],
) -> pl.DataFrame:
    """Compare the accounts a gateway manages with those stored and those expected.

    Args:
        managed: Accounts of the last proof; None if nothing was ever read.
        stored: Accounts with a complete load before that read.
        expected: The allow-list; empty means every managed account.
    """
    if managed is None:
        return to_frame([_gateway(Verdict.NOT_COMPARABLE, "no read has been recorded yet")])
    if not managed:
        return to_frame([_gateway(Verdict.BREAK, "the gateway said it manages no account")])
    return to_frame(
        _account_finding(account, managed=managed, stored=stored, expected=expected)
        for account in sorted({*managed, *stored, *expected})
    )


def reconcile_staleness(
    last_complete: Mapping[tuple[str, str], datetime | None],
    *,
    now: datetime,
    max_age: timedelta,
) -> pl.DataFrame:
    """Find accounts whose last complete read of a dataset is too old, or that have none.

    Args:
        last_complete: (account, dataset) -> when its answer was here; None if there is none.
        now: The clock's instant.
        max_age: Age after which a read is stale.
    """
    findings = []
    for (account, dataset), at in sorted(last_complete.items()):
        is_fresh = at is not None and now - at <= max_age
        findings.append(
            Finding(
                account_id=account,
                verdict=Verdict.OK if is_fresh else Verdict.BREAK,
                subject=dataset,
                expected=f"at most {max_age}",
                found="never read" if at is None else str(now - at),
                why=None if is_fresh else f"run `ibkr-pipeline sync {dataset}`",
            )
        )
    return to_frame(findings)


def reconcile_execution_roots(executions: pl.DataFrame) -> pl.DataFrame:
    """Find fills that are current more than once.

    Args:
        executions: Current fills: account_id, fill_id, con_id.
    """
    counted = executions.group_by("account_id", "fill_id").agg(
        pl.len().alias("n"), pl.col("con_id").first()
    )
    return to_frame(
        Finding(
            account_id=row["account_id"],
            verdict=Verdict.BREAK,
            con_id=row["con_id"],
            subject=row["fill_id"],
            expected="1",
            found=str(row["n"]),
            difference=str(row["n"] - 1),
            why="one fill is current several times; run `ibkr-pipeline rebuild` and report it",
        )
        for row in counted.filter(pl.col("n") > 1).sort("account_id", "fill_id").to_dicts()
    )


def reconcile_fill_times(
    executions: pl.DataFrame, *, now: datetime, environment: Environment
) -> pl.DataFrame:
    """Find fills stamped later than now: the sign of a time zone taken for another.

    Args:
        executions: Current fills: account_id, fill_id, con_id, event_ts, event_ts_text.
        now: The clock's instant.
        environment: The simulated broker's clock stands still at its own date, so its fills are
            not comparable with ours.
    """
    simulated = environment is Environment.SIMULATED
    return to_frame(
        Finding(
            account_id=row["account_id"],
            verdict=Verdict.NOT_COMPARABLE if simulated else Verdict.BREAK,
            con_id=row["con_id"],
            subject=row["fill_id"],
            expected=f"at most {now.isoformat()}",
            found=row["event_ts"].isoformat(),
            difference=str(row["event_ts"] - now),
            why="the simulated broker has a clock of its own"
            if simulated
            else f"the broker wrote {row['event_ts_text']!r}; check the time zone of the gateway "
            f"(setting ibkr.timezone) and of this machine's clock",
        )
        for row in executions.filter(pl.col("event_ts") > now + CLOCK_TOLERANCE).to_dicts()
    )


def _filled_by_order(executions: pl.DataFrame) -> dict[tuple[str, str], Decimal]:
    summed = executions.group_by("account_id", "order_key").agg(pl.col("fill_quantity").sum())
    return {
        (account, order): quantity
        for account, order, quantity in summed.select(
            "account_id", "order_key", "fill_quantity"
        ).iter_rows()
    }


def _order_finding(
    row: Mapping[str, object], *, found: Decimal, read_at: datetime | None
) -> Finding:
    expected = _expected_fill(row)
    verdict, why = Verdict.OK, None
    if found != expected:
        verdict, why = _order_verdict(row, read_at=read_at, missing=expected - found)
    return Finding(
        account_id=str(row["account_id"]),
        verdict=verdict,
        con_id=_as_int(row["con_id"]),
        subject=str(row["order_key"]),
        expected=quantity_text(expected),
        found=quantity_text(found),
        difference=quantity_text(found - expected),
        why=why,
    )


def _order_verdict(
    row: Mapping[str, object], *, read_at: datetime | None, missing: Decimal
) -> tuple[Verdict, str]:
    told_at = row["available_at"]
    if read_at is None or (isinstance(told_at, datetime) and read_at < told_at):
        return (
            Verdict.NOT_COMPARABLE,
            "no executions were read since the broker told the order's fills",
        )
    if row["status"] == OrderStatus.GONE.value and missing < 0:
        return Verdict.NOT_COMPARABLE, "it filled further after it was last read as open"
    first = row["first_filled_quantity"]
    if isinstance(first, Decimal) and 0 < missing <= first:
        return (
            Verdict.NOT_COMPARABLE,
            "it had filled before it was first read; a gateway tells only fills of its day",
        )
    return Verdict.BREAK, "the fills told do not add up to what the order says it filled"


def _expected_fill(row: Mapping[str, object]) -> Decimal:
    filled, total = row["filled_quantity"], row["total_quantity"]
    if isinstance(filled, Decimal):
        return filled
    is_filled = row["status"] == OrderStatus.FILLED.value
    return total if is_filled and isinstance(total, Decimal) else _ZERO


def _gateway(verdict: Verdict, why: str) -> Finding:
    return Finding(account_id="", verdict=verdict, subject="account list", why=why)


def _account_finding(
    account: str, *, managed: Sequence[str], stored: Sequence[str], expected: Sequence[str]
) -> Finding:
    is_managed = account in managed
    is_expected = account in expected if expected else account in stored
    if not is_managed and is_expected:
        verdict, why = Verdict.BREAK, "the gateway does not manage it any more"
    elif not is_managed:
        verdict, why = Verdict.OK, "stored, left out by the allow-list and not managed any more"
    elif expected and account not in expected:
        verdict, why = Verdict.OK, "left out by the allow-list ibkr.accounts"
    elif account not in stored:
        verdict, why = Verdict.OK, "new"
    else:
        verdict, why = Verdict.OK, None
    return Finding(
        account_id=account,
        verdict=verdict,
        subject="account list",
        expected="managed" if is_expected else "any",
        found="managed" if is_managed else "not managed",
        why=why,
    )


def _as_int(value: object) -> int | None:
    return value if isinstance(value, int) else None
