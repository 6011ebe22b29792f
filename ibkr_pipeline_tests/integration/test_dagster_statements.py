"""Statements as a person sees them in Dagster: by session, at night, by file, and when off."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from ibkr_pipeline.defs.build import build_defs
from ibkr_pipeline.defs.catalog import FLEX_STATEMENTS
from ibkr_pipeline.defs.launch import LaunchResult
from ibkr_pipeline.defs.missing_statements import RANGE_END, RANGE_START
from ibkr_pipeline.defs.resources import WORKSPACE, Outside, workspace_for
from ibkr_pipeline.pipelines.backfill import backfill
from ibkr_pipeline.pipelines.workspace import open_workspace
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset
from ibkr_pipeline.settings import Settings
from ibkr_pipeline_tests.dagster_runs import (
    FIRST,
    failed_checks,
    instance_of,
    make_broker,
    make_settings,
    materialized,
    metadata_of,
    run,
)
from ibkr_pipeline_tests.statement_service import (
    FakeStatementService,
    RefusedError,
    statement_file,
    trades_without_an_id,
)

#: Half past five in New York, and what the statements of the day before are received at.
NIGHT = datetime(2026, 11, 18, 22, 30, tzinfo=UTC)
SESSION = date(2026, 11, 17)
FLEX = (Dataset.FLEX,)


@dataclass(frozen=True)
class Night:
    """A run that has ended."""

    settings: Settings
    service: FakeStatementService
    result: LaunchResult


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run history for all tests here; making one takes longer than a run."""
    return tmp_path_factory.mktemp("dagster_home")


@pytest.fixture(name="settings")
def _settings(tmp_path: Path, home: Path) -> Settings:
    return _switched_on(tmp_path, home)


