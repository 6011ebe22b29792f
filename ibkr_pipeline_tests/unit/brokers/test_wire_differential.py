"""Our cutting of messages against ib_async's decoder, for every server version it speaks."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ib_async.decoder import Decoder

from ibkr_pipeline.brokers.ibkr.testing import frame
from ibkr_pipeline.brokers.ibkr.transport.order_wire import cut_orders
from ibkr_pipeline.brokers.ibkr.transport.wire import (
    LAYOUTS,
    MAX_SERVER_VERSION,
    MIN_SERVER_VERSION,
    ROWS,
    cut,
    fields_of,
)
from ibkr_pipeline_tests.repository import ROOT
from ibkr_pipeline_tests.unit.brokers.frames import completed_order, open_order

VERSIONS = range(MIN_SERVER_VERSION, MAX_SERVER_VERSION + 1)
RECORDED = ROOT.parent / "shared" / "samples" / "wire" / "recorded_frames.jsonl"

_WORD = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
_NUMBER = st.decimals(min_value=-1_000_000, max_value=1_000_000, places=4).map(str)
_WHOLE = st.integers(min_value=0, max_value=2**31 - 2).map(str)

#: Our field name -> where ib_async puts it: (argument of the wrapper call, attribute).
_CONTRACT = {
    name: (name, True)
    for name in (
        "conId", "symbol", "secType", "lastTradeDateOrContractMonth", "strike", "right",
        "multiplier", "currency", "localSymbol", "tradingClass",
    )
}  # fmt: skip
_NUMERIC = {
    "strike", "position", "avgCost", "marketPrice", "marketValue", "averageCost", "unrealizedPNL",
    "realizedPNL", "filled", "remaining", "avgFillPrice", "lastFillPrice", "mktCapPrice", "shares",
    "price", "cumQty", "avgPrice", "evMultiplier", "commission", "yield",
}  # fmt: skip
_INTEGERS = {
    "conId", "orderId", "permId", "clientId", "parentId", "liquidation", "lastLiquidity",
    "yieldRedemptionDate", "reqId", "version",
}  # fmt: skip
_FLAGS = {"pendingPriceRevision"}


class _Listener:
    """Keeps the arguments of whatever ib_async's decoder calls."""

    defaultTimezone = None  # noqa: N815  # the library's name

    def __init__(self) -> None:
        self.heard: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.heard.append((name, arguments))


def _values(field: str) -> st.SearchStrategy[str]:
    if field in _NUMERIC:
        return _NUMBER
    if field in _INTEGERS:
        return _WHOLE
    if field in _FLAGS:
        return st.sampled_from(["0", "1", ""])
    if field == "time":
        return st.just("20260413 15:27:04 US/Eastern")
    return _WORD


def _decoded_by_ib_async(ident: str, text: str, version: int) -> dict[str, Any]:
    listener = _Listener()
    Decoder(listener, version).interpret(fields_of(text))  # type: ignore[no-untyped-call,arg-type]
    ((name, arguments),) = listener.heard
    found: dict[str, Any] = {"_call": name}
    for place, argument in enumerate(arguments):
        if dataclasses.is_dataclass(argument):
            attributes = {f.name: getattr(argument, f.name) for f in dataclasses.fields(argument)}
            if "execId" in attributes and "exchange" in attributes:
                attributes["executionExchange"] = attributes.pop("exchange")
            found |= attributes
        else:
            found[str(place)] = argument
    return found


