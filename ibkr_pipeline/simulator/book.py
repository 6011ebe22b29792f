"""The broker's book: accounts, orders and fills, and what each request does to them.

What lives here: the life of an order (accept, match, modify, cancel, expire) and corrections. Every
change returns the events a gateway would send. What must not: the session roll (`rollover.py`),
sockets, message layouts, client subscriptions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal

from ibkr_pipeline.simulator.bookings import BookingIds
from ibkr_pipeline.simulator.history import History
from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.ledger import AccountLedger
from ibkr_pipeline.simulator.market import Market
from ibkr_pipeline.simulator.order_rules import (
    BAD_ACCOUNT,
    DUPLICATE_ID,
    MODIFY_MISMATCH,
    NO_ACCOUNT,
    NO_SECURITY,
    Refusal,
    refuse_cancel,
    refuse_modification,
    refuse_new_order,
    reject_for_margin,
)
from ibkr_pipeline.simulator.posting import CENT
from ibkr_pipeline.simulator.records import (
    ZERO,
    AccountOpening,
    Commissioned,
    Event,
    Executed,
    Fill,
    Order,
    OrderOpened,
    OrderStatus,
    OrderTicket,
    Refused,
    StatusChanged,
)
from ibkr_pipeline.simulator.register import Execution, Register
from ibkr_pipeline.simulator.script import Script
from ibkr_pipeline.simulator.sessions import is_session
from ibkr_pipeline.simulator.valuation import AccountValue, value_account


class Book:
    """One broker's books.

    Args:
        market: Marks, rates and the clock.
        seed: Decides the permanent ids and execution ids.
        openings: The accounts and what they start with.
    """

    def __init__(self, market: Market, *, seed: int, openings: Iterable[AccountOpening]) -> None:
        self.market = market
        self.accounts: dict[str, AccountLedger] = {
            o.account: AccountLedger(o, market.base_currency) for o in openings
        }
        self.register = Register(self.accounts, market.base_currency, seed)
        self.history = History()
        self.booking_ids = BookingIds(seed)
        self.script = Script()

    @property
    def fills(self) -> list[Fill]:
        """Every fill of every day, corrections included, in order of report."""
        return self.register.fills

    @property
    def orders(self) -> dict[int, Order]:
        """Every order by permanent id."""
        return self.register.orders

    @property
    def session_number(self) -> int:
        """Number of the current session; the one the scenario starts in is 1."""
        return 1 + sum(is_session(session) for session in self.history.sessions())

    def now(self) -> datetime:
        """Return the simulated instant, UTC."""
        return self.market.clock.now()

    def value(self, account: str) -> AccountValue:
        """Value an account at the current marks; raises KeyError for an unknown account."""
        return value_account(self.accounts[account], self.market.mark, self.market.rates())

    def open_orders(self) -> list[Order]:
        """Return every order that can still trade, oldest first."""
        return [o for o in self.orders.values() if not o.status.is_final]

    def completed_orders(self) -> list[Order]:
        """Return the orders completed on the current local date, oldest first."""
        midnight = self.midnight()
        return [
            o
            for o in self.orders.values()
            if o.completed_at is not None and o.completed_at >= midnight
        ]

    def todays_fills(self) -> list[Fill]:
        """Return the fills since local midnight, corrections included, in order of report."""
        midnight = self.midnight()
        return [f for f in self.fills if f.executed_at >= midnight]

    def midnight(self) -> datetime:
        """Return the gateway's last local midnight, UTC."""
        return self.market.clock.at_local(self.market.clock.today(), time(0))

    def place(self, ticket: OrderTicket) -> list[Event]:
        """Accept, refuse or modify an order; the id decides between new and modification.

        An order that is not to be transmitted stays with the client: nothing is answered.
        """
        if not ticket.transmit:
            return []
        known = self.register.find(ticket.client_id, ticket.order_id)
        if known is not None:
            return self._modify(ticket, known)
        matches = self.market.catalogue.resolve(ticket.contract)
        if len(matches) != 1:
            return _refused(ticket, NO_SECURITY)
        account, refusal = self._account_of(ticket)
        if self.register.is_used(ticket.client_id, ticket.order_id):
            refusal = DUPLICATE_ID
        refusal = refusal or refuse_new_order(ticket, matches[0])
        if refusal is not None:
            return _refused(ticket, refusal)
        order = self.register.accept(ticket, matches[0], account, self.now())
        margin = self._margin_refusal(order)
        if margin is not None:
            return self.reject(order, margin)
        return [OrderOpened(order), StatusChanged(order), *self.work(order.perm_id)]

    def place_manual(self, ticket: OrderTicket) -> list[Event]:
        """Place an order by hand in TWS: order id 0, client id 0, no reference.

        Raises:
            LookupError: If the contract does not name one instrument.
            ValueError: If the broker would refuse the order.
        """
        matches = self.market.catalogue.resolve(ticket.contract)
        if len(matches) != 1:
            raise LookupError(f"The contract matched {len(matches)} instruments; name one.")
        manual = replace(ticket, client_id=0, order_id=0, order_ref="")
        account, refusal = self._account_of(manual)
        refusal = refusal or refuse_new_order(manual, matches[0])
        if refusal is not None:
            raise ValueError(f"The manual order was refused with {refusal[0]}: {refusal[1]}")
        order = self.register.accept(manual, matches[0], account, self.now())
        return [OrderOpened(order), StatusChanged(order), *self.work(order.perm_id)]

    def cancel(self, client_id: int, order_id: int) -> list[Event]:
        """Cancel an order by the id its own client knows it by."""
        order = self.register.find(client_id, order_id)
        refusal = refuse_cancel(order, order_id)
        if refusal is not None:
            return [Refused(client_id, order_id, *refusal)]
        return [] if order is None else self.end_order(order)

    def cancel_all(self) -> list[Event]:
        """Cancel every working order of every client (global cancel)."""
        return [event for order in self.open_orders() for event in self.end_order(order)]

    def end_order(self, order: Order, text: str = "Cancelled by Trader") -> list[Event]:
        """Cancel an order: pending, cancelled, then the notice 202 a client gets."""
        pending = replace(order, status=OrderStatus.PENDING_CANCEL)
        return [StatusChanged(pending), *self.expire_order(order, text)]

    def expire_order(self, order: Order, text: str = "Cancelled by System:\n") -> list[Event]:
        """End an order as the broker does: cancelled at once, with the notice 202."""
        cancelled = self.register.store(
            replace(
                order,
                status=OrderStatus.CANCELLED,
                completed_at=self.now(),
                completed_status=text,
            )
        )
        notice = Refused(order.client_id, order.order_id, 202, "Order Canceled - reason:")
        return [StatusChanged(cancelled), notice]

    def reject(self, order: Order, refusal: Refusal) -> list[Event]:
        """End an accepted order as Inactive, with the broker's reason."""
        rejected = self.register.store(
            replace(
                order,
                status=OrderStatus.INACTIVE,
                completed_at=self.now(),
                completed_status=refusal[1],
            )
        )
        notice = Refused(order.client_id, order.order_id, *refusal)
        return [OrderOpened(rejected), StatusChanged(rejected), notice]

    def set_price(self, instrument: Instrument, price: Decimal) -> list[Event]:
        """Move a mark and let working orders of that instrument trade."""
        self.market.set_mark(instrument, price)
        return [
            event
            for order in self.open_orders()
            if order.instrument.con_id == instrument.con_id
            for event in self.work(order.perm_id)
        ]

    def fill(self, perm_id: int, quantity: Decimal, price: Decimal) -> list[Event]:
        """Force a fill of a working order, whatever the market says.

        Raises:
            ValueError: If there is no such order, it is final, or less than the quantity remains.
        """
        order = self.orders.get(perm_id)
        if order is None:
            raise ValueError(
                f"No order has the perm_id {perm_id}; `state` lists those that are open."
            )
        if order.status.is_final or not ZERO < quantity <= order.remaining:
            raise ValueError(
                f"Order {perm_id} ({order.status.value}, {order.remaining} remaining) cannot be "
                f"filled with {quantity}; give a working order and at most what remains."
            )
        return self._execute(perm_id, quantity, price)

    def correct(self, exec_id: str, price: Decimal) -> Fill:
        """Correct the price of an execution; positions and cash follow."""
        return self.register.correct(exec_id, price)

    def expire_day_orders(self) -> list[Event]:
        """End every DAY order that can still trade."""
        return [
            event
            for order in self.open_orders()
            if order.tif == "DAY"
            for event in self.expire_order(order)
        ]

    def _modify(self, ticket: OrderTicket, order: Order) -> list[Event]:
        refusal = refuse_modification(ticket, order)
        if refusal is None and self.market.catalogue.resolve(ticket.contract) != [order.instrument]:
            refusal = MODIFY_MISMATCH
        if refusal is not None:
            return _refused(ticket, refusal)
        changed = self.register.store(
            replace(
                order,
                quantity=ticket.quantity,
                order_type=ticket.order_type,
                limit_price=ticket.limit_price,
                tif=ticket.tif or "DAY",
                order_ref=ticket.order_ref or order.order_ref,
            )
        )
        if changed.remaining == 0:
            changed = self.register.store(
                replace(
                    changed,
                    status=OrderStatus.FILLED,
                    completed_at=self.now(),
                    completed_status=f"Filled Size: {changed.filled.normalize():f}",
                )
            )
        return [OrderOpened(changed), StatusChanged(changed), *self.work(changed.perm_id)]

    def _account_of(self, ticket: OrderTicket) -> tuple[str, Refusal | None]:
        if ticket.account in self.accounts:
            return ticket.account, None
        if ticket.account:
            return "", BAD_ACCOUNT
        if len(self.accounts) == 1:
            return next(iter(self.accounts)), None
        return "", NO_ACCOUNT

    def _margin_refusal(self, order: Order) -> Refusal | None:
        if order.action == "SELL" or order.instrument.sec_type not in ("STK", "OPT"):
            return None
        value = self.value(order.account)
        price = order.limit_price or self.market.mark(order.instrument)
        rate = self.market.rates()[order.instrument.currency]
        cost = order.quantity * price * order.instrument.multiplier * rate
        needed = cost / 2 if order.instrument.sec_type == "STK" else cost
        if needed <= value.available_funds:
            return None
        required = (value.initial_margin + needed).quantize(CENT)
        return reject_for_margin(required, value.equity_with_loan, value.base_currency)

    def work(self, perm_id: int) -> list[Event]:
        """Let one order meet the market; a resting order becomes Submitted."""
        order = self.orders[perm_id]
        events: list[Event] = []
        if order.status.is_final:
            return events
        if self.market.crosses(order):
            price = self.market.mark(order.instrument)
            for quantity in self.market.liquidity.slices(order.remaining):
                events += self._execute(perm_id, quantity, price)
        order = self.orders[perm_id]
        if order.status is OrderStatus.PRE_SUBMITTED:
            submitted = self.register.store(replace(order, status=OrderStatus.SUBMITTED))
            events += [OrderOpened(submitted), StatusChanged(submitted)]
        return events

    def _execute(self, perm_id: int, quantity: Decimal, price: Decimal) -> list[Event]:
        """Book one execution: execDetails, order, status, commission, as gateways send them."""
        execution = Execution(quantity=quantity, price=price, at=self.now())
        order, fill = self.register.record(self.orders[perm_id], execution)
        events: list[Event] = [Executed(fill), OrderOpened(order), StatusChanged(order)]
        if order.status is OrderStatus.FILLED:
            charged = replace(
                order, commission=fill.commission, commission_currency=fill.commission_currency
            )
            events.append(OrderOpened(charged))
        return [*events, Commissioned(fill)]


def _refused(ticket: OrderTicket, refusal: Refusal) -> list[Event]:
    return [Refused(ticket.client_id, ticket.order_id, *refusal)]
