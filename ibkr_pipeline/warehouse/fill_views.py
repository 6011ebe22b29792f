"""Which tellings of a fill are current: one row per fill, from all sources.

What lives here: the SQL of current fills and commissions, of what a cancel takes out and of the
names of one booking, given a cut in time. What must not: running it, or any other subject.

A statement's facts win over a trade confirmation's and those over the gateway's, whatever came
in first; what the winner does not know is taken from the others. Everything follows from the rows
the cut lets through, so no order of arrival leaves a trace.
"""

from __future__ import annotations

from ibkr_pipeline.schemas import core, statements
from ibkr_pipeline.warehouse.statement_views import evidence, option_events

_OWNER = ", ".join(core.OWNER)
_FILLS = core.EXECUTIONS.name
#: The best source first.
_RANK = (
    "CASE WHEN ends_with(source, '.flex') THEN 0 "
    "WHEN ends_with(source, '.flex_confirms') THEN 1 ELSE 2 END"
)
_IS_WIRE = "ends_with(source, '.wire')"
_IS_FLEX = "ends_with(source, '.flex')"
_IS_OPTION = "coalesce(security_type IN ('OPT', 'FOP', 'FSOPT', 'FSFOP', 'IOPT', 'WAR'), FALSE)"
_IS_CANCEL = (
    "(coalesce(transaction_type IN ('TradeCancel', 'FracShareCancel'), FALSE) "
    "OR coalesce(contains(buy_sell, '(Ca.)'), FALSE))"
)
_HAS_NO_ORDER = (
    "coalesce(perm_id, 0) = 0 AND coalesce(order_id, 0) = 0 AND coalesce(order_ref, '') = ''"
)
_IS_BOOKING = (
    f"(({_IS_OPTION} AND price = 0) "
    "OR regexp_matches(coalesce(code, ''), '(^|[;,]) *(A|Ex|AEx|MEx|GEA|Ep) *($|[;,])'))"
)
#: What one source may not know of a fill and another one does.
_FILLED_IN = (
    "order_key",
    "order_id",
    "client_id",
    "perm_id",
    "order_ref",
    "symbol",
    "security_type",
    "currency",
    "event_ts_text",
    "cum_quantity",
    "avg_order_price",
    "venue",
    "is_liquidation",
    "last_liquidity",
    "is_price_pending",
    "is_combo_parent",
    "is_allocation_parent",
    "model_code",
    "ev_rule",
    "ev_multiplier",
)
#: Columns of the table that the commission of the fill tells better, and the order's own key.
_TOLD_BY_OTHERS = ("order_key", "commission_currency", "realized_pnl")


def executions(cut: str) -> str:
    """One row per fill: the highest revision no cancel took out, told by the best source.

    Beside the table's columns: the commission, the event it is a leg of, how many sources tell
    it. A fill the gateway told of a booking that a statement tells is that booking.
    """
    columns = ", ".join(
        f'coalesce(fills."{name}", others."{name}") AS "{name}"'
        if name in _FILLED_IN
        else f'fills."{name}"'
        for name in core.EXECUTIONS.schema
        if name not in _TOLD_BY_OTHERS
    )
    return f"""
        SELECT {columns},
            coalesce(names.order_key, fills.order_key, others.order_key) AS order_key,
            coalesce(charged.commission, fees.commission) AS commission,
            fees.currency AS commission_currency,
            coalesce(fees.commission_status, 'pending') AS commission_status,
            coalesce(charged.realized_pnl, fees.realized_pnl) AS realized_pnl,
            fees.bond_yield, fees.yield_redemption_date,
            events.option_event_id,
            coalesce(others.n_sources, 1) + coalesce(bookings.n_sources, 0) AS n_sources
        FROM ({_winners(cut)}) AS fills
        LEFT JOIN ({_others(cut)}) AS others
            ON {_same("fills", "others")} AND fills.fill_id = others.fill_id
            AND fills.revision = others.revision
        LEFT JOIN ({commissions(cut)}) AS fees
            ON {_same("fills", "fees")} AND fills.exec_id = fees.exec_id
        LEFT JOIN ({_charged(cut)}) AS charged
            ON {_same("fills", "charged")} AND fills.trade_id = charged.trade_id
        LEFT JOIN (
            SELECT {_OWNER}, alias, any_value(order_key) AS order_key
            FROM {core.ORDER_ALIASES.name} WHERE {cut}
            GROUP BY {_OWNER}, alias HAVING count(DISTINCT order_key) = 1
        ) AS names ON {_same("fills", "names")}
            AND coalesce(fills.order_key, others.order_key) = names.alias
        LEFT JOIN ({_legs(cut)}) AS events
            ON {_same("fills", "events")} AND fills.fill_id = events.fill_id
        LEFT JOIN (
            SELECT {_OWNER}, fill_id, count(DISTINCT source) AS n_sources
            FROM ({_bookings(cut)}) GROUP BY {_OWNER}, fill_id
        ) AS bookings
            ON {_same("fills", "bookings")} AND fills.fill_id = bookings.fill_id"""


