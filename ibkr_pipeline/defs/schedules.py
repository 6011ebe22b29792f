"""Schedules: when runs start by themselves.

What lives here: the nightly schedule. What must not: sensors. Every schedule starts stopped:
somebody turns it on.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from ibkr_pipeline.defs.exchange_day import EXCHANGE_TIMEZONE, exchange_time, why_closed
from ibkr_pipeline.defs.jobs import NIGHTLY

#: Half past five in New York: after the close and the settlement of closing auctions, and long
#: before the gateway's nightly restart. Every day, so that a skipped one is seen with its reason.
AFTER_THE_CLOSE = "30 17 * * *"


def build_schedules(tags: Mapping[str, str]) -> list[dg.ScheduleDefinition]:
    """Return every schedule.

    Args:
        tags: Tags each of their runs starts with.
    """

    @dg.schedule(
        name="nightly_schedule",
        job_name=NIGHTLY,
        cron_schedule=AFTER_THE_CLOSE,
        execution_timezone=EXCHANGE_TIMEZONE,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=(
            "Runs `nightly` at 17:30 New York on every session of the exchange, and says why it "
            "skips a day."
        ),
    )
    def nightly_schedule(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        day = exchange_time(context.scheduled_execution_time).date()
        reason = why_closed(day)
        if reason is not None:
            return dg.SkipReason(reason)
        return dg.RunRequest(
            run_key=f"nightly-{day.isoformat()}",
            tags={**tags, "ibkr/session_date": day.isoformat()},
        )

    return [nightly_schedule]
