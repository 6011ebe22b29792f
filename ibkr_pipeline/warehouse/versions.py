"""New versions of facts that change: what to append so that every change is kept once.

What lives here: the comparison of incoming rows with the versions known, for any subject. What
must not: reading or writing a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

_KNOWN = "is_known_row"
_PLACE = "place_of_row"


def new_versions(
    known: pl.DataFrame,
    incoming: pl.DataFrame,
    *,
    key: Sequence[str],
    content: Sequence[str],
    carried: Sequence[str] = (),
) -> pl.DataFrame:
    """Return the incoming rows that say something new, with their `version`.

    Each incoming row is compared with the row of its key that comes before it by `available_at`
    (a known row before an incoming one of the same instant, then the order of `incoming`), not
    with the one that was recorded last: a load that arrives late is put where it belongs.
    Versions count on from the highest known one, in the order learned.

    Args:
        known: Versions in core of the keys that are coming in: key, content, carried columns,
            `available_at`, `version`.
        incoming: Rows with key, content and `available_at`; other columns are kept.
        key: Columns that identify the fact.
        content: Columns whose change makes a version.
        carried: Columns whose null takes over the value before it, so that a source that does
            not tell an attribute does not undo one that did.

    Returns:
        Rows in the order of key and `available_at`.
    """
    if known.is_empty() and not incoming.select(pl.struct(key).is_duplicated().any()).item():
        return incoming.with_columns(version=pl.lit(1, dtype=pl.Int64))
    ordered = _in_order(known, incoming, key=key, columns=dict.fromkeys([*content, *carried]))
    ordered = ordered.with_columns(pl.col(name).forward_fill().over(key) for name in carried)
    same_key = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in key)
    same_content = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(name).shift(1)) for name in content
    )
    first = pl.int_range(pl.len()) == 0
    fresh = ordered.filter(~pl.col(_KNOWN) & (first | ~(same_key & same_content)))
    return _numbered(fresh, known, key=key).drop(_KNOWN, _PLACE)


def _in_order(
    known: pl.DataFrame, incoming: pl.DataFrame, *, key: Sequence[str], columns: Iterable[str]
) -> pl.DataFrame:
    arrived = incoming.with_row_index(_PLACE).with_columns(pl.lit(value=False).alias(_KNOWN))
    if known.is_empty():
        return arrived.sort(*key, "available_at", _PLACE)
    held = known.select(
        *key, *columns, "available_at", pl.col("version").cast(pl.UInt32).alias(_PLACE)
    ).with_columns(pl.lit(value=True).alias(_KNOWN))
    return pl.concat([held, arrived], how="diagonal").sort(
        *key, "available_at", _KNOWN, _PLACE, descending=[False] * (len(key) + 1) + [True, False]
    )


def _numbered(fresh: pl.DataFrame, known: pl.DataFrame, *, key: Sequence[str]) -> pl.DataFrame:
    ahead = pl.int_range(1, pl.len() + 1).over(key)
    if known.is_empty():
        return fresh.with_columns(version=ahead.cast(pl.Int64))
    highest = known.group_by(key).agg(pl.col("version").max().alias("highest"))
    return (
        fresh.join(highest, on=list(key), how="left", nulls_equal=True, maintain_order="left")
        .with_columns(version=(pl.col("highest").fill_null(0) + ahead).cast(pl.Int64))
        .drop("highest")
    )
