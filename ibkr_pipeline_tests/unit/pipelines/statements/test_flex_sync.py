"""A statement on its way: each section for itself, the same one twice, files nobody can read."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ibkr_pipeline.brokers.exceptions import BrokerConnectionError, StatementError
from ibkr_pipeline.landing.quarantine import quarantined
from ibkr_pipeline.pipelines.flex_sync import StatementChoice, receive_statements, sync_flex
from ibkr_pipeline.pipelines.summary import DatasetSummary, SubjectSummary
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline_tests.pipeline_runs import FIRST, SECOND, rows
from ibkr_pipeline_tests.statement_service import (
    FakeStatementService,
    one_trade_and_a_dividend,
    statement_file,
    trades_without_an_id,
)
from ibkr_pipeline_tests.unit.brokers.flex_reader.documents import (
    TRADE,
    document,
    section,
    statement,
)
from ibkr_pipeline_tests.unit.pipelines.statements.conftest import WriteFile

DAY = date(2026, 11, 18)
TWO_ACCOUNTS = document(
    statement(section("Trades", "Trade", TRADE)),
    statement(
        section("Trades", "Trade", {**TRADE, "accountId": SECOND, "transactionID": "9002"}),
        account=SECOND,
    ),
)


def of_files(*paths: Path) -> StatementChoice:
    """Return the choice of files."""
    return StatementChoice(files=paths)


def told(summary: DatasetSummary, name: str, account: str = FIRST) -> SubjectSummary:
    """Return what became of a section."""
    return next(
        item for item in summary.subjects if (item.account_id, item.section) == (account, name)
    )


def counts(subject: SubjectSummary) -> tuple[int, int, int, int]:
    """Return read, new, changed and unchanged."""
    return subject.n_read, subject.n_new, subject.n_changed, subject.n_unchanged


def test_every_section_of_a_statement_is_a_subject_of_its_own(workspace: Workspace) -> None:
    """One trade and one dividend, each in core once."""
    summary = sync_flex(workspace)

    assert (1, 1, 0, 0) == counts(told(summary, "Trades"))
    assert (1, 1, 0, 0) == counts(told(summary, "CashTransactions"))
    assert (1, 1) == (
        rows(workspace, "executions").height,
        rows(workspace, "cash").height,
    )


def test_the_same_bytes_again_bring_nothing_and_are_not_kept_twice(
    workspace: Workspace, write: WriteFile
) -> None:
    """They are known by their hash; nobody reads them again."""
    choice = of_files(write(statement_file(DAY, DAY)))
    sync_flex(workspace, choice=choice)

    (received,) = receive_statements(workspace, choice=choice)
    summary = sync_flex(workspace, choice=choice)

    assert received.known_as is not None
    assert (1, 0, 0, 1) == counts(told(summary, "Trades"))
    assert 1 == len(workspace.landing.requests())


def test_the_same_rows_in_a_statement_made_anew_change_nothing(
    workspace: Workspace, service: FakeStatementService, write: WriteFile
) -> None:
    """Nightly statements overlap; a row told again is the same row."""
    sync_flex(workspace, choice=of_files(write(statement_file(DAY, DAY))))
    made_anew = statement_file(DAY, DAY).replace(b";230000", b";233000")
    summary = sync_flex(workspace, choice=of_files(write(made_anew)))

    assert (1, 0, 0, 1) == counts(told(summary, "Trades"))
    assert 2 == len(workspace.landing.requests())


def test_a_section_without_its_columns_fails_alone_and_says_what_to_tick(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """The query is the user's; what it holds loads, what it lacks is named."""
    service.content = trades_without_an_id
    summary = sync_flex(workspace)

    assert LoadStatus.FAILED is told(summary, "Trades").status
    assert "tick" in str(told(summary, "Trades").error)
    assert (1, 1, 0, 0) == counts(told(summary, "CashTransactions"))
    assert summary.is_failed


def test_a_failed_section_fails_again_without_being_read_again(
    workspace: Workspace, write: WriteFile
) -> None:
    """The same program reads the same bytes the same way."""
    choice = of_files(write(statement_file(DAY, DAY, trades_without_an_id)))
    sync_flex(workspace, choice=choice)
    summary = sync_flex(workspace, choice=choice)

    assert LoadStatus.FAILED is told(summary, "Trades").status
    assert 1 == len(workspace.landing.requests())


def test_an_account_that_is_not_named_is_left_out_and_said_so(
    workspace: Workspace, write: WriteFile
) -> None:
    """One file may tell of several accounts; nothing of the others is brought in."""
    summary = sync_flex(workspace, (SECOND,), choice=of_files(write(TWO_ACCOUNTS)))

    assert {SECOND} == {item.account_id for item in summary.subjects}
    assert {FIRST: "not named with --account"} == dict(summary.left_out)
    assert {SECOND} == set(rows(workspace, "executions")["account_id"])


def test_accounts_left_out_before_are_read_when_they_are_wanted(
    workspace: Workspace, write: WriteFile
) -> None:
    """The same bytes are not done before every wanted account is in core."""
    choice = of_files(write(TWO_ACCOUNTS))
    sync_flex(workspace, (SECOND,), choice=choice)
    summary = sync_flex(workspace, choice=choice)

    assert (1, 1, 0, 0) == counts(told(summary, "Trades", FIRST))
    assert (1, 0, 0, 1) == counts(told(summary, "Trades", SECOND))


