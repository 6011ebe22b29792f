"""The SQL of what the reconciliation compares.

What lives here: queries. What must not: which of them is asked when (`reconciliation_inputs.py`).
"""

from __future__ import annotations

POSITIONS = """
    SELECT snapshot_id, con_id, quantity FROM core.positions
    WHERE snapshot_id IN (SELECT unnest(?::VARCHAR[]))
"""
FILLS_SINCE = """
    SELECT account_id, fill_id, revision, con_id, security_type, signed_quantity,
        is_combo_parent, is_allocation_parent, available_at
    FROM core.executions
    WHERE environment = ? AND ends_with(source, '.wire') AND (account_id, fill_id) IN (
        SELECT (account_id, fill_id) FROM core.executions
        WHERE available_at > ? AND ends_with(source, '.wire')
    )
"""
#: What changed positions beside fills of the gateway. A leg of an option event that the gateway
#: told as a fill counts as that fill.
CHANGES = """
    SELECT account_id, con_id, event_date AS day, signed_quantity AS quantity,
        event_type || ' of ' || coalesce(symbol, con_id::VARCHAR) || ' on ' || event_date
            || CASE WHEN state = 'suspected' THEN '' ELSE ' (statement)' END AS what,
        state = 'suspected' AS is_suspected
    FROM core.current_option_events AS events
    WHERE environment = $environment AND event_date >= $first AND state <> 'refuted'
        AND NOT EXISTS (
            SELECT 1 FROM core.current_option_event_evidence AS told
            WHERE told.environment = events.environment AND told.account_id = events.account_id
                AND told.option_event_id = events.option_event_id
                AND told.evidence_kind = 'wire_execution' AND told.leg = 'option')
    UNION ALL
    SELECT account_id, delivered_con_id, event_date, delivered_quantity,
        'delivery by ' || event_type || ' of ' || coalesce(symbol, con_id::VARCHAR) || ' on '
            || event_date || CASE WHEN state = 'suspected' THEN '' ELSE ' (statement)' END,
        state = 'suspected'
    FROM core.current_option_events AS events
    WHERE environment = $environment AND event_date >= $first AND state <> 'refuted'
        AND delivered_con_id IS NOT NULL AND delivered_quantity IS NOT NULL
        AND NOT EXISTS (
            SELECT 1 FROM core.current_option_event_evidence AS told
            WHERE told.environment = events.environment AND told.account_id = events.account_id
                AND told.option_event_id = events.option_event_id
                AND told.evidence_kind = 'wire_execution' AND told.leg = 'delivery')
    UNION ALL
    SELECT account_id, con_id, report_date, signed_quantity,
        'corporate action ' || row_type || ' on ' || report_date || ' (statement)', FALSE
    FROM core.current_corporate_actions
    WHERE environment = $environment AND report_date >= $first AND signed_quantity <> 0
    UNION ALL
    SELECT account_id, con_id, report_date, signed_quantity,
        'transfer ' || row_type || ' on ' || report_date || ' (statement)', FALSE
    FROM core.current_transfers
    WHERE environment = $environment AND report_date >= $first AND con_id IS NOT NULL
        AND signed_quantity <> 0
    UNION ALL
    SELECT account_id, con_id, session_date, signed_quantity,
        'fill ' || exec_id || ' only the statement tells', FALSE
    FROM core.current_executions AS fills
    WHERE environment = $environment AND session_date >= $first AND ends_with(source, '.flex')
        AND starts_with(fill_id, 'exec:') AND option_event_id IS NULL
        AND NOT coalesce(security_type = 'CASH', FALSE)
        AND NOT EXISTS (
            SELECT 1 FROM core.executions AS heard
            WHERE heard.environment = fills.environment AND heard.account_id = fills.account_id
                AND heard.fill_id = fills.fill_id AND ends_with(heard.source, '.wire'))
"""
FILLED_ORDERS = """
    SELECT now.account_id, now.order_key, now.con_id, now.security_type, now.status,
        now.total_quantity, now.filled_quantity, now.available_at,
        first.filled_quantity AS first_filled_quantity
    FROM core.current_orders AS now
    LEFT JOIN core.orders AS first
        ON first.broker = now.broker AND first.environment = now.environment
        AND first.account_id = now.account_id AND first.order_key = now.order_key
        AND first.version = 1
    WHERE now.environment = $environment
        AND (now.available_at >= $since OR now.order_key IN (SELECT unnest($again::VARCHAR[])))
        AND (now.filled_quantity > 0 OR now.status = 'filled')
"""
FILLS_OF_ORDERS = """
    SELECT account_id, order_key, fill_quantity, is_combo_parent
    FROM core.current_executions WHERE environment = ? AND order_key IS NOT NULL
        AND order_key IN (SELECT unnest(?::VARCHAR[]))
"""
CURRENT_FILLS = """
    SELECT account_id, fill_id, con_id, event_ts, event_ts_text
    FROM core.current_executions
    WHERE environment = $environment
        AND (available_at >= $since OR fill_id IN (SELECT unnest($again::VARCHAR[])))
"""
