"""Products of money, and why the libraries' own are not used."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_pipeline.primitives.decimals import DecimalOverflowError, multiply, multiply_columns

_MONEY = pl.Decimal(38, 10)


def _column(*values: str | None) -> pl.Series:
    return pl.Series([None if v is None else Decimal(v) for v in values], dtype=_MONEY)


def test_three_contracts_at_a_price_with_their_multiplier() -> None:
    """3 x 101.255 x 100 = 30376.5."""
    assert multiply(Decimal(3), Decimal("101.255"), Decimal(100)) == Decimal("30376.5")


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        pytest.param(("0.00001", "0.000005"), "0", id="half to even, down"),
        pytest.param(("0.00003", "0.000005"), "0.0000000002", id="half to even, up"),
        pytest.param(("-2", "1.5"), "-3", id="a short position"),
        pytest.param(("9999999999999", "999999999999999"), "9999999999998990000000000001", id="28"),
    ],
)
def test_a_product_is_rounded_once_at_the_end(factors: tuple[str, ...], expected: str) -> None:
    """Ten digits after the point, 28 before it."""
    assert multiply(*map(Decimal, factors)) == Decimal(expected)


def test_a_product_that_does_not_fit_is_refused() -> None:
    """29 digits before the point."""
    with pytest.raises(DecimalOverflowError, match="28 digits"):
        multiply(Decimal(10) ** 14, Decimal(10) ** 14)


def test_the_scale_is_the_caller_s() -> None:
    """Cents, for one."""
    assert multiply(Decimal("1.005"), Decimal(3), scale=2) == Decimal("3.02")


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_a_number_that_is_none_is_refused(value: str) -> None:
    """It would poison every sum."""
    with pytest.raises(ValueError, match="finite"):
        multiply(Decimal(value), Decimal(1))


def test_columns_are_multiplied_row_by_row_and_unknown_stays_unknown() -> None:
    """Null is not 0 and not 1."""
    product = multiply_columns(_column("3", None, "2"), _column("1.5", "4", "-0.25"))

    assert product.to_list() == [Decimal("4.5"), None, Decimal("-0.5")]
    assert product.dtype == _MONEY


def test_columns_that_do_not_belong_together_are_refused() -> None:
    """Lengths and types are checked, not guessed."""
    with pytest.raises(ValueError, match="one length"):
        multiply_columns(_column("1"), _column("1", "2"))
    with pytest.raises(ValueError, match="decimal"):
        multiply_columns(pl.Series([1.5]))
    with pytest.raises(ValueError, match="without a column"):
        multiply_columns()
    with pytest.raises(ValueError, match="without a factor"):
        multiply()


@given(
    st.decimals("-1e9", "1e9", places=10),
    st.decimals("-1e6", "1e6", places=10),
    st.integers(1, 999),
)
def test_the_order_of_factors_does_not_matter(a: Decimal, b: Decimal, c: int) -> None:
    """One rounding at the end: no grouping can change the result."""
    assert multiply(a, b, Decimal(c)) == multiply(Decimal(c), b, a)


def test_duckdb_overflows_on_the_product_of_two_money_columns() -> None:
    """The reason this function exists: DECIMAL(38, 10) has no room for the product's scale."""
    connection = duckdb.connect()
    with pytest.raises(duckdb.Error):
        connection.execute(
            "SELECT 1234567890123::DECIMAL(38, 10) * 12345678::DECIMAL(38, 10)"
        ).fetchall()
    connection.close()

    assert multiply(Decimal(1234567890123), Decimal(12345678)) == Decimal(15241577640597938394)


def test_polars_loses_digits_of_a_product_of_several_factors() -> None:
    """The other reason: it rounds after every step, without a word."""
    price, rate, lot = _column("0.00001"), _column("0.000004"), _column("1000000")
    stepwise = (price * rate * lot).to_list()

    assert stepwise != [Decimal("0.00004")]
    assert multiply_columns(price, rate, lot).to_list() == [Decimal("0.00004")]
