"""Typed columns out of text columns: numbers, flags, dates, and what stands for nothing.

What lives here: `Texts`, one message frame as typed expressions' results, and the sentinels. What
must not: instants with zones (`times.py`), or which field means what.
A sentinel is null before anything is validated; 0 is a value. A text that is neither sentinel nor
number is an error that names record, field and value, never a null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from ibkr_pipeline.brokers.exceptions import TradeDataError
from ibkr_pipeline.models.requests import Payload

_DOUBLE = "1.7976931348623157"
#: How TWS writes "not set", exactly. 2147483647 and its kin are never amounts on the wire, which
#: carry decimals.
SENTINELS = (
    "",
    *(
        f"{sign}{_DOUBLE}{exponent}"
        for sign in ("", "-")
        for exponent in ("E308", "e308", "E+308", "e+308")
    ),
    "2147483647",
    "-2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "170141183460469231731687303715884105727",
    *(
        f"{sign}{word}"
        for sign in ("", "-", "+")
        for word in ("NaN", "nan", "Infinity", "infinity", "Infinite", "Inf", "inf", "INF", "∞")
    ),
)
#: No price, quantity or amount reaches this; what does is a sentinel we do not know.
LIMIT = 10**15
_DECIMAL = pl.Decimal(38, 10)


def texts_of(payload: Payload, name: str, columns: tuple[str, ...]) -> pl.DataFrame:
    """Return the frame of one message name with these String columns, `seq` and `account`.

    A message name that did not occur gives an empty frame, a column it lacks gives nulls.
    """
    frame = payload.get(name)
    if frame is None:
        frame = pl.DataFrame(schema={"seq": pl.Int64(), "account": pl.String()})
    return frame.select(
        pl.col("seq").cast(pl.Int64),
        *(
            pl.col(column).cast(pl.String)
            if column in frame.columns
            else pl.lit(None, pl.String).alias(column)
            for column in ("account", *columns)
        ),
    ).sort("seq")


@dataclass(frozen=True, kw_only=True)
class Texts:
    """One message frame, read field by field into typed Series.

    Attributes:
        record: Message name, for errors.
        frame: Its String columns.
        error: Error to raise.
        identity: Field that names a row in an error, if there is one.
    """

    record: str
    frame: pl.DataFrame
    error: type[TradeDataError]
    identity: str | None = None

    def text(self, field: str) -> pl.Series:
        """Return the text of a field; empty is null."""
        return self.frame[field].replace("", None)

    def decimal(
        self, field: str, *, required: bool = False, dtype: pl.Decimal = _DECIMAL
    ) -> pl.Series:
        """Return a number, sentinels null.

        Raises:
            TradeDataError: If a value is no number, out of range, or missing where required.
        """
        cleaned = self.cleaned(field)
        number = cleaned.cast(dtype, strict=False)
        self.require(
            field, cleaned.is_null() | number.is_not_null(), "expected a number below 1e15"
        )
        self.require(field, (number.abs() < LIMIT).fill_null(value=True), "expected below 1e15")
        if required:
            self.require(field, number.is_not_null(), "it is required")
        return number

    def integer(self, field: str, *, required: bool = False) -> pl.Series:
        """Return a whole number, sentinels null.

        Raises:
            TradeDataError: If a value is no whole number, or missing where required.
        """
        cleaned = self.cleaned(field)
        number = cleaned.cast(pl.Int64, strict=False)
        self.require(field, cleaned.is_null() | number.is_not_null(), "expected a whole number")
        if required:
            self.require(field, number.is_not_null(), "it is required")
        return number

    def flag(self, field: str) -> pl.Series:
        """Return a flag; empty is null.

        Raises:
            TradeDataError: If a value is neither 0/1 nor true/false.
        """
        cleaned = self.cleaned(field).str.to_lowercase()
        flag = cleaned.replace_strict(
            {"1": True, "0": False, "true": True, "false": False},
            default=None,
            return_dtype=pl.Boolean,
        )
        self.require(field, cleaned.is_null() | flag.is_not_null(), "expected 0 or 1")
        return flag

    def date(self, field: str) -> pl.Series:
        """Return the date at the start of a text (`YYYYMMDD`); a month or 0 gives null."""
        return self.frame[field].str.slice(0, 8).str.to_date("%Y%m%d", strict=False)

    def cleaned(self, field: str) -> pl.Series:
        """Return a field trimmed, sentinels null."""
        trimmed = self.frame[field].str.strip_chars()
        return trimmed.set(trimmed.is_in(SENTINELS), None)

    def require(self, field: str, fits: pl.Series, expected: str) -> None:
        """Raise for the first row that does not fit."""
        if fits.all():
            return
        row = self.frame.filter(~fits).row(0, named=True)
        named = f" ({self.identity} {row[self.identity]!r})" if self.identity else ""
        raise self.error(
            f"{self.record}.{field} was {row[field]!r}{named}; {expected}. The messages are kept "
            f"as they came; nothing of this account's read was used."
        )


def typed(columns: Mapping[str, pl.Series], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return a frame of exactly this schema; columns that are not given are null."""
    frame = pl.DataFrame(dict(columns))
    return frame.select(
        pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in schema.items()
    )
