"""Loads into core: once each, whole or not at all."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_pipeline.brokers.testing import (
    FakeBrokerAPI,
    make_simple_fake_execution,
    make_simple_fake_position,
)
from ibkr_pipeline.pipelines.applying import apply_pending
from ibkr_pipeline.pipelines.reading_broker import read_and_land
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import ConfigError, RawDataError
from ibkr_pipeline_tests.pipeline_runs import FIRST, SECOND, statuses


def land(workspace: Workspace, dataset: Dataset) -> str:
    """Read one dataset and return the id of its request."""
    with workspace.session() as session:
        return read_and_land(workspace, dataset, session).requests[0].request_id


def held(workspace: Workspace) -> dict[str, Decimal]:
    """Return account -> quantity of its current position."""
    with workspace.warehouse.read() as connection:
        found = connection.execute("SELECT account_id, quantity FROM core.current_positions")
        return dict(found.fetchall())


def test_every_pending_load_is_applied_once(workspace: Workspace) -> None:
    """Applying again finds nothing to do."""
    land(workspace, Dataset.POSITIONS)

    assert [2, 0] == [len(apply_pending(workspace, Dataset.POSITIONS)) for _ in range(2)]
    assert {FIRST: Decimal(100), SECOND: Decimal(100)} == held(workspace)


@pytest.mark.parametrize("from_memory", [True, False], ids=["memory", "file"])
def test_a_load_is_the_same_from_memory_and_from_its_file(
    workspace: Workspace, from_memory: bool
) -> None:
    """What is kept for speed must not differ from what is kept for good."""
    land(workspace, Dataset.EXECUTIONS)
    if not from_memory:
        workspace.just_read.clear()

    applied = apply_pending(workspace, Dataset.EXECUTIONS)

    assert [(1, 1), (1, 1)] == [(item.n_read, item.n_new) for item in applied]


def test_fault_41_a_replayed_load_changes_nothing(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """The same rows read again: core gains none."""
    for _ in range(2):
        land(workspace, Dataset.EXECUTIONS)
    applied = apply_pending(workspace, Dataset.EXECUTIONS)

    counts = [(item.n_read, item.n_new, item.n_unchanged) for item in applied]
    assert [(1, 1, 0), (1, 1, 0), (1, 0, 1), (1, 0, 1)] == counts


def test_fault_42_overlapping_windows_count_no_fill_twice(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """Each read tells the whole day again; a fill is known by its exec id."""
    land(workspace, Dataset.EXECUTIONS)
    broker.executions.append(
        make_simple_fake_execution(
            FIRST, exec_id="0000e0d5.69dd7411.02.01", fill_id="exec:0000e0d5.69dd7411.02"
        )
    )
    land(workspace, Dataset.EXECUTIONS)
    apply_pending(workspace, Dataset.EXECUTIONS)

    with workspace.warehouse.read() as connection:
        found = connection.execute("SELECT count(*) FROM core.executions").fetchone()
    assert (3,) == found


def test_fault_48_rows_that_do_not_fit_are_refused_and_the_others_go_on(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """A missing required value fails its account; what was there before stays."""
    land(workspace, Dataset.POSITIONS)
    apply_pending(workspace, Dataset.POSITIONS)
    broker.positions = [
        make_simple_fake_position(FIRST, quantity=Decimal(70)),
        make_simple_fake_position(SECOND, con_id=None),
    ]
    land(workspace, Dataset.POSITIONS)
    applied = apply_pending(workspace, Dataset.POSITIONS)

    assert [FIRST] == [item.load_id.rpartition(":")[2] for item in applied]
    assert {FIRST: Decimal(70), SECOND: Decimal(100)} == held(workspace)
    assert {FIRST: "complete", SECOND: "failed"} == statuses(workspace, Dataset.POSITIONS)


def test_a_refused_load_says_why_keeps_its_bytes_and_is_not_tried_again(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """Its raw file is the evidence; applying it again would refuse it again."""
    broker.positions = [make_simple_fake_position(FIRST, con_id=None)]
    broker.accounts = [FIRST]
    request_id = land(workspace, Dataset.POSITIONS)
    apply_pending(workspace, Dataset.POSITIONS)

    (load,) = workspace.control.loads(dataset=Dataset.POSITIONS)
    assert "con_id" in str(load.reason)
    assert 1 == sum(frame.height for frame in workspace.landing.read(request_id).values())
    assert () == apply_pending(workspace, Dataset.POSITIONS)


def test_a_torn_raw_file_is_named_and_holds_back_no_other_load(workspace: Workspace) -> None:
    """It stays pending, so that it is applied once the file is restored."""
    torn, whole = land(workspace, Dataset.POSITIONS), land(workspace, Dataset.POSITIONS)
    workspace.just_read.clear()
    path = workspace.directory / workspace.landing.proof(torn)[2].path
    content = path.read_bytes()
    path.write_bytes(content[:-1])

    with pytest.raises(RawDataError, match=torn):
        apply_pending(workspace, Dataset.POSITIONS)
    path.write_bytes(content)
    later = apply_pending(workspace, Dataset.POSITIONS)

    assert {torn} == {item.load_id.partition(":")[0] for item in later}
    assert whole in {load_id.partition(":")[0] for load_id in workspace.control.applied()}


def test_an_account_in_two_portfolios_needs_a_choice(workspace: Workspace) -> None:
    """Counting it in both would double it; guessing one would be wrong half the time."""
    chosen = {"portfolios": [{"portfolio_id": p, "accounts": [FIRST]} for p in ("core", "side")]}
    settings = type(workspace.settings).model_validate(
        {**workspace.settings.model_dump(), **chosen}
    )
    object.__setattr__(workspace, "settings", settings)
    land(workspace, Dataset.POSITIONS)

    with pytest.raises(ConfigError, match="core, side"):
        apply_pending(workspace, Dataset.POSITIONS)
    apply_pending(workspace, Dataset.POSITIONS, portfolios={FIRST: "side"})

    with workspace.warehouse.read() as connection:
        found = connection.execute(
            "SELECT account_id, portfolio_id FROM core.current_positions ORDER BY account_id"
        ).fetchall()
    assert [(FIRST, "side"), (SECOND, SECOND)] == found
