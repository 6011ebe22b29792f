"""Request ids are ordered by time and unique, and accounts are masked wherever they stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ibkr_pipeline.landing.layout import check_request_id
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset
from ibkr_pipeline.primitives.identifiers import (
    load_id_of,
    mask_account,
    mask_accounts,
    new_request_id,
)

AT = datetime(2026, 11, 18, 21, 30, 0, 123456, tzinfo=UTC)


def test_a_request_id_starts_with_its_instant_and_dataset() -> None:
    """A person can read a folder of raw files."""
    request_id = new_request_id(AT, Dataset.POSITIONS.value)

    assert request_id.startswith("20261118T213000123456Z-positions-")
    assert len("20261118T213000123456Z-positions-") + 6 == len(request_id)


def test_later_requests_sort_later_and_two_of_an_instant_differ() -> None:
    """Names in order are requests in order."""
    ids = [new_request_id(AT + timedelta(microseconds=n), "orders") for n in range(3)]

    assert sorted(ids) == ids
    assert len({new_request_id(AT, "orders") for _ in range(100)}) == 100


@pytest.mark.parametrize("dataset", WIRE_DATASETS)
def test_a_request_id_may_name_a_file(dataset: Dataset) -> None:
    """Landing refuses what may not."""
    request_id = new_request_id(AT, dataset.value)

    assert request_id == check_request_id(request_id)


def test_a_load_id_is_made_of_request_and_account() -> None:
    """The same load gets the same id after a crash."""
    assert load_id_of("r1", "DU0000001") == "r1:DU0000001"


@pytest.mark.parametrize(
    ("account", "masked"),
    [
        ("DU0000001", "DU*****01"),
        ("U0000001", "U*****01"),
        ("DF0000001", "DF*****01"),
        ("12", "12"),
        ("", ""),
    ],
)
def test_an_account_keeps_its_prefix_and_two_digits(account: str, masked: str) -> None:
    """Enough to tell accounts apart, too little to use."""
    assert masked == mask_account(account)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("DU0000001,U0000002;", "DU*****01,U*****02;"),
        ("account=F0000003 (I0000004, DI0000005)", "account=F*****03 (I*****04, DI*****05)"),
        ("USD 1234567, con_id 265598, U1", "USD 1234567, con_id 265598, U1"),
        ("r1:DU0000001", "r1:DU*****01"),
    ],
)
def test_accounts_are_masked_inside_text_and_nothing_else_is(text: str, masked: str) -> None:
    """A log of stars helps nobody."""
    assert masked == mask_accounts(text)
