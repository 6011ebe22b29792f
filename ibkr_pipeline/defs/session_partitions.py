"""Session dates as partitions: one key per session of the exchange, none for a day without one.

What lives here: the partitions of what is kept by session date. What must not: which sessions are
missing (`pipelines/coverage.py`), or what one request may ask for (`pipelines/backfill.py`).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import dagster as dg

from ibkr_pipeline.defs.exchange_day import EXCHANGE_TIMEZONE, closed_weekdays

#: How far back the Flex web service goes, and the longest window of one request.
#: Source: IBKR, Flex Web Service version 3, fd/td.
REACH = timedelta(days=365)
_WEEKENDS = "0 0 * * 0,6"


@lru_cache(maxsize=2)
def session_partitions(today: date) -> dg.DailyPartitionsDefinition:
    """Return the sessions of the last 365 days, `YYYY-MM-DD`, the oldest first.

    A session gets its partition when its day is over in New York: no statement of it exists
    before.

    Args:
        today: Day in New York. The first session follows from it; the last one moves on by
            itself, so that a code server may stay up for as long as it likes.
    """
    first = today - REACH
    closed = closed_weekdays(first, date(today.year + 1, 12, 31))
    midnight = time(tzinfo=ZoneInfo(EXCHANGE_TIMEZONE))
    return dg.DailyPartitionsDefinition(
        start_date=first.isoformat(),
        timezone=EXCHANGE_TIMEZONE,
        exclusions=[_WEEKENDS, *(datetime.combine(day, midnight) for day in closed)],
    )
