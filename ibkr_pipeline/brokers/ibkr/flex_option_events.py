"""Option events read off one statement, for `BrokerAPI.fetch_option_events`.

What lives here: a statement fetched into a temporary file, and its rows that tell option events,
as text. What must not: what a row means (`mappers/option_events.py`); statements on their way into
core, which are kept whole (`pipelines/statements/`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from ibkr_pipeline.brokers.exceptions import ModeMismatchError
from ibkr_pipeline.brokers.ibkr.flex_reader import read_statement
from ibkr_pipeline.brokers.ibkr.transport.reads import RawRead
from ibkr_pipeline.brokers.statement_source import StatementSource
from ibkr_pipeline.brokers.statements import StatementDocument, StatementHeader
from ibkr_pipeline.models.requests import RequestProof, SubjectOutcome
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.primitives.identifiers import is_paper_account, new_request_id
from ibkr_pipeline.schemas import flex
from ibkr_pipeline.schemas.table import Table

#: Section that tells option events -> message name of its rows in the payload, and its table.
SECTIONS: Mapping[str, tuple[str, Table]] = {
    "OptionEAE": ("optionEAE", flex.OPTION_EAE),
    "Trades": ("trade", flex.TRADES),
}
#: Codes of a trade that is the booking of an option event.
EVENT_CODES = r"(?:^|[;,\s])(?:A|Ex|AEx|MEx|GEA|Ep)(?:$|[;,\s])"
_INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"


def read_option_events(
    source: StatementSource,
    accounts: Sequence[str],
    *,
    environment: Environment,
    clock: Clock,
    from_date: date | None = None,
    to_date: date | None = None,
) -> RawRead:
    """Fetch a statement and return its rows that tell option events, with a verdict per account.

    Args:
        source: Where statements are fetched.
        accounts: Accounts wanted; empty means every one the statement speaks of.
        environment: World the accounts have to be of.
        clock: For the instants of the proof.
        from_date: First session date; None, with `to_date`, leaves the window to the query.
        to_date: Last session date, included.

    Raises:
        ModeMismatchError: If the statement speaks of accounts of another world.
        BrokerError: If no statement came, or none that can be read.
    """
    started_at = clock.now()
    sink = _EventRows()
    with tempfile.TemporaryFile() as file:
        download = source.fetch(file, from_date, to_date)
        file.seek(0)
        document = read_statement(file, sink)
    told = tuple(dict.fromkeys(header.account_id for header in document.headers))
    _require_world(told, environment)
    wanted = tuple(dict.fromkeys(accounts)) or told
    proof = RequestProof(
        request_id=new_request_id(started_at, Dataset.FLEX.value),
        broker="ibkr",
        environment=environment,
        dataset=Dataset.FLEX,
        started_at=started_at,
        ended_at=download.received_at,
        end_marker_seen=True,
        managed_accounts=told,
        details=dict(download.details),
    )
    outcomes = tuple(_outcome(account, document) for account in wanted)
    return RawRead(proof=proof, outcomes=outcomes, payload=sink.payload(wanted))


class _EventRows:
    """Takes the rows of a statement and keeps those that tell option events."""

    def __init__(self) -> None:
        self._kept: dict[str, list[pl.DataFrame]] = {section: [] for section in SECTIONS}

    def add(self, header: StatementHeader, section: str, frame: pl.DataFrame) -> None:
        """Take a chunk; see `RowSink`."""
        del header
        if section == "Trades":
            coded = pl.col("code").str.contains(EVENT_CODES).fill_null(value=False)
            frame = frame.filter(coded)
        if section in self._kept:
            self._kept[section].append(frame)

    def payload(self, accounts: Sequence[str]) -> dict[str, pl.DataFrame]:
        return {
            name: _as_text(pl.concat([table.empty(), *self._kept[section]]), accounts)
            for section, (name, table) in SECTIONS.items()
        }


def _as_text(rows: pl.DataFrame, accounts: Sequence[str]) -> pl.DataFrame:
    own = rows.filter(pl.col("account_id").is_in(accounts))
    texts = [
        pl.col(name).dt.strftime(_INSTANT)
        if isinstance(dtype, pl.Datetime)
        else pl.col(name).cast(pl.String)
        for name, dtype in own.schema.items()
        if name != "account_id"
    ]
    return own.select(
        pl.int_range(own.height, dtype=pl.Int64).alias("seq"),
        pl.col("account_id").alias("account"),
        *texts,
    )


def _outcome(account: str, document: StatementDocument) -> SubjectOutcome:
    told = [
        result
        for result in document.sections
        if result.account_id == account and result.section in SECTIONS
    ]
    if any(result.status is LoadStatus.COMPLETE for result in told):
        return SubjectOutcome(account_id=account, status=LoadStatus.COMPLETE)
    reasons = [result.reason for result in told if result.reason]
    return SubjectOutcome(
        account_id=account,
        status=LoadStatus.FAILED,
        reason="; ".join(reasons)
        or "the statement has no section that tells the account's option events; in the Flex "
        "query, tick the account and Option Exercises, Assignments and Expirations",
    )


def _require_world(accounts: Sequence[str], environment: Environment) -> None:
    is_live = environment is Environment.LIVE
    wrong = [account for account in accounts if is_paper_account(account) is is_live]
    if wrong:
        raise ModeMismatchError(
            f"The mode is {environment.value} and the statement speaks of {', '.join(wrong)}; "
            f"expected {'live' if is_live else 'paper'} accounts. Set IBKR_PIPELINE_MODE, or use "
            f"a token of the other kind of account."
        )
