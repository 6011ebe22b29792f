"""One client's view of the gateway: its id, its layout and what it subscribed to.

What lives here: turning events of the book into the messages this client hears. What must not:
bytes on a socket (`connection.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.records import (
    Commissioned,
    Event,
    Executed,
    Fill,
    Order,
    OrderOpened,
    Refused,
    StatusChanged,
)
from ibkr_pipeline.simulator.valuation import PositionValue, value_position
from ibkr_pipeline.simulator.wire import (
    account_messages,
    order_messages,
    session_messages,
    trade_messages,
)
from ibkr_pipeline.simulator.wire.message import Layout, Message

Publish = Callable[[Iterable[Event]], None]


@dataclass(slots=True)
class Subscriptions:
    """What a client hears of without asking again."""

    account: str = ""
    positions: bool = False
    summaries: set[int] = field(default_factory=set)
    auto_bind: bool = False


class Session:
    """A connected client.

    Args:
        simulator: The shared state.
        layout: Negotiated layout.
        client_id: The id the client started with.
        publish: Hands events to every session they concern.
    """

    def __init__(
        self, simulator: Simulator, layout: Layout, client_id: int, publish: Publish
    ) -> None:
        self.simulator = simulator
        self.layout = layout
        self.client_id = client_id
        self.publish = publish
        self.subscriptions = Subscriptions()

    def now(self) -> datetime:
        """Return the simulated instant."""
        return self.simulator.book.market.clock.now()

    def hear(self, events: Iterable[Event]) -> list[Message]:
        """Return the messages this client gets for events of the book."""
        messages: list[Message] = []
        for event in events:
            messages += self._translate(event)
        return messages

    def bind_manual_orders(self) -> list[Message]:
        """Bind the open manual orders to this client and tell their new ids."""
        book = self.simulator.book
        messages: list[Message] = []
        for order in book.open_orders():
            if order.client_id == 0 and order.order_id == 0:
                lowest = min((o.order_id for o in book.orders.values()), default=0)
                bound = book.register.bind(order.perm_id, min(lowest, 0) - 1)
                messages.append(session_messages.order_bound(order.perm_id, 0, bound.order_id))
        return messages

    def _translate(self, event: Event) -> list[Message]:
        if isinstance(event, Refused):
            mine = event.client_id == self.client_id
            error = session_messages.error(self.layout, event.order_id, event.code, event.text)
            return [error] if mine else []
        if isinstance(event, OrderOpened | StatusChanged):
            return self._translate_order(event, event.order)
        if isinstance(event, Executed):
            heard = self._hears_of(event.fill.client_id, event.fill.order_id)
            own = [trade_messages.execution(self.layout, trade_messages.UNSOLICITED, event.fill)]
            return (own if heard else []) + self._position_changes(event.fill)
        return self._translate_commission(event)

    def _translate_order(self, event: OrderOpened | StatusChanged, order: Order) -> list[Message]:
        if not self._hears_of(order.client_id, order.order_id):
            return []
        if isinstance(event, OrderOpened):
            return [order_messages.open_order(self.layout, order)]
        return [order_messages.order_status(order)]

    def _translate_commission(self, event: Commissioned) -> list[Message]:
        if not self._hears_of(event.fill.client_id, event.fill.order_id):
            return []
        return [trade_messages.commission(event.fill)]

    def _hears_of(self, client_id: int, order_id: int) -> bool:
        if self.simulator.options.master_client_id == self.client_id:
            return True
        is_manual = client_id == 0 and order_id == 0
        return client_id == self.client_id and (not is_manual or self.subscriptions.auto_bind)

    def _position_changes(self, fill: Fill) -> list[Message]:
        """Return the pushed position and portfolio rows a fill causes; a flat row has 0."""
        changed = self._changed_position(fill)
        if changed is None:
            return []
        messages: list[Message] = []
        if self.subscriptions.positions:
            messages.append(account_messages.position(changed))
        if self.subscriptions.account == fill.account:
            messages.append(account_messages.portfolio_value(changed))
        return messages

    def _changed_position(self, fill: Fill) -> PositionValue | None:
        book = self.simulator.book
        ledger = book.accounts[fill.account]
        holding = ledger.holdings.get(fill.instrument.con_id)
        if holding is None:
            return None
        return value_position(ledger, holding, book.market.mark(fill.instrument))
