"""The completeness proof of a read, as it stands on a raw asset."""

from pathlib import Path

import dagster as dg

from ibkr_pipeline.brokers.exceptions import BrokerConnectionError
from ibkr_pipeline.defs.asset_checks import read_complete_result
from ibkr_pipeline.defs.read_metadata import (
    LONGEST_LIST,
    proof_metadata,
    read_metadata,
    verdict_of,
)
from ibkr_pipeline.models.requests import SubjectOutcome
from ibkr_pipeline.pipelines.landed import LandedRead, LandedRequest
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline_tests.raw_requests import (
    FIRST,
    SECOND,
    make_complete,
    make_failed,
    make_frame,
    make_proof,
    make_raw,
)

KEY = dg.AssetKey(["raw", "positions"])


def _landed(*requests: LandedRequest) -> LandedRead:
    return LandedRead(dataset=Dataset.POSITIONS, requests=requests)


def _request(*outcomes: SubjectOutcome, rows: dict[str, int]) -> LandedRequest:
    return LandedRequest(
        request_id="r1",
        dataset=Dataset.POSITIONS,
        outcomes=outcomes,
        proof=make_proof(),
        raw=make_raw(rows, path="raw/ibkr/positions/r1.ndjson.zst"),
        payload={"position": make_frame([FIRST] * sum(rows.values()))},
    )


def test_the_proof_tells_window_markers_errors_and_gateway() -> None:
    """Every field a reader of a doubtful load asks for."""
    metadata = proof_metadata(make_proof())

    assert "2026-11-18T00:00:00+00:00 to 2026-11-18T12:00:00+00:00" == metadata["proof/window"]
    assert dg.MetadataValue.bool(True) == metadata["proof/end_marker_seen"]
    assert ["position 3: short message"] == metadata["proof/decode_errors"]
    assert ["info 2104: farm is OK"] == metadata["proof/notices"]
    assert "178" == metadata["proof/server_version"]
    assert [FIRST, SECOND] == metadata["proof/managed_accounts"]
    assert {"tws_build": "10.37"} == metadata["proof/connection"]


def test_long_lists_are_cut_and_say_so() -> None:
    """A gateway with a thousand accounts must not fill the event log."""
    accounts = tuple(f"DU{number:07}" for number in range(LONGEST_LIST + 7))

    listed = proof_metadata(make_proof(managed_accounts=accounts))["proof/managed_accounts"]

    assert (LONGEST_LIST + 1, "and 7 more") == (len(listed), listed[-1])


def test_a_read_tells_each_account_its_file_and_its_messages(tmp_path: Path) -> None:
    """The last attempt's file is named; messages are counted, and not called rows of a table."""
    landed = _landed(_request(*make_complete(FIRST), make_failed(SECOND), rows={FIRST: 2}))

    metadata = read_metadata(landed, directory=tmp_path)

    assert f"1 of 2 accounts complete; {SECOND} failed: no end marker" == metadata["verdict"]
    assert (2, 1, 1, 0) == tuple(
        metadata[name] for name in ("messages", "complete", "failed", "unsupported")
    )
    assert str(tmp_path / "raw/ibkr/positions/r1.ndjson.zst") == metadata["path"].value
    assert {"position": 2} == metadata["messages/by_name"]
    assert "dagster/row_count" not in metadata
    assert [("complete", 2), ("failed", 0)] == [
        (record.data["verdict"], record.data["messages"]) for record in metadata["accounts"].records
    ]


def test_a_reason_many_accounts_share_is_told_once() -> None:
    """The verdict is one line of the log; a thousand times the same words hide the rest."""
    failed = [make_failed(f"DU{number:07}") for number in range(1, 1001)]

    assert (
        "0 of 1000 accounts complete; DU0000001, DU0000002, DU0000003, DU0000004, DU0000005 and "
        "995 more failed: no end marker"
    ) == verdict_of(_landed(_request(*failed, rows={})))


def test_a_read_nobody_answered_says_why(tmp_path: Path) -> None:
    """There is no proof and no file; there is a reason."""
    request = LandedRequest(
        request_id="r1",
        dataset=Dataset.POSITIONS,
        error=BrokerConnectionError("Nothing listens at 127.0.0.1:7497."),
    )

    metadata = read_metadata(_landed(request), directory=tmp_path)
    check = read_complete_result(KEY, _landed(request))

    assert "nothing was read: Nothing listens at 127.0.0.1:7497." == metadata["verdict"]
    assert "path" not in metadata
    assert (False, dg.AssetCheckSeverity.ERROR) == (check.passed, check.severity)


def test_what_a_gateway_refuses_is_a_warning() -> None:
    """A Read-Only API setting is no failure, but somebody may want to know."""
    outcome = SubjectOutcome(
        account_id=FIRST, status=LoadStatus.UNSUPPORTED, reason="Read-Only API"
    )

    check = read_complete_result(KEY, _landed(_request(outcome, rows={})))

    assert (False, dg.AssetCheckSeverity.WARN) == (check.passed, check.severity)
