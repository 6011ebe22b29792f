"""The tables of `core` that statements fill, and the option events derived from all sources.

What lives here: warehouse tables, appended to and never updated. What must not: fills and
commissions, which statements share with the gateway (`core.py`).

A row of a statement that another statement tells differently is a new version; the current one
is that of the newest statement by `generated_at`, whatever came in first.
"""

from __future__ import annotations

from ibkr_pipeline.schemas import flex
from ibkr_pipeline.schemas.columns import columns
from ibkr_pipeline.schemas.core import OWNER, PROVENANCE
from ibkr_pipeline.schemas.table import Table

_VERSIONED = ("source_id", "version")
_ORIGIN = ("generated_at", *PROVENANCE)

FLEX_STATEMENTS = Table(
    name="core.flex_statements",
    description="Every section of every statement in core: what it speaks of, empty ones included.",
    grain="one row per applied load (one section of one account's statement)",
    key=("load_id",),
    columns=columns(
        "load_id",
        "request_id",
        *OWNER,
        "section",
        "from_date",
        "to_date",
        "generated_at",
        "query_name",
        "statement_kind",
        "raw_sha256",
        "n_rows",
        "source",
        "available_at",
        "recorded_at",
        required=(
            "load_id",
            "request_id",
            *OWNER,
            "section",
            "from_date",
            "to_date",
            "generated_at",
            "n_rows",
            "source",
            "available_at",
            "recorded_at",
        ),
    ),
)


def _from_section(name: str, frame: Table, description: str, grain: str) -> Table:
    """Return the core table of a section: its columns, with identity, version and origin."""
    left_out = ("account_id", "row_number", "level_of_detail")
    told = tuple(column.name for column in frame.columns if column.name not in left_out)
    required = tuple(
        column.name
        for column in frame.columns
        if not column.nullable and column.name not in left_out
    )
    return Table(
        name=f"core.{name}",
        description=description,
        grain=grain,
        key=(*OWNER, *_VERSIONED),
        columns=columns(
            *OWNER,
            *_VERSIONED,
            *told,
            *_ORIGIN,
            required=(*OWNER, *_VERSIONED, *required, *_ORIGIN),
        ),
    )


CASH_TRANSACTIONS = _from_section(
    "cash_transactions",
    flex.CASH_TRANSACTIONS,
    "Dividends, taxes, interest, fees, deposits and withdrawals.",
    "one row per booking and version",
)
CORPORATE_ACTIONS = _from_section(
    "corporate_actions",
    flex.CORPORATE_ACTIONS,
    "Splits, mergers, spin-offs, symbol changes, as they change positions.",
    "one row per booking and version",
)
TRANSFERS = _from_section(
    "transfers",
    flex.TRANSFERS,
    "Positions and cash that came from or went elsewhere.",
    "one row per booking and version",
)
NAV = _from_section("nav", flex.NAV, "NAV by session.", "one row per account, session and version")
NAV_CHANGES = _from_section(
    "nav_changes",
    flex.NAV_CHANGES,
    "What changed NAV over the window of a statement.",
    "one row per account, window and version",
)
CASH_REPORTS = _from_section(
    "cash_reports",
    flex.CASH_REPORT,
    "Cash by currency over the window of a statement.",
    "one row per account, window, currency and version",
)
STATEMENT_POSITIONS = _from_section(
    "statement_positions",
    flex.OPEN_POSITIONS,
    "Positions at the end of a session, as statements tell them; one that a later statement of "
    "the same session lacks has quantity 0.",
    "one row per account, session, contract and version",
)
FX_POSITIONS = _from_section(
    "fx_positions",
    flex.FX_POSITIONS,
    "Foreign cash at the end of a session.",
    "one row per account, session, currency and version",
)
CONVERSION_RATES = _from_section(
    "conversion_rates",
    flex.CONVERSION_RATES,
    "Rates between currencies by session; a negative rate means the broker has none.",
    "one row per account, session, pair of currencies and version",
)
STATEMENT_OF_FUNDS = _from_section(
    "statement_of_funds",
    flex.STATEMENT_OF_FUNDS,
    "Every line of the cash ledger.",
    "one row per line and version",
)
PENDING_EXERCISES = _from_section(
    "pending_exercises",
    flex.PENDING_EXERCISES,
    "Exercises and lapses asked for and not booked yet.",
    "one row per line and version",
)
STATEMENT_ACCOUNTS = _from_section(
    "statement_accounts",
    flex.ACCOUNT_INFORMATION,
    "What kind of account it is, without personal data.",
    "one row per account and version",
)