def ordinary_executions(cut: str) -> str:
    """Current fills that were traded: no legs of option events, no combos or masters as a whole."""
    return f"""
        SELECT * FROM ({executions(cut)}) WHERE option_event_id IS NULL
            AND NOT coalesce(is_combo_parent, FALSE)
            AND NOT coalesce(is_allocation_parent, FALSE)"""


def commissions(cut: str) -> str:
    """One row per execution: what the statement charges, else what the gateway reported last."""
    told = {
        "version": "1",
        "commission": "-ib_commission",
        "currency": "coalesce(commission_currency, currency)",
        "commission_status": "'final'",
        "bond_yield": "NULL::DECIMAL(38, 15)",
        "yield_redemption_date": "NULL::DATE",
    }
    names = (*core.COMMISSIONS.schema, "taxes")
    columns = ", ".join(f"{told.get(name, name)} AS {name}" for name in names)
    merged = ", ".join(
        f"coalesce(told.{name}, wire.{name}) AS {name}" for name in core.COMMISSIONS.schema
    )
    return f"""
        SELECT {merged}, told.taxes FROM (
            SELECT {columns} FROM {_FILLS} WHERE ib_commission IS NOT NULL AND {cut}
            QUALIFY row_number() OVER (
                PARTITION BY {_OWNER}, exec_id ORDER BY {_RANK}, generated_at DESC) = 1
        ) AS told FULL JOIN (
            SELECT * FROM {core.COMMISSIONS.name} WHERE {cut}
            QUALIFY row_number() OVER (
                PARTITION BY {_OWNER}, exec_id ORDER BY available_at DESC, version DESC) = 1
        ) AS wire ON {_same("told", "wire")} AND told.exec_id = wire.exec_id"""


def fill_aliases(cut: str) -> str:
    """Every other name of a fill: its ids in statements, and other fills of the same booking."""
    columns = ", ".join(statements.FILL_ALIASES.schema)
    origin = "source, load_id, available_at, recorded_at"
    newest = f"""SELECT * FROM {_FILLS} WHERE {cut} AND generated_at IS NOT NULL
        QUALIFY row_number() OVER (
            PARTITION BY {_OWNER}, fill_id, revision, source ORDER BY generated_at) = 1"""
    return f"""
        SELECT {columns} FROM ({_bookings(cut)})
        UNION ALL BY NAME
        SELECT {_OWNER}, 'txn:' || transaction_id AS alias, fill_id, {origin} FROM ({newest})
        WHERE transaction_id IS NOT NULL
        UNION ALL BY NAME
        SELECT {_OWNER}, 'trade:' || trade_id AS alias, fill_id, {origin} FROM ({newest})
        WHERE trade_id IS NOT NULL
        QUALIFY row_number() OVER (
            PARTITION BY {_OWNER}, trade_id, fill_id ORDER BY {_RANK}, revision DESC) = 1"""


def _winners(cut: str) -> str:
    return f"""
        SELECT fills.* FROM {_FILLS} AS fills
        ANTI JOIN ({_cancelled(cut)}) AS cancelled
            ON {_same("fills", "cancelled")} AND fills.fill_id = cancelled.fill_id
            AND fills.revision = cancelled.revision
        ANTI JOIN ({_bookings(cut)}) AS booked
            ON {_same("fills", "booked")} AND fills.fill_id = booked.alias
        WHERE {cut} AND NOT {_IS_CANCEL}
        QUALIFY row_number() OVER (
            PARTITION BY {_OWNER}, fill_id ORDER BY revision DESC, {_RANK}, generated_at DESC
        ) = 1"""


def _others(cut: str) -> str:
    """What all sources together know of the fills that a statement or confirmation tells."""
    best = f"(-({_RANK}), coalesce(generated_at, available_at))"
    known = ", ".join(f'arg_max("{name}", {best}) AS "{name}"' for name in _FILLED_IN)
    return f"""
        SELECT {_OWNER}, fill_id, revision, {known}, count(DISTINCT source) AS n_sources
        FROM (
            SELECT * FROM {_FILLS} AS fills SEMI JOIN (
                SELECT {_OWNER}, fill_id FROM {_FILLS} WHERE {cut} AND NOT {_IS_WIRE}
            ) AS told USING ({_OWNER}, fill_id) WHERE {cut}
        ) GROUP BY {_OWNER}, fill_id, revision"""


