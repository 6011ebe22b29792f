"""Fault 65: Postgres goes down in the middle of a run; the control store stays consistent."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibkr_pipeline.control.errors import ControlUnavailableError
from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import LoadStatus
from ibkr_pipeline_tests.postgres import start_postgres
from ibkr_pipeline_tests.raw_requests import FIRST, NOON, make_complete, make_proof, make_raw


def test_fault_65_a_run_fails_while_postgres_is_down_and_goes_on_after_it(tmp_path: Path) -> None:
    """What was begun is still begun; the same store object works again, nothing is doubled."""
    server = start_postgres(tmp_path / "pg")
    proof = make_proof()
    with ControlStore.open(server.get_uri(), clock=FixedClock(NOON)) as store:
        store.begin_request(
            request_id="r1",
            broker=proof.broker,
            environment=proof.environment,
            dataset=proof.dataset,
            accounts=[FIRST],
            started_at=proof.started_at,
            run_id=None,
        )
        server.cleanup()
        with pytest.raises(ControlUnavailableError, match="does not answer"):
            store.finish_request(proof, make_complete(FIRST), make_raw())
        server = start_postgres(tmp_path / "pg")
        try:
            between = [load.status for load in store.loads()]
            store.finish_request(proof, make_complete(FIRST), make_raw())
            after = [load.status for load in store.loads()]
        finally:
            store.close()
            server.cleanup()

    assert ([LoadStatus.STARTED], [LoadStatus.COMPLETE]) == (between, after)
