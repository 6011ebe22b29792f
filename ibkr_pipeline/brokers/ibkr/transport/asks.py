"""The requests a reading sends, as data.

What lives here: one function per TWS request, saying what to send, what ends it and how to stop
it. What must not: sending.
"""

from __future__ import annotations

from datetime import UTC, datetime

from ib_async.objects import ExecutionFilter

from ibkr_pipeline.brokers.ibkr.transport.session import Ask


def account_updates(account: str, *, timeout_seconds: float) -> Ask:
    """Download one account (reqAccountUpdates); values, portfolio, then accountDownloadEnd."""
    return Ask(
        kind="account_updates",
        accounts=(account,),
        send=("reqAccountUpdates", (True, account)),
        cancel=("reqAccountUpdates", (False, account)),
        end=("54", account),
        timeout_seconds=timeout_seconds,
        holds_while_not_ready=True,
    )


def account_updates_multi(account: str, request_id: int, *, timeout_seconds: float) -> Ask:
    """Download the values of one of many accounts (reqAccountUpdatesMulti)."""
    return Ask(
        kind="account_updates_multi",
        accounts=(account,),
        send=("reqAccountUpdatesMulti", (request_id, account, "", False)),
        cancel=("cancelAccountUpdatesMulti", (request_id,)),
        end=("74", str(request_id)),
        request_id=request_id,
        timeout_seconds=timeout_seconds,
        holds_while_not_ready=True,
    )


def positions(accounts: tuple[str, ...], *, timeout_seconds: float) -> Ask:
    """Read the positions of every account at once (reqPositions)."""
    return Ask(
        kind="positions",
        accounts=accounts,
        send=("reqPositions", ()),
        cancel=("cancelPositions", ()),
        end=("62", ""),
        timeout_seconds=timeout_seconds,
    )


def positions_multi(account: str, request_id: int, *, timeout_seconds: float) -> Ask:
    """Read the positions of one of many accounts (reqPositionsMulti)."""
    return Ask(
        kind="positions_multi",
        accounts=(account,),
        send=("reqPositionsMulti", (request_id, account, "")),
        cancel=("cancelPositionsMulti", (request_id,)),
        end=("72", str(request_id)),
        request_id=request_id,
        timeout_seconds=timeout_seconds,
    )


def open_orders(accounts: tuple[str, ...], *, timeout_seconds: float) -> Ask:
    """Read the open orders of every client once (reqAllOpenOrders); binds none."""
    return Ask(
        kind="open_orders",
        accounts=accounts,
        send=("reqAllOpenOrders", ()),
        end=("53", ""),
        timeout_seconds=timeout_seconds,
    )


def completed_orders(accounts: tuple[str, ...], *, timeout_seconds: float) -> Ask:
    """Read the orders that ended today, also those not sent by an API client."""
    return Ask(
        kind="completed_orders",
        accounts=accounts,
        send=("reqCompletedOrders", (False,)),
        end=("102", ""),
        timeout_seconds=timeout_seconds,
    )


def executions(
    accounts: tuple[str, ...], request_id: int, *, since: datetime | None, timeout_seconds: float
) -> Ask:
    """Read executions with their commissions, of every account, since an instant if given."""
    wanted = (
        ExecutionFilter(time=since.astimezone(UTC).strftime("%Y%m%d-%H:%M:%S"))
        if since
        else (ExecutionFilter())
    )
    return Ask(
        kind="executions",
        accounts=accounts,
        send=("reqExecutions", (request_id, wanted)),
        end=("55", str(request_id)),
        request_id=request_id,
        timeout_seconds=timeout_seconds,
    )