#: Message -> our field -> key of `_decoded_by_ib_async`, where the names differ.
_ELSEWHERE: dict[str, dict[str, str]] = {
    "3": dict(
        zip(
            ("orderId", "status", "filled", "remaining", "avgFillPrice", "permId", "parentId",
             "lastFillPrice", "clientId", "whyHeld", "mktCapPrice"),
            map(str, range(11)),
            strict=True,
        )
    ),
    "6": {"key": "0", "value": "1", "currency": "2", "accountName": "3"},
    "7": {"position": "1", "marketPrice": "2", "marketValue": "3", "averageCost": "4",
          "unrealizedPNL": "5", "realizedPNL": "6", "accountName": "7"},
    "11": {"reqId": "0"},
    "59": {"yield": "yield_", "yieldRedemptionDate": "yieldRedemptionDate"},
    "61": {"account": "0", "position": "2", "avgCost": "3"},
    "63": {"reqId": "0", "account": "1", "tag": "2", "value": "3", "currency": "4"},
    "71": {"reqId": "0", "account": "1", "modelCode": "2", "position": "4", "avgCost": "5"},
    "73": {"reqId": "0", "accountName": "1", "modelCode": "2", "key": "3", "value": "4",
           "currency": "5"},
}  # fmt: skip
#: Not handed on by ib_async.
_UNHEARD = {"version", "time"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ident", list(_ELSEWHERE))
@settings(max_examples=8)
@given(data=st.data())
def test_every_field_is_what_ib_async_decodes(
    ident: str, version: int, data: st.DataObject
) -> None:
    """Two decoders written apart that agree on every field leave no room for a shifted column."""
    layout = LAYOUTS[ident]
    names = layout.at(version)
    values = {name: data.draw(_values(name), label=name) for name in names}
    text = frame(ident, *values.values())

    found = cut(ident, [text], [0], version)
    theirs = _decoded_by_ib_async(ident, text, version)

    assert () == found.malformed
    row = found.frame.row(0, named=True)
    for name in names:
        if name in _UNHEARD:
            continue
        key = _ELSEWHERE[ident].get(name, name)
        assert _as_ib_async(name, row[name]) == theirs[key], name


def _as_ib_async(name: str, text: str) -> Any:
    if name in _NUMERIC:
        return float(text)
    if name in _INTEGERS:
        return int(text)
    return bool(int(text or 0)) if name in _FLAGS else text


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("ident", "build"), [("5", open_order), ("101", completed_order)])
def test_an_order_of_every_version_keeps_its_wire_text(
    ident: str, build: Any, version: int
) -> None:
    """The layout changes at 159, 160, 162, 170 and 177; a shift would swap permId and client id."""
    text = build(version)

    found = cut_orders(ident, [text], [0], version)

    assert () == found.malformed
    row = found.frame.row(0, named=True)
    listener = _Listener()
    Decoder(listener, version).interpret(fields_of(text))  # type: ignore[no-untyped-call,arg-type]
    contract, order, state = listener.heard[0][1][-3:]
    assert None is row["extra"]
    assert (contract.conId, order.permId) == (int(row["conId"]), int(row["permId"]))
    assert (order.account, order.orderType, state.status) == (
        row["account"],
        row["orderType"],
        row["status"],
    )
    assert state.completedStatus == (row["completedStatus"] or "")


@pytest.mark.parametrize(("ident", "build"), [("5", open_order), ("101", completed_order)])
def test_trailing_fields_of_a_newer_server_are_kept(ident: str, build: Any) -> None:
    """A gateway that says more than we know is no error, and nothing it says is thrown away."""
    found = cut_orders(ident, [build(178) + "new\0"], [0], 178)

    assert ["new"] == json.loads(found.frame["extra"][0])


@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded frames beside the repository")
def test_frames_recorded_from_live_gateways_are_cut_completely() -> None:
    """What real gateways wrote is the only judge of a layout that two clients merely agree on."""
    versions = {"5": 165, "101": 169, "11": 178, "4": 157}
    # The recorder's version lacks fields in these two: 6 without account, 63 and 73 with one more.
    skipped = {"src/testdata/responses.rs:13"}
    cut_whole = []
    for line in RECORDED.read_text().splitlines():
        item = json.loads(line)
        ident, text = str(item["msg"]), item["frame"].replace("|", "\0")
        outbound = "/tests.rs" in item["source"] and ident not in versions
        if ident not in ROWS or item["source"] in skipped or (outbound and ident != "59"):
            continue
        if item["source"].split(":")[0].endswith("testdata/responses.rs") or ident in {
            "5", "11", "59", "101",
        }:  # fmt: skip
            version = versions.get(ident, 178)
            cutter = cut_orders if ident in {"5", "101"} else cut
            found = cutter(ident, [text], [0], version)
            assert () == found.malformed, item
            cut_whole.append(ident)

    assert {"5", "11", "59", "61", "63", "71", "73", "101"} <= set(cut_whole)
