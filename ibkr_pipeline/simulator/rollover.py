"""The end of a session and the start of the next: what the night does to every account.

What lives here: the order of a night - options end, scripted events are booked, the session is
written into the history, the ledgers start a new day. What must not: the rules of each step
(`settlement.py`, `corporate.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time, timedelta
from decimal import Decimal

from ibkr_pipeline.simulator.activity import play_orders
from ibkr_pipeline.simulator.book import Book
from ibkr_pipeline.simulator.bookings import Booking, BookingKind
from ibkr_pipeline.simulator.corporate import apply_event
from ibkr_pipeline.simulator.history import AccountDay, Day
from ibkr_pipeline.simulator.records import Commissioned, Event, Executed, Fill
from ibkr_pipeline.simulator.script import SessionScript
from ibkr_pipeline.simulator.sessions import DAY_ORDER_END, is_session, next_session
from ibkr_pipeline.simulator.settlement import (
    Night,
    OptionDemand,
    closing_prices,
    settle_options,
)

_REPORTED_AT = time(2, 30)


def advance(book: Book, seconds: float) -> list[Event]:
    """Move the clock; DAY orders end with the evening and every midnight passed ends its day."""
    clock = book.market.clock
    before = clock.local_now()
    evening = clock.at_local(before.date(), DAY_ORDER_END)
    clock.advance(seconds)
    new_day = clock.today() != before.date()
    events = book.expire_day_orders() if new_day or before < evening <= clock.now() else []
    day = before.date()
    while day < clock.today():
        events += end_day(book, day)
        day += timedelta(days=1)
    return events


def advance_session(book: Book) -> list[Event]:
    """Go to the next session: DAY orders end, the night passes, prices move, the script goes on."""
    events = book.expire_day_orders()
    events += end_day(book, book.market.clock.today())
    book.market.move_to_next_session()
    script = book.script.of(book.session_number)
    for instrument, price in script.marks:
        book.market.set_mark(instrument, price)
    play_orders(book, script.orders)
    for order in book.open_orders():
        events += book.work(order.perm_id)
    return events


def end_day(book: Book, session: date) -> list[Event]:
    """End a day: book its night, write it into the history and start the ledgers' next day.

    A day that is no session and on which nothing was traded leaves no trace.

    Returns:
        What a gateway tells of the night: nothing, or the legs of option events where the script
        says so.
    """
    if not is_session(session) and not any(o.fills for o in book.accounts.values()):
        return []
    starts = {a: (ledger.start_state(), ledger.fills) for a, ledger in book.accounts.items()}
    closes = closing_prices(book.market, session)
    bookings = _book_night(book, session)
    first, book.history.reported_fills = book.history.reported_fills, len(book.fills)
    revisions = [(n, f) for n, f in enumerate(book.fills[first:], start=first) if f.books]
    book.history.add(
        Day(
            session=session,
            closes=closes,
            marks=book.market.marks(),
            rates=book.market.rates(),
            accounts={
                account: AccountDay(
                    start=start,
                    fills=fills,
                    bookings=[b for b in bookings if b.account == account],
                    end=book.accounts[account].state(),
                )
                for account, (start, fills) in starts.items()
            },
            revisions=revisions,
            orders={f.perm_id: book.orders[f.perm_id] for _, f in revisions},
            pending=_script_of(book, session).exercises,
        )
    )
    for ledger in book.accounts.values():
        ledger.close_day()
    if not book.script.wire_shows_assignments:
        return []
    return _report(book, next_session(session), bookings)


def current_day(book: Book) -> Day:
    """Return the session that has not ended yet, as it stands, without a night."""
    first = book.history.reported_fills
    revisions = [(n, f) for n, f in enumerate(book.fills[first:], start=first) if f.books]
    return Day(
        session=book.market.clock.today(),
        closes=book.market.marks(),
        marks=book.market.marks(),
        rates=book.market.rates(),
        accounts={
            account: AccountDay(
                start=ledger.start_state(),
                fills=ledger.fills,
                bookings=(),
                end=ledger.state(),
            )
            for account, ledger in book.accounts.items()
        },
        revisions=revisions,
        orders={f.perm_id: book.orders[f.perm_id] for _, f in revisions},
    )


def _book_night(book: Book, session: date) -> list[Booking]:
    night = Night(session=session, market=book.market, ids=book.booking_ids)
    script = _script_of(book, session)
    asked = [
        OptionDemand(account=p.account, instrument=p.instrument, quantity=p.quantity)
        for p in (book.history.days[-1].pending if book.history.days else ())
        # What expired while its request was pending has ended already.
        if p.instrument.expiry >= f"{session:%Y%m%d}"
    ]
    bookings = settle_options(night, book.accounts, [*script.assignments, *asked])
    for event in script.events:
        bookings += apply_event(night, book.accounts, event)
    return bookings


def _script_of(book: Book, session: date) -> SessionScript:
    """Return what the scenario says of a day that ends; nothing of one that is no session."""
    return book.script.of(book.session_number) if is_session(session) else SessionScript()


def _report(book: Book, session: date, bookings: Iterable[Booking]) -> list[Event]:
    """Put the legs of option events into the gateway's executions of a session."""
    at = book.market.clock.at_local(session, _REPORTED_AT)
    events: list[Event] = []
    for booking in bookings:
        instrument = booking.instrument
        if booking.kind not in (BookingKind.OPTION, BookingKind.DELIVERY) or instrument is None:
            continue
        quantity = abs(booking.quantity)
        fill = book.register.report(
            Fill(
                exec_id="",
                perm_id=book.register.next_perm_id(),
                order_id=0,
                client_id=0,
                account=booking.account,
                instrument=instrument,
                action="BUY" if booking.quantity > 0 else "SELL",
                quantity=quantity,
                price=booking.price,
                exchange=instrument.listing or instrument.exchange,
                executed_at=at,
                cum_quantity=quantity,
                avg_price=booking.price,
                commission=Decimal(0),
                commission_currency=instrument.currency,
                realized_pnl=booking.realized,
                books=False,
            )
        )
        events += [Executed(fill), Commissioned(fill)]
    return events
