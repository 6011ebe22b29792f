"""The pages about statements, option events and breaks say what the program does with them."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import yaml

from ibkr_pipeline.brokers.ibkr.flex_errors import FLEX_ERRORS, FlexAction
from ibkr_pipeline.brokers.ibkr.flex_sections import SECTIONS
from ibkr_pipeline.cli.backfill import BackfillSubject
from ibkr_pipeline.defs.assets.reconciliation import COMPARISONS
from ibkr_pipeline.defs.assets.statement_reconciliation import STATEMENT_COMPARISONS
from ibkr_pipeline.pipelines.flex_sync import sync_flex
from ibkr_pipeline.primitives.enums import EvidenceKind, OptionEventState
from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.docs.pages import blocks, prose, tables
from ibkr_pipeline_tests.pipeline_runs import rows, simulated_workspace
from ibkr_pipeline_tests.repository import ROOT

SETUP = ROOT / "docs/how_to/set_up_flex.md"
BREAKS = ROOT / "docs/how_to/read_a_break.md"
RECOVER = ROOT / "docs/how_to/recover_a_missed_week.md"
EVENTS = ROOT / "docs/explanation/option_events.md"
QUERY = ROOT / "docs/reference/flex_query.md"
GUIDE = ROOT / "docs/how_to/use_the_simulated_broker.md"


def test_every_comparison_has_its_row_on_the_page_of_breaks() -> None:
    """Whoever sees a break looks up its comparison under that name."""
    named = [row[0].strip("`") for row in tables(BREAKS)["What is compared, and what to do"]]

    assert sorted([*COMPARISONS, *STATEMENT_COMPARISONS]) == sorted(named)


def test_every_kind_of_evidence_and_every_state_is_explained() -> None:
    """They are values of columns; the order is that of strength."""
    explained = {
        title: [row[0].strip("`") for row in found] for title, found in tables(EVENTS).items()
    }

    assert [kind.value for kind in EvidenceKind] == explained["Where they are told"]
    assert {state.value for state in OptionEventState} == set(explained["States"])


def test_codes_of_the_service_are_told_with_what_is_done_about_them() -> None:
    """A code in the wrong row sends somebody to mend what is not broken."""
    done = {
        "still": {FlexAction.POLL},
        "heavy": {FlexAction.RETRY_SEND},
        "not": {FlexAction.WAIT_FOR_DATA},
        "too": {FlexAction.THROTTLED},
        "token": {FlexAction.PERMANENT_CREDENTIAL},
        "query": {FlexAction.PERMANENT_CONFIG},
    }
    told = {
        row[0].split()[0]: {FLEX_ERRORS[code].action for code in _codes(row[0])}
        for row in tables(SETUP)["How often may be asked"]
    }

    assert done == told


def test_every_section_has_its_fields_on_the_page_of_the_query() -> None:
    """A box that is not on the page is not ticked, and its section refused."""
    found = tables(QUERY)
    lacking = {
        f"{section.box}: {field.box}"
        for section in SECTIONS
        for field in section.fields
        if field.selected and not _is_needed(found[section.box], field.box)
    }

    assert set() == lacking


def test_everything_a_backfill_can_be_asked_for_is_named() -> None:
    """The words are typed as they stand there."""
    spans = set(re.findall(r"`([a-z-]+)`", prose(RECOVER)))

    assert set() == {subject.value for subject in BackfillSubject} - spans


def test_the_rehearsed_statements_bring_what_the_guide_promises(tmp_path: Path) -> None:
    """The guide names the assignment, what was delivered, and the cash settlement."""
    block = next(b for b in blocks(GUIDE) if {"settings", "statements"} <= b.marks)
    written = yaml.safe_load(block.text)["ibkr"]
    delivered = []

    with (
        SimulatorThread("three_sessions") as broker,
        simulated_workspace(
            tmp_path,
            broker,
            ibkr__flex_url=broker.flex_url,
            ibkr__flex_token=written["flex_token"],
            ibkr__flex_query_id=written["flex_query_id"],
        ) as workspace,
    ):
        for _ in range(3):
            sync_flex(workspace)
            events = rows(workspace, "option-events")
            assigned = events.filter(pl.col("event_type") == "assignment")
            delivered.append(
                assigned.select(_whole("delivered_quantity"), _whole("delivered_price"))
            )
            broker.command("advance_session")
        sync_flex(workspace)
        settled = rows(workspace, "option-events")["cash_amount"].drop_nulls()

    assert [[], [], [(100, 590)]] == [frame.rows() for frame in delivered]
    assert ["2885.00"] == [f"{amount:.2f}" for amount in settled]


def _whole(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64)


def _is_needed(found: list[list[str]], box: str) -> bool:
    return any(row[0] == box and row[1] == "yes" for row in found)


def _codes(text: str) -> list[int]:
    """Return the codes a cell names; `1003 to 1008` are all between."""
    codes: list[int] = []
    for first, last in re.findall(r"(\d{4})(?: to (\d{4}))?", text):
        codes.extend(range(int(first), int(last or first) + 1))
    return codes
