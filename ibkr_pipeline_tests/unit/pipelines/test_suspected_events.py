"""What two reads of positions let suspect of options that are gone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from ibkr_pipeline.normalization.option_events import resolve
from ibkr_pipeline.pipelines.brackets import Bracket, SnapshotPair
from ibkr_pipeline.pipelines.position_changes import CHANGES
from ibkr_pipeline.pipelines.suspected_events import TERMS, evidence_of_positions
from ibkr_pipeline.schemas.columns import COLUMNS
from ibkr_pipeline.schemas.statements import OPTION_EVENT_EVIDENCE
from ibkr_pipeline_tests.statement_frames import ACCOUNT, FRI, THU, WED, told, typed

CALL, PUT, HIGHER, MSTR, INDEX = 1001, 1002, 1003, 272110, 1009
WED_NIGHT = datetime(2026, 11, 18, 21, 30, tzinfo=UTC)
THU_NIGHT = WED_NIGHT + timedelta(days=1)
FILLS = {
    "account_id": pl.String(),
    "fill_id": pl.String(),
    "revision": pl.Int64(),
    "con_id": pl.Int64(),
    "security_type": pl.String(),
    "signed_quantity": pl.Decimal(38, 10),
    "is_combo_parent": pl.Boolean(),
    "is_allocation_parent": pl.Boolean(),
    "available_at": pl.Datetime("us", "UTC"),
}
HELD = {"snapshot_id": pl.String(), "con_id": pl.Int64(), "quantity": pl.Decimal(38, 10)}


def option(con_id: int, right: str, strike: int, expiry: date, **changes: Any) -> dict[str, Any]:
    """Return the terms of an option on MSTR."""
    return {
        "con_id": con_id,
        "symbol": "MSTR",
        "security_type": "OPT",
        "currency": "USD",
        "expiry": expiry,
        "strike": strike,
        "right": right,
        "multiplier": 100,
        **changes,
    }


def contracts(expiry: date) -> pl.DataFrame:
    """Return the terms of everything held."""
    stock = {"con_id": MSTR, "symbol": "MSTR", "security_type": "STK", "currency": "USD"}
    return typed(
        {name: COLUMNS[name].dtype for name in TERMS},
        option(CALL, "C", 290, expiry),
        option(PUT, "P", 250, expiry),
        option(HIGHER, "C", 300, expiry),
        option(INDEX, "P", 5900, expiry, symbol="SPX"),
        stock,
    )


def bracket(read_at: datetime, *, is_bracketed: bool = True) -> Bracket:
    """Return a snapshot with executions reads a minute before and after."""
    minute = timedelta(minutes=1)
    return Bracket(
        account_id=ACCOUNT,
        snapshot_id=f"load-{read_at:%d}",
        started_at=read_at,
        available_at=read_at,
        opening_sent_at=read_at - 2 * minute,
        opened_at=read_at - minute,
        closed_at=read_at + minute if is_bracketed else None,
    )


def suspect(
    before: dict[int, int],
    after: dict[int, int],
    *,
    expiry: date = WED,
    fills: list[dict[str, Any]] | None = None,
    is_bracketed: bool = True,
    explained: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return what Wednesday's and Thursday's positions let suspect."""
    pair = SnapshotPair(
        account_id=ACCOUNT,
        before=bracket(WED_NIGHT),
        after=bracket(THU_NIGHT, is_bracketed=is_bracketed),
        gaps=((WED_NIGHT, WED_NIGHT + timedelta(hours=7)),),
    )
    held = typed(
        HELD,
        *(
            {"snapshot_id": name, "con_id": con_id, "quantity": quantity}
            for name, rows in (("load-18", before), ("load-19", after))
            for con_id, quantity in rows.items()
        ),
    )
    return evidence_of_positions(
        [pair],
        held,
        typed(FILLS, *(fills or [])),
        contracts(expiry),
        broker="ibkr",
        environment="paper",
        explained=explained,
    )


def fill(con_id: int, quantity: int) -> dict[str, Any]:
    """Return a fill told on Thursday."""
    return {
        "fill_id": f"exec:{con_id}",
        "revision": 1,
        "con_id": con_id,
        "security_type": "OPT",
        "signed_quantity": quantity,
        "is_combo_parent": False,
        "is_allocation_parent": False,
        "available_at": THU_NIGHT - timedelta(hours=3),
    }


