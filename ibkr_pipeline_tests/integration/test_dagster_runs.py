"""A run as a person sees it: what is read, what is judged, what is published, what stops."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Self

import dagster as dg
import duckdb
import pytest

from ibkr_pipeline.brokers.exceptions import BrokerConnectionError
from ibkr_pipeline.brokers.testing import FakeBrokerAPI, make_simple_fake_position
from ibkr_pipeline.defs.catalog import TABLES_OF, table_key
from ibkr_pipeline.defs.launch import LaunchResult
from ibkr_pipeline.pipelines.workspace import open_workspace
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset, LoadStatus
from ibkr_pipeline.schemas import core, statements
from ibkr_pipeline.settings import Settings
from ibkr_pipeline_tests.dagster_runs import (
    FIRST,
    NIGHT,
    SECOND,
    failed_checks,
    instance_of,
    make_broker,
    make_settings,
    materialized,
    metadata_of,
    run,
    warehouse_held,
)

CORE = {
    table_key(table).to_user_string()
    for table in (*core.TABLES, *statements.TABLES, *statements.VIEWS)
} - {"core/applied_loads"}
RAW = {f"raw/{dataset.value}" for dataset in Dataset}
JUDGED = {"ops/current_accounts", "ops/read_copy"}
OPS = {
    f"ops/{name}"
    for name in (
        "breaks",
        "coverage",
        "current_statements",
        "expirations",
        "reconciliation",
        "statement_reconciliation",
    )
}
EVERYTHING = CORE | RAW | JUDGED | OPS


@dataclass(frozen=True)
class Night:
    """A run that has ended."""

    settings: Settings
    broker: FakeBrokerAPI
    result: LaunchResult


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run history for all tests here; making one takes longer than a run."""
    return tmp_path_factory.mktemp("dagster_home")


@pytest.fixture(name="settings")
def _settings(tmp_path: Path, home: Path) -> Settings:
    return make_settings(tmp_path / "data", dagster_home=home)


