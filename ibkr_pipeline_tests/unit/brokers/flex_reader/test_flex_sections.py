"""The column table agrees with the schemas, and names the boxes of the portal."""

from __future__ import annotations

import pytest

from ibkr_pipeline.brokers.ibkr.flex_columns import usual_form
from ibkr_pipeline.brokers.ibkr.flex_fields import Section, spell_out
from ibkr_pipeline.brokers.ibkr.flex_sections import SECTION_OF_TAG, SECTIONS
from ibkr_pipeline.brokers.ibkr.flex_trade_sections import TRADE_CONFIRMS, TRADES
from ibkr_pipeline.schemas import flex

_BY_NAME = [pytest.param(section, id=section.name) for section in SECTIONS]
#: What trade confirmations never tell.
_NOT_CONFIRMED = {
    "position_action_id",
    "close_price",
    "cost_basis",
    "realized_pnl",
    "mtm_pnl",
    "open_close",
}


@pytest.mark.parametrize("section", _BY_NAME)
def test_every_column_of_a_section_is_told_once(section: Section) -> None:
    """A column nobody feeds would be null for ever, and no one would notice."""
    columns = {column.name for column in section.table.columns} - {"account_id", "row_number"}
    told = [field.column for field in section.fields]

    assert columns - (_NOT_CONFIRMED if section is TRADE_CONFIRMS else set()) == set(told)
    assert len(told) == len(set(told))


@pytest.mark.parametrize("section", _BY_NAME)
def test_what_every_row_needs_has_to_be_selected(section: Section) -> None:
    """A column that may not be null needs its attribute, or dates the statement itself has."""
    unselected = {field.column for field in section.filled if not field.selected}

    assert ({"from_date", "to_date"} if section.window else set()) == unselected


def test_every_flex_table_has_a_section() -> None:
    """A table without a section would stay empty."""
    assert set(flex.TABLES) == {section.table for section in SECTIONS}


def test_no_element_belongs_to_two_sections() -> None:
    """The second would never be read."""
    assert sum(len(section.tags) for section in SECTIONS) == len(SECTION_OF_TAG)


def test_missing_attributes_are_named_with_their_boxes() -> None:
    """A person ticks boxes in the portal; attributes are seen only in the file."""
    missing = TRADES.missing(["conid", "currency", "quantity", "tradePrice", "tradeDate"])

    assert ("dateTime", "transactionID", "ibExecID", "transactionType", "notes") == missing
    assert (
        "Date/Time",
        "Transaction ID",
        "IB Execution ID",
        "Transaction Type",
        "Notes/Codes",
    ) == TRADES.boxes(missing)


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [("tradePrice", "Trade Price"), ("settleDateTarget", "Settle Date Target"), ("conid", "Conid")],
)
def test_most_boxes_are_spelled_like_their_attribute(attribute: str, expected: str) -> None:
    """Only the others need to be written down."""
    assert expected == spell_out(attribute)


def test_every_reading_but_the_rare_ones_has_a_usual_form() -> None:
    """Columns without one are read text by text, which a section of trades cannot afford."""
    slow = {field.reading for field in TRADES.fields if usual_form(field.reading) is None}

    assert set() == slow
