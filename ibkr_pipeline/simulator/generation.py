"""Books of any size from a few parameters: many accounts, many executions.

What lives here: the two generators of a scenario. What must not: anything read back from the wire.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from ibkr_pipeline.simulator.book import Book
from ibkr_pipeline.simulator.document import Section
from ibkr_pipeline.simulator.instruments import ContractQuery, Instrument
from ibkr_pipeline.simulator.market import Market
from ibkr_pipeline.simulator.prices import round_to_tick
from ibkr_pipeline.simulator.records import AccountOpening, Order, OrderTicket
from ibkr_pipeline.simulator.register import Execution

_FIRST_CON_ID = 900_000_001
_SESSION_SECONDS = 6 * 3600
_LOT = 100


def generate_accounts(section: Section, market: Market, seed: int) -> list[AccountOpening]:
    """Return `count` accounts with `positions` stocks each, listing the stocks it needs.

    Account names continue from `first` (DU0000001 ...); quantities and prices come from the seed.
    """
    count = section.integer("count", 0, low=0, high=10_000)
    per_account = section.integer("positions", 10, low=0, high=5_000)
    first = section.text("first", "DU0000001")
    section.end()
    if not first[2:].isdecimal():
        raise section.error(f"first was {first!r}, expected two letters and digits.")
    prefix, start = first[:2], int(first[2:])
    random = Random(f"{seed}:accounts")  # noqa: S311 - plausible sizes, no secret
    stocks = _listed_stocks(market, per_account, random) if count else []
    return [
        AccountOpening(
            account=f"{prefix}{start + index:07d}",
            cash={market.base_currency: Decimal(random.randrange(1_000_000, 9_000_000)) / 100},
            positions=tuple(
                (stock, Decimal(random.randrange(1, 500)), stock.mark) for stock in stocks
            ),
        )
        for index in range(count)
    ]


def generate_executions(section: Section, book: Book, seed: int) -> None:
    """Play `count` executions of filled orders into the book, spread over the session.

    Each order has `per_order` executions; accounts and the stocks of the catalogue take turns, and
    buys and sells alternate, so positions stay small.
    """
    count = section.integer("count", 0, low=0, high=2_000_000)
    per_order = section.integer("per_order", 5, low=1, high=1_000)
    section.end()
    if not count:
        return
    random = Random(f"{seed}:executions")  # noqa: S311 - plausible prices, no secret
    accounts = list(book.accounts)
    stocks = [i for i in book.market.catalogue if i.sec_type == "STK"]
    opening = book.market.clock.now() - timedelta(seconds=_SESSION_SECONDS)
    for number, done in enumerate(range(0, count, per_order)):
        stock = stocks[(number // 2) % len(stocks)]
        account = accounts[(number // (2 * len(stocks))) % len(accounts)]
        moment = opening + timedelta(seconds=_SESSION_SECONDS * done / count)
        pieces = min(per_order, count - done)
        order = _generate_order(book, number, stock, account, pieces, moment)
        for piece in range(pieces):
            price = stock.mark * Decimal(random.randrange(9_950, 10_051)) / 10_000
            execution = Execution(
                quantity=Decimal(_LOT),
                price=round_to_tick(price, stock.min_tick),
                at=moment + timedelta(milliseconds=piece),
                exchange=stock.listing,
            )
            order, _ = book.register.record(order, execution)


def _generate_order(
    book: Book, number: int, stock: Instrument, account: str, pieces: int, moment: datetime
) -> Order:
    ticket = OrderTicket(
        client_id=1,
        order_id=book.register.next_order_id,
        contract=ContractQuery(con_id=stock.con_id),
        action="BUY" if number % 2 == 0 else "SELL",
        quantity=Decimal(_LOT * pieces),
        order_type="MKT",
        account=account,
        order_ref=f"bulk-{number}",
    )
    return book.register.accept(ticket, stock, account, moment)


def _listed_stocks(market: Market, count: int, random: Random) -> list[Instrument]:
    stocks = [
        Instrument(
            con_id=_FIRST_CON_ID + index,
            symbol=f"SIM{index:04d}",
            sec_type="STK",
            currency=market.base_currency,
            mark=Decimal(random.randrange(500, 50_000)) / 100,
            listing="NASDAQ",
            local_symbol=f"SIM{index:04d}",
            trading_class="NMS",
            long_name=f"SIMULATED COMPANY {index}",
        )
        for index in range(count)
    ]
    for stock in stocks:
        market.list_instrument(stock)
    return stocks
