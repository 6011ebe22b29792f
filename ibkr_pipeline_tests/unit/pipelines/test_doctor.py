"""What the doctor finds, and that it changes nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from ibkr_pipeline.brokers.exceptions import (
    BrokerConnectionError,
    ClientIdInUseError,
    GatewayNotReadyError,
    ModeMismatchError,
    NotAGatewayError,
    PacingError,
)
from ibkr_pipeline.brokers.testing import FakeBrokerAPI
from ibkr_pipeline.models.requests import BrokerNotice
from ibkr_pipeline.pipelines.doctor import examine
from ibkr_pipeline.pipelines.doctor_findings import DoctorFinding, Level
from ibkr_pipeline.pipelines.doctor_gateway import examine_gateway
from ibkr_pipeline.pipelines.doctor_installation import (
    examine_data_directory,
    examine_installation,
    settings_with_origins,
)
from ibkr_pipeline.pipelines.doctor_strategies import examine_strategies
from ibkr_pipeline.pipelines.positions_sync import sync_positions
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import BrokerError
from ibkr_pipeline.settings import Settings, load_settings
from ibkr_pipeline_tests.pipeline_runs import (
    FIRST,
    NIGHT,
    SECOND,
    TickingClock,
    make_broker,
    make_settings,
)


def levels(findings: tuple[DoctorFinding, ...], check: str) -> list[Level]:
    """Return the levels of the findings of one check."""
    return [finding.level for finding in findings if finding.check == check]


def gateway(
    broker: FakeBrokerAPI, clock: TickingClock, settings: Settings
) -> tuple[DoctorFinding, ...]:
    """Return what the doctor says about a gateway."""
    return examine_gateway(settings, clock=clock, broker_factory=lambda: broker)


def test_it_changes_nothing(tmp_path: Path, broker: FakeBrokerAPI, clock: TickingClock) -> None:
    """No directory, no lock, no file: looking leaves no trace."""
    settings = make_settings(tmp_path / "data")
    examination = examine(settings, clock=clock, broker_factory=lambda: broker)

    assert (True, []) == (examination.is_well, list(tmp_path.iterdir()))
    assert [(Dataset.ORDERS, (FIRST,))] == broker.fetches
    assert not broker.is_connected


def test_a_gateway_that_is_well(tmp_path: Path, broker: FakeBrokerAPI, clock: TickingClock) -> None:
    """Accounts with their kind, and which API version spoke."""
    found = gateway(broker, clock, make_settings(tmp_path))

    assert {Level.OK} == {finding.level for finding in found}
    texts = [finding.found for finding in found]
    assert f"{FIRST} (PAPER), {SECOND} (PAPER)" in texts
    assert "API version 178" in texts


@pytest.mark.parametrize(
    ("error", "check"),
    [
        (BrokerConnectionError("Nothing listens on 127.0.0.1:7497."), "gateway"),
        (GatewayNotReadyError("It named no account within 10 s."), "gateway"),
        (NotAGatewayError("Something answered, but not as a TWS or Gateway."), "gateway"),
        (ClientIdInUseError("Client id 1 is in use (error 326)."), "client id"),
        (ModeMismatchError("The mode is paper and the gateway manages U*****01."), "accounts"),
        (PacingError("The budget was used up."), "gateway"),
    ],
    ids=[
        "port-closed",
        "not-ready",
        "web-server",
        "client-id-taken",
        "live-in-paper-mode",
        "other",
    ],
)
def test_what_keeps_it_from_connecting_is_told_with_a_remedy(
    tmp_path: Path, clock: TickingClock, error: BrokerError, check: str
) -> None:
    """One finding, in plain words."""
    (found,) = gateway(make_broker(clock, connect_error=error), clock, make_settings(tmp_path))

    assert (check, Level.FAIL, str(error)) == (found.check, found.level, found.found)
    assert found.mend


def test_a_paper_mode_refuses_the_ports_of_live(tmp_path: Path, clock: TickingClock) -> None:
    """Before anything is connected."""
    (found,) = examine_gateway(make_settings(tmp_path, ibkr__port=7496), clock=clock)

    assert ("port", Level.FAIL) == (found.check, found.level)


def test_an_expected_account_that_is_missing_fails(
    tmp_path: Path, broker: FakeBrokerAPI, clock: TickingClock
) -> None:
    """A mistyped code in the allow-list would silently read nothing."""
    found = gateway(broker, clock, make_settings(tmp_path, ibkr__accounts=(FIRST, "DU0000009")))

    assert [Level.OK, Level.FAIL] == levels(found, "accounts")
    assert "DU0000009" in next(f.found for f in found if f.level is Level.FAIL)


def test_a_gateway_without_accounts_fails(tmp_path: Path, clock: TickingClock) -> None:
    """There is nothing to read there."""
    found = gateway(make_broker(clock, accounts=[]), clock, make_settings(tmp_path))

    assert [Level.FAIL] == levels(found, "accounts")


def test_a_read_only_gateway_is_a_warning(
    tmp_path: Path, broker: FakeBrokerAPI, clock: TickingClock
) -> None:
    """It is a choice of its owner; only orders cannot be read."""
    broker.unsupported[Dataset.ORDERS] = "the API is in Read-Only mode"
    found = gateway(broker, clock, make_settings(tmp_path))

    assert [Level.WARN] == levels(found, "reading")


def test_a_gateway_that_never_answers_a_read_fails(
    tmp_path: Path, broker: FakeBrokerAPI, clock: TickingClock
) -> None:
    """Connected is not the same as working."""
    broker.failing[FIRST] = "no end marker within 10 s"
    found = gateway(broker, clock, make_settings(tmp_path))

    assert [Level.FAIL] == levels(found, "reading")


def test_a_competing_session_is_told(
    tmp_path: Path, broker: FakeBrokerAPI, clock: TickingClock
) -> None:
    """Code 10197 has a remedy of its own; farm notices are only information."""
    from dataclasses import replace

    notices = (
        BrokerNotice(at=NIGHT, code=10197, message="No market data during competing session"),
        BrokerNotice(at=NIGHT, code=2104, message="Farm connection is OK", severity="info"),
    )
    proof = broker._proof
    broker._proof = lambda *args: replace(proof(*args), notices=notices)  # type: ignore[method-assign]  # script
    found = [f for f in gateway(broker, clock, make_settings(tmp_path)) if f.check == "notice"]

    assert [Level.WARN, Level.OK] == [finding.level for finding in found]
    assert "another session" in str(found[0].mend)


def test_a_directory_of_another_environment_fails(workspace: Workspace) -> None:
    """Said here before a run refuses it."""
    settings = workspace.settings.model_copy(update={"mode": "live"})
    found = examine_data_directory(
        load_settings(environ={}, overrides={"data_dir": workspace.directory, "mode": "live"}),
        now=NIGHT,
    )

    assert settings.mode == "live"
    assert Level.FAIL in levels(found, "data directory")


def test_a_directory_others_can_read_is_a_warning(workspace: Workspace) -> None:
    """It holds balances."""
    before = levels(examine_data_directory(workspace.settings, now=NIGHT), "permissions")
    workspace.directory.chmod(0o755)
    after = levels(examine_data_directory(workspace.settings, now=NIGHT), "permissions")

    assert ([Level.OK], [Level.WARN]) == (before, after)


def test_a_torn_raw_file_is_named(workspace: Workspace) -> None:
    """Found by looking, before a rebuild needs it."""
    sync_positions(workspace)
    path = next((workspace.directory / "raw").rglob("*.ndjson.zst"))
    path.write_bytes(b"torn")
    found = examine_data_directory(workspace.settings, now=NIGHT)

    assert path.name in next(f.found for f in found if f.level is Level.FAIL)
    assert [Level.OK] == levels(found, "warehouse")


def test_a_disk_with_little_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 100 MiB a run may not finish."""
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")  # as shutil's own
    for free, level in ((2 * 1024**3, Level.OK), (500 * 1024**2, Level.WARN), (1, Level.FAIL)):
        monkeypatch.setattr("shutil.disk_usage", lambda _place, free=free: usage(0, 0, free))
        found = examine_data_directory(make_settings(tmp_path), now=NIGHT)
        assert [level] == levels(found, "free space")


