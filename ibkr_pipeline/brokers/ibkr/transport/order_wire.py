"""openOrder and completedOrder: messages whose layout depends on what is in them.

What lives here: calling ib_async's own decoder functions for these two and flattening what they
found to text. What must not: fixed-layout messages (`wire.py`).
The decoder's `parse` step, which turns unset numbers into defaults, is left out, so every field
keeps the text of the wire; errors reach us because `interpret` is not used.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import polars as pl
from ib_async.contract import Contract
from ib_async.decoder import Decoder
from ib_async.order import Order, OrderState

from ibkr_pipeline.brokers.ibkr.transport.wire import (
    COMPLETED_ORDER,
    OPEN_ORDER,
    Cut,
    Malformed,
    fields_of,
    unescape_text,
)

NAMES = {OPEN_ORDER: "openOrder", COMPLETED_ORDER: "completedOrder"}


def _texts_of(record: type[Any]) -> tuple[str, ...]:
    """Names of a record's fields that one wire field can fill."""
    return tuple(
        item.name
        for item in dataclasses.fields(record)
        if item.default_factory is dataclasses.MISSING
        and item.name not in ("secId", "secIdType", "includeExpired", "deltaNeutralContract")
    )


_SOURCES = (_texts_of(Contract), _texts_of(Order), _texts_of(OrderState))
#: Every column of an openOrder or completedOrder frame but `seq`.
COLUMNS = (*dict.fromkeys(name for names in _SOURCES for name in names), "wire", "extra")

#: Fields that must be numbers, or the message was cut in the wrong places.
_WHOLE = ("conId", "permId")
_WHOLE_OPEN = ("orderId", "clientId")
_NUMBERS = ("totalQuantity",)
_PROBLEMS = (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError)


if TYPE_CHECKING:
    _Decoder = Any  # ib_async annotates too little to check
else:
    _Decoder = Decoder


class _TextDecoder(_Decoder):  # type: ignore[misc]  # Any while checking
    """ib_async's decoder that leaves every field the text it was."""

    def parse(self, obj: object) -> None:
        """Leave the fields alone."""


class _Capture:
    """Takes what a decoder found."""

    def __init__(self) -> None:
        self.found: tuple[Contract, Order, OrderState] | None = None

    def openOrder(self, _: object, contract: Contract, order: Order, state: OrderState) -> None:  # noqa: N802  # ib_async's own name
        """Take an open order."""
        self.found = (contract, order, state)

    def completedOrder(self, contract: Contract, order: Order, state: OrderState) -> None:  # noqa: N802  # ib_async's own name
        """Take a completed order."""
        self.found = (contract, order, state)


def cut_orders(ident: str, texts: list[str], seqs: list[int], version: int) -> Cut:
    """Decode openOrder or completedOrder messages into one String column per field."""
    rows: list[dict[str, Any]] = []
    malformed: list[Malformed] = []
    for text, seq in zip(texts, seqs, strict=True):
        fields = [unescape_text(part) for part in fields_of(text)]
        try:
            rows.append({**decode_order(fields, version), "seq": seq})
        except _PROBLEMS as error:
            reason = f"message {ident} ({NAMES[ident]}) did not fit its layout: {error}"
            malformed.append(Malformed(seq=seq, reason=reason))
    schema = {**dict.fromkeys(COLUMNS, pl.String()), "seq": pl.Int64()}
    return Cut(frame=pl.DataFrame(rows, schema=schema), malformed=tuple(malformed))


def decode_order(fields: list[str], version: int) -> dict[str, str | None]:
    """Return one order message as texts by name.

    Fields beyond the layout are found by taking trailing fields away until the decoder misses
    one: it does not say itself how many it used.

    Raises:
        ValueError, IndexError, KeyError, TypeError: If the message does not fit its layout.
    """
    known = len(fields)
    contract, order, state = _decode(fields, version)
    while known > 1:
        try:
            _decode(fields[: known - 1], version)
        except _PROBLEMS:
            break
        known -= 1
    row = dict.fromkeys(COLUMNS, None) | {
        name: value
        for record, names in zip((contract, order, state), _SOURCES, strict=True)
        for name in names
        if isinstance(value := getattr(record, name), str)
    }
    _require_numbers(row, fields[0])
    row["wire"] = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    if any(fields[known:]):
        row["extra"] = json.dumps(fields[known:], ensure_ascii=False, separators=(",", ":"))
    return row


def _decode(fields: list[str], version: int) -> tuple[Contract, Order, OrderState]:
    capture = _Capture()
    decoder = _TextDecoder(capture, version)
    if fields[0] == OPEN_ORDER:
        decoder.openOrder(list(fields))
    else:
        decoder.completedOrder(list(fields))
    if capture.found is None:
        raise ValueError("the decoder found no order in it")
    return capture.found


def _require_numbers(row: dict[str, str | None], ident: str) -> None:
    whole = (*_WHOLE, *_WHOLE_OPEN) if ident == OPEN_ORDER else _WHOLE
    for name in whole:
        if not re.fullmatch(r"-?\d+", row[name] or "0"):
            raise ValueError(f"{name} was {row[name]!r}")
    for name in _NUMBERS:
        float(row[name] or 0)
