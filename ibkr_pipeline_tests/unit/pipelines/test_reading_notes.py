"""What is told beside the rows."""

from __future__ import annotations

from decimal import Decimal

from ibkr_pipeline.brokers.testing import (
    FakeBrokerAPI,
    make_simple_fake_execution,
    make_simple_fake_position,
)
from ibkr_pipeline.pipelines.executions_sync import sync_executions
from ibkr_pipeline.pipelines.positions_sync import sync_positions
from ibkr_pipeline.pipelines.reading import show
from ibkr_pipeline.pipelines.reading_notes import (
    EVERY_ACCOUNT,
    n_corrections,
    unread,
    with_local_symbol,
)
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline_tests.pipeline_runs import FIRST, TickingClock


def test_an_account_that_was_never_read_is_told_from_one_that_holds_nothing(
    workspace: Workspace, broker: FakeBrokerAPI, clock: TickingClock
) -> None:
    """Both have no rows; only one of them is known to have none."""
    before = clock.now()
    broker.positions.clear()
    sync_positions(workspace)
    settings = workspace.settings

    assert [0, 0] == [
        show(settings, "positions", accounts=[account]).height for account in (FIRST, "DU0000009")
    ]
    assert ("DU0000009",) == unread(settings, "positions", accounts=[FIRST, "DU0000009"])
    assert (FIRST,) == unread(settings, "positions", at=before, accounts=[FIRST])
    assert (EVERY_ACCOUNT,) == unread(settings, "positions", at=before)
    assert () == unread(settings, "positions")
    assert () == unread(settings, "instruments", accounts=["DU0000009"])


def test_rows_for_people_carry_the_name_that_tells_contracts_apart(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """An option has its underlying's symbol."""
    broker.positions.append(
        make_simple_fake_position(
            FIRST, con_id=7, security_type="OPT", local_symbol="AAPL  261218C00200000"
        )
    )
    sync_positions(workspace)
    frame = with_local_symbol(workspace.settings, show(workspace.settings, "positions"))

    assert {"AAPL", "AAPL  261218C00200000"} == set(frame["local_symbol"])
    assert 3 == frame.height


def test_corrections_of_a_run_are_counted_apart(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """A correction is a new row and no new fill."""
    sync_executions(workspace, run_id="run-1")
    broker.executions.append(
        make_simple_fake_execution(
            FIRST, exec_id="0000e0d5.69dd7411.01.02", revision=2, price=Decimal(151)
        )
    )
    sync_executions(workspace, run_id="run-2")

    assert [0, 1] == [n_corrections(workspace.settings, run) for run in ("run-1", "run-2")]
