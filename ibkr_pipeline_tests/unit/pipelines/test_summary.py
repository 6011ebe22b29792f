"""What a run did, as a document."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ibkr_pipeline.brokers.exceptions import BrokerConnectionError
from ibkr_pipeline.brokers.testing import FakeBrokerAPI
from ibkr_pipeline.pipelines.accounts_sync import sync_account_snapshots
from ibkr_pipeline.pipelines.orders_sync import sync_orders
from ibkr_pipeline.pipelines.reading_broker import read_and_land
from ibkr_pipeline.pipelines.summary import RunFacts, summarize, summarize_run, to_document
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline_tests.pipeline_runs import FIRST, SECOND, TickingClock, fake_workspace, rows

RUN = RunFacts(run_id="run-1", environment=Environment.PAPER)


def test_the_document_of_one_dataset(workspace: Workspace, broker: FakeBrokerAPI) -> None:
    """Programs rely on these names."""
    broker.failing[SECOND] = "no end marker"
    summary = sync_account_snapshots(workspace)

    assert {
        "run_id": "run-1",
        "environment": "paper",
        "dataset": "accounts",
        "subjects": [
            {
                "type": "account",
                "id": FIRST,
                "kind": "paper",
                "status": "complete",
                "read": 1,
                "new": 1,
                "changed": 0,
                "unchanged": 0,
                "gone": 0,
                "error": None,
            },
            {
                "type": "account",
                "id": SECOND,
                "kind": "paper",
                "status": "failed",
                "read": 0,
                "new": 0,
                "changed": 0,
                "unchanged": 0,
                "gone": 0,
                "error": "no end marker",
            },
        ],
        "left_out": [],
        "failed_checks": [],
    } == to_document([summary], RUN, is_all=False)


def test_the_document_of_all_datasets_holds_a_list(workspace: Workspace) -> None:
    """One document, whatever was asked for."""
    summary = sync_account_snapshots(workspace)

    assert ["accounts"] == [
        item["dataset"] for item in to_document([summary], RUN, is_all=True)["datasets"]
    ]


def test_a_run_without_any_answer_says_why(workspace: Workspace, broker: FakeBrokerAPI) -> None:
    """No account carries the reason, so the dataset does."""
    broker.connect_error = BrokerConnectionError("Nothing listens on 127.0.0.1:7497.")
    with workspace.session() as session:
        read_and_land(workspace, Dataset.ACCOUNTS, session, run_id="run-1")
    (summary,) = summarize(workspace.control, RUN, [Dataset.ACCOUNTS])

    assert (True, "Nothing listens on 127.0.0.1:7497.") == (summary.is_failed, summary.error)


def test_a_dataset_the_run_never_came_to_has_failed(workspace: Workspace) -> None:
    """A run that was stopped early must not look complete."""
    (summary,) = summarize(workspace.control, RUN, [Dataset.ORDERS])

    assert "the run ended before it was read" == summary.error


def test_a_run_that_failed_before_it_read_says_why(workspace: Workspace) -> None:
    """The reason, not that there is one."""
    run = replace(RUN, error="The port was 7496, and the mode is paper.")
    summaries = summarize(workspace.control, run, [Dataset.ORDERS])
    document = to_document(summaries, run, is_all=False)

    assert (run.error, [], []) == (
        document["error"],
        document["subjects"],
        document["left_out"],
    )


def test_a_code_that_is_no_account_has_no_kind_and_the_accounts_there_are_are_named(
    workspace: Workspace,
) -> None:
    """A prefix tells paper from live among accounts; of a mistyped code it tells nothing."""
    summary = sync_account_snapshots(workspace, ["../x"])
    document = to_document([summary], RUN, is_all=False)

    assert [(None, "failed")] == [(item["kind"], item["status"]) for item in document["subjects"]]
    assert [
        {"id": account, "kind": "paper", "reason": "not named with --account"}
        for account in (FIRST, SECOND)
    ] == document["left_out"]


def test_an_allow_list_of_unknown_accounts_names_those_it_leaves_out(
    tmp_path: Path, broker: FakeBrokerAPI, clock: TickingClock
) -> None:
    """A mistyped list reads nothing; the person sees what could be read."""
    with fake_workspace(
        tmp_path / "other", broker, clock, ibkr__accounts=("DU7777777",)
    ) as workspace:
        summary = sync_account_snapshots(workspace)

    reason = "not on the allow-list ibkr.accounts"
    assert {FIRST: reason, SECOND: reason} == dict(summary.left_out)


def test_what_core_keeps_of_a_failed_account_is_known_by_its_instant(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """Only where there is something: a first read that fails leaves nothing behind."""
    broker.failing[SECOND] = "no end marker"
    first = sync_account_snapshots(workspace)
    broker.failing[FIRST] = "no end marker"
    second = sync_account_snapshots(workspace)

    assert [None, None] == [item.kept_as_of for item in first.subjects]
    assert [True, False] == [item.kept_as_of is not None for item in second.subjects]


def test_a_load_that_is_not_in_core_is_not_told_as_complete(workspace: Workspace) -> None:
    """Read is not the same as there."""
    with workspace.session() as session:
        read_and_land(workspace, Dataset.ORDERS, session, run_id="run-1")
    (summary,) = summarize_run(workspace.settings, RUN, [Dataset.ORDERS])

    assert {LoadStatus.FAILED} == {item.status for item in summary.subjects}
    assert "not in core yet" in str(summary.subjects[0].error)


def test_unsupported_is_told_and_is_no_failure(workspace: Workspace, broker: FakeBrokerAPI) -> None:
    """Read-Only API refuses orders; the run is well."""
    broker.unsupported[Dataset.ORDERS] = "the API is read-only"
    summary = sync_orders(workspace)

    assert (False, "unsupported") == (
        summary.is_failed,
        to_document([summary], RUN, is_all=False)["subjects"][0]["status"],
    )


def test_accounts_left_out_are_named(workspace: Workspace) -> None:
    """Who asks for one account sees that there is another."""
    assert {SECOND: "not named with --account"} == dict(
        sync_account_snapshots(workspace, [FIRST]).left_out
    )


def test_orders_that_are_gone_are_named_by_the_run_that_missed_them(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """Once; the next run finds them gone already."""
    sync_orders(workspace, run_id="run-0")
    broker.orders = broker.orders[1:]
    sync_orders(workspace, run_id="run-1")
    sync_orders(workspace, run_id="run-2")
    (missed,) = summarize_run(workspace.settings, RUN, [Dataset.ORDERS])
    (after,) = summarize_run(workspace.settings, replace(RUN, run_id="run-2"), [Dataset.ORDERS])
    (key,) = rows(workspace, "orders", [FIRST])["order_key"]

    assert [(1, (key,)), (0, ())] == [(item.n_gone, item.gone_orders) for item in missed.subjects]
    assert [(0, ()), (0, ())] == [(item.n_gone, item.gone_orders) for item in after.subjects]
    document = to_document([missed], RUN, is_all=False)
    assert [[key], []] == [item["gone_orders"] for item in document["subjects"]]


def test_counts_stand_where_the_read_copy_cannot_name_the_orders(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """A summary must not fail because of what it would add."""
    sync_orders(workspace, run_id="run-0")
    broker.orders = []
    sync_orders(workspace, run_id="run-1")
    workspace.warehouse.read_copy_path.unlink()
    (summary,) = summarize_run(workspace.settings, RUN, [Dataset.ORDERS])

    assert [(1, ()), (1, ())] == [(item.n_gone, item.gone_orders) for item in summary.subjects]
