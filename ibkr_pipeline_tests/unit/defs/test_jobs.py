"""Which job a set of datasets is."""

import pytest

from ibkr_pipeline.defs.catalog import CURRENT_ACCOUNTS, CURRENT_STATEMENTS, keys_for
from ibkr_pipeline.defs.jobs import job_name_of
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset


@pytest.mark.parametrize(
    ("datasets", "expected"),
    [
        pytest.param(WIRE_DATASETS, "nightly", id="everything"),
        pytest.param((*WIRE_DATASETS, Dataset.FLEX), "nightly", id="with-statements"),
        pytest.param((Dataset.POSITIONS,), "positions", id="one"),
        pytest.param((Dataset.FLEX,), "statements", id="statements"),
        pytest.param((Dataset.EXECUTIONS, Dataset.ORDERS), "order_status", id="in-any-order"),
    ],
)
def test_the_job_is_named_by_what_it_reads(datasets: tuple[Dataset, ...], expected: str) -> None:
    """`sync DATASET` finds its run under a name the UI shows."""
    assert expected == job_name_of(datasets)


def test_a_combination_without_a_job_is_told() -> None:
    """The caller narrows the nightly job instead."""
    with pytest.raises(KeyError):
        job_name_of((Dataset.ACCOUNTS, Dataset.ORDERS))


def test_what_a_narrowed_run_materializes_is_told_once() -> None:
    """Statements and a dataset of the gateway together: both gates, no key twice."""
    keys = keys_for(Dataset.ACCOUNTS, Dataset.FLEX)

    assert len(keys) == len(set(keys))
    assert {CURRENT_ACCOUNTS, CURRENT_STATEMENTS} <= set(keys)
