"""One account over the window of a statement: what sections read.

What lives here: the window's days, the values at its two ends and the shape of a row. What must
not: the rules by which a book changes, and the rows of a section.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, cached_property

from ibkr_pipeline.simulator.bookings import Booking, BookingKind
from ibkr_pipeline.simulator.flex.close import Close
from ibkr_pipeline.simulator.flex.columns import FILLED, Columns
from ibkr_pipeline.simulator.flex.flows import DayFlows, flows_of_day
from ibkr_pipeline.simulator.flex.options import FlexQuery
from ibkr_pipeline.simulator.flex.texts import DateStyle, contract_values, number
from ibkr_pipeline.simulator.flex.trade_rows import TradeRow, trade_rows
from ibkr_pipeline.simulator.history import AccountDay, Day
from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.market import Market

Row = tuple[str, dict[str, str]]


# Without slots: what is derived from a view is worked out once and kept.
@dataclass(frozen=True, kw_only=True)
class AccountView:
    """One account over one window.

    Attributes:
        account: Account id.
        query: The query asked.
        style: How dates are written.
        market: For the instruments and the base currency.
        from_date: First day of the window.
        to_date: Last day of the window.
        before: The close before the window.
        days: The sessions of the window, oldest first.
        past: Every session up to the end of the window, for lots.
    """

    account: str
    query: FlexQuery
    style: DateStyle
    market: Market
    from_date: date
    to_date: date
    before: Close
    days: Sequence[Day]
    past: Sequence[Day]

    @property
    def base_currency(self) -> str:
        """Base currency of the account."""
        return self.market.base_currency

    def account_days(self) -> Iterator[tuple[Day, AccountDay]]:
        """Yield each session of the window with what this account did in it."""
        for day in self.days:
            yield day, day.accounts[self.account]

    @cached_property
    def closes(self) -> list[Close]:
        """The close of every session of the window, oldest first."""
        return [
            Close(
                session=day.session,
                state=day.accounts[self.account].end,
                marks=day.marks,
                rates=day.rates,
            )
            for day in self.days
        ]

    @property
    def last_close(self) -> Close:
        """The close at the end of the window."""
        return (self.closes or [self.before])[-1]

    @cached_property
    def flows(self) -> list[DayFlows]:
        """Every move of cash in the window, by session."""
        found: list[DayFlows] = []
        before = self.before
        for (day, account_day), after in zip(self.account_days(), self.closes, strict=True):
            trades = [trade for of, trade in self.trades if of is day]
            flows = tuple(flows_of_day(account_day, trades, before, after))
            found.append(DayFlows(day=day, flows=flows))
            before = after
        return found

    @cached_property
    def trades(self) -> list[tuple[Day, TradeRow]]:
        """Every execution-level row of the window, in order of booking."""
        return [(day, trade) for day in self.days for trade in trade_rows(day, self.account)]

    def bookings(self, *kinds: BookingKind) -> Iterator[tuple[Day, Booking]]:
        """Yield the overnight entries of some kinds, oldest first."""
        for day, account_day in self.account_days():
            for booking in account_day.bookings:
                if booking.kind in kinds:
                    yield day, booking

    def wants(self, section: str, level: str) -> bool:
        """Tell whether the query selects rows of a level in a section."""
        return level in self.query.levels.get(section, ())

    def head(
        self,
        instrument: Instrument | None,
        rates: Mapping[str, Decimal],
        currency: str = "",
    ) -> dict[str, str]:
        """Return the columns every detail row begins with: account, currency, rate, contract."""
        named = currency or (instrument.currency if instrument is not None else "")
        return {
            "accountId": self.account,
            "currency": named,
            "fxRateToBase": number(rates[named]) if named in rates else "",
            **contract_values(instrument, self.style),
        }


def row(tag: str, columns: Columns, values: Mapping[str, str]) -> Row:
    """Return a row with every column of its kind in order; what is not given is empty.

    Raises:
        KeyError: If a value is given for a column the kind does not have.
    """
    unknown = values.keys() - empty_row(columns).keys()
    if unknown:
        raise KeyError(f"{tag} has no column {min(unknown)!r}; add it to the columns.")
    return tag, {**empty_row(columns), **values}


@cache
def empty_row(columns: Columns) -> Mapping[str, str]:
    """Return every column of a kind in order, without values."""
    return {column: FILLED.get(column, "") for column in columns}
