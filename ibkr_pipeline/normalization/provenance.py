"""Whose a broker's row is and where it came from: the columns every core row carries.

What lives here: the join of typed broker frames with the loads they came in. What must not:
anything about one subject.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from ibkr_pipeline.primitives.errors import SchemaError
from ibkr_pipeline.schemas.table import Table

#: Table name -> frame: `broker.*` going in, `core.*` coming out.
Frames = Mapping[str, pl.DataFrame]

#: One row per load, which within one request means one per account.
PROVENANCE: Mapping[str, pl.DataType] = {
    "account_id": pl.String(),
    "load_id": pl.String(),
    "request_id": pl.String(),
    "broker": pl.String(),
    "environment": pl.String(),
    "source": pl.String(),
    "available_at": pl.Datetime("us", "UTC"),
}


def with_provenance(frames: Frames, table: Table, provenance: pl.DataFrame) -> pl.DataFrame:
    """Return the frame of `table` with the provenance of each row's account beside it.

    Order is kept. The columns added are those of `PROVENANCE`.

    Raises:
        SchemaError: If the frame is missing or of other columns, an account has several loads,
            or a row's account has none (rows of an account whose load is not complete must be
            left out before they come here).
    """
    frame = _frame(frames, table)
    loads = _checked(provenance)
    strangers = frame.join(loads, on="account_id", how="anti").get_column("account_id")
    if strangers.len():
        raise SchemaError(
            f"{table.name} held {strangers.len()} rows of {strangers.n_unique()} accounts that "
            f"have no complete load; expected only accounts with one. Restrict the payload to "
            f"the accounts whose read is complete."
        )
    return frame.join(loads, on="account_id", how="inner", maintain_order="left")


def combine(parts: Sequence[Frames]) -> dict[str, pl.DataFrame]:
    """Return the normalized frames of several requests as one set, ready for one transaction."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: pl.concat([part[name] for part in parts if name in part], how="vertical")
        for name in names
    }


def _frame(frames: Frames, table: Table) -> pl.DataFrame:
    frame = frames.get(table.name)
    if frame is None:
        raise SchemaError(f"Frame {table.name} was missing; expected it, with no rows if empty.")
    missing = [name for name in table.schema if name not in frame.columns]
    if missing:
        raise SchemaError(f"Frame {table.name} lacked the columns {', '.join(missing)}.")
    wrong = [
        f"{name} was {frame.schema[name]}, expected {dtype}"
        for name, dtype in table.schema.items()
        if frame.schema[name] != dtype
    ]
    if wrong:
        raise SchemaError(f"Frame {table.name} had other types: {'; '.join(wrong)}.")
    return frame.select(list(table.schema))


def _checked(provenance: pl.DataFrame) -> pl.DataFrame:
    missing = [name for name in PROVENANCE if name not in provenance.columns]
    if missing:
        raise SchemaError(f"The provenance lacked the columns {', '.join(missing)}.")
    loads = provenance.select(
        pl.col(name).cast(dtype, strict=True) for name, dtype in PROVENANCE.items()
    )
    if sum(loads.null_count().row(0)):
        raise SchemaError("The provenance held nulls; expected every value of a complete load.")
    if loads.get_column("account_id").is_duplicated().any():
        raise SchemaError(
            "An account had several loads in one normalization; expected one per account. "
            "Normalize one request at a time and combine the results."
        )
    return loads