def events(evidence: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Return event, leg, contract, quantity and price of each piece."""
    return told(evidence, "option_event_id", "leg", "con_id", "signed_quantity", "price")


@pytest.mark.parametrize(
    ("con_id", "held", "shares", "kind", "strike"),
    [
        (CALL, -2, -200, "assignment", 290),
        (PUT, -2, 200, "assignment", 250),
        (CALL, 2, 200, "exercise", 290),
        (PUT, 2, -200, "exercise", 250),
    ],
    ids=["short call", "short put", "long call", "long put"],
)
def test_an_option_gone_with_its_delivery_was_assigned_or_exercised(
    con_id: int, held: int, shares: int, kind: str, strike: int
) -> None:
    """2 contracts of 100: 200 shares one way or the other, at the strike."""
    found = suspect({con_id: held, MSTR: 500}, {MSTR: 500 + shares})

    name = f"{con_id}:20261118:{kind}"
    assert [
        (name, "option", con_id, Decimal(-held), Decimal(0)),
        (name, "delivery", MSTR, Decimal(shares), Decimal(strike)),
    ] == events(found)


def test_an_option_gone_alone_on_its_expiration_expired() -> None:
    """No delivery, no fill: it was worth nothing."""
    found = suspect({PUT: -1, MSTR: 500}, {MSTR: 500})

    assert [(f"{PUT}:20261118:expiration", "option", PUT, Decimal(1), Decimal(0))] == events(found)


def test_before_expiration_only_a_delivery_makes_an_event() -> None:
    """Early assignment of the night to Thursday is Wednesday's; a mere absence is a break."""
    assigned = suspect({CALL: -1, MSTR: 500}, {MSTR: 400}, expiry=FRI)
    vanished = suspect({CALL: -1, MSTR: 500}, {MSTR: 500}, expiry=FRI)

    assert [f"{CALL}:20261118:assignment"] * 2 == assigned["option_event_id"].to_list()
    assert vanished.is_empty()


def test_what_a_fill_explains_is_no_event() -> None:
    """Bought back before the close; and one opened and gone between the reads is one."""
    closed = suspect({PUT: -1}, {}, fills=[fill(PUT, 1)])
    opened = suspect({}, {}, expiry=THU, fills=[fill(PUT, -3)])

    assert closed.is_empty()
    assert [(f"{PUT}:20261119:expiration", "option", PUT, Decimal(3), Decimal(0))] == events(opened)


def test_a_partial_assignment_is_one() -> None:
    """1 of 2 calls, 100 shares."""
    found = suspect({CALL: -2, MSTR: 500}, {CALL: -1, MSTR: 400}, expiry=FRI)

    assert [Decimal(1), Decimal(-100)] == found["signed_quantity"].to_list()


def test_of_several_options_the_one_choice_that_fits_was_assigned() -> None:
    """-1 call at 290 and -2 at 300: 200 shares gone are the two, the other expired."""
    found = suspect({CALL: -1, HIGHER: -2, MSTR: 500}, {MSTR: 300})

    assert {
        f"{CALL}:20261118:expiration",
        f"{HIGHER}:20261118:assignment",
    } == set(found["option_event_id"])


def test_where_several_choices_fit_nothing_is_suspected() -> None:
    """One call at 290 and one at 300; 100 shares went with one of them."""
    assert suspect({CALL: -1, HIGHER: -1, MSTR: 500}, {MSTR: 400}).is_empty()


def test_a_position_that_grew_or_turned_is_no_event() -> None:
    """An event only takes an option towards zero."""
    assert suspect({CALL: -1}, {CALL: -2}).is_empty()
    assert suspect({CALL: -1}, {CALL: 1}).is_empty()


def test_an_index_option_is_suspected_to_have_expired() -> None:
    """Its underlying is never delivered; a statement tells a cash settlement, if there was one."""
    assert [f"{INDEX}:20261118:expiration"] == suspect({INDEX: -1}, {})["option_event_id"].to_list()


def test_reads_without_executions_around_them_say_nothing() -> None:
    """A trade may explain what nobody asked for."""
    assert suspect({PUT: -1}, {}, is_bracketed=False).is_empty()


def test_what_a_statement_has_told_leaves_nothing_to_suspect() -> None:
    """It told an exercise; the position that is gone is that, not an expiration besides."""
    exercised = typed(
        CHANGES,
        {
            "con_id": INDEX,
            "day": WED,
            "quantity": -1,
            "what": "exercise of SPX (statement)",
            "is_suspected": False,
        },
    )

    assert suspect({INDEX: 1}, {}, explained=exercised).is_empty()
    assert 1 == suspect({INDEX: 1}, {}).height


def test_suspicions_are_evidence_that_makes_a_suspected_event() -> None:
    """They have every column evidence needs, and resolve to one event with its delivery."""
    found = suspect({CALL: -2, MSTR: 500}, {MSTR: 300}).with_columns(
        version=pl.lit(1, dtype=pl.Int64), recorded_at=pl.col("available_at")
    )
    OPTION_EVENT_EVIDENCE.pandera.validate(found)
    coverage = typed(
        {
            **{name: pl.String() for name in ("broker", "environment", "account_id", "section")},
            "from_date": pl.Date(),
            "to_date": pl.Date(),
            "available_at": pl.Datetime("us", "UTC"),
            "load_id": pl.String(),
        }
    )

    resolved = resolve(found, coverage)

    assert [("suspected", "assignment", Decimal(2), Decimal(-200), "load-19")] == told(
        resolved, "state", "event_type", "signed_quantity", "delivered_quantity", "load_id"
    )
