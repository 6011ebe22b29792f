"""The frame every reconciliation returns: one finding per thing compared.

What lives here: its columns, how findings are built, and how far a comparison looked. What must
not: any comparison.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
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
        subject: What was compared: an order key, a fill id, a dataset. With account, contract and
            session it identifies the finding within its comparison.
        expected, found, difference: As text; quantities signed, in contracts or shares.
        why: Why it is a break or not comparable; for an ok one, what was done to compare it.
        symbol: Symbol of the contract, where it is known.
        session_date: Session it is about; null for what belongs to none.
        is_suspected: It is ok only by what no statement has confirmed yet.
    """

    account_id: str
    verdict: Verdict
    con_id: int | None = None
    subject: str | None = None
    expected: str | None = None
    found: str | None = None
    difference: str | None = None
    why: str | None = None
    symbol: str | None = None
    session_date: date | None = None
    is_suspected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What one comparison found, and how far it looked.

    Attributes:
        findings: Frame of `SCHEMA`.
        since: First session whose breaks are all among the findings; one that is not there is
            gone. None: those of every session are. `date.max`: only what is there was looked at.
    """

    findings: pl.DataFrame
    since: date | None = None


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
    "symbol": pl.String(),
    "session_date": pl.Date(),
    "is_suspected": pl.Boolean(),
}


_MISSING = {"is_suspected": False}


def to_frame(findings: Iterable[Finding]) -> pl.DataFrame:
    """Return findings as a frame of `SCHEMA`."""
    rows = [asdict(item) | {"verdict": item.verdict.value} for item in findings]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def as_findings(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows that have some columns of `SCHEMA` as findings; the others are null.

    Args:
        rows: account_id, verdict and whatever else is known; further columns are left out.
    """
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(_MISSING.get(name)))
        .cast(dtype)
        .alias(name)
        for name, dtype in SCHEMA.items()
    )


def amount_text(name: str) -> pl.Expr:
    """Return a decimal column of quantities, prices or amounts without trailing zeros."""
    return pl.col(name).cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")


def quantity_text(quantity: Decimal) -> str:
    """Return a quantity without trailing zeros: 100, -0.5."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def breaks(findings: pl.DataFrame) -> pl.DataFrame:
    """Return the findings that are breaks."""
    return findings.filter(pl.col("verdict") == Verdict.BREAK.value)