OPTION_EVENT_EVIDENCE = Table(
    name="core.option_event_evidence",
    description="What speaks for an option event, one row per source; never summed with another.",
    grain="one row per piece of evidence and version",
    key=(*OWNER, "evidence_id", "version"),
    columns=columns(
        *OWNER,
        "evidence_id",
        "version",
        "option_event_id",
        "evidence_kind",
        "leg",
        "event_type",
        "event_date",
        "event_ts",
        "option_con_id",
        "con_id",
        "symbol",
        "security_type",
        "currency",
        "underlying_con_id",
        "underlying_symbol",
        "multiplier",
        "strike",
        "expiry",
        "right",
        "signed_quantity",
        "price",
        "proceeds",
        "ib_commission",
        "cost_basis",
        "realized_pnl",
        "trade_id",
        "transaction_id",
        "position_action_id",
        "fill_id",
        "generated_at",
        *PROVENANCE,
        required=(
            *OWNER,
            "evidence_id",
            "version",
            "evidence_kind",
            "leg",
            "event_date",
            "con_id",
            "signed_quantity",
            *PROVENANCE,
        ),
    ),
)

OPTION_EVENTS = Table(
    name="core.option_events",
    description="Assignments, exercises, expirations and cash settlements; each counted once.",
    grain="one row per option event and version",
    key=(*OWNER, "option_event_id", "version"),
    columns=columns(
        *OWNER,
        "option_event_id",
        "version",
        "event_type",
        "state",
        "reason",
        "event_date",
        "event_ts",
        "con_id",
        "symbol",
        "security_type",
        "currency",
        "underlying_con_id",
        "underlying_symbol",
        "multiplier",
        "strike",
        "expiry",
        "right",
        "signed_quantity",
        "delivered_con_id",
        "delivered_quantity",
        "delivered_price",
        "cash_amount",
        "realized_pnl",
        "ib_commission",
        "sources",
        "load_id",
        "available_at",
        "recorded_at",
        required=(
            *OWNER,
            "option_event_id",
            "version",
            "event_type",
            "state",
            "event_date",
            "con_id",
            "signed_quantity",
            "sources",
            "load_id",
            "available_at",
            "recorded_at",
        ),
    ),
)

#: A view: which names are one fill follows from all rows, whatever way they came in.
FILL_ALIASES = Table(
    name="core.fill_aliases",
    description="Every other name of a fill: its transactionID, its tradeID, the fill the gateway "
    "told of the same booking. A view.",
    grain="one row per fill and alias",
    key=(*OWNER, "alias", "fill_id"),
    columns=columns(
        *OWNER,
        "alias",
        "fill_id",
        *PROVENANCE,
        required=(*OWNER, "alias", "fill_id", *PROVENANCE),
    ),
)

#: Frame of a section -> its core table, where one becomes the other row by row.
TABLE_OF_SECTION: dict[str, Table] = {
    frame.name: table
    for frame, table in (
        (flex.CASH_TRANSACTIONS, CASH_TRANSACTIONS),
        (flex.CORPORATE_ACTIONS, CORPORATE_ACTIONS),
        (flex.TRANSFERS, TRANSFERS),
        (flex.NAV, NAV),
        (flex.NAV_CHANGES, NAV_CHANGES),
        (flex.CASH_REPORT, CASH_REPORTS),
        (flex.OPEN_POSITIONS, STATEMENT_POSITIONS),
        (flex.FX_POSITIONS, FX_POSITIONS),
        (flex.CONVERSION_RATES, CONVERSION_RATES),
        (flex.STATEMENT_OF_FUNDS, STATEMENT_OF_FUNDS),
        (flex.PENDING_EXERCISES, PENDING_EXERCISES),
        (flex.ACCOUNT_INFORMATION, STATEMENT_ACCOUNTS),
    )
}

TABLES = (
    FLEX_STATEMENTS,
    *TABLE_OF_SECTION.values(),
    OPTION_EVENT_EVIDENCE,
    OPTION_EVENTS,
)
#: Views described like tables.
VIEWS = (FILL_ALIASES,)
