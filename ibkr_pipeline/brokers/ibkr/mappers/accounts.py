"""Account values: balances and margin in base currency, and cash by currency.

Source: TWS messages 6 (updateAccountValue) and 73 (accountUpdateMulti). Newer gateways put
`$LEDGER-` before the tags that go by currency; `BASE` stands for the total in base currency.
"""

from __future__ import annotations

import polars as pl

from ibkr_pipeline.brokers.exceptions import AccountDataError
from ibkr_pipeline.brokers.ibkr.account_codes import role_of
from ibkr_pipeline.brokers.ibkr.mappers.values import Texts, texts_of, typed
from ibkr_pipeline.brokers.read import Frames
from ibkr_pipeline.models.requests import Payload, RequestProof
from ibkr_pipeline.schemas.broker import ACCOUNT_LEDGER, ACCOUNTS
from ibkr_pipeline.schemas.table import TYPES

#: Tag -> column of `broker.accounts`.
ACCOUNT_TAGS = {
    "NetLiquidation": "net_liquidation_value",
    "TotalCashValue": "total_cash",
    "SettledCash": "settled_cash",
    "BuyingPower": "buying_power",
    "AvailableFunds": "available_funds",
    "ExcessLiquidity": "excess_liquidity",
    "EquityWithLoanValue": "equity_with_loan_value",
    "GrossPositionValue": "gross_position_value",
    "InitMarginReq": "initial_margin",
    "MaintMarginReq": "maintenance_margin",
    "Cushion": "cushion",
    "UnrealizedPnL": "unrealized_pnl_base",
    "RealizedPnL": "realized_pnl_base",
}
#: Tag -> column of `broker.account_ledger`.
LEDGER_TAGS = {
    "CashBalance": "cash_balance",
    "AccruedCash": "accrued_cash",
    "StockMarketValue": "stock_market_value",
    "OptionMarketValue": "option_market_value",
    "FuturesPNL": "future_pnl",
    "NetLiquidationByCurrency": "net_liquidation_by_currency",
    "UnrealizedPnL": "unrealized_pnl",
    "RealizedPnL": "realized_pnl",
    "ExchangeRate": "exchange_rate",
}
#: A currency is one of the account's when one of these tags was told in it.
_LEDGER_PROOF = ("CashBalance", "NetLiquidationByCurrency", "ExchangeRate", "Currency")
_TEXT_TAGS = ("AccountType", "AccountReady", "Currency")
_LEDGER_PREFIX = "$LEDGER-"
_BASE = "BASE"
#: Told both for the account and by currency; BASE or the base currency is the account's.
_BOTH = ("UnrealizedPnL", "RealizedPnL", "AccruedCash")


def map_accounts(payload: Payload, _: RequestProof) -> Frames:
    """Return `broker.accounts` and `broker.account_ledger`; the last word on a tag counts.

    Raises:
        AccountDataError: If a field holds what cannot be right.
    """
    values = _values(payload)
    bases = _base_currencies(values)
    return {
        ACCOUNTS.name: _accounts(values, bases),
        ACCOUNT_LEDGER.name: _ledger(values),
    }


def _values(payload: Payload) -> pl.DataFrame:
    """One row per account, tag and currency: the last word on it."""
    frame = texts_of(payload, "accountValue", ("key", "value", "currency", "modelCode"))
    return (
        frame.filter(pl.col("modelCode").fill_null("") == "")
        .select(
            "seq",
            "value",
            account_id="account",
            tag=pl.col("key").str.strip_prefix(_LEDGER_PREFIX),
            currency=pl.col("currency").fill_null(""),
            is_ledger=pl.col("key").str.starts_with(_LEDGER_PREFIX),
        )
        .with_columns(
            tag=pl.when(pl.col("tag").str.to_lowercase() == "accountready")
            .then(pl.lit("AccountReady"))
            .otherwise("tag")
        )
        .unique(["account_id", "tag", "currency"], keep="last", maintain_order=True)
    )


def _base_currencies(values: pl.DataFrame) -> pl.DataFrame:
    """Base currency of each account: the one its NetLiquidation is told in."""
    return (
        values.filter((pl.col("tag") == "NetLiquidation") & ~pl.col("currency").is_in(["", _BASE]))
        .unique("account_id", keep="last", maintain_order=True)
        .select("account_id", base_currency="currency")
    )


def _numbers(values: pl.DataFrame, tags: dict[str, str]) -> pl.DataFrame:
    """Rows of these tags with `number` (rate precision) and `column`."""
    rows = values.filter(pl.col("tag").is_in(list(tags)))
    named = rows.with_columns(
        record=pl.concat_str("account_id", pl.lit(" "), "tag", pl.lit(" "), "currency")
    )
    texts = Texts(record="accountValue", frame=named, error=AccountDataError, identity="record")
    number = texts.decimal("value", dtype=pl.Decimal(38, 15))
    return rows.with_columns(number.alias("number"), column=pl.col("tag").replace(tags))


