"""Statements on the command line: what is refused before anything is asked, and what is offered."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from ibkr_pipeline.cli import backfill
from ibkr_pipeline.cli.statements import offer_history
from ibkr_pipeline.cli.summary_table import write_summary
from ibkr_pipeline.pipelines.backfill import BackfillResult
from ibkr_pipeline.pipelines.summary import DatasetSummary, RunFacts, SubjectSummary, to_document
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.settings import Settings
from ibkr_pipeline_tests.pipeline_runs import FIRST, make_settings
from ibkr_pipeline_tests.unit.cli.conftest import Call

FAILED = DatasetSummary(
    dataset=Dataset.FLEX,
    subjects=(
        SubjectSummary(
            account_id=FIRST,
            section="Trades",
            status=LoadStatus.FAILED,
            kind="PAPER",
            error="Trades has no conid; tick Conid",
        ),
        SubjectSummary(
            account_id=FIRST,
            section="OptionEAE",
            status=LoadStatus.COMPLETE,
            kind="PAPER",
            from_date=date(2026, 11, 17),
            to_date=date(2026, 11, 18),
            n_read=3,
            n_new=2,
            n_unchanged=1,
        ),
        SubjectSummary(
            account_id="", request_id="r7", status=LoadStatus.FAILED, error="bad.xml: torn"
        ),
    ),
    left_out={},
    notes=("Trades of DU0000001: attributes nobody knows: x (1 rows)",),
)


def test_statements_that_are_not_switched_on_are_a_wrong_call(call: Call) -> None:
    """The message names both settings and the way without them; no run is recorded."""
    outcome = call("sync", "flex", "--json")

    assert 2 == outcome.exit_code
    message = outcome.document["error"]["message"]
    assert all(word in message for word in ("IBKR_FLEX_TOKEN", "IBKR_FLEX_QUERY_ID", "--flex-file"))


def test_a_file_is_no_answer_of_the_gateway(call: Call, tmp_path: Path) -> None:
    """Positions come over the wire."""
    outcome = call("sync", "positions", "--flex-file", str(tmp_path / "x.xml"))

    assert 2 == outcome.exit_code
    assert "--flex-file was given for positions" in outcome.stderr


def test_a_file_that_is_not_there_ends_with_2(call: Call, tmp_path: Path) -> None:
    """Before any run is recorded."""
    outcome = call("sync", "option-events", "--flex-file", str(tmp_path / "x.xml"))

    assert (2, True) == (outcome.exit_code, "cannot be read" in outcome.stderr)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in the file system")
def test_a_pipe_or_a_folder_is_no_statement_and_is_not_waited_for(
    call: Call, tmp_path: Path
) -> None:
    """An endless file would fill the disk before anybody looked at it."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()

    for name in ("pipe", "folder"):
        outcome = call("sync", "flex", "--flex-file", str(tmp_path / name))
        assert (2, True) == (outcome.exit_code, "which is no regular file" in outcome.stderr)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "2026-13-01", "--to", "2026-11-18"), "--from was '2026-13-01'"),
        (("--from", "2026-11-18", "--to", "2026-11-17"), "expected its first session date"),
    ],
    ids=["no date", "the wrong way round"],
)
def test_a_backfill_of_no_window_ends_with_2(
    call: Call, arguments: tuple[str, ...], words: str
) -> None:
    """The message says what was found."""
    outcome = call("backfill", "executions", *arguments)

    assert (2, True) == (outcome.exit_code, words in outcome.stderr)


def test_each_section_has_a_row_and_each_failure_its_reason(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A person sees what to tick; a file without account is named by its request."""
    write_summary(make_settings(tmp_path), (FAILED,), run_id="0123456789", is_well=False)
    told = capsys.readouterr().out

    assert "OptionEAE" in told
    assert f"flex of {FIRST}/Trades: failed: Trades has no conid; tick Conid." in told
    assert "flex of request r7: failed: bad.xml: torn." in told
    assert "note: Trades of DU0000001: attributes nobody knows" in told


def test_the_document_has_a_subject_per_section() -> None:
    """`id` is account and section; a statement without account has its request's id."""
    facts = RunFacts(run_id="r", environment=Environment.PAPER)
    document = to_document((FAILED,), facts, is_all=False)
    failed, complete, without = document["subjects"]

    assert "flex" == document["dataset"]
    assert {
        "type": "statement",
        "id": f"{FIRST}/OptionEAE",
        "kind": "paper",
        "status": "complete",
        "read": 3,
        "new": 2,
        "changed": 0,
        "unchanged": 1,
        "gone": 0,
        "error": None,
        "account": FIRST,
        "section": "OptionEAE",
        "from": date(2026, 11, 17),
        "to": date(2026, 11, 18),
    } == complete
    assert "Trades has no conid; tick Conid" == failed["error"]
    assert ("r7", None) == (without["id"], without["account"])
    assert list(FAILED.notes) == document["notes"]


def test_the_history_is_offered_and_never_fetched_unasked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody watches: the command is named, and that is all."""

    def never(*_: object, **__: object) -> BackfillResult:
        raise AssertionError("fetched without being asked")

    monkeypatch.setattr(backfill, "run_backfill", never)
    offer_history(_switched_on(tmp_path), None)

    assert "ibkr-pipeline backfill executions --from " in capsys.readouterr().err


def _switched_on(folder: Path) -> Settings:
    return make_settings(
        folder / "data", ibkr__flex_token="token-of-a-test", ibkr__flex_query_id="1"
    )
