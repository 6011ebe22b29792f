"""The tables of the `ops` schema: what the operation of the pipeline knows of its own gaps.

What lives here: coverage, breaks, and what expires next. What must not: anything a broker told
(`core.py`, `statements.py`). A rebuild carries the stored tables over: they are history of our own
looking.
"""

from __future__ import annotations

from ibkr_pipeline.primitives.enums import BreakState
from ibkr_pipeline.schemas.columns import COLUMNS, columns
from ibkr_pipeline.schemas.core import OWNER
from ibkr_pipeline.schemas.table import Column, Table


def _text(name: str, description: str) -> Column:
    return Column(name=name, kind="text", description=description)


COVERAGE = Table(
    name="ops.coverage",
    description="Which account-days are covered, by the gateway, by a statement, or by neither.",
    grain="one row per account and session date",
    key=(*OWNER, "session_date"),
    columns=(
        *columns(*OWNER, "session_date", required=(*OWNER, "session_date")),
        Column(
            name="by_wire",
            kind="flag",
            description="Executions reads cover the whole session, without a gap.",
            nullable=False,
        ),
        Column(
            name="by_flex",
            kind="flag",
            description="A complete Trades section of a statement covers the session.",
            nullable=False,
        ),
        _text("flex_load_id", "Newest statement section that covers it."),
        _text("missing", "What is missing and how to get it; null if nothing is."),
        COLUMNS["recorded_at"].required(),
    ),
)

BREAKS = Table(
    name="ops.breaks",
    description="What does not reconcile, since when and why; every change is a new version.",
    grain="one row per break and version",
    key=("break_id", "version"),
    columns=(
        Column(
            name="break_id",
            kind="code",
            description="Identity: comparison, account and subject, hashed.",
            nullable=False,
        ),
        COLUMNS["version"].required(),
        *columns(*OWNER, required=OWNER),
        Column(name="comparison", kind="code", description="What was compared.", nullable=False),
        _text("subject", "What does not reconcile: an order, a fill, a currency, a session."),
        *columns("con_id", "symbol", "session_date"),
        Column(
            name="break_state",
            kind="code",
            description="Open, or closed with the reason.",
            nullable=False,
            allowed=tuple(state.value for state in BreakState),
        ),
        _text("expected", "What was expected."),
        _text("found", "What was found."),
        _text("difference", "Found less expected."),
        _text("why", "The likely cause, or what explained it."),
        Column(
            name="first_seen_at",
            kind="instant",
            description="When it was first seen.",
            unit="UTC",
            nullable=False,
        ),
        Column(name="closed_at", kind="instant", description="When it was explained.", unit="UTC"),
        COLUMNS["recorded_at"].required(),
    ),
)

EXPIRATIONS = Table(
    name="ops.expirations",
    description="Short options that expire next, and what they would deliver by the last price "
    "known. A frame computed when it is asked for, not stored.",
    grain="one row per account and short option",
    key=(*OWNER, "con_id"),
    columns=(
        *columns(
            *OWNER,
            "con_id",
            "symbol",
            "security_type",
            "currency",
            "expiry",
            "strike",
            "right",
            "multiplier",
            "quantity",
            required=(*OWNER, "con_id", "expiry", "quantity"),
        ),
        Column(
            name="sessions_left",
            kind="integer",
            description="Sessions from now to the expiration; 0 on the day itself.",
            unit="sessions",
            nullable=False,
        ),
        COLUMNS["underlying_con_id"],
        Column(
            name="underlying_price",
            kind="price",
            description="Last price of the underlying in the warehouse.",
            unit="currency",
        ),
        _text("price_source", "Where the price stands; null where there is none."),
        Column(name="price_at", kind="instant", description="When it was true.", unit="UTC"),
        Column(
            name="price_age_minutes",
            kind="integer",
            description="How old the price is.",
            unit="minutes",
        ),
        Column(
            name="moneyness",
            kind="code",
            description="In, at or out of the money by that price; unknown without one.",
            nullable=False,
            allowed=("in", "at", "out", "unknown"),
        ),
        Column(
            name="intrinsic_value",
            kind="price",
            description="How far it is in the money per unit of the underlying; 0 if it is not.",
            unit="currency",
        ),
        *columns("delivered_con_id", "delivered_quantity", "delivered_price", "cash_amount"),
        Column(
            name="delivery",
            kind="text",
            description="What an assignment would bring, in words; whether it is known.",
            nullable=False,
        ),
        Column(
            name="ex_dividend",
            kind="code",
            description="Whether an ex-dividend date makes an early assignment likely.",
            nullable=False,
            allowed=("yes", "no", "unknown"),
        ),
        COLUMNS["as_of"].required(),
    ),
)

#: Stored tables.
TABLES = (COVERAGE, BREAKS)
#: Frames described like tables, computed when they are asked for.
FRAMES = (EXPIRATIONS,)