def _accounts(values: pl.DataFrame, bases: pl.DataFrame) -> pl.DataFrame:
    known = [column for column in ACCOUNTS.schema if column in set(ACCOUNT_TAGS.values())]
    numbers = (
        _numbers(values, ACCOUNT_TAGS)
        .join(bases, on="account_id", how="left", validate="m:1")
        .with_columns(rank=_rank())
        .filter(pl.col("rank") < 9)
        .sort("account_id", "column", "rank")
        .unique(["account_id", "column"], keep="first", maintain_order=True)
    )
    wide = numbers.pivot(on="column", on_columns=known, index="account_id", values="number")
    texts = values.filter(pl.col("tag").is_in(_TEXT_TAGS[:2]))
    words = texts.pivot(
        on="tag", on_columns=list(_TEXT_TAGS[:2]), index="account_id", values="value",
        aggregate_function="last",
    )  # fmt: skip
    frame = (
        values.select("account_id")
        .unique()
        .join(bases, on="account_id", how="left", validate="1:1")
        .join(wide, on="account_id", how="left", validate="1:1")
        .join(words, on="account_id", how="left", validate="1:1")
        .join(_extras(values), on="account_id", how="left", validate="1:1")
        .sort("account_id")
        .with_columns(
            account_type=pl.col("AccountType").replace("", None),
            is_ready=pl.col("AccountReady").str.to_lowercase() == "true",
        )
    )
    roles = pl.Series("account_role", [role_of(code) for code in frame["account_id"]], pl.String)
    money = [pl.col(name).cast(TYPES["money"][0]) for name in known if name != "cushion"]
    frame = frame.with_columns(roles, *money)
    return typed(frame.to_dict(), ACCOUNTS.schema)


def _rank() -> pl.Expr:
    """Which of several currencies of a tag is the account's own: lower is better, 9 is none."""
    currency = pl.col("currency")
    is_both = pl.col("tag").is_in(_BOTH)
    return (
        pl.when(is_both & (currency == _BASE))
        .then(0)
        .when(currency == pl.col("base_currency"))
        .then(1)
        .when(currency == "")
        .then(2)
        .when(currency == _BASE)
        .then(3)
        .otherwise(9)
    )


def _ledger(values: pl.DataFrame) -> pl.DataFrame:
    known = [column for column in ACCOUNT_LEDGER.schema if column in set(LEDGER_TAGS.values())]
    currencies = (
        values.filter(
            (pl.col("currency") != "") & (pl.col("tag").is_in(_LEDGER_PROOF) | pl.col("is_ledger"))
        )
        .select("account_id", "currency")
        .unique()
    )
    wide = _numbers(values, LEDGER_TAGS).pivot(
        on="column", on_columns=known, index=["account_id", "currency"], values="number"
    )
    frame = currencies.join(wide, on=["account_id", "currency"], how="left", validate="1:1").sort(
        "account_id", "currency"
    )
    money = [pl.col(name).cast(TYPES["money"][0]) for name in known if name != "exchange_rate"]
    frame = frame.with_columns(*money)
    return typed(frame.to_dict(), ACCOUNT_LEDGER.schema)


def _extras(values: pl.DataFrame) -> pl.DataFrame:
    """Every tag no column holds, as JSON text {tag: {currency: text}}, keys sorted."""
    rest = values.filter(~pl.col("tag").is_in([*ACCOUNT_TAGS, *LEDGER_TAGS, *_TEXT_TAGS])).sort(
        "account_id", "tag", "currency"
    )
    pair = pl.concat_str(_json("currency"), pl.lit(":"), _json("value"))
    return (
        rest.select("account_id", "tag", pair=pair)
        .group_by("account_id", "tag", maintain_order=True)
        .agg(pl.col("pair").str.join(","))
        .select(
            "account_id",
            item=pl.concat_str(_json("tag"), pl.lit(":{"), "pair", pl.lit("}")),
        )
        .group_by("account_id", maintain_order=True)
        .agg(pl.col("item").str.join(","))
        .select("account_id", extras=pl.concat_str(pl.lit("{"), "item", pl.lit("}")))
    )


def _json(column: str) -> pl.Expr:
    """A text column as JSON strings, quotes and control characters escaped."""
    encoded = pl.struct(pl.col(column).fill_null("").alias("v")).struct.json_encode()
    return encoded.str.strip_prefix('{"v":').str.strip_suffix("}")