@pytest.fixture(name="night", scope="module")
def _night(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Night:
    """A nightly run that read the gateway and brought in the statement of the day before."""
    settings = _switched_on(tmp_path_factory.mktemp("night"), home)
    service = FakeStatementService(at=NIGHT)
    result = run(settings, make_broker(), (*WIRE_DATASETS, *FLEX), at=NIGHT, statements=service)
    return Night(settings, service, result)


def _switched_on(folder: Path, home: Path) -> Settings:
    return make_settings(
        folder / "data",
        dagster_home=home,
        ibkr__flex_token="canary-token-4711",
        ibkr__flex_query_id="1",
    )


def _run_sessions(
    settings: Settings,
    service: FakeStatementService,
    first: str,
    last: str,
) -> dg.ExecuteInProcessResult:
    """Run sessions as the UI does: one run for the whole range."""
    outside = Outside(
        clock=FixedClock(service.at),
        broker_factory=make_broker,
        statement_source=lambda: service,
    )
    definitions = build_defs(
        settings=settings,
        clock=FixedClock(service.at),
        resource_overrides={WORKSPACE: workspace_for(settings, outside=outside)},
    )
    with instance_of(settings) as instance:
        return definitions.resolve_job_def("flex_statements").execute_in_process(
            instance=instance,
            tags={RANGE_START: first, RANGE_END: last},
            raise_on_error=False,
        )


def _marked(settings: Settings, run_id: str) -> list[str]:
    """Return the sessions a run marked on `raw/flex_statements`."""
    with instance_of(settings) as instance:
        records = instance.all_logs(run_id, of_type={dg.DagsterEventType.ASSET_MATERIALIZATION})
    found = [record.asset_materialization for record in records]
    return sorted(
        event.partition
        for event in found
        if event is not None and event.asset_key == FLEX_STATEMENTS and event.partition is not None
    )


def _rows(settings: Settings, table: str) -> int:
    """Return how many rows of a table were published."""
    path = settings.environment_dir / "warehouse_read.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    return int(rows[0][0])


def test_statements_are_part_of_the_night(night: Night) -> None:
    """One run reads the gateway, asks once in the query's own window, and reconciles both."""
    found = materialized(night.settings, night.result.run_id)

    assert night.result.success, night.result.failures
    assert [None] == night.service.asked
    assert {
        "raw/flex",
        "core/flex_statements",
        "core/cash_transactions",
        "core/option_events",
        "ops/current_statements",
        "ops/coverage",
        "ops/statement_reconciliation",
        "ops/expirations",
        "ops/breaks",
        "ops/read_copy",
    } <= found
    assert 1 == _rows(night.settings, "core.cash_transactions")


def test_every_session_a_statement_covers_is_marked_however_it_came(night: Night) -> None:
    """The bar of partitions in the UI says what is there, not which job brought it."""
    assert [SESSION.isoformat()] == _marked(night.settings, night.result.run_id)


def test_raw_shows_verdict_sections_and_file(night: Night) -> None:
    """Whoever doubts a number finds the original bytes and the verdict on each section."""
    metadata = metadata_of(night.settings, "raw/flex", night.result.run_id)

    assert "2 of 2 sections complete" == metadata["verdict"].value
    assert (2, 0, 2) == tuple(metadata[name].value for name in ("complete", "failed", "rows heard"))
    assert len(statement_file(SESSION, SESSION)) == metadata["bytes"].value
    assert Path(str(metadata["path"].value)).is_file()


def test_core_shows_what_the_sections_of_a_table_changed(night: Night) -> None:
    """The counts on a table are those of its own section."""
    metadata = metadata_of(night.settings, "core/cash_transactions", night.result.run_id)

    assert (1, 1) == tuple(metadata[name].value for name in ("dagster/row_count", "loads applied"))
    assert "1 / 0 / 0 / 0" == metadata["rows new / changed / unchanged / gone"].value


def test_coverage_says_what_is_missing(night: Night) -> None:
    """The day of the statement is covered; nothing else was ever read of."""
    metadata = metadata_of(night.settings, "ops/coverage", night.result.run_id)

    assert 1 == metadata["covered by a statement"].value
    assert f"| 2026-11-17 | {FIRST} |" in str(metadata["preview"].value)


def test_the_token_is_nowhere_in_what_a_run_leaves_behind(night: Night, home: Path) -> None:
    """Run configuration, tags, events, metadata, logs, control, raw files, warehouse."""
    folders = (night.settings.environment_dir, home)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    assert 10 < len(files)
    assert [] == [path for path in files if b"canary-token-4711" in path.read_bytes()]


def test_a_night_without_statements_says_so_and_fails_nothing(tmp_path: Path, home: Path) -> None:
    """Token and query switch them on; most people start without."""
    settings = make_settings(tmp_path / "data", dagster_home=home)

    result = run(settings, make_broker())

    assert result.success, result.failures
    assert {} == failed_checks(result)
    verdict = metadata_of(settings, "raw/flex", result.run_id)["verdict"].value
    assert "skipped: statements are switched off" in str(verdict)


def test_a_service_that_refuses_holds_back_nothing_the_gateway_told(settings: Settings) -> None:
    """The run is red and names the reason; positions and executions are in."""
    service = FakeStatementService(at=NIGHT, error=RefusedError("the token has expired"))

    result = run(settings, make_broker(), (*WIRE_DATASETS, *FLEX), at=NIGHT, statements=service)

    assert ["ops__current_statements"] == [failure.step for failure in result.failures]
    assert "the token has expired" in result.failures[0].message
    assert "ERROR" == failed_checks(result)["raw/flex:read_complete"]
    assert 1 == _rows(settings, "core.current_positions")
    assert "ops/reconciliation" in materialized(settings, result.run_id)


def test_a_statement_that_is_not_published_yet_is_no_failure(settings: Settings) -> None:
    """It comes by itself; until then the check warns."""
    service = FakeStatementService(at=NIGHT, published_until=date(2026, 11, 16))

    result = run(settings, make_broker(), FLEX, at=NIGHT, statements=service)

    assert result.success, result.failures
    assert {"raw/flex:read_complete": "WARN"} == failed_checks(result)
    assert [] == _marked(settings, result.run_id)


def test_a_section_that_failed_makes_the_run_red_and_holds_back_no_other(
    settings: Settings,
) -> None:
    """The dividend is in; the trades name the column to tick."""
    service = FakeStatementService(at=NIGHT, content=trades_without_an_id)

    result = run(settings, make_broker(), FLEX, at=NIGHT, statements=service)

    assert ["ops__current_statements"] == [failure.step for failure in result.failures]
    assert f"Trades of {FIRST}" in result.failures[0].message
    assert 1 == _rows(settings, "core.cash_transactions")


def test_a_file_downloaded_by_hand_is_brought_in_without_the_service(
    tmp_path: Path, home: Path
) -> None:
    """Of any length and age, also where statements are switched off."""
    settings = make_settings(tmp_path / "data", dagster_home=home)
    file = tmp_path / "statement.xml"
    file.write_bytes(statement_file(date(2026, 11, 16), date(2026, 11, 17)))

    result = run(settings, make_broker(), FLEX, at=NIGHT, files=[file])

    assert result.success, result.failures
    assert ["2026-11-16", "2026-11-17"] == _marked(settings, result.run_id)


def test_sessions_of_a_year_cost_one_request(settings: Settings) -> None:
    """A backfill from the UI is one run, and one request for each 365 days."""
    service = FakeStatementService(at=NIGHT)

    result = _run_sessions(settings, service, "2025-11-19", "2026-11-17")

    assert result.success
    assert [(date(2025, 11, 19), date(2026, 11, 17))] == service.asked
    marked = _marked(settings, result.run_id)
    # 260 weekdays from a Wednesday to a Tuesday, less the ten holidays of a year.
    assert (250, "2025-11-19", "2026-11-17") == (len(marked), marked[0], marked[-1])


def test_a_run_of_sessions_brings_its_rows_in_itself(settings: Settings) -> None:
    """One click on `raw/flex_statements` is enough to see its rows, and that they are covered."""
    service = FakeStatementService(at=NIGHT)

    result = _run_sessions(settings, service, "2026-11-17", "2026-11-17")

    assert result.success
    assert {"raw/flex_statements"} == materialized(settings, result.run_id)
    assert 1 == _rows(settings, "core.cash_transactions")
    assert 1 == _rows(settings, "ops.coverage WHERE by_flex")


def test_the_same_sessions_again_change_nothing(settings: Settings) -> None:
    """The same bytes are known by their hash; the partition is there all the same."""
    service = FakeStatementService(at=NIGHT)
    _run_sessions(settings, service, "2026-11-17", "2026-11-17")

    result = _run_sessions(settings, service, "2026-11-17", "2026-11-17")

    metadata = metadata_of(settings, "raw/flex_statements", result.run_id)
    assert "the same bytes came with" in str(metadata["verdict"].value)
    assert ["2026-11-17"] == _marked(settings, result.run_id)
    assert 1 == _rows(settings, "core.cash_transactions")


def test_sessions_without_a_statement_stay_missing_and_fail_the_run(settings: Settings) -> None:
    """A green bar must not stand for what nobody received; what was received is in."""
    service = FakeStatementService(at=NIGHT, published_until=date(2026, 11, 16))

    result = _run_sessions(settings, service, "2026-11-13", "2026-11-17")

    assert not result.success
    assert ["2026-11-13", "2026-11-16"] == _marked(settings, result.run_id)
    assert 1 == _rows(settings, "core.cash_transactions")
    [failure] = [event for event in result.all_events if event.is_step_failure]
    message = str(failure.step_failure_data.error)
    assert "No statement was received of 2026-11-17" in message
    assert "not published yet" in message


def test_what_came_outside_dagster_is_marked_by_the_next_night(
    settings: Settings, tmp_path: Path
) -> None:
    """`ibkr-pipeline backfill` starts no run; the bar of partitions must not call it missing."""
    service = FakeStatementService(at=NIGHT)
    outside = open_workspace(settings, clock=FixedClock(NIGHT), statement_source=lambda: service)
    with outside as workspace:
        backfill(workspace, "executions", first=date(2026, 11, 12), last=date(2026, 11, 13))
    own_history = settings.model_copy(update={"dagster_home": tmp_path / "history"})

    result = run(own_history, make_broker(), FLEX, at=NIGHT, statements=service)

    assert ["2026-11-12", "2026-11-13", "2026-11-17"] == _marked(own_history, result.run_id)


def test_a_partition_run_carries_no_token(settings: Settings, home: Path) -> None:
    """The route of the UI, with its own tags and metadata, is searched as well."""
    service = FakeStatementService(at=NIGHT)
    _run_sessions(settings, service, "2026-11-17", "2026-11-17")

    files = [path for path in home.rglob("*") if path.is_file()]
    assert [] == [path for path in files if b"canary-token-4711" in path.read_bytes()]