def _charged(cut: str) -> str:
    """What a statement books all in all for a trade it cancelled and booked again.

    The original, its cancel and the new booking share a tradeID. The new booking is charged the
    difference, so that it alone tells too little.
    """
    newest = f"""SELECT * FROM {_FILLS} WHERE {cut} AND {_IS_FLEX}
        QUALIFY row_number() OVER (
            PARTITION BY {_OWNER}, fill_id, revision ORDER BY generated_at DESC) = 1"""
    owner_of_taken = ", ".join(f"taken.{name}" for name in core.OWNER)
    booked = "booking.ib_commission, booking.realized_pnl"
    return f"""
        WITH newest AS ({newest}), taken AS (
            SELECT {owner_of_taken}, booking.trade_id, taken.cancelled_by
            FROM ({_cancelled(cut)}) AS taken JOIN newest AS booking
                ON {_same("taken", "booking")} AND taken.fill_id = booking.fill_id
                AND taken.revision = booking.revision
        )
        SELECT {_OWNER}, trade_id, -sum(ib_commission) AS commission,
            sum(realized_pnl) AS realized_pnl
        FROM (
            SELECT {_OWNER}, trade_id, {booked} FROM newest AS booking
            SEMI JOIN taken USING ({_OWNER}, trade_id) WHERE NOT {_IS_CANCEL}
            UNION ALL
            SELECT {owner_of_taken}, taken.trade_id, {booked}
            FROM taken JOIN newest AS booking
                ON {_same("taken", "booking")} AND taken.cancelled_by = booking.fill_id
        ) GROUP BY {_OWNER}, trade_id"""


def _cancelled(cut: str) -> str:
    """Fills and revisions that a cancel took out, each cancel one.

    A cancel names what it takes back by the original's transactionID, else by its tradeID, which
    the booking that follows bears as well: so the quantity is the opposite, the price the same,
    and the transaction an earlier one. Cancels and bookings of the same terms are paired in the
    order they were made; a cancel whose booking is not known takes out none.
    """
    number = "coalesce(try_cast(transaction_id AS HUGEINT), 0)"
    terms = f"{_OWNER}, source, name, quantity, price"
    window = f"(PARTITION BY {terms} ORDER BY number, is_cancel, fill_id ROWS UNBOUNDED PRECEDING)"
    return f"""
        WITH cancels AS (
            SELECT {_OWNER}, source, fill_id, revision, -signed_quantity AS quantity, price,
                {number} AS number, 1 AS is_cancel,
                coalesce('txn:' || orig_transaction_id, 'trade:' || orig_trade_id,
                    'trade:' || trade_id) AS name
            FROM {_FILLS} WHERE {cut} AND {_IS_CANCEL}
            QUALIFY row_number() OVER (
                PARTITION BY {_OWNER}, source, fill_id ORDER BY generated_at DESC) = 1
        ), bookings AS (
            SELECT {_OWNER}, source, fill_id, revision, signed_quantity AS quantity, price,
                {number} AS number, 0 AS is_cancel,
                unnest(['txn:' || transaction_id, 'trade:' || trade_id]) AS name
            FROM {_FILLS}
            WHERE {cut} AND NOT {_IS_WIRE} AND NOT {_IS_CANCEL} AND EXISTS (SELECT 1 FROM cancels)
        ), both_kinds AS (
            SELECT * FROM cancels
            UNION ALL BY NAME
            SELECT DISTINCT * FROM bookings SEMI JOIN cancels USING ({terms})
        ), counted AS (
            SELECT *, sum(is_cancel) OVER {window} AS n_cancels,
                sum(1 - is_cancel) OVER {window} AS n_bookings FROM both_kinds
        ), paired AS (
            SELECT *, greatest(0, max(n_cancels - n_bookings) OVER {window}) AS n_unmatched
            FROM counted
        ), ranked AS (
            SELECT *, lag(n_unmatched, 1, 0) OVER (
                PARTITION BY {terms} ORDER BY number, is_cancel, fill_id) AS n_before FROM paired
        )
        SELECT DISTINCT {", ".join(f"target.{name}" for name in core.OWNER)},
            target.fill_id, target.revision, cancel.fill_id AS cancelled_by
        FROM ranked AS target JOIN ranked AS cancel
            ON {_same("target", "cancel")} AND target.source = cancel.source
            AND target.name = cancel.name AND target.quantity = cancel.quantity
            AND target.price = cancel.price
            AND target.n_bookings = cancel.n_cancels - cancel.n_unmatched
        WHERE target.is_cancel = 0 AND cancel.is_cancel = 1
            AND cancel.n_unmatched = cancel.n_before"""


