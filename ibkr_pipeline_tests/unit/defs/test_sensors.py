"""Sensors ask control alone, and each of them fires."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ibkr_pipeline.defs.build import build_defs
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.settings import Settings
from ibkr_pipeline_tests.dagster_runs import (
    FIRST,
    instance_of,
    make_broker,
    make_settings,
    run,
)
from ibkr_pipeline_tests.statement_service import FakeStatementService, RefusedError

#: 10:04 in New York on a session day, and 18:00 the evening before.
OPEN = datetime(2026, 11, 19, 15, 4, tzinfo=UTC)
CLOSED = datetime(2026, 11, 18, 23, 0, tzinfo=UTC)


@pytest.fixture(name="settings")
def _settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path / "data")


@pytest.fixture(name="instance")
def _instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def _evaluate(
    settings: Settings, instance: dg.DagsterInstance, now: datetime, cursor: str | None = None
) -> dg.SensorResult | dg.SkipReason:
    definitions = build_defs(settings=settings, clock=FixedClock(now))
    sensor = definitions.get_repository_def().get_sensor_def("order_status_sensor")
    result = sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def _reason(result: dg.SensorResult | dg.SkipReason) -> str:
    assert isinstance(result, dg.SkipReason)
    return str(result.skip_message)


def test_orders_are_read_again_while_the_exchange_is_open_and_there_are_any(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    """One run per ten minutes; its key makes a second tick no second run."""
    run(settings, make_broker(), [Dataset.ORDERS])

    result = _evaluate(settings, instance, OPEN)

    assert isinstance(result, dg.SensorResult)
    [request] = result.run_requests or []
    assert ("order-status-2026-11-19T15:00Z", {"ibkr/environment": "paper"}) == (
        request.run_key,
        dict(request.tags),
    )
    assert "2026-11-19T15:00Z" == result.cursor


def test_a_slot_is_asked_for_once(settings: Settings, instance: dg.DagsterInstance) -> None:
    """The sensor's own cursor remembers."""
    run(settings, make_broker(), [Dataset.ORDERS])

    result = _evaluate(settings, instance, OPEN, cursor="2026-11-19T15:00Z")

    assert "The read of 2026-11-19T15:00Z was already asked for." == _reason(result)


def test_nothing_is_read_while_the_exchange_is_closed(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    """The nightly run reads the orders of the day."""
    run(settings, make_broker(), [Dataset.ORDERS])

    assert "The exchange was closed at Wed 18:00 ET." == _reason(
        _evaluate(settings, instance, CLOSED)
    )


def test_nothing_is_read_before_anything_was(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    """A sensor turned on by mistake must not talk to a gateway nobody set up."""
    assert "Orders were never read" in _reason(_evaluate(settings, instance, OPEN))


def test_nothing_is_read_while_no_account_has_orders(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    """An account without orders needs no loop."""
    run(settings, make_broker(orders=[]), [Dataset.ORDERS])

    assert "No account had an order at the last read" in _reason(
        _evaluate(settings, instance, OPEN)
    )


def test_a_read_of_the_last_minutes_counts(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    """Somebody who syncs by hand is not followed by the sensor."""
    run(settings, make_broker(), [Dataset.ORDERS], at=OPEN - timedelta(minutes=5))

    assert "less than 0:10:00 ago" in _reason(_evaluate(settings, instance, OPEN))


def test_a_sensor_never_waits_for_a_run(settings: Settings, instance: dg.DagsterInstance) -> None:
    """It reads control alone: the warehouse may be gone."""
    run(settings, make_broker(), [Dataset.ORDERS])
    settings.warehouse_path.unlink()

    assert isinstance(_evaluate(settings, instance, OPEN), dg.SensorResult)


def test_a_failed_run_becomes_an_alert(settings: Settings) -> None:
    """Which run, which environment, why, and what to do; account codes masked."""
    broker = make_broker(failing={(Dataset.ACCOUNTS, FIRST): "no end marker"})
    result = run(settings, broker, [Dataset.ACCOUNTS])

    alert, line = _alert_of(settings, result.run_id)

    assert {
        "at": "2026-11-19T15:04:00Z",
        "kind": "run_failed",
        "environment": "paper",
        "run_id": result.run_id,
        "job": "accounts",
    }.items() <= alert.items()
    assert "every_account_current" in alert["reason"]
    assert "ibkr-pipeline doctor" in alert["what_to_do"]
    assert FIRST not in line


def test_a_failed_statement_becomes_an_alert_that_names_the_sessions(settings: Settings) -> None:
    """An expired token must be heard of although nothing the gateway tells is missing."""
    flex = {"flex_token": "t", "flex_query_id": "1"}
    settings = settings.model_copy(update={"ibkr": settings.ibkr.model_copy(update=flex)})
    service = FakeStatementService(at=OPEN, error=RefusedError("the token has expired"))
    result = run(settings, make_broker(), [Dataset.FLEX], statements=service)

    alert, _ = _alert_of(settings, result.run_id)

    assert ("run_failed", "statements") == (alert["kind"], alert["job"])
    assert "the token has expired" in alert["reason"]
    assert "ibkr-pipeline show coverage" in alert["what_to_do"]


def _alert_of(settings: Settings, run_id: str) -> tuple[dict[str, str], str]:
    """Return the only alert after a failed run was told to the sensor, and its line."""
    definitions = build_defs(settings=settings, clock=FixedClock(OPEN))
    with instance_of(settings) as instance:
        failed = instance.get_run_by_id(run_id)
        assert failed is not None
        [event] = [
            record.dagster_event
            for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
            if record.dagster_event is not None
        ]
        context = dg.build_run_status_sensor_context(
            sensor_name="failed_run_sensor",
            dagster_instance=instance,
            dagster_run=failed,
            dagster_event=event,
        ).for_run_failure()
        definitions.get_repository_def().get_sensor_def("failed_run_sensor")(context)
    [line] = (settings.environment_dir / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    return json.loads(line), line
