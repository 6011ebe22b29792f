"""Answers about accounts: window, summary, positions, also per request (6, 61, 62, 74, 76)."""

from __future__ import annotations

from ibkr_pipeline.simulator.account_rows import (
    ValueRow,
    account_window_rows,
    ledger_and_net_liquidation,
    summary_rows,
    total_value,
)
from ibkr_pipeline.simulator.gateway.session import Session
from ibkr_pipeline.simulator.valuation import AccountValue, PositionValue
from ibkr_pipeline.simulator.wire import account_messages as wire
from ibkr_pipeline.simulator.wire.fields import FieldReader, RequestError
from ibkr_pipeline.simulator.wire.message import Message

_SUMMARY_LIMIT = 2


def answer_account_updates(session: Session, reader: FieldReader) -> list[Message]:
    """Answer reqAccountUpdates: every value, the portfolio, the time, the end marker."""
    reader.skip(1)
    subscribe = reader.flag("Subscribe")
    account = reader.text("AcctCode") or _only_account(session)
    if not subscribe:
        session.subscriptions.account = ""
        return []
    _check_account(session, account, -1, allow_total=True)
    session.subscriptions.account = account
    value = _valued(session, account)
    options = session.simulator.options
    messages: list[Message] = []
    if options.account_not_ready_first:
        row = ValueRow(account, "AccountReady", "false", "")
        messages.append(wire.account_value(row))
    rows = account_window_rows(value, ledger_prefix=options.ledger_prefix)
    messages += [wire.account_value(r) for r in rows]
    messages += [wire.portfolio_value(p) for p in value.positions]
    messages.append(wire.account_time(session.layout, session.now(), account))
    messages.append(wire.account_download_end(account))
    return messages


def answer_positions(session: Session, reader: FieldReader) -> list[Message]:
    """Answer reqPositions: every position of every account, then the end marker."""
    reader.skip(1)
    limit = session.simulator.options.max_position_accounts
    accounts = session.simulator.trading_accounts()
    if limit and len(accounts) > limit:
        raise RequestError(
            321,
            "Error validating request.-'bV' : cause - Position requests are not supported for "
            f"more than {limit} accounts",
        )
    session.subscriptions.positions = True
    return [wire.position(p) for a in accounts for p in _positions(session, a)] + [
        wire.position_end()
    ]


def answer_cancel_positions(session: Session, _reader: FieldReader) -> list[Message]:
    """Answer cancelPositions: nothing is sent, pushes end."""
    session.subscriptions.positions = False
    return []


def answer_positions_multi(session: Session, reader: FieldReader) -> list[Message]:
    """Answer reqPositionsMulti for one account (or all, when none is named)."""
    reader.skip(1)
    request_id = reader.integer("Client Req Id")
    account = reader.text("Account")
    model = reader.text("ModelCode")
    if account:
        _check_account(session, account, request_id, allow_total=True)
    accounts = _accounts_meant(session, account)
    return [
        *(
            wire.position_multi(request_id, p, model)
            for a in accounts
            for p in ([] if model else _positions(session, a))
        ),
        wire.position_multi_end(request_id, account),
    ]


def answer_account_updates_multi(session: Session, reader: FieldReader) -> list[Message]:
    """Answer reqAccountUpdatesMulti: the values of one account, then the end marker."""
    reader.skip(1)
    request_id = reader.integer("Client Req Id")
    account = reader.text("Account") or _only_account(session)
    model = reader.text("ModelCode")
    ledger_only = reader.flag("LedgerAndNLV")
    _check_account(session, account, request_id, allow_total=True)
    prefix = session.simulator.options.ledger_prefix
    rows = account_window_rows(_valued(session, account), ledger_prefix=prefix)
    if ledger_only:
        rows = ledger_and_net_liquidation(rows)
    return [
        *(wire.value_multi(request_id, r, model) for r in rows),
        wire.value_multi_end(request_id, account),
    ]


def answer_summary(session: Session, reader: FieldReader) -> list[Message]:
    """Answer reqAccountSummary; the third open subscription is refused with 322."""
    reader.skip(1)
    request_id = reader.integer("Client Req Id")
    group = reader.text("GroupName")
    tags = [t.strip() for t in reader.text("Tags").split(",") if t.strip()]
    open_requests = session.subscriptions.summaries
    if request_id not in open_requests and len(open_requests) >= _SUMMARY_LIMIT:
        raise RequestError(
            322,
            "Error processing request.-'cp' : cause - Maximum number of account summary requests "
            "exceeded; desubscribe to previous request first",
            request_id,
        )
    accounts = session.simulator.accounts_of_group(group)
    if accounts is None:
        raise RequestError(
            321, f"Error validating request.-'cd' : cause - Invalid group '{group}'", request_id
        )
    open_requests.add(request_id)
    values = [session.simulator.book.value(a) for a in accounts]
    if session.simulator.options.advisor and values:
        values.append(total_value(group, "FA", values))
    rows = [row for value in values for row in summary_rows(value, tags)]
    return [
        *(wire.summary_value(request_id, r) for r in rows),
        wire.summary_end(request_id),
    ]


def answer_cancel_summary(session: Session, reader: FieldReader) -> list[Message]:
    """Answer cancelAccountSummary: the subscription is free again."""
    reader.skip(1)
    session.subscriptions.summaries.discard(reader.integer("Client Req Id"))
    return []


def _positions(session: Session, account: str) -> list[PositionValue]:
    return list(session.simulator.book.value(account).positions)


def _accounts_meant(session: Session, account: str) -> list[str]:
    if account and account in session.simulator.book.accounts:
        return [account]
    return session.simulator.trading_accounts()


def _valued(session: Session, account: str) -> AccountValue:
    """Value an account, or for an advisor the sum over all of them (`All`, `DF...A`)."""
    book = session.simulator.book
    if account in book.accounts:
        return book.value(account)
    members = [book.value(a) for a in session.simulator.trading_accounts()]
    return total_value(account, "FA", members)


def _only_account(session: Session) -> str:
    names = session.simulator.account_names()
    return names[0] if len(names) == 1 else ""


def _check_account(session: Session, account: str, request_id: int, *, allow_total: bool) -> None:
    simulator = session.simulator
    totals = ("All", f"{simulator.options.advisor}A") if simulator.options.advisor else ()
    if account in simulator.account_names() or (allow_total and account in totals):
        return
    raise RequestError(
        321,
        f"Error validating request.-'bW' : cause - Invalid account code '{account}'.",
        request_id,
    )