def test_an_account_the_statement_does_not_tell_of_fails(
    workspace: Workspace, write: WriteFile
) -> None:
    """An account that was asked for and is not there is no empty account."""
    summary = sync_flex(workspace, ("DU0000009",), choice=of_files(write(TWO_ACCOUNTS)))

    (subject,) = summary.subjects
    assert (LoadStatus.FAILED, "DU0000009") == (subject.status, subject.account_id)
    assert "does not speak of account" in str(subject.error)


def test_a_statement_of_another_world_is_refused_whole(
    workspace: Workspace, write: WriteFile
) -> None:
    """Live rows never meet paper rows, and nothing of the file is kept."""
    live = TWO_ACCOUNTS.replace(FIRST.encode(), b"U0000001")
    summary = sync_flex(workspace, choice=of_files(write(live)))

    (subject,) = summary.subjects
    assert "IBKR_PIPELINE_MODE=live" in str(subject.error)
    assert [] == workspace.landing.requests()
    assert [] == quarantined(workspace.directory)


def test_a_file_that_breaks_off_is_kept_aside_with_its_place(
    workspace: Workspace, write: WriteFile
) -> None:
    """Most of its rows had been read; none of them is in core, every byte is kept."""
    whole = statement_file(DAY, DAY)
    torn = write(whole[:-40])
    (received,) = receive_statements(workspace, choice=of_files(torn))
    summary = sync_flex(workspace, choice=of_files(torn))

    (kept,) = quarantined(workspace.directory)
    assert isinstance(received.error, StatementError)
    assert kept.path.read_bytes() == whole[:-40]
    assert (1, len(whole) - 40) == (kept.line, kept.n_bytes)
    assert summary.is_failed
    assert [] == workspace.landing.requests()
    assert not workspace.warehouse.path.exists()


def test_one_bad_file_holds_back_no_other(workspace: Workspace, write: WriteFile) -> None:
    """Each file is a request; the summary names the one that failed."""
    bad = write(b"<html>Service unavailable</html>", "bad.xml")
    good = write(statement_file(DAY, DAY), "good.xml")
    summary = sync_flex(workspace, choice=of_files(bad, good))

    failed = [item for item in summary.subjects if item.is_failed]
    assert [True] == [str(item.error).startswith("bad.xml: ") for item in failed]
    assert (1, 1, 0, 0) == counts(told(summary, "Trades"))


def test_a_file_that_is_not_there_is_told_before_anything_is_done(
    workspace: Workspace, tmp_path: Path
) -> None:
    """A slip in a path is a wrong call, not a failed statement."""
    with pytest.raises(ConfigError, match="cannot be read"):
        sync_flex(workspace, choice=of_files(tmp_path / "nothing.xml"))

    assert [] == workspace.control.requests(dataset=Dataset.FLEX)


def test_a_service_that_does_not_answer_is_a_failed_request(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """What is known stays, and control says why nothing came."""
    service.error = BrokerConnectionError("the service is away")
    summary = sync_flex(workspace)

    (subject,) = summary.subjects
    (request,) = workspace.control.requests(dataset=Dataset.FLEX)
    assert "the service is away" in str(subject.error)
    assert (True, request.request_id) == (request.retryable, subject.request_id)


def test_what_nobody_knows_is_counted_and_told(workspace: Workspace, write: WriteFile) -> None:
    """A new attribute or section of the broker's is kept, shown and no failure."""
    strange = document(
        statement(
            section("Trades", "Trade", {**TRADE, "somethingNew": "1"}),
            "<Brandnew><Row a='1'/><Row a='2'/></Brandnew>",
        )
    )
    summary = sync_flex(workspace, choice=of_files(write(strange)))

    notes = " ".join(summary.notes)
    assert "somethingNew (1 rows)" in notes
    assert "2 rows of a section nobody knows" in notes
    assert not summary.is_failed


def test_nothing_is_left_in_the_scratch_folder(workspace: Workspace) -> None:
    """Downloads and staged rows are worth nothing once they are in core."""
    sync_flex(workspace)

    assert [] == list((workspace.directory / "scratch").iterdir())


def test_coverage_is_recorded_with_the_statement(workspace: Workspace) -> None:
    """The session the statement tells of is covered from now on."""
    sync_flex(workspace)

    covered = rows(workspace, "coverage").filter("by_flex")
    with workspace.warehouse.read() as connection:
        kept = connection.sql("SELECT session_date FROM ops.coverage WHERE by_flex").fetchall()
    assert [(date(2026, 11, 17),)] == kept
    assert [date(2026, 11, 17)] == covered["session_date"].to_list()


def test_the_allow_list_binds_statements_too(workspace: Workspace, write: WriteFile) -> None:
    """An account nobody allowed is not brought in by a file either."""
    ibkr = workspace.settings.ibkr.model_copy(update={"accounts": (FIRST,)})
    settings = workspace.settings.model_copy(update={"ibkr": ibkr})
    summary = sync_flex(replace(workspace, settings=settings), choice=of_files(write(TWO_ACCOUNTS)))

    assert {FIRST} == {item.account_id for item in summary.subjects}
    assert {SECOND: "not on the allow-list ibkr.accounts"} == dict(summary.left_out)


def test_a_statement_that_was_made_in_the_session_does_not_cover_it(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """What trades afterwards is not in it."""
    service.at = service.at.replace(day=17, hour=18)
    service.content = one_trade_and_a_dividend
    sync_flex(workspace)

    assert [] == rows(workspace, "coverage").filter("by_flex")["session_date"].to_list()
