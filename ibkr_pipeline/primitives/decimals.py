"""Products of money, exact and with an explicit scale.

What lives here: the one way amounts are multiplied. What must not: sums, which DECIMAL columns
do well on their own.

A product of two DECIMAL(38, 10) columns has twenty digits after the point. Polars rounds it
back without a word and DuckDB either overflows or loses digits, so quantity x price x multiplier
is computed here, over integers of any size, rounded once, half to even.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext

import polars as pl

from ibkr_pipeline.primitives.errors import PipelineError, Terminal

#: Digits a DECIMAL column holds, and digits after the point of money, prices and quantities.
PRECISION = 38
SCALE = 10


class DecimalOverflowError(PipelineError, Terminal, ArithmeticError):
    """A product has more digits than a DECIMAL(38) column holds at its scale."""


def multiply(*factors: Decimal, scale: int = SCALE) -> Decimal:
    """Return the product of the factors, rounded once to `scale` digits, half to even.

    Worked example: 3 x 101.255 x 100 = 30376.5.

    Raises:
        DecimalOverflowError: If the product does not fit 38 digits at that scale.
        ValueError: If there is no factor, or one is not finite.
    """
    if not factors:
        raise ValueError("A product was asked for without a factor.")
    with localcontext() as context:
        context.prec = sum(len(factor.as_tuple().digits) for factor in factors) + PRECISION
        context.rounding = ROUND_HALF_EVEN
        product = Decimal(1)
        for factor in factors:
            if not factor.is_finite():
                raise ValueError(f"A factor was {factor}; expected a finite number.")
            product *= factor
        return _rounded(product, scale, factors)


def multiply_columns(*columns: pl.Series, scale: int = SCALE) -> pl.Series:
    """Return the product of columns, row by row; null where any factor is null.

    Args:
        columns: Decimal columns of one length.
        scale: Digits after the point of the result.

    Raises:
        DecimalOverflowError: If a product does not fit.
        ValueError: If there is no column, the lengths differ or a column is not decimal.
    """
    if not columns:
        raise ValueError("A product was asked for without a column.")
    lengths = {column.len() for column in columns}
    if len(lengths) != 1:
        raise ValueError(f"Columns had {sorted(lengths)} rows; expected one length.")
    for column in columns:
        if not column.dtype.is_decimal():
            raise ValueError(f"Column {column.name} was {column.dtype}; expected a decimal.")
    products = [
        _product(row, scale) for row in zip(*(column.to_list() for column in columns), strict=True)
    ]
    return pl.Series("product", products, dtype=pl.Decimal(PRECISION, scale))


def _product(factors: Sequence[Decimal | None], scale: int) -> Decimal | None:
    known = [factor for factor in factors if factor is not None]
    return multiply(*known, scale=scale) if len(known) == len(factors) else None


def _rounded(product: Decimal, scale: int, factors: Sequence[Decimal]) -> Decimal:
    try:
        rounded = product.quantize(Decimal(1).scaleb(-scale))
    except InvalidOperation as error:
        raise _overflow(factors, scale) from error
    if rounded and rounded.adjusted() >= PRECISION - scale:
        raise _overflow(factors, scale)
    return rounded


def _overflow(factors: Sequence[Decimal], scale: int) -> DecimalOverflowError:
    named = " x ".join(str(factor) for factor in factors)
    return DecimalOverflowError(
        f"{named} has more than {PRECISION - scale} digits before the point; a DECIMAL"
        f"({PRECISION}, {scale}) column cannot hold it. Check the factors."
    )
