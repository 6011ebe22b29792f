"""Pages that say where something is, or which test proves it, name what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, SecretStr

from ibkr_pipeline.schemas import core, meta, ops, statements
from ibkr_pipeline.settings import Settings, load_settings
from ibkr_pipeline.warehouse.views import OWN_NAMES, SELECTIONS
from ibkr_pipeline_tests.docs.named_code import exists, named_code, named_tests
from ibkr_pipeline_tests.docs.pages import blocks, pages, prose
from ibkr_pipeline_tests.repository import ROOT, relative

CONNECTOR = ROOT / "docs/epic2_broker_connector.md"
INGESTION = ROOT / "docs/epic3_trade_ingestion.md"
FAULTS = ROOT / "docs/explanation/fault_matrix.md"
CONFIGURE = ROOT / "docs/how_to/configure.md"

#: What each requirement names; somebody looks for it under that name.
CONNECTOR_NAMES = """
    base.py types.py exceptions.py registry.py config.py transport.py mappers.py client.py
    accounts_sync.py positions_sync.py BrokerAPI fetch_account_snapshots fetch_positions
    AccountSnapshotData PositionData UnsupportedBrokerError BrokerConnectionError
    get_broker_client IBKRConnectionConfig host port client_id use_gateway IBKR_HOST IBKR_PORT
    IBKRTransport connect disconnect fetch_raw_account_data fetch_raw_positions _to_decimal
    _to_datetime map_raw_account_to_snapshot map_raw_positions IBKRClient
    sync_account_snapshot_for_broker_account sync_positions_for_broker_account
    AccountSnapshot Position Instrument IbkrContract sync_ibkr_account_snapshots
    sync_ibkr_positions --account FakeBrokerAPI make_simple_fake_account_snapshot
    make_simple_fake_position test_account_ingestion test_positions_ingestion
"""
INGESTION_NAMES = """
    base.py types.py exceptions.py transport.py mappers.py client.py orders_sync.py
    executions_sync.py option_events_sync.py Order Execution OptionEvent BrokerAPI OrderData
    ExecutionData OptionEventData fetch_open_orders fetch_executions fetch_option_events
    fetch_raw_open_orders fetch_raw_executions fetch_raw_option_events IBKRClient
    ibkr_order_id ibkr_exec_id con_id event_ts event_type sync_ibkr_orders
    sync_ibkr_executions sync_ibkr_option_events --account FakeBrokerAPI orders executions
    option_events make_simple_fake_order make_simple_fake_execution
    make_simple_fake_option_event