@pytest.fixture(name="night", scope="module")
def _night(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Night:
    """A nightly run on which nothing went wrong, the second one of its data directory."""
    settings = make_settings(tmp_path_factory.mktemp("night") / "data", dagster_home=home)
    run(settings, make_broker(), at=NIGHT - timedelta(days=1))
    broker = make_broker()
    return Night(settings, broker, run(settings, broker))


@pytest.fixture(name="bad_night", scope="module")
def _bad_night(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Night:
    """A nightly run in which the positions of the second account could not be read."""
    settings = make_settings(tmp_path_factory.mktemp("bad") / "data", dagster_home=home)
    broker = make_broker(
        positions=[make_simple_fake_position(FIRST), make_simple_fake_position(SECOND)],
        failing={(Dataset.POSITIONS, SECOND): "no end marker within 60 s"},
    )
    return Night(settings, broker, run(settings, broker))


def _positions_of(settings: Settings, account: str) -> int:
    path = settings.environment_dir / "warehouse_read.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(
            "SELECT count(*) FROM core.current_positions WHERE account_id = ?", [account]
        ).fetchall()
    return int(rows[0][0])


def test_a_nightly_run_materializes_everything(night: Night) -> None:
    """One job brings the broker's rows to the published copy, over one connection."""
    result = night.result

    assert (True, 0, ()) == (result.success, result.exit_code, result.failures)
    assert {} == failed_checks(result)
    assert EVERYTHING == materialized(night.settings, result.run_id)
    assert (1, False) == (night.broker.connections, night.broker.is_connected)


def test_positions_are_read_between_two_looks_at_the_executions(night: Night) -> None:
    """What traded meanwhile is known, and reconciliation leaves it out."""
    assert [
        Dataset.ACCOUNTS,
        Dataset.EXECUTIONS,
        Dataset.POSITIONS,
        Dataset.EXECUTIONS,
        Dataset.ORDERS,
        Dataset.EXECUTIONS,
    ] == [dataset for dataset, _ in night.broker.fetches]


def test_raw_shows_the_completeness_proof(night: Night) -> None:
    """Whoever doubts a number finds why it may be believed on the asset's own page."""
    metadata = metadata_of(night.settings, "raw/positions", night.result.run_id)

    assert {
        "messages": 1,
        "verdict": "2 of 2 accounts complete",
        "complete": 2,
        "failed": 0,
        "proof/end_marker_seen": True,
        "proof/server_version": "178",
        "proof/window": "the instant of the read",
        "proof/environment": "paper",
        "executions before": "2 of 2 accounts complete",
        "executions after": "2 of 2 accounts complete",
    }.items() <= {name: item.value for name, item in metadata.items()}.items()
    path = Path(str(metadata["path"].value))
    assert path.stat().st_size == metadata["bytes"].value
    assert sha256(path.read_bytes()).hexdigest() == metadata["sha256"].value


def test_core_shows_rows_as_of_and_what_the_run_changed(night: Night) -> None:
    """The questions of everyone who opens an asset, answered without SQL."""
    metadata = metadata_of(night.settings, "core/positions", night.result.run_id)

    assert 2 == metadata["dagster/row_count"].value
    assert NIGHT.timestamp() == metadata["as_of"].value
    assert "0 / 0 / 1 / 0" == metadata["rows new / changed / unchanged / gone"].value
    assert "| AAPL | STK | USD | 100 |" in str(metadata["preview"].value)
    assert "none" == metadata["null counts"].value
    copy = night.settings.environment_dir / "warehouse_read.duckdb"
    assert str(copy) == metadata["read copy"].value


def test_the_read_copy_shows_its_path(night: Night) -> None:
    """A notebook user looks for the file in the UI."""
    metadata = metadata_of(night.settings, "ops/read_copy", night.result.run_id)

    path = Path(str(metadata["path"].value))
    assert night.settings.environment_dir / "warehouse_read.duckdb" == path
    assert path.is_file()
    assert f"open_warehouse({str(path)!r})" in str(metadata["open it"].value)


def test_every_run_carries_the_environment_it_worked_in(night: Night) -> None:
    """Paper, live and simulated runs stand in one history and must not be mistaken."""
    with instance_of(night.settings) as instance:
        stored = instance.get_run_by_id(night.result.run_id)

    assert stored is not None
    assert "paper" == stored.tags["ibkr/environment"]


def test_runs_of_the_command_line_are_listed_under_their_job(night: Night) -> None:
    """The UI counts a run among a job's by the tag of its code location."""
    listed_under = dg.RunsFilter(
        job_name="nightly",
        tags={".dagster/repository": "__repository__@ibkr_pipeline.definitions"},
    )
    with instance_of(night.settings) as instance:
        listed = instance.get_runs(listed_under)

    assert night.result.run_id in [stored.run_id for stored in listed]


def test_control_keeps_the_run_of_every_request(night: Night) -> None:
    """From a load to the run that asked, and back."""
    with open_workspace(night.settings) as workspace:
        loads = workspace.control.loads(run_id=night.result.run_id, dataset=Dataset.ACCOUNTS)

    assert [(FIRST, LoadStatus.COMPLETE), (SECOND, LoadStatus.COMPLETE)] == sorted(
        (load.account_id, load.status) for load in loads
    )


def test_no_asset_ever_pickles(night: Night, home: Path) -> None:
    """A planted pickle would run on the next materialization."""
    files = [path for path in home.rglob("*") if path.is_file()]

    assert [] == [path for path in files if path.read_bytes()[:2] in (b"\x80\x04", b"\x80\x05")]
    assert not any(home.glob("storage/*/*"))


def test_scenario_o_one_failed_account_does_not_hold_back_the_other(bad_night: Night) -> None:
    """The healthy account lands and is published; the run is red and says why."""
    result, settings = bad_night.result, bad_night.settings

    assert (False, 1, False) == (result.success, result.exit_code, result.is_busy)
    assert ["ops__current_accounts"] == [failure.step for failure in result.failures]
    assert (
        f"every_account_current of ops/current_accounts: positions of {SECOND}: failed: "
        f"no end marker within 60 s" == result.failures[0].message
    )
    assert {
        "raw/positions:read_complete": "ERROR",
        "ops/current_accounts:every_account_current": "ERROR",
    } == failed_checks(result)
    assert (1, 0) == (_positions_of(settings, FIRST), _positions_of(settings, SECOND))


def test_scenario_a_nothing_reasons_over_an_account_that_is_not_current(bad_night: Night) -> None:
    """A failed read must not be reconciled as if the account were flat."""
    found = materialized(bad_night.settings, bad_night.result.run_id)

    assert EVERYTHING - {"ops/reconciliation"} == found


def test_scenario_a_the_last_complete_snapshot_stays_current(settings: Settings) -> None:
    """Failed is not empty."""
    run(settings, make_broker(), [Dataset.POSITIONS])

    failing = make_broker(failing={(Dataset.POSITIONS, FIRST): "no end marker"})
    result = run(settings, failing, [Dataset.POSITIONS])

    assert not result.success
    assert 1 == _positions_of(settings, FIRST)


def test_a_gateway_that_refuses_by_its_own_settings_fails_nothing(settings: Settings) -> None:
    """With the Read-Only API on, orders are unsupported, not failed."""
    broker = make_broker(unsupported={Dataset.ORDERS: "Read-Only API"})

    result = run(settings, broker, [Dataset.ORDERS])

    assert result.success
    assert {"raw/orders:read_complete": "WARN"} == failed_checks(result)


def test_a_gateway_that_cannot_be_reached_is_told_plainly_and_asked_for_once(
    settings: Settings,
) -> None:
    """Four datasets must not wait for the same closed port one after the other."""
    closed = _ClosedBroker(accounts=[FIRST])

    result = run(settings, closed)

    assert settings.ibkr.read_attempts == closed.tries
    assert ["ops__current_accounts"] == [failure.step for failure in result.failures]
    assert "Nothing listens at 127.0.0.1:7497" in result.failures[0].message
    found = materialized(settings, result.run_id)
    assert RAW <= found
    assert not {"ops/read_copy", "ops/reconciliation"} & found


def test_a_gateway_that_cannot_be_reached_leaves_what_is_known_published(
    settings: Settings,
) -> None:
    """Yesterday's positions are still what is known."""
    run(settings, make_broker(), [Dataset.POSITIONS])

    result = run(settings, _ClosedBroker(accounts=[FIRST]), [Dataset.POSITIONS])

    assert not result.success
    assert f"positions of {FIRST}: failed: Nothing listens" in result.failures[0].message
    assert 1 == _positions_of(settings, FIRST)


def test_accounts_of_one_run_are_run_configuration(settings: Settings) -> None:
    """One account can be read again without waiting for the others."""
    broker = make_broker()

    result = run(settings, broker, [Dataset.ACCOUNTS], [SECOND])

    assert result.success
    assert [(Dataset.ACCOUNTS, (SECOND,))] == broker.fetches


def test_an_account_the_gateway_does_not_manage_fails_the_run(settings: Settings) -> None:
    """A typing error must not look like an empty account."""
    result = run(settings, make_broker(), [Dataset.POSITIONS], ["DU0000009"])

    assert not result.success
    assert "DU0000009 is not among those the gateway manages" in result.failures[0].message


@pytest.mark.parametrize("dataset", WIRE_DATASETS, ids=lambda dataset: dataset.value)
def test_a_dataset_can_be_read_alone(settings: Settings, dataset: Dataset) -> None:
    """`sync DATASET` is a job of its own; what it does not read, it does not judge."""
    result = run(settings, make_broker(), [dataset])

    found = materialized(settings, result.run_id)
    own = {table_key(table).to_user_string() for table in TABLES_OF[dataset]}
    assert result.success
    assert {f"raw/{dataset.value}"} == found & RAW
    assert own | JUDGED <= found
    assert "ops/reconciliation" not in found


def test_any_two_datasets_can_be_read_together(settings: Settings) -> None:
    """Where no job has the combination, the nightly one is narrowed."""
    result = run(settings, make_broker(), [Dataset.ACCOUNTS, Dataset.ORDERS])

    assert result.success
    assert {"raw/accounts", "raw/orders"} == materialized(settings, result.run_id) & RAW


def test_changed_positions_without_executions_are_an_error(settings: Settings) -> None:
    """Some gateway settings answer an executions request with nothing at all."""
    quiet = make_broker(executions=[], orders=[])
    run(settings, quiet, [Dataset.POSITIONS])
    quiet.positions = [make_simple_fake_position(FIRST, quantity=Decimal(130))]

    result = run(settings, quiet)

    assert result.success
    assert "ERROR" == failed_checks(result)["ops/reconciliation:changed_positions_have_executions"]


def test_a_second_run_waits_once_and_then_fails_naming_the_holder(settings: Settings) -> None:
    """Of two runs at once one waits up to the timeout; the command ends with 75."""
    impatient = settings.model_copy(update={"lock_timeout": 0.2})
    run(settings, make_broker(), [Dataset.ACCOUNTS])

    with warehouse_held(settings, "a long rebuild"):
        result = run(impatient, make_broker())

    assert (True, 75) == (result.is_busy, result.exit_code)
    assert "a long rebuild" in result.failures[0].message
    assert 1 == len({failure.message for failure in result.failures})


def test_the_next_run_brings_in_what_a_busy_one_left(settings: Settings) -> None:
    """What was landed is never lost; both reads become snapshots."""
    impatient = settings.model_copy(update={"lock_timeout": 0.2})
    run(settings, make_broker(), [Dataset.POSITIONS])
    with warehouse_held(settings, "a long rebuild"):
        run(impatient, make_broker(), [Dataset.POSITIONS])

    result = run(settings, make_broker(), [Dataset.POSITIONS])

    metadata = metadata_of(settings, "core/positions", result.run_id)
    # Two accounts in two reads; the first account has one position in each of three snapshots.
    assert (4, 3) == (metadata["loads applied"].value, metadata["dagster/row_count"].value)


def test_an_interrupted_read_ends_the_run_at_once(settings: Settings) -> None:
    """Ctrl-C must not go on with the next dataset; the request is `failed: interrupted`."""
    broker = make_broker(interrupted_by={Dataset.POSITIONS: KeyboardInterrupt()})

    result = run(settings, broker)

    assert (False, True, 1) == (result.success, result.is_interrupted, result.exit_code)
    assert Dataset.ORDERS not in {dataset for dataset, _ in broker.fetches}
    assert not broker.is_connected
    with open_workspace(settings) as workspace:
        [request] = workspace.control.requests(run_id=result.run_id, dataset=Dataset.POSITIONS)
    assert ("failed", "interrupted") == (request.status, request.reason)


def test_a_torn_raw_file_is_told_and_holds_back_nothing_else(settings: Settings) -> None:
    """The load stays pending, the log and the next verdict say so, what is healthy is published."""
    impatient = settings.model_copy(update={"lock_timeout": 0.2})
    run(settings, make_broker(), [Dataset.ACCOUNTS])
    known = _raw_files(settings)
    with warehouse_held(settings, "keeping loads pending"):
        run(impatient, make_broker(), [Dataset.ACCOUNTS])
    [torn] = _raw_files(settings) - known
    torn.write_bytes(torn.read_bytes()[:-5])

    result = run(settings, make_broker(), [Dataset.ACCOUNTS])

    assert {"core/accounts", "ops/read_copy"} <= materialized(settings, result.run_id)
    assert 4 == metadata_of(settings, "core/accounts", result.run_id)["dagster/row_count"].value
    assert torn.name in str(metadata_of(settings, "core/accounts", result.run_id)["not applied"])


def test_nothing_is_printed_to_stdout_and_accounts_are_masked_in_logs(
    settings: Settings, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Stdout may have to be one JSON document, and logs are passed on."""
    broker = make_broker(failing={(Dataset.ACCOUNTS, SECOND): "no end marker"})
    with caplog.at_level(logging.INFO):
        run(settings, broker, [Dataset.ACCOUNTS])

    assert "" == capfd.readouterr().out
    assert "DU*****02" in caplog.text
    assert SECOND not in caplog.text


class _ClosedBroker(FakeBrokerAPI):
    """A gateway nobody started."""

    def __init__(self, accounts: list[str]) -> None:
        super().__init__(accounts=accounts)
        self.tries = 0

    def __enter__(self) -> Self:
        self.tries += 1
        raise BrokerConnectionError("Nothing listens at 127.0.0.1:7497; start TWS.")


def _raw_files(settings: Settings) -> set[Path]:
    return set((settings.environment_dir / "raw").rglob("*.ndjson.zst"))
