"""Sensors: what starts a run, or tells somebody, because of what has been seen.

What lives here: all sensors as a list, the order status loop and the alert on failed runs. What
must not: DuckDB; a sensor asks control alone, so that it never waits for a run. Every sensor
starts stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import dagster as dg

from ibkr_pipeline.defs.catalog import ENVIRONMENT_TAG
from ibkr_pipeline.defs.exchange_day import exchange_time, is_open
from ibkr_pipeline.defs.jobs import ORDER_STATUS, STATEMENTS, STATEMENTS_BY_SESSION
from ibkr_pipeline.defs.missing_statements import missing_statements_sensor
from ibkr_pipeline.defs.run_outcome import failures_of
from ibkr_pipeline.models.requests import LoadRow
from ibkr_pipeline.pipelines.account_verdicts import LAST_LOADS
from ibkr_pipeline.pipelines.alerts import Alert, record_alert
from ibkr_pipeline.pipelines.workspace import open_workspace
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.settings import Settings

#: How often orders are read while the exchange is open and there are any.
EVERY = timedelta(minutes=10)
_TICK_SECONDS = 60


def build_sensors(
    settings_source: Callable[[], Settings],
    tags: Mapping[str, str],
    *,
    clock: Clock | None = None,
) -> list[dg.SensorDefinition]:
    """Return every sensor.

    Args:
        settings_source: Gives the settings when a sensor is evaluated.
        tags: Tags each run starts with.
        clock: The machine's by default.
    """
    clock = clock or SystemClock()
    return [
        _order_status_sensor(settings_source, tags, clock),
        missing_statements_sensor(settings_source, tags, clock),
        _failed_run_sensor(settings_source, clock),
    ]


def _order_status_sensor(
    settings_source: Callable[[], Settings], tags: Mapping[str, str], clock: Clock
) -> dg.SensorDefinition:
    @dg.sensor(
        name="order_status_sensor",
        job_name=ORDER_STATUS,
        minimum_interval_seconds=_TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            "Reads orders and executions every ten minutes while the exchange is open and the "
            "last read of some account had orders."
        ),
    )
    def order_status_sensor(
        context: dg.SensorEvaluationContext,
    ) -> dg.SensorResult | dg.SkipReason:
        now = clock.now()
        if not is_open(now):
            return dg.SkipReason(f"The exchange was closed at {exchange_time(now):%a %H:%M} ET.")
        slot = slot_of(now)
        if context.cursor == slot:
            return dg.SkipReason(f"The read of {slot} was already asked for.")
        reason = _why_not_orders(settings_source(), clock, now)
        if reason is not None:
            return dg.SkipReason(reason)
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=f"order-status-{slot}", tags=dict(tags))],
            cursor=slot,
        )

    return order_status_sensor


def _failed_run_sensor(
    settings_source: Callable[[], Settings], clock: Clock
) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="failed_run_sensor",
        default_status=dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=_TICK_SECONDS,
        monitor_all_code_locations=True,
        description=(
            "Appends an alert for every failed run to alerts.jsonl in the data directory: which "
            "run, which environment, why, and what to do. Uses no network."
        ),
    )
    def failed_run_sensor(context: dg.RunFailureSensorContext) -> None:
        settings = settings_source()
        run = context.dagster_run
        record_alert(
            settings,
            Alert(
                at=clock.now(),
                kind="run_failed",
                environment=_environment_of(run, settings),
                run_id=run.run_id,
                job=run.job_name,
                reason=failure_reason(context),
                what_to_do=what_to_do(run),
            ),
        )

    return failed_run_sensor


def what_to_do(run: dg.DagsterRun) -> str:
    """Return what a person does about a failed run."""
    of_sessions = (
        " `ibkr-pipeline show coverage` names the sessions that no statement covers."
        if run.job_name in (STATEMENTS, STATEMENTS_BY_SESSION)
        else ""
    )
    return (
        f"Look at run {run.run_id} in the UI (`ibkr-pipeline ui`) or at `ibkr-pipeline show "
        f"loads`, ask `ibkr-pipeline doctor` what does not work, then run it again: what was "
        f"complete is kept.{of_sessions}"
    )


def _environment_of(run: dg.DagsterRun, settings: Settings) -> Environment:
    """Return the world a run worked in; one that failed before it was tagged has the settings'."""
    tagged = run.tags.get(ENVIRONMENT_TAG)
    known = {environment.value: environment for environment in Environment}
    return known.get(tagged or "", settings.mode)


def slot_of(instant: datetime) -> str:
    """Return the ten-minute slot an instant falls in, as the text that names it (UTC)."""
    start = instant - (instant - datetime.min.replace(tzinfo=instant.tzinfo)) % EVERY
    return f"{start:%Y-%m-%dT%H:%MZ}"


def failure_reason(context: dg.RunFailureSensorContext) -> str:
    """Return why a run failed: every reason once, else what Dagster says of the run."""
    records = context.instance.all_logs(context.dagster_run.run_id)
    events = [record.dagster_event for record in records if record.dagster_event is not None]
    reasons = dict.fromkeys(failure.message for failure in failures_of(events))
    return "; ".join(reasons) or context.failure_event.message or "not told"


def _why_not_orders(settings: Settings, clock: Clock, now: datetime) -> str | None:
    """Return why orders need not be read now, from what control knows; None if they do."""
    with open_workspace(settings, clock=clock) as workspace:
        loads = [
            load
            for load in workspace.control.loads(dataset=Dataset.ORDERS, limit=LAST_LOADS)
            if load.environment is settings.mode
        ]
    if not loads:
        return "Orders were never read; run `ibkr-pipeline sync orders`, or the nightly job."
    last = max(load.started_at for load in loads)
    if now - last < EVERY:
        return f"Orders were last read at {last:%H:%M}Z, less than {EVERY} ago."
    if not any(_had_orders(load) for load in _last_complete(loads).values()):
        return "No account had an order at the last read; the nightly run reads them again."
    return None


def _last_complete(loads: list[LoadRow]) -> dict[str, LoadRow]:
    newest: dict[str, LoadRow] = {}
    for load in loads:
        if load.status is LoadStatus.COMPLETE:
            newest.setdefault(load.account_id, load)
    return newest


def _had_orders(load: LoadRow) -> bool:
    return load.n_rows is None or load.n_rows > 0