"""
#: Scenarios and faults of reading that have to be on the page.
SCENARIOS = set("ABCDEGHIJKLMO")
FAULT_NUMBERS = {*range(41, 61), 63, 69}

#: Settings that belong in the environment and are in no file we show.
SECRETS = {"postgres_url", "ibkr.flex_token"}


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_code_that_a_page_names_is_there(page: Path) -> None:
    """Whoever looks it up under that name finds it."""
    assert [] == [named for named in named_code(page) if not exists(named)]


@pytest.mark.parametrize(
    "named",
    [
        "ibkr_pipeline/brokers/nowhere.py",
        "ibkr_pipeline/brokers/base.py::BrokerAPI.fetch_dividends",
        "ibkr_pipeline/brokers/testing.py::FakeBrokerAPI.dividends",
        "ibkr_pipeline_tests/docs/test_named_code.py::test_that_nobody_wrote",
        "ibkr_pipeline.brokers.base.Nothing",
    ],
)
def test_what_is_not_there_is_noticed(named: str) -> None:
    """Without this the lookups above could say yes to anything."""
    assert not exists(named)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        pytest.param(CONNECTOR, CONNECTOR_NAMES, id="connector"),
        pytest.param(INGESTION, INGESTION_NAMES, id="ingestion"),
    ],
)
def test_every_name_of_a_requirement_is_on_its_page(page: Path, names: str) -> None:
    """A requirement is read by its names; each leads to where it is now."""
    words = set(re.findall(r"(?:--)?\w+(?:\.py)?", prose(page)))

    assert set() == set(names.split()) - words


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_tables_that_a_page_names_are_there(page: Path) -> None:
    """A query copied from a page has to find its table."""
    described = (
        *core.TABLES, *statements.TABLES, *statements.VIEWS, *ops.TABLES, *ops.FRAMES, *meta.TABLES
    )  # fmt: skip
    known = {table.name for table in described}
    known |= {f"core.{n if n in OWN_NAMES else f'current_{n}'}" for n in SELECTIONS}
    named = set(re.findall(r"`((?:core|ops|meta)\.\w+)`", prose(page)))

    assert set() == named - known


def test_every_scenario_and_fault_of_reading_has_its_row_and_test() -> None:
    """A row whose test proves another one is worse than no row."""
    rows = re.findall(r"^\| ([A-Z]|\d+) \|(.*)$", prose(FAULTS), re.MULTILINE)
    marks = [mark for mark, _ in rows]
    mistaken = {
        f"{mark}: {test}"
        for mark, row in rows
        for test in named_tests(row) or ("no test",)
        if not _is_test_of(mark, test)
    }

    assert set() == mistaken
    assert len(marks) == len(set(marks))
    assert set() == SCENARIOS - set(marks)
    assert set() == {str(number) for number in FAULT_NUMBERS} - set(marks)


def test_the_example_file_has_every_setting() -> None:
    """Somebody copies it to find what can be set; a key that is missing is never found."""
    example = next(block for block in blocks(CONFIGURE) if "every-key" in block.marks)
    shown = _keys(yaml.safe_load(example.text), Settings)

    assert _settings(Settings) - SECRETS == shown


def test_the_example_file_says_what_it_seems_to_say(tmp_path: Path) -> None:
    """A value the program reads differently than a person does misleads both."""
    example = next(block for block in blocks(CONFIGURE) if "every-key" in block.marks)
    file = tmp_path / "settings.yaml"
    file.write_text(example.text, encoding="utf-8")
    settings = load_settings(file, environ={})

    assert ("paper", Path("data")) == (settings.mode.value, settings.data_dir)
    assert ("127.0.0.1", 4002) == (settings.ibkr.host, settings.ibkr.effective_port)
    assert ("DU0000001", "DU0000002") == settings.ibkr.accounts
    assert {"CST": "America/Chicago"} == dict(settings.ibkr.timezone_aliases)
    assert ["retirement"] == [item.portfolio_id for item in settings.portfolios]
    assert ["my_strategies.example.Example"] == [item.class_path for item in settings.strategies]
    assert {"lookback": 20} == dict(settings.strategies[0].params)


def test_only_secrets_are_missing_from_the_example_file() -> None:
    """What is left out for being secret has to be one."""
    ibkr = _inner(Settings, "ibkr")

    assert ibkr is not None
    assert SecretStr | None == Settings.model_fields["postgres_url"].annotation
    assert SecretStr | None == ibkr.model_fields["flex_token"].annotation


def _is_test_of(mark: str, test: str) -> bool:
    """Say whether a test's name carries the letter or number, `scenario_e_and_g` both letters."""
    name = test.rpartition("::")[2]
    if mark.isdigit():
        return f"fault_{mark}_" in name
    return re.search(rf"scenario_(?:[a-z]_and_)?{mark.lower()}_", name) is not None


def _settings(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Return the dotted key of every setting; those of lists stand once."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        inner = _inner(model, name)
        found |= _settings(inner, f"{prefix}{name}.") if inner else {f"{prefix}{name}"}
    return found


def _keys(values: dict[str, Any], model: type[BaseModel], prefix: str = "") -> set[str]:
    """Return the dotted keys of a file, as deep as the settings go."""
    found: set[str] = set()
    for name, value in values.items():
        inner = _inner(model, name)
        if inner is None:
            found.add(f"{prefix}{name}")
            continue
        for item in value if isinstance(value, list) else [value]:
            found |= _keys(item, inner, f"{prefix}{name}.")
    return found


def _inner(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    """Return the model of a section, or of the items of a list of sections."""
    annotation = model.model_fields[name].annotation
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
