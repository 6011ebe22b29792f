"""The frame every reconciliation returns: one finding per thing compared.

What lives here: its columns and how findings are built. What must not: any comparison.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import StrEnum

import polars as pl


class Verdict(StrEnum):
    """What a comparison found. `not_comparable` says why; it is neither good nor bad."""

    OK = "ok"
    BREAK = "break"
    NOT_COMPARABLE = "not_comparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One comparison.

    Attributes:
        account_id: Whose; empty where it concerns the gateway as a whole.
        con_id: Contract compared, where one was.
        subject: What was compared: an order key, a fill id, a dataset.
        expected, found, difference: As text; quantities signed, in contracts or shares.
        why: Why it is a break or not comparable; for an ok one, what was done to compare it.
    """

    account_id: str
    verdict: Verdict
    con_id: int | None = None
    subject: str | None = None
    expected: str | None = None
    found: str | None = None
    difference: str | None = None
    why: str | None = None


#: Grain: one row per finding, in the order they were made.
SCHEMA: dict[str, pl.DataType] = {
    "account_id": pl.String(),
    "con_id": pl.Int64(),
    "subject": pl.String(),
    "expected": pl.String(),
    "found": pl.String(),
    "difference": pl.String(),
    "verdict": pl.String(),
    "why": pl.String(),
}


def to_frame(findings: Iterable[Finding]) -> pl.DataFrame:
    """Return findings as a frame of `SCHEMA`."""
    rows = [asdict(item) | {"verdict": item.verdict.value} for item in findings]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def quantity_text(quantity: Decimal) -> str:
    """Return a quantity without trailing zeros: 100, -0.5."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def breaks(findings: pl.DataFrame) -> pl.DataFrame:
    """Return the findings that are breaks."""
    return findings.filter(pl.col("verdict") == Verdict.BREAK.value)
