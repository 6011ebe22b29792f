"""Message layouts of the TWS protocol, server versions 157 to 178, and cutting messages by them.

What lives here: the field names of every fixed-layout message a read meets, and `cut`, which
turns messages into one String column per field without interpreting any. What must not: openOrder
and completedOrder, whose layout varies (`order_wire.py`), and the meaning of a value (`mappers/`).
A message is the text between two length prefixes: fields, each ended by NUL, the first its id.
Source: the decoder of ib_async 2.1.0, checked against it by a test for every version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

NUL = "\0"
MIN_SERVER_VERSION = 157
MAX_SERVER_VERSION = 178

_CONTRACT = (
    "conId", "symbol", "secType", "lastTradeDateOrContractMonth", "strike", "right", "multiplier",
)  # fmt: skip
_NAMES = ("currency", "localSymbol", "tradingClass")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Fields of one message after its id.

    Attributes:
        name: Name of the message in a payload; empty for control messages.
        fields: Field names in order of the wire.
        since: Field -> first server version that sends it.
        integers: Fields that must be whole numbers, or the message is not of this layout.
        required: Fields that may not be empty.
        owner: Field that names the account, if one does.
    """

    name: str
    fields: tuple[str, ...]
    since: Mapping[str, int] = field(default_factory=dict)
    integers: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    owner: str | None = None

    def at(self, server_version: int) -> tuple[str, ...]:
        """Return the fields a server of this version sends."""
        return tuple(name for name in self.fields if self.since.get(name, 0) <= server_version)


LAYOUTS: dict[str, Layout] = {
    "3": Layout(
        name="orderStatus",
        fields=(
            "orderId", "status", "filled", "remaining", "avgFillPrice", "permId", "parentId",
            "lastFillPrice", "clientId", "whyHeld", "mktCapPrice",
        ),
        integers=("orderId", "permId"),
        required=("status",),
    ),
    "4": Layout(
        name="",
        fields=("version", "reqId", "errorCode", "errorString", "advancedOrderRejectJson"),
        since={"advancedOrderRejectJson": 166},
        integers=("reqId", "errorCode"),
    ),
    "6": Layout(
        name="accountValue",
        fields=("version", "key", "value", "currency", "accountName"),
        required=("key", "accountName"),
        owner="accountName",
    ),
    "7": Layout(
        name="portfolioValue",
        fields=(
            "version", *_CONTRACT, "primaryExchange", *_NAMES, "position", "marketPrice",
            "marketValue", "averageCost", "unrealizedPNL", "realizedPNL", "accountName",
        ),
        integers=("conId",),
        required=("accountName", "position"),
        owner="accountName",
    ),
    "8": Layout(name="accountTime", fields=("version", "timeStamp")),
    "9": Layout(name="", fields=("version", "orderId"), integers=("orderId",)),
    "11": Layout(
        name="execDetails",
        fields=(
            "reqId", "orderId", *_CONTRACT, "exchange", *_NAMES, "execId", "time", "acctNumber",
            "executionExchange", "side", "shares", "price", "permId", "clientId", "liquidation",
            "cumQty", "avgPrice", "orderRef", "evRule", "evMultiplier", "modelCode",
            "lastLiquidity", "pendingPriceRevision",
        ),
        since={"pendingPriceRevision": 178},
        integers=("reqId", "conId"),
        required=("execId", "acctNumber", "time", "shares", "price"),
        owner="acctNumber",
    ),
    "15": Layout(name="", fields=("version", "accountsList")),
    "49": Layout(name="", fields=("version", "time"), integers=("time",)),
    "53": Layout(name="", fields=("version",)),
    "54": Layout(name="", fields=("version", "accountName"), required=("accountName",)),
    "55": Layout(name="", fields=("version", "reqId"), integers=("reqId",)),
    "59": Layout(
        name="commissionReport",
        fields=(
            "version", "execId", "commission", "currency", "realizedPNL", "yield",
            "yieldRedemptionDate",
        ),
        required=("execId",),
    ),
    "61": Layout(
        name="position",
        fields=("version", "account", *_CONTRACT, "exchange", *_NAMES, "position", "avgCost"),
        integers=("conId",),
        required=("account", "position"),
        owner="account",
    ),
    "62": Layout(name="", fields=("version",)),
    "63": Layout(
        name="accountSummary",
        fields=("version", "reqId", "account", "tag", "value", "currency"),
        integers=("reqId",),
        required=("account", "tag"),
        owner="account",
    ),
    "64": Layout(name="", fields=("version", "reqId"), integers=("reqId",)),
    "71": Layout(
        name="position",
        fields=(
            "version", "reqId", "account", *_CONTRACT, "exchange", *_NAMES, "position", "avgCost",
            "modelCode",
        ),
        integers=("reqId", "conId"),
        required=("account", "position"),
        owner="account",
    ),
    "72": Layout(name="", fields=("version", "reqId"), integers=("reqId",)),
    "73": Layout(
        name="accountValue",
        fields=("version", "reqId", "accountName", "modelCode", "key", "value", "currency"),
        integers=("reqId",),
        required=("key", "accountName"),
        owner="accountName",
    ),
    "74": Layout(name="", fields=("version", "reqId"), integers=("reqId",)),
    "102": Layout(name="", fields=()),
}  # fmt: skip

