"""The register of orders and fills: who knows an order by which id, and what was executed.

What lives here: identifiers, the records themselves and the posting of fills to accounts. What
must not: decisions (which order is refused, when it trades) - those are the book's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from random import Random

from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.ledger import AccountLedger
from ibkr_pipeline.simulator.posting import commission_of, total
from ibkr_pipeline.simulator.records import Fill, Order, OrderStatus, OrderTicket

_PRICE_DIGITS = Decimal("0.00000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An execution about to be written down.

    `books` is False for an advisor's block, whose allocations carry position and money.
    """

    quantity: Decimal
    price: Decimal
    at: datetime
    exchange: str = ""
    books: bool = True


class Register:
    """Orders and fills of one book.

    Args:
        accounts: The ledgers fills are posted to.
        base_currency: Currency commissions of currency trades are charged in.
        seed: Decides permanent ids and execution ids.
    """

    def __init__(
        self, accounts: Mapping[str, AccountLedger], base_currency: str, seed: int
    ) -> None:
        self.orders: dict[int, Order] = {}
        self.fills: list[Fill] = []
        self.next_order_id = 1
        # Identifiers only have to be stable and plausible, not unpredictable.
        random = Random(seed)  # noqa: S311  # seeded on purpose
        self._accounts = accounts
        self._base_currency = base_currency
        self._next_perm_id = 1_400_000_000 + random.randrange(100_000_000)
        self._exec_prefix = f"{0x0000E000 + random.randrange(0xFFF):08x}"
        self._next_exec = 0x69000000 + random.randrange(0xFFFFF)
        self._by_client: dict[tuple[int, int], int] = {}
        self._highest_id: dict[int, int] = {}
        self._order_fills: dict[int, list[Fill]] = {}

    def find(self, client_id: int, order_id: int) -> Order | None:
        """Return the order a client knows by an id, or None."""
        perm_id = self._by_client.get((client_id, order_id))
        return None if perm_id is None else self.orders[perm_id]

    def fills_of(self, perm_id: int) -> list[Fill]:
        """Return the fills of an order, every revision included."""
        return list(self._order_fills.get(perm_id, ()))

    def is_used(self, client_id: int, order_id: int) -> bool:
        """Tell whether a client has already used this id or a higher one."""
        return order_id <= self._highest_id.get(client_id, 0)

    def accept(
        self, ticket: OrderTicket, instrument: Instrument, account: str, at: datetime
    ) -> Order:
        """Give an order its permanent id and write it down as pre-submitted."""
        perm_id = self.next_perm_id()
        if ticket.order_id:
            self.next_order_id = max(self.next_order_id, ticket.order_id + 1)
            self._by_client[ticket.client_id, ticket.order_id] = perm_id
            self._highest_id[ticket.client_id] = ticket.order_id
        return self.store(
            Order(
                perm_id=perm_id,
                order_id=ticket.order_id,
                client_id=ticket.client_id,
                account=account,
                instrument=instrument,
                action=ticket.action,
                quantity=ticket.quantity,
                order_type=ticket.order_type,
                tif=ticket.tif or "DAY",
                status=OrderStatus.PRE_SUBMITTED,
                submitted_at=at,
                limit_price=ticket.limit_price,
                order_ref=ticket.order_ref,
                outside_rth=ticket.outside_rth,
                hidden=ticket.hidden,
                fa_group=ticket.fa_group,
            )
        )

    def store(self, order: Order) -> Order:
        """Write down the new state of an order."""
        self.orders[order.perm_id] = order
        return order

    def bind(self, perm_id: int, order_id: int) -> Order:
        """Give a manual order an id by which client 0 may change it."""
        self._by_client[0, order_id] = perm_id
        return self.store(replace(self.orders[perm_id], order_id=order_id))

    def reissue_order_ids(self, order_id: int) -> None:
        """Forget that ids from `order_id` on were used, as a gateway restart has done."""
        self.next_order_id = order_id
        self._by_client = {k: v for k, v in self._by_client.items() if k[1] < order_id}
        self._highest_id = {c: min(i, order_id - 1) for c, i in self._highest_id.items()}

    def record(self, order: Order, execution: Execution) -> tuple[Order, Fill]:
        """Write an execution down, post it to its account and return order and fill."""
        filled = order.filled + execution.quantity
        value = order.avg_price * order.filled + execution.price * execution.quantity
        average = (value / filled).quantize(_PRICE_DIGITS)
        fill = Fill(
            exec_id=self._new_exec_id(),
            perm_id=order.perm_id,
            order_id=order.order_id,
            client_id=order.client_id,
            account=order.account,
            instrument=order.instrument,
            action=order.action,
            quantity=execution.quantity,
            price=execution.price,
            exchange=execution.exchange or order.instrument.listing or order.instrument.exchange,
            executed_at=execution.at,
            cum_quantity=filled,
            avg_price=average,
            commission=commission_of(order.instrument, execution.quantity),
            commission_currency=self._commission_currency(order.instrument),
            realized_pnl=None,
            order_ref=order.order_ref,
            books=execution.books,
        )
        fill = self._post(fill)
        self._order_fills.setdefault(order.perm_id, []).append(fill)
        is_done = filled == order.quantity
        updated = replace(
            order,
            filled=filled,
            avg_price=average,
            last_price=execution.price,
            status=OrderStatus.FILLED if is_done else OrderStatus.SUBMITTED,
            completed_at=execution.at if is_done else None,
            completed_status=f"Filled Size: {filled.normalize():f}" if is_done else "",
        )
        return self.store(updated), fill

    def allocate(self, block: Fill, account: str, quantity: Decimal) -> Fill:
        """Write down the part of an advisor's block execution that went to one account."""
        return self._post(
            replace(
                block,
                exec_id=self._new_exec_id(),
                account=account,
                quantity=quantity,
                cum_quantity=quantity,
                commission=commission_of(block.instrument, quantity),
                books=True,
            )
        )

    def report(self, fill: Fill) -> Fill:
        """Write down a fill that moves no account, under a new execution id."""
        reported = replace(fill, exec_id=self._new_exec_id())
        self.fills.append(reported)
        return reported

    def next_perm_id(self) -> int:
        """Return a new permanent id."""
        self._next_perm_id += 1
        return self._next_perm_id

    def correct(self, exec_id: str, price: Decimal) -> Fill:
        """Correct the price of an execution: the same root with the next revision.

        Raises:
            LookupError: If no execution of the current day has this id.
        """
        original = self._latest_revision(exec_id)
        revision = int(original.exec_id.rpartition(".")[2]) + 1
        corrected = replace(
            original,
            exec_id=f"{original.root}.{revision:02d}",
            price=price,
            avg_price=self._average_with(original, price),
        )
        if corrected.books:
            realized = self._accounts[original.account].replace(corrected)
            corrected = replace(corrected, realized_pnl=realized)
        self.fills.append(corrected)
        self._order_fills.setdefault(original.perm_id, []).append(corrected)
        self.store(replace(self.orders[original.perm_id], avg_price=corrected.avg_price))
        return corrected

    def _post(self, fill: Fill) -> Fill:
        realized = self._accounts[fill.account].post(fill)
        posted = fill if realized is None else replace(fill, realized_pnl=realized)
        self.fills.append(posted)
        return posted

    def _commission_currency(self, instrument: Instrument) -> str:
        return self._base_currency if instrument.sec_type == "CASH" else instrument.currency

    def _latest_revision(self, exec_id: str) -> Fill:
        root = exec_id.rpartition(".")[0]
        revisions = [f for f in self.fills if f.root == root]
        if not revisions:
            raise LookupError(f"Execution {exec_id!r} is not in the book; give a known one.")
        return revisions[-1]

    def _average_with(self, original: Fill, price: Decimal) -> Decimal:
        latest = {f.root: f for f in self._order_fills.get(original.perm_id, ())}
        latest[original.root] = replace(original, price=price)
        value = total(f.price * f.quantity for f in latest.values())
        return (value / total(f.quantity for f in latest.values())).quantize(_PRICE_DIGITS)

    def _new_exec_id(self) -> str:
        self._next_exec += 1
        return f"{self._exec_prefix}.{self._next_exec:08x}.01.01"
