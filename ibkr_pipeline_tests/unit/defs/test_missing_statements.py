"""The sensor asks for what no statement covers, from control alone, and not too often."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.defs.build import build_defs
from ibkr_pipeline.defs.missing_statements import RANGE_END, RANGE_START, Asked, asked_so_far
from ibkr_pipeline.models.requests import AppliedLoad, SubjectOutcome
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.primitives.identifiers import load_id_of
from ibkr_pipeline.settings import Settings
from ibkr_pipeline_tests.dagster_runs import make_settings
from ibkr_pipeline_tests.raw_requests import FIRST, make_proof, make_raw

#: Monday's statement, received on Tuesday morning; it is Friday morning now, seven in New York.
MONDAY, THURSDAY = date(2026, 11, 16), date(2026, 11, 19)
TUESDAY_MORNING = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture(name="settings")
def _settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path / "data", ibkr__flex_token="t", ibkr__flex_query_id="1")


@pytest.fixture(name="instance")
def _instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def _had(settings: Settings, first: date, last: date, at: datetime) -> None:
    """Write down a statement that was received and applied."""
    request_id = f"had-{first}-{last}"
    with _asked(settings, request_id, at) as control:
        proof = make_proof(request_id, dataset=Dataset.FLEX, started_at=at, ended_at=at)
        outcome = SubjectOutcome(
            account_id=FIRST,
            status=LoadStatus.COMPLETE,
            section="Trades",
            from_date=first,
            to_date=last,
            n_rows=0,
        )
        control.finish_request(proof, (outcome,), make_raw())
        load_id = load_id_of(request_id, FIRST, "Trades")
        control.mark_applied(
            (
                AppliedLoad(
                    load_id=load_id, recorded_at=at, n_read=0, n_new=0, n_changed=0, n_unchanged=0
                ),
            )
        )


def _failed(settings: Settings, at: datetime, *, retryable: bool) -> None:
    """Write down a request that brought no statement."""
    with _asked(settings, "failed", at) as control:
        control.fail_request("failed", reason="not published yet", retryable=retryable, at=at)


def _asked(settings: Settings, request_id: str, at: datetime) -> ControlStore:
    settings.environment_dir.mkdir(parents=True, exist_ok=True)
    control = ControlStore.open(settings.control_path, clock=FixedClock(at))
    control.claim_environment(Environment.PAPER)
    control.begin_request(
        request_id=request_id,
        broker="ibkr",
        environment=Environment.PAPER,
        dataset=Dataset.FLEX,
        accounts=None,
        started_at=at,
        run_id=None,
    )
    return control


def _evaluate(
    settings: Settings,
    instance: dg.DagsterInstance,
    now: datetime = NOW,
    cursor: str | None = None,
) -> dg.SensorResult | dg.SkipReason:
    definitions = build_defs(settings=settings, clock=FixedClock(now))
    sensor = definitions.get_repository_def().get_sensor_def("missing_statements")
    result = sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def _windows(result: dg.SensorResult | dg.SkipReason) -> list[tuple[str, str]]:
    assert isinstance(result, dg.SensorResult), result
    return [(r.tags[RANGE_START], r.tags[RANGE_END]) for r in result.run_requests or []]


def _reason(result: dg.SensorResult | dg.SkipReason) -> str:
    assert isinstance(result, dg.SkipReason)
    return str(result.skip_message)


def test_it_asks_for_what_no_statement_covers(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    """Monday is there; Tuesday to Thursday are one run, and one request of the service."""
    _had(settings, MONDAY, MONDAY, TUESDAY_MORNING)

    result = _evaluate(settings, instance)

    assert [("2026-11-17", "2026-11-19")] == _windows(result)
    assert isinstance(result, dg.SensorResult)
    [request] = result.run_requests or []
    assert "paper" == request.tags["ibkr/environment"]


def test_it_asks_for_nothing_where_nothing_is_missing(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    """Thursday's statement covers the week."""
    _had(settings, MONDAY, THURSDAY, NOW - timedelta(hours=1))

    assert "covers every session" in _reason(_evaluate(settings, instance))


def test_a_statement_is_waited_for_until_the_next_morning(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    """At five in New York the statement of the session before may still be in the making."""
    _had(settings, MONDAY, date(2026, 11, 18), NOW - timedelta(days=1))

    assert "covers every session" in _reason(_evaluate(settings, instance, NOW.replace(hour=10)))
    assert [("2026-11-19", "2026-11-19")] == _windows(_evaluate(settings, instance, NOW))


def test_what_was_asked_for_is_asked_for_again_a_day_later(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    """On Saturday the statement of Friday is missing too."""
    _had(settings, MONDAY, date(2026, 11, 18), NOW - timedelta(days=1))
    friday = _evaluate(settings, instance)
    assert isinstance(friday, dg.SensorResult)

    soon = _evaluate(settings, instance, NOW + timedelta(minutes=15), friday.cursor)
    saturday = _evaluate(settings, instance, NOW + timedelta(days=1), friday.cursor)

    assert "still missing: 1; asked for again from 2026-11-21 12:00Z" in _reason(soon)
    assert [("2026-11-19", "2026-11-20")] == _windows(saturday)
    assert isinstance(saturday, dg.SensorResult)
    assert [2, 1] == [asked.times for asked in asked_so_far(saturday.cursor).values()]


@pytest.mark.parametrize(("times", "days"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8)])
def test_the_pause_doubles_up_to_eight_days(times: int, days: int) -> None:
    """A section the query lacks stays missing however often it is asked for."""
    assert NOW + timedelta(days=days) == Asked(at=NOW, times=times).again_from


@pytest.mark.parametrize(
    ("retryable", "pause"),
    [
        pytest.param(True, timedelta(hours=4), id="not-published-yet"),
        pytest.param(False, timedelta(days=1), id="token-expired"),
    ],
)
def test_after_a_failure_the_service_is_left_alone(
    settings: Settings, instance: dg.DagsterInstance, retryable: bool, pause: timedelta
) -> None:
    """The longest wait of the service's table; a day where asking again mends nothing."""
    _had(settings, MONDAY, date(2026, 11, 18), NOW - timedelta(days=1, minutes=1))
    _failed(settings, NOW - pause + timedelta(minutes=1), retryable=retryable)

    before = _evaluate(settings, instance, NOW)
    after = _evaluate(settings, instance, NOW + timedelta(minutes=1))

    assert "not published yet" in _reason(before)
    assert "2026-11-20 12:01Z" in _reason(before)
    assert [("2026-11-19", "2026-11-19")] == _windows(after)


def test_a_statement_that_is_being_fetched_is_waited_for(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    """Two requests at once would only be refused."""
    _had(settings, MONDAY, MONDAY, TUESDAY_MORNING)
    with _asked(settings, "running", NOW - timedelta(minutes=1)):
        result = _evaluate(settings, instance)

    assert "Statement running is being fetched." == _reason(result)


def test_nothing_is_asked_for_before_anything_was_read(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    """History is a person's decision; the sensor only closes gaps."""
    assert "covers every session" in _reason(_evaluate(settings, instance))


def test_nothing_is_asked_for_where_statements_are_off(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """A sensor turned on by mistake fails nothing."""
    settings = make_settings(tmp_path / "data")

    assert "statements are switched off" in _reason(_evaluate(settings, instance))