#: Messages of variable layout.
OPEN_ORDER, COMPLETED_ORDER = "5", "101"
#: Messages that are rows; every other message of the table is control.
ROWS = frozenset(
    {ident for ident, layout in LAYOUTS.items() if layout.name} | {OPEN_ORDER, COMPLETED_ORDER}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """A message that does not fit its layout."""

    seq: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Messages of one id, cut.

    Attributes:
        frame: One String column per field of the layout (null where the server version does not
            send it), `extra` (JSON list of fields beyond the layout, else null) and `seq`.
        malformed: Messages that did not fit; they are in no row.
    """

    frame: pl.DataFrame
    malformed: tuple[Malformed, ...]


def cut(
    ident: str, texts: Sequence[str] | pl.Series, seqs: Sequence[int] | pl.Series, version: int
) -> Cut:
    """Cut messages of one id into fields.

    Args:
        ident: Message id.
        texts: Whole messages, id and trailing NUL included.
        seqs: Order of arrival of each.
        version: Negotiated server version.
    """
    layout = LAYOUTS[ident]
    names = layout.at(version)
    raw = pl.DataFrame(
        {
            "text": unescape(pl.Series(texts, dtype=pl.String)),
            "seq": pl.Series(seqs, dtype=pl.Int64),
        }
    )
    parts = raw.select(
        pl.col("text")
        .str.splitn(NUL, len(names) + 2)
        .struct.rename_fields(["_id", *names, "_rest"]),
        pl.col("text").alias("_text"),
        "seq",
    ).unnest("text")
    fits = pl.col("_rest").is_not_null()
    for name in layout.integers:
        fits &= pl.col(name).str.contains(r"^-?\d+$").fill_null(value=False)
    for name in layout.required:
        fits &= pl.col(name).fill_null("") != ""
    good = parts.filter(fits)
    bad = () if len(good) == len(parts) else _explain(parts.filter(~fits), layout, names)
    return Cut(frame=_finished(good, layout, names), malformed=bad)


def fields_of(text: str) -> list[str]:
    r"""Return the fields of one message, id first.

    >>> fields_of("9\x001\x0042\x00")
    ['9', '1', '42']
    """
    return text.split(NUL)[:-1]


def decode_control(text: str, version: int) -> dict[str, str]:
    """Return the fields of one control message by name.

    Raises:
        ValueError: If the message does not fit its layout.
    """
    ident, *values = fields_of(text)
    layout = LAYOUTS[ident]
    names = layout.at(version)
    if len(values) < len(names):
        raise ValueError(f"message {ident} had {len(values)} fields; expected {len(names)}")
    found = dict(zip(names, values, strict=False))
    for name in layout.integers:
        int(found[name])
    for name in layout.required:
        if not found[name]:
            raise ValueError(f"message {ident} had an empty {name}")
    return found


_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")


def unescape(texts: pl.Series) -> pl.Series:
    r"""Return texts with Java `\uXXXX` escapes replaced, which TWS writes for non-ASCII."""
    escaped = texts.str.contains(r"\u", literal=True)
    if not escaped.any():
        return texts
    return pl.Series(
        texts.name,
        [
            unescape_text(text) if found else text
            for text, found in zip(texts, escaped, strict=True)
        ],
        dtype=pl.String,
    )


def unescape_text(text: str) -> str:
    r"""Return a text with its Java `\uXXXX` escapes replaced; an escaped NUL stays as it is."""
    return _ESCAPES.sub(_unescaped, text)


def _unescaped(match: re.Match[str]) -> str:
    codes = [int(code, 16) for code in match.group(0).split("\\u")[1:]]
    if 0 in codes:
        return match.group(0)
    units = b"".join(code.to_bytes(2, "big") for code in codes)
    return units.decode("utf-16-be", errors="replace")


def _finished(good: pl.DataFrame, layout: Layout, names: tuple[str, ...]) -> pl.DataFrame:
    absent = [pl.lit(None, pl.String).alias(name) for name in layout.fields if name not in names]
    rest = pl.col("_rest").str.strip_suffix(NUL)
    quoted = (
        rest.str.replace_all("\\", "\\\\", literal=True)
        .str.replace_all('"', '\\"', literal=True)
        .str.replace_all(NUL, '","', literal=True)
    )
    extra = (
        pl.when(pl.col("_rest").str.strip_chars(NUL) != "")
        .then(pl.concat_str(pl.lit('["'), quoted, pl.lit('"]')))
        .otherwise(None)
        .alias("extra")
    )
    kept = [name for name in layout.fields if name != "version"]
    return good.with_columns(extra, *absent).select(*kept, "extra", "seq")


def _explain(bad: pl.DataFrame, layout: Layout, names: tuple[str, ...]) -> tuple[Malformed, ...]:
    found = []
    for text, seq in bad.select("_text", "seq").iter_rows():
        ident, *values = fields_of(text)
        if len(values) < len(names):
            why = f"had {len(values)} fields; expected {len(names)}"
        else:
            row = dict(zip(names, values, strict=False))
            broken = [
                f"{name} was {row[name]!r}"
                for name in (*layout.integers, *layout.required)
                if not (re.fullmatch(r"-?\d+", row[name]) if name in layout.integers else row[name])
            ]
            why = "; ".join(broken) or "was not ended"
        found.append(Malformed(seq=seq, reason=f"message {ident} ({layout.name}) {why}"))
    return tuple(found)
