"""No value travels between assets, so nothing is ever pickled."""

import dagster as dg
import pytest

from ibkr_pipeline.defs.io_managers import RefusingIOManager, ValuePassedError


def test_an_asset_that_returns_a_value_is_refused() -> None:
    """A value would have to be stored somewhere, and the stock manager stores pickles."""

    @dg.asset
    def rows() -> list[int]:
        return [1]

    with pytest.raises(ValuePassedError, match=r"Asset rows returned a list"):
        dg.materialize([rows], resources={"io_manager": RefusingIOManager()})


def test_an_asset_that_asks_for_a_value_is_refused() -> None:
    """Rows are read from the warehouse, where their lineage is."""

    @dg.asset
    def rows() -> None: ...

    @dg.asset
    def total(rows: object) -> None: ...

    result = dg.materialize(
        [rows, total], resources={"io_manager": RefusingIOManager()}, raise_on_error=False
    )

    failed = [event.step_key for event in result.get_step_failure_events()]
    assert ["total"] == failed


def test_an_asset_without_a_value_passes() -> None:
    """Metadata is all an asset hands back."""

    @dg.asset
    def rows() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"dagster/row_count": 1})

    assert dg.materialize([rows], resources={"io_manager": RefusingIOManager()}).success