def _bookings(cut: str) -> str:
    """Fills of the gateway and of confirmations that are bookings a statement tells by itself.

    The gateway's: an option at no price or a fill without an order, up to three days after the
    trade date, of the same contract, quantity and price, and with no statement of its own id.
    Each goes with the nearest booking, one to one. A confirmation's: the same tradeID.
    """
    same = "con_id, signed_quantity, price"
    flex = f"""SELECT * FROM {_FILLS}
        WHERE {cut} AND {_IS_FLEX} AND starts_with(fill_id, 'flex:') AND NOT {_IS_CANCEL}
            AND {_IS_BOOKING}
        QUALIFY row_number() OVER (
            PARTITION BY {_OWNER}, fill_id ORDER BY generated_at DESC) = 1"""
    nearest = """CASE WHEN wire.event_ts >= flex.event_ts THEN wire.event_ts - flex.event_ts
        ELSE INTERVAL 1 DAY + (flex.event_ts - wire.event_ts) END"""
    return f"""
        SELECT {", ".join(f"wire.{name}" for name in core.OWNER)}, wire.fill_id AS alias,
            flex.fill_id, wire.source, wire.load_id,
            greatest(wire.available_at, flex.available_at) AS available_at,
            greatest(wire.recorded_at, flex.recorded_at) AS recorded_at
        FROM (
            SELECT *, row_number() OVER (
                PARTITION BY {_OWNER}, {same}, event_ts::DATE ORDER BY event_ts, fill_id) AS nth
            FROM {_FILLS} AS fills ANTI JOIN (
                SELECT {_OWNER}, fill_id FROM {_FILLS} WHERE {cut} AND NOT {_IS_WIRE}
            ) AS known USING ({_OWNER}, fill_id)
            WHERE {cut} AND {_IS_WIRE} AND {_HAS_NO_ORDER}
        ) AS wire JOIN (
            SELECT *, row_number() OVER (
                PARTITION BY {_OWNER}, {same}, trade_date ORDER BY fill_id) AS nth
            FROM ({flex})
        ) AS flex ON {_same("wire", "flex")} AND wire.nth = flex.nth
            AND {" AND ".join(f"wire.{name} = flex.{name}" for name in same.split(", "))}
            AND wire.event_ts::DATE BETWEEN flex.trade_date AND flex.trade_date + 3
        QUALIFY row_number() OVER (
            PARTITION BY {", ".join(f"wire.{name}" for name in core.OWNER)}, wire.fill_id
            ORDER BY {nearest}, flex.fill_id) = 1
        AND row_number() OVER (
            PARTITION BY {", ".join(f"flex.{name}" for name in core.OWNER)}, flex.fill_id
            ORDER BY {nearest}, wire.fill_id) = 1
        UNION ALL BY NAME
        SELECT {", ".join(f"told.{name}" for name in core.OWNER)}, told.fill_id AS alias,
            min(flex.fill_id) AS fill_id, told.source, any_value(told.load_id) AS load_id,
            max(greatest(told.available_at, flex.available_at)) AS available_at,
            max(greatest(told.recorded_at, flex.recorded_at)) AS recorded_at
        FROM (
            SELECT * FROM {_FILLS} WHERE {cut} AND ends_with(source, '.flex_confirms')
                AND starts_with(fill_id, 'flex:')
        ) AS told JOIN ({flex}) AS flex
            ON {_same("told", "flex")} AND told.trade_id = flex.trade_id
        GROUP BY ALL"""


def _legs(cut: str) -> str:
    """The event each fill is a leg of, unless the event was refuted."""
    return f"""
        SELECT {_OWNER}, fill_id, max(option_event_id) AS option_event_id
        FROM ({evidence(cut)}) AS pieces ANTI JOIN (
            SELECT {_OWNER}, option_event_id FROM ({option_events(cut)}) WHERE state = 'refuted'
        ) AS refuted USING ({_OWNER}, option_event_id)
        WHERE fill_id IS NOT NULL AND option_event_id IS NOT NULL
        GROUP BY {_OWNER}, fill_id"""


def _same(first: str, second: str) -> str:
    return " AND ".join(f"{first}.{name} = {second}.{name}" for name in core.OWNER)
