"""A proof written as JSON and read back is the same proof."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ibkr_pipeline.models.request_json import (
    instant_from_text,
    instant_to_text,
    outcome_from_mapping,
    outcome_to_mapping,
    proof_from_mapping,
    proof_to_mapping,
    raw_file_from_mapping,
    raw_file_to_mapping,
)
from ibkr_pipeline_tests.raw_requests import FIRST, make_failed, make_proof, make_raw


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "window_start": None,
            "window_end": None,
            "server_version": None,
            "connection_epoch": None,
            "managed_accounts": (),
            "notices": (),
            "decode_errors": (),
            "details": {},
        },
    ],
    ids=["every field", "nothing known"],
)
def test_a_proof_survives_json(changes: dict[str, object]) -> None:
    """Also what is not known."""
    proof = make_proof(**changes)  # type: ignore[arg-type]  # test convenience

    assert proof == proof_from_mapping(json.loads(json.dumps(proof_to_mapping(proof))))


def test_verdicts_and_raw_files_survive_json() -> None:
    """Every field of both."""
    outcome, raw = make_failed(FIRST), make_raw({FIRST: 3})

    assert outcome == outcome_from_mapping(json.loads(json.dumps(outcome_to_mapping(outcome))))
    assert raw == raw_file_from_mapping(json.loads(json.dumps(raw_file_to_mapping(raw))))


def test_instants_are_utc_and_sort_as_text() -> None:
    """A whole second has its zeros, so that it does not sort behind its own fractions."""
    zone = timezone(timedelta(hours=-5))
    instants = [datetime(2026, 11, 18, 7, tzinfo=zone), datetime(2026, 11, 18, 12, 0, 0, 1, UTC)]
    texts = [instant_to_text(instant) for instant in instants]

    assert texts == ["2026-11-18T12:00:00.000000Z", "2026-11-18T12:00:00.000001Z"]
    assert instants == [instant_from_text(text) for text in texts]


def test_an_instant_without_a_zone_is_refused() -> None:
    """Nobody could say which instant that is."""
    with pytest.raises(ValueError, match="timezone-aware"):
        instant_to_text(datetime(2026, 11, 18))  # noqa: DTZ001 - the mistake under test
