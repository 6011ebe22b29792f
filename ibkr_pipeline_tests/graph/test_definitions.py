"""The definitions as plain lists: what is added, renamed or lost shows in review."""

import dagster as dg
import pytest

from ibkr_pipeline.defs.build import build_defs
from ibkr_pipeline.defs.io_managers import RefusingIOManager
from ibkr_pipeline.settings import load_settings

WIRE = ["raw/accounts", "raw/executions", "raw/orders", "raw/positions"]
RAW = [*WIRE, "raw/flex"]
BY_SESSION = "raw/flex_statements"
GATEWAY = [
    "core/account_ledger",
    "core/accounts",
    "core/commissions",
    "core/executions",
    "core/ibkr_contracts",
    "core/instruments",
    "core/open_orders",
    "core/order_aliases",
    "core/order_status_events",
    "core/orders",
    "core/portfolios",
    "core/positions",
    "core/snapshots",
]
OF_STATEMENTS = [
    "core/cash_reports",
    "core/cash_transactions",
    "core/conversion_rates",
    "core/corporate_actions",
    "core/flex_statements",
    "core/fx_positions",
    "core/nav",
    "core/nav_changes",
    "core/pending_exercises",
    "core/statement_accounts",
    "core/statement_of_funds",
    "core/statement_positions",
    "core/transfers",
]
OF_OPTIONS = ["core/fill_aliases", "core/option_event_evidence", "core/option_events"]
CORE = [*GATEWAY, *OF_STATEMENTS, *OF_OPTIONS]
COMPARED_STATEMENTS = [
    "ops/breaks",
    "ops/coverage",
    "ops/current_statements",
    "ops/expirations",
    "ops/statement_reconciliation",
]
OPS = ["ops/current_accounts", "ops/read_copy", "ops/reconciliation", *COMPARED_STATEMENTS]
SHARED = ["core/ibkr_contracts", "core/instruments", "core/portfolios", "core/snapshots"]
ENDS = ["ops/current_accounts", "ops/read_copy"]

JOBS = {
    "nightly": sorted([*RAW, *CORE, *OPS]),
    "accounts": sorted(["raw/accounts", "core/accounts", "core/account_ledger", *SHARED, *ENDS]),
    "positions": sorted(
        [
            "raw/positions",
            "core/positions",
            "core/executions",
            "core/commissions",
            *OF_OPTIONS,
            *SHARED,
            *ENDS,
        ]
    ),
    "orders": sorted(
        [
            "raw/orders",
            "core/orders",
            "core/open_orders",
            "core/order_status_events",
            "core/order_aliases",
            *SHARED,
            *ENDS,
        ]
    ),
    "executions": sorted(
        ["raw/executions", "core/executions", "core/commissions", *OF_OPTIONS, *SHARED, *ENDS]
    ),
    "order_status": sorted(
        [
            "raw/orders",
            "raw/executions",
            "core/orders",
            "core/open_orders",
            "core/order_status_events",
            "core/order_aliases",
            "core/executions",
            "core/commissions",
            *OF_OPTIONS,
            *SHARED,
            *ENDS,
        ]
    ),
    "statements": sorted(
        [
            "raw/flex",
            "core/executions",
            "core/commissions",
            *OF_STATEMENTS,
            *OF_OPTIONS,
            *SHARED,
            *COMPARED_STATEMENTS,
            "ops/read_copy",
        ]
    ),
    "flex_statements": [BY_SESSION],
}
BLOCKING = sorted(
    [
        *(f"{asset}:schema" for asset in CORE),
        "ops/current_accounts:every_account_current",
        "ops/current_statements:every_statement_current",
    ]
)
NOT_BLOCKING = sorted(
    [
        *(f"{asset}:read_complete" for asset in (*RAW, BY_SESSION)),
        "ops/statement_reconciliation:cash_rolls_forward",
        "ops/statement_reconciliation:commissions_are_told_alike",
        "ops/statement_reconciliation:conversion_rates_are_there",
        "ops/statement_reconciliation:fills_are_told_alike",
        "ops/statement_reconciliation:nav_is_positions_and_cash",
        "ops/statement_reconciliation:nav_rolls_forward",
        "ops/statement_reconciliation:option_events_agree",
        "ops/statement_reconciliation:positions_roll_forward",
        "ops/reconciliation:account_list_is_complete",
        "ops/reconciliation:accounts_are_fresh",
        "ops/reconciliation:changed_positions_have_executions",
        "ops/reconciliation:executions_count_once",
        "ops/reconciliation:fill_times_are_past",
        "ops/reconciliation:filled_orders_have_executions",
        "ops/reconciliation:positions_follow_from_executions",
    ]
)


@pytest.fixture(name="definitions", scope="module")
def _definitions() -> dg.Definitions:
    return build_defs(settings=load_settings(environ={}))


@pytest.fixture(name="specs", scope="module")
def _specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_the_assets_are_these(specs: dict[str, dg.AssetSpec]) -> None:
    """An asset's key is its table's name, in DuckDB and in the reference."""
    assert sorted([*RAW, BY_SESSION, *CORE, *OPS]) == sorted(specs)


def test_the_jobs_select_these_assets(definitions: dg.Definitions) -> None:
    """A run reads what its name says, and always ends with the verdict and the copy."""
    repository = definitions.get_repository_def()
    found = {
        job.name: sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys)
        for job in repository.get_all_jobs()
        if not job.name.startswith("__")
    }

    assert JOBS == found


