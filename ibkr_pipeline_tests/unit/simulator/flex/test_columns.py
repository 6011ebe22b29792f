"""The columns of statements are those of real ones, in their order."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ibkr_pipeline.simulator.flex import columns
from ibkr_pipeline.simulator.flex.view import row
from ibkr_pipeline_tests.repository import ROOT

SAMPLES = ROOT.parent / "shared" / "samples" / "flex"


def first_row(file: str, tag: str) -> list[str]:
    """Return the columns of the first row of a kind in a real statement."""
    path: Path = SAMPLES / file
    if not path.exists():
        pytest.skip(f"the real statements are not beside the project ({file} is absent)")
    root = ET.fromstring(path.read_bytes())  # a file we were given
    found = next(e for e in root.iter(tag) if e.attrib)
    return list(found.attrib)


@pytest.mark.parametrize(
    ("file", "tag", "kind"),
    [
        ("corporate_action_2025.xml", "Trade", columns.TRADE),
        ("corporate_action_2025.xml", "Order", columns.TRADE),
        ("corporate_action_2025.xml", "SymbolSummary", columns.TRADE),
        ("corporate_action_2025.xml", "OpenPosition", columns.OPEN_POSITION),
        ("corporate_action_2025.xml", "CorporateAction", columns.CORPORATE_ACTION),
        ("corporate_action_2025.xml", "CashTransaction", columns.CASH_TRANSACTION),
        ("statement_of_funds_bom_2018.xml", "StatementOfFundsLine", columns.STATEMENT_OF_FUNDS),
    ],
)
def test_a_full_row_has_the_columns_of_a_real_one(
    file: str, tag: str, kind: columns.Columns
) -> None:
    """A reader that is right about these is right about real files."""
    assert first_row(file, tag) == list(kind)


@pytest.mark.parametrize(
    ("file", "tag", "kind"),
    [
        ("activity_exercise_and_correction_2026.xml", "Trade", columns.TRADE),
        ("activity_exercise_and_correction_2026.xml", "OptionEAE", columns.OPTION_EAE),
        ("option_events_and_futures_2025.xml", "OptionEAE", columns.OPTION_EAE),
        ("trade_confirms_2026.xml", "TradeConfirm", columns.TRADE_CONFIRM),
    ],
)
def test_a_real_row_uses_no_other_columns(file: str, tag: str, kind: columns.Columns) -> None:
    """These files chose some columns; each is one of ours."""
    assert set() == set(first_row(file, tag)) - set(kind)


def test_no_kind_names_a_column_twice() -> None:
    """XML forbids it."""
    kinds = {n: v for n, v in vars(columns).items() if n.isupper() and isinstance(v, tuple)}

    assert {} == {n: v for n, v in kinds.items() if len(set(v)) != len(v)}
    assert 85 == len(columns.TRADE)


def test_a_row_refuses_a_column_its_kind_does_not_have() -> None:
    """A misspelt column would silently be empty."""
    with pytest.raises(KeyError, match="Trade has no column 'tradeId'"):
        row("Trade", columns.TRADE, {"tradeId": "1"})
