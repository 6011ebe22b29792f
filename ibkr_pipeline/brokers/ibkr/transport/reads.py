"""The verdict on a read: which accounts are complete, and the proof.

What lives here: `RawRead` and putting answers, messages and notices together into one. What must
not: sending anything (`transport.py`) or interpreting a value (`mappers/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from ibkr_pipeline.brokers.ibkr.account_codes import role_of
from ibkr_pipeline.brokers.ibkr.transport.payloads import Heard, give_accounts
from ibkr_pipeline.brokers.ibkr.transport.session import Answer
from ibkr_pipeline.models.requests import Payload, RequestProof, SubjectOutcome
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus

#: Reason shown when several messages could not be understood: so many of them.
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class RawRead:
    """What the transport hands on: messages as heard, verdicts and proof.

    Attributes:
        is_lost: Whether the read should be started anew on a new connection.
    """

    proof: RequestProof
    outcomes: tuple[SubjectOutcome, ...]
    payload: Payload
    is_lost: bool = False


@dataclass(slots=True, kw_only=True)
class Verdicts:
    """Collects what is wrong with each account of a read."""

    accounts: tuple[str, ...]
    _worst: dict[str, SubjectOutcome] = field(default_factory=dict)

    def answered(self, answers: Iterable[Answer]) -> None:
        """Take over how the asks ended."""
        for answer in answers:
            if answer.status is not LoadStatus.COMPLETE:
                for account in answer.ask.accounts:
                    self._mark(account, answer.status, answer.reason, retryable=answer.retryable)

    def fail(self, accounts: Iterable[str], reason: str, *, retryable: bool = False) -> None:
        """Mark accounts as failed."""
        for account in accounts:
            self._mark(account, LoadStatus.FAILED, reason, retryable=retryable)

    def outcomes(self) -> tuple[SubjectOutcome, ...]:
        """Return one outcome per account, in the order they were asked for."""
        return tuple(
            self._worst.get(account)
            or SubjectOutcome(account_id=account, status=LoadStatus.COMPLETE)
            for account in self.accounts
        )

    def _mark(
        self, account: str, status: LoadStatus, reason: str | None, *, retryable: bool
    ) -> None:
        known = self._worst.get(account)
        if account not in self.accounts or (known and known.status is LoadStatus.FAILED):
            return
        self._worst[account] = SubjectOutcome(
            account_id=account, status=status, reason=reason, retryable=retryable
        )


def judge_messages(verdicts: Verdicts, heard: Heard, answers: Sequence[Answer]) -> tuple[str, ...]:
    """Fail the accounts a malformed message may belong to; return what could not be understood."""
    for item in heard.malformed:
        touched = {
            account
            for answer in answers
            if answer.start <= item.seq < answer.stop
            for account in answer.ask.accounts
        }
        verdicts.fail(
            touched or verdicts.accounts, f"a message could not be understood: {item.reason}"
        )
    return tuple(item.reason for item in heard.malformed)


def judge_empty(verdicts: Verdicts, values: pl.DataFrame) -> None:
    """Fail accounts of which not one value came: no account is without any."""
    told = set(values["account"])
    for account in verdicts.accounts:
        if account not in told:
            verdicts.fail([account], "the download ended without a single value", retryable=True)


def keep_asked(
    verdicts: Verdicts, heard: Heard, managed: Sequence[str], spans: Mapping[str, tuple[int, int]]
) -> Payload:
    """Return the messages of the accounts asked for, and those that belong to none.

    Every account is failed when a row belongs to an account the gateway never named: its account
    list and its rows contradict each other, so neither can be believed.
    """
    payload = give_accounts(heard.payload, spans, advisor=_owner_of_group_orders(managed))
    for name, frame in payload.items():
        strangers = frame.filter(~pl.col("account").is_in([*managed, ""]))
        if not strangers.is_empty():
            codes = ", ".join(sorted(set(strangers["account"])))
            reason = (
                f"a message ({name}) told of account {codes}, which is not among the accounts the "
                f"gateway manages; its account list and its rows contradict each other"
            )
            verdicts.fail(verdicts.accounts, reason)
        if name in ("openOrder", "completedOrder") and (frame["account"] == "").any():
            reason = f"a message ({name}) told of an order that names no account"
            verdicts.fail(verdicts.accounts, reason)
    return {
        name: frame.filter(pl.col("account").is_in([*verdicts.accounts, ""]))
        for name, frame in payload.items()
    }


def _owner_of_group_orders(managed: Sequence[str]) -> str | None:
    advisors = [code for code in managed if role_of(code) == "advisor"]
    return advisors[0] if advisors else (managed[0] if len(managed) == 1 else None)


def keep_within(frame: pl.DataFrame, spans: Mapping[str, tuple[int, int]]) -> pl.DataFrame:
    """Return the rows of each account that arrived while that account was downloaded."""
    bounds = pl.DataFrame(
        {
            "account": list(spans),
            "_start": [start for start, _ in spans.values()],
            "_stop": [stop for _, stop in spans.values()],
        },
        schema={"account": pl.String(), "_start": pl.Int64(), "_stop": pl.Int64()},
    )
    return (
        frame.join(bounds, on="account", how="inner", validate="m:1", maintain_order="left")
        .filter((pl.col("seq") >= pl.col("_start")) & (pl.col("seq") < pl.col("_stop")))
        .drop("_start", "_stop")
    )


def spans_of(answers: Iterable[Answer]) -> dict[str, tuple[int, int]]:
    """Return account -> places in the order of arrival that its own ask covered."""
    return {
        account: (answer.start, answer.stop)
        for answer in answers
        if len(answer.ask.accounts) == 1
        for account in answer.ask.accounts
    }


def extra_details(heard: Heard, dataset: Dataset) -> dict[str, str]:
    """Return details about fields and messages beyond what was expected."""
    details: dict[str, str] = {}
    if heard.n_extra:
        told = ", ".join(f"{name}: {count}" for name, count in sorted(heard.n_extra.items()))
        details["extra_fields"] = f"messages with fields we do not know: {told}"
    if dataset is Dataset.EXECUTIONS:
        orphans = heard.payload["commissionReport"].join(
            heard.payload["execDetails"], on="execId", how="anti"
        )
        if len(orphans):
            details["commissions_without_execution"] = str(len(orphans))
    return details
