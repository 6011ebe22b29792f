"""The sensor that asks for statements of sessions no statement covers.

What lives here: which sessions are asked for when, and how often again. What must not: what is
covered (`pipelines/coverage.py`), or DuckDB: the sensor asks control alone.

A session that stays missing is asked for again after one day, then two, four, at most eight: the
reason may be a section the query lacks, which asking does not mend.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from ibkr_pipeline.defs.exchange_day import EXCHANGE_TIMEZONE, exchange_time
from ibkr_pipeline.defs.jobs import STATEMENTS_BY_SESSION
from ibkr_pipeline.defs.session_partitions import REACH
from ibkr_pipeline.defs.statement_metadata import SWITCHED_OFF
from ibkr_pipeline.pipelines.backfill import windows_of
from ibkr_pipeline.pipelines.coverage import coverage_of, reads_of
from ibkr_pipeline.pipelines.flex_sync import is_switched_on
from ibkr_pipeline.pipelines.workspace import Workspace, open_workspace
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.settings import Settings

#: Runs, and with them requests of the web service, that one tick asks for.
MOST_REQUESTS = 2
#: Statements are made overnight; by this hour of the next morning in New York one is there.
MADE_BY = time(6)
#: After a request that failed nothing is asked for this long: the longest wait the service's
#: error table knows, that of a statement which is not published yet.
AFTER_FAILURE = timedelta(hours=4)
#: After a refusal that asking again does not mend, such as that of an expired token.
AFTER_REFUSAL = timedelta(days=1)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(days=1), timedelta(days=8)
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_TICK_SECONDS = 900
#: Requests looked through for the last one.
_LAST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """When a session was asked for last, and how often so far."""

    at: datetime
    times: int

    @property
    def again_from(self) -> datetime:
        """When it may be asked for again."""
        pause: timedelta = FIRST_PAUSE * 2 ** (self.times - 1)
        return self.at + min(pause, LONGEST_PAUSE)


def missing_statements_sensor(
    settings_source: Callable[[], Settings], tags: Mapping[str, str], clock: Clock
) -> dg.SensorDefinition:
    """Return the sensor.

    Args:
        settings_source: Gives the settings when it is evaluated.
        tags: Tags each run starts with.
        clock: What it goes by.
    """

    @dg.sensor(
        name="missing_statements",
        job_name=STATEMENTS_BY_SESSION,
        minimum_interval_seconds=_TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            "Asks for the statements of sessions that none covers, from the first day anything "
            "was read of an account. Waits four hours after a request that failed."
        ),
    )
    def missing_statements(
        context: dg.SensorEvaluationContext,
    ) -> dg.SensorResult | dg.SkipReason:
        settings, now = settings_source(), clock.now()
        if not is_switched_on(settings):
            return dg.SkipReason(SWITCHED_OFF)
        with open_workspace(settings, clock=clock) as workspace:
            reason = _why_not_now(workspace, now)
            missing = () if reason else missing_sessions(workspace, now)
        if reason or not missing:
            return dg.SkipReason(reason or "A statement covers every session anything was read of.")
        asked = {day: told for day, told in asked_so_far(context.cursor).items() if day in missing}
        due = [day for day in missing if day not in asked or asked[day].again_from <= now]
        if not due:
            soonest = min(told.again_from for told in asked.values())
            return dg.SkipReason(
                f"Asked for and still missing: {len(missing)}; asked for again from "
                f"{_when(soonest)}."
            )
        return _requests(due, asked, now, tags)

    return missing_statements


def missing_sessions(workspace: Workspace, now: datetime) -> tuple[date, ...]:
    """Return the sessions some account lacks a statement of that should be there, ascending."""
    environment = workspace.environment
    days = coverage_of(
        reads_of(workspace.control, environment),
        broker=workspace.broker,
        environment=environment,
        now=now,
    )
    today = exchange_time(now).date()
    found = days.filter(~days["by_flex"])["session_date"].unique().sort().to_list()
    return tuple(day for day in found if day >= today - REACH and _made_at(day) <= now)


def asked_so_far(cursor: str | None) -> dict[date, Asked]:
    """Return what the sensor's own cursor remembers: session -> when it was asked for."""
    told = json.loads(cursor) if cursor else {}
    return {
        date.fromisoformat(day): Asked(at=datetime.fromisoformat(at), times=times)
        for day, (at, times) in told.items()
    }


def _requests(
    due: Sequence[date], asked: Mapping[date, Asked], now: datetime, tags: Mapping[str, str]
) -> dg.SensorResult:
    windows = windows_of(due)[:MOST_REQUESTS]
    known = dict(asked)
    for day in due:
        if any(first <= day <= last for first, last in windows):
            times = known[day].times + 1 if day in known else 1
            known[day] = Asked(at=now, times=times)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"missing-{first}-{last}-{now:%Y%m%dT%H%MZ}",
                tags={**tags, RANGE_START: first.isoformat(), RANGE_END: last.isoformat()},
            )
            for first, last in windows
        ],
        cursor=json.dumps(
            {day.isoformat(): (a.at.isoformat(), a.times) for day, a in known.items()}
        ),
    )


def _made_at(session: date) -> datetime:
    """Return when the statement of a session should be there."""
    morning = session + timedelta(days=1)
    return datetime.combine(morning, MADE_BY, tzinfo=ZoneInfo(EXCHANGE_TIMEZONE))


def _why_not_now(workspace: Workspace, now: datetime) -> str | None:
    """Return why the web service is left alone now, from what control knows; None if it is not."""
    requests = workspace.control.requests(dataset=Dataset.FLEX, limit=_LAST)
    last = next((row for row in requests if row.environment is workspace.environment), None)
    if last is None or last.status == "finished":
        return None
    if last.status == "started":
        return f"Statement {last.request_id} is being fetched."
    pause = AFTER_FAILURE if last.retryable else AFTER_REFUSAL
    again = (last.ended_at or last.started_at) + pause
    if now >= again:
        return None
    return (
        f"The last statement failed: {last.reason or last.status}. Asked again from "
        f"{_when(again)}; `ibkr-pipeline sync flex` asks at once."
    )


def _when(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}Z"
