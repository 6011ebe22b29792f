"""Requests of a client: which fields each message carries at each server version.

What lives here: parsing into records. What must not: answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from ibkr_pipeline.simulator.instruments import ContractQuery
from ibkr_pipeline.simulator.records import OrderTicket
from ibkr_pipeline.simulator.wire.fields import FieldReader


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionQuery:
    """Filter of reqExecutions; empty fields match anything, `time` as the client wrote it."""

    request_id: int
    client_id: int
    account: str
    time: str
    symbol: str
    sec_type: str
    exchange: str
    side: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """A request for bars."""

    request_id: int
    contract: ContractQuery
    end: str
    bar_size: str
    duration: str
    what_to_show: str
    keep_up_to_date: bool


def parse_contract(reader: FieldReader) -> ContractQuery:
    """Read the twelve contract fields requests share."""
    con_id = reader.integer("ConId")
    symbol = reader.text("Symbol")
    sec_type = reader.text("SecType")
    expiry = reader.text("LastTradeDateOrContractMonth")
    strike = reader.decimal("Strike") or Decimal(0)
    right = reader.text("Right")
    multiplier = reader.text("Multiplier")
    exchange = reader.text("Exchange")
    primary = reader.text("PrimaryExchange")
    return ContractQuery(
        con_id=con_id,
        symbol=symbol,
        sec_type=sec_type,
        expiry=expiry,
        strike=strike,
        right=right,
        multiplier=multiplier,
        exchange=exchange,
        primary_exchange=primary,
        currency=reader.text("Currency"),
        local_symbol=reader.text("LocalSymbol"),
        trading_class=reader.text("TradingClass"),
    )


def parse_executions(reader: FieldReader) -> ExecutionQuery:
    """Read reqExecutions (7, version 3)."""
    reader.skip(1)
    return ExecutionQuery(
        request_id=reader.integer("Client Req Id"),
        client_id=reader.integer("ClientId"),
        account=reader.text("Account"),
        time=reader.text("Time"),
        symbol=reader.text("Symbol"),
        sec_type=reader.text("SecType"),
        exchange=reader.text("Exchange"),
        side=reader.text("Side"),
    )


def parse_contract_details(reader: FieldReader) -> tuple[int, ContractQuery]:
    """Read reqContractDetails (9, version 8): request id and the contract asked for."""
    reader.skip(1)
    request_id = reader.integer("Client Req Id")
    return request_id, parse_contract(reader)


def parse_history(reader: FieldReader) -> HistoryQuery:
    """Read reqHistoricalData (20); it has no version field."""
    request_id = reader.integer("Client Req Id")
    contract = parse_contract(reader)
    reader.skip(1)
    end = reader.text("EndDateTime")
    bar_size = reader.text("BarSize")
    duration = reader.text("Duration")
    reader.skip(1)
    what = reader.text("WhatToShow")
    reader.skip(1)
    return HistoryQuery(
        request_id=request_id,
        contract=contract,
        end=end,
        bar_size=bar_size,
        duration=duration,
        what_to_show=what,
        keep_up_to_date=reader.flag("KeepUpToDate"),
    )


def parse_place_order(reader: FieldReader, version: int, client_id: int) -> OrderTicket:
    """Read placeOrder (3) at a server version; the frame is read to its end.

    Raises:
        RequestError: If a field is missing or cannot be read.
    """
    ticket = _parse_terms(reader, client_id)
    if ticket.contract.sec_type == "BAG":
        _skip_combo(reader)
    reader.skip(3)
    good_till_date = reader.text("GoodTillDate")
    fa_group = reader.text("FaGroup")
    reader.skip(2 if version >= 177 else 3)
    algo, what_if, conditions = _parse_rest(reader, version, ticket.order_type)
    return replace(
        ticket,
        good_till_date=good_till_date,
        fa_group=fa_group,
        algo_strategy=algo,
        what_if=what_if,
        conditions=conditions,
    )


def _parse_terms(reader: FieldReader, client_id: int) -> OrderTicket:
    """Read from the order id to the hidden flag; these fields are the same at every version."""
    order_id = reader.integer("Order Id")
    contract = parse_contract(reader)
    reader.skip(2)
    action = reader.text("Side")
    quantity = reader.decimal("Quantity") or Decimal(0)
    order_type = reader.text("OrderType")
    limit_price = reader.decimal("LmtPrice")
    aux_price = reader.decimal("AuxPrice")
    tif = reader.text("TIF")
    oca_group = reader.text("OcaGroup")
    account = reader.text("Account")
    reader.skip(2)
    order_ref = reader.text("OrderRef")
    transmit = reader.flag("Transmit")
    parent_id = reader.integer("ParentId")
    reader.skip(4)
    return OrderTicket(
        client_id=client_id,
        order_id=order_id,
        contract=contract,
        action=action,
        quantity=quantity,
        order_type=order_type,
        limit_price=limit_price if order_type != "MKT" else None,
        aux_price=aux_price,
        tif=tif,
        account=account,
        order_ref=order_ref,
        transmit=transmit,
        parent_id=parent_id,
        oca_group=oca_group,
        outside_rth=reader.flag("OutsideRth"),
        hidden=reader.flag("Hidden"),
    )


def _skip_combo(reader: FieldReader) -> None:
    reader.skip(8 * reader.integer("ComboLegs"))
    reader.skip(reader.integer("OrderComboLegs"))
    reader.skip(2 * reader.integer("SmartComboRoutingParams"))


def _parse_rest(reader: FieldReader, version: int, order_type: str) -> tuple[str, bool, int]:
    """Read from the model code to the end: algo strategy, what-if and number of conditions."""
    reader.skip(22)
    delta_neutral = reader.text("DeltaNeutralOrderType")
    reader.skip(1)
    if delta_neutral:
        reader.skip(8)
    reader.skip(6)
    increment = reader.decimal("ScalePriceIncrement")
    if increment is not None and increment > 0:
        reader.skip(7)
    reader.skip(3)
    if reader.text("HedgeType"):
        reader.skip(1)
    reader.skip(4)
    if reader.flag("DeltaNeutralContract"):
        reader.skip(3)
    algo = reader.text("AlgoStrategy")
    if algo:
        reader.skip(2 * reader.integer("AlgoParams"))
    reader.skip(1)
    what_if = reader.flag("WhatIf")
    reader.skip(4)
    if order_type in ("PEG BENCH", "PEGBENCH"):
        reader.skip(5)
    conditions = reader.integer("Conditions")
    if not conditions:
        reader.skip(19 + sum(version >= since for since in (158, 160, 162, 166, 169)))
    return algo, what_if, conditions