def test_the_checks_are_these(definitions: dg.Definitions) -> None:
    """Only a schema, an account or a statement that is not current stop anything."""
    graph = definitions.get_repository_def().asset_graph
    found: dict[bool, list[str]] = {True: [], False: []}
    for key in graph.asset_check_keys:
        name = f"{key.asset_key.to_user_string()}:{key.name}"
        found[graph.get(key).blocking].append(name)

    assert (BLOCKING, NOT_BLOCKING) == (sorted(found[True]), sorted(found[False]))


def test_schedules_and_sensors_start_stopped(definitions: dg.Definitions) -> None:
    """Opening the UI must start nothing."""
    repository = definitions.get_repository_def()

    assert {"nightly_schedule": dg.DefaultScheduleStatus.STOPPED} == {
        schedule.name: schedule.default_status for schedule in repository.schedule_defs
    }
    assert {
        "failed_run_sensor": dg.DefaultSensorStatus.STOPPED,
        "missing_statements": dg.DefaultSensorStatus.STOPPED,
        "order_status_sensor": dg.DefaultSensorStatus.STOPPED,
    } == {sensor.name: sensor.default_status for sensor in repository.sensor_defs}


@pytest.mark.parametrize("asset", [*RAW, BY_SESSION, *CORE, *OPS])
def test_every_asset_says_what_it_is(specs: dict[str, dg.AssetSpec], asset: str) -> None:
    """Group, description, owners, kinds, code version and freshness are what a person looks for."""
    spec = specs[asset]

    assert asset.split("/", maxsplit=1)[0] == spec.group_name
    assert spec.description is not None
    assert spec.description.endswith(".")
    assert ["team:data"] == list(spec.owners)
    assert spec.kinds
    assert spec.code_version
    assert spec.freshness_policy is not None
    # A run of partitions is one of its own; the night is unpartitioned.
    assert ("nightly" in spec.tags) is (asset != BY_SESSION)


@pytest.mark.parametrize("asset", CORE)
def test_every_core_table_shows_its_columns(specs: dict[str, dg.AssetSpec], asset: str) -> None:
    """Each column has a type and a description in the UI."""
    schema = specs[asset].metadata["dagster/column_schema"]

    assert isinstance(schema, dg.TableSchema)
    assert schema.columns
    assert [] == [column.name for column in schema.columns if not column.description]


def test_reconciliation_waits_for_the_gate_and_publication_does_not(
    specs: dict[str, dg.AssetSpec],
) -> None:
    """A failed account stops whoever reasons over accounts, never who shows them."""
    gate = dg.AssetKey(["ops", "current_accounts"])
    dependencies = {
        asset: {dependency.asset_key for dependency in specs[asset].deps}
        for asset in ("ops/reconciliation", "ops/read_copy")
    }

    assert gate in dependencies["ops/reconciliation"]
    assert gate not in dependencies["ops/read_copy"]


def test_a_service_that_does_not_answer_holds_back_nothing_of_the_gateway(
    definitions: dg.Definitions,
) -> None:
    """Nothing that the gateway fills, nor the gate, nor the copy, waits for `raw/flex`."""
    graph = definitions.get_repository_def().asset_graph
    fetched = dg.AssetSelection.assets(dg.AssetKey(["raw", "flex"]))
    waiting = {key.to_user_string() for key in fetched.downstream().resolve(graph)}

    assert not {*WIRE, *GATEWAY, *ENDS, "ops/reconciliation"} & waiting


def test_statements_of_sessions_are_partitioned_and_fetched_in_one_run(
    definitions: dg.Definitions,
) -> None:
    """A backfill over a year must not be a run, and a request, per session."""
    graph = definitions.get_repository_def().asset_graph
    partitioned = {
        key.to_user_string(): graph.get(key).backfill_policy
        for key in graph.get_all_asset_keys()
        if graph.get(key).is_partitioned
    }

    assert {BY_SESSION: dg.BackfillPolicy.single_run()} == partitioned


def test_no_value_is_ever_pickled(definitions: dg.Definitions) -> None:
    """The stock I/O manager, and with it pickle, is nowhere in force."""
    keys = {
        spec.metadata.get("dagster/io_manager_key", "io_manager")
        for spec in definitions.resolve_all_asset_specs()
    }

    assert {"io_manager"} == keys
    assert isinstance((definitions.resources or {})["io_manager"], RefusingIOManager)


def test_no_resource_has_a_field(definitions: dg.Definitions) -> None:
    """What is a field of a resource is shown in the UI; settings, secrets included, are not."""
    resource = (definitions.resources or {})["workspace"]

    assert {} == dict(type(resource).model_fields)


def test_definitions_are_built_afresh() -> None:
    """A test that overrides a part must not change what others see."""
    assert build_defs() is not build_defs()


def test_definitions_load_with_settings_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A malformed configuration shows as a failed run with its reason, not as a broken UI."""
    monkeypatch.setenv("IBKR_PORT", "not a port")

    assert build_defs().get_repository_def().has_job("nightly")


def test_building_the_definitions_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    """Every code server loads them; a warning each time would hide the one that matters."""
    build_defs().get_repository_def()

    # Python shows no deprecation of a library to its users.
    shown = [w for w in recwarn.list if not issubclass(w.category, DeprecationWarning)]
    assert [] == [str(warning.message) for warning in shown]


def test_jobs_carry_the_environment_from_the_start(definitions: dg.Definitions) -> None:
    """A run that waits in the queue is told apart too."""
    for name in JOBS:
        assert "paper" == definitions.resolve_job_def(name).run_tags["ibkr/environment"]