def test_every_setting_is_told_with_its_origin_and_secrets_are_hidden(tmp_path: Path) -> None:
    """Environment beats file beats default; which one it was is the question people have."""
    file = tmp_path / "config.yaml"
    file.write_text(
        "ibkr:\n  port: 4002\n  client_id: 7\n  timezone_aliases: {CST: America/Chicago}\n"
    )
    settings = load_settings(file, environ={"IBKR_PORT": "7497", "IBKR_FLEX_TOKEN": "not-a-token"})
    told = {name: (value, origin) for name, value, origin in settings_with_origins(settings)}

    assert ("7497", "environment IBKR_PORT") == told["ibkr.port"]
    assert ("7", f"file {file}") == told["ibkr.client_id"]
    assert ("127.0.0.1", "default") == told["ibkr.host"]
    assert f"file {file}" == told["ibkr.timezone_aliases"][1]
    assert ("set, hidden", "environment IBKR_FLEX_TOKEN") == told["ibkr.flex_token"]
    assert Level.OK in levels(examine_installation(settings), "configuration")


def test_strategies_are_located_without_importing_them(tmp_path: Path) -> None:
    """Their code runs when they are evaluated and at no other time."""
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("from mine.value import Value\n")
    (package / "value.py").write_text("raise SystemExit('imported')\nclass Value: ...\n")
    (package / "torn.py").write_text("def (:\n")
    paths = {
        "mine.value.Value": Level.OK,
        "mine.Value": Level.OK,
        "mine.value.Growth": Level.FAIL,
        "mine.torn.Torn": Level.FAIL,
        "elsewhere.Value": Level.FAIL,
    }
    strategies: list[dict[str, object]] = [{"name": path, "class_path": path} for path in paths]
    strategies.append({"name": "off", "class_path": "elsewhere.Value", "enabled": False})
    settings = make_settings(tmp_path, strategies=strategies)

    found = examine_strategies(settings, search_path=[str(tmp_path)])

    assert [*paths.values(), Level.WARN] == [finding.level for finding in found]


def test_the_document_can_be_written_as_json(
    tmp_path: Path, broker: FakeBrokerAPI, clock: TickingClock
) -> None:
    """Programs rely on these names."""
    examination = examine(make_settings(tmp_path), clock=clock, broker_factory=lambda: broker)
    document = json.loads(json.dumps(examination.to_document()))

    assert {"well", "findings", "settings"} == set(document)
    assert {"check", "level", "found", "expected", "mend"} == set(document["findings"][0])
    assert clock.now() - NIGHT < timedelta(minutes=1)
