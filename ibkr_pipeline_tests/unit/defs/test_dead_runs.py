"""A run whose process is gone does not look alive; one that may live is left alone."""

import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from ibkr_pipeline.defs.dead_runs import GONE, PROCESS_TAG, fail_dead_runs, process_tags
from ibkr_pipeline.primitives.processes import this_process

HOST = this_process().host


def ended_process() -> int:
    """Return the number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.mark.parametrize(
    "status",
    [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED],
)
def test_a_run_of_a_process_that_ended_is_marked_failed(status: dg.DagsterRunStatus) -> None:
    """Ten of them would keep the queue of the UI from ever launching another."""
    with dg.DagsterInstance.ephemeral() as instance:
        tags = {PROCESS_TAG: f"{ended_process()}@{HOST}/12345"}
        run = create_run_for_test(instance, status=status, tags=tags)

        assert (1, 0) == (fail_dead_runs(instance), fail_dead_runs(instance))
        record = instance.get_run_by_id(run.run_id)
        assert record is not None
        assert dg.DagsterRunStatus.FAILURE == record.status
        assert GONE in str(instance.all_logs(run.run_id))


@pytest.mark.parametrize(
    "tags",
    [
        process_tags(),
        {PROCESS_TAG: f"{ended_process()}@another-host/12345"},
        {PROCESS_TAG: "not one of ours"},
        {},
    ],
    ids=["alive", "another host", "unreadable", "not of the command line"],
)
def test_a_run_that_may_be_alive_is_left_alone(tags: dict[str, str]) -> None:
    """Marking a living run failed would start what is running already."""
    with dg.DagsterInstance.ephemeral() as instance:
        run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, tags=tags)

        assert 0 == fail_dead_runs(instance)
        record = instance.get_run_by_id(run.run_id)
        assert record is not None
        assert dg.DagsterRunStatus.STARTED == record.status
