"""Which accounts of a statement are brought in, and which may not be.

What lives here: the choice by allow-list and name, and the check of the mode. What must not: the
same for a gateway (`pipelines/account_choice.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from ibkr_pipeline.brokers.exceptions import ModeMismatchError
from ibkr_pipeline.models.requests import SubjectOutcome
from ibkr_pipeline.primitives.enums import Environment, LoadStatus
from ibkr_pipeline.primitives.identifiers import is_paper_account


def account_filter(named: Sequence[str] | None, allowed: Sequence[str]) -> frozenset[str] | None:
    """Return the accounts that may be brought in; None means every one.

    Args:
        named: Accounts the caller asks for; None means all that are allowed.
        allowed: The allow-list; empty means no list.
    """
    if named is None:
        return frozenset(allowed) or None
    return frozenset(named) & frozenset(allowed) if allowed else frozenset(named)


def wanted_accounts(
    told: Sequence[str], *, named: Sequence[str] | None, allowed: Sequence[str]
) -> tuple[str, ...]:
    """Return the accounts of a statement that are to be brought in, in its order."""
    chosen = account_filter(named, allowed)
    return tuple(item for item in dict.fromkeys(told) if chosen is None or item in chosen)


def missing_accounts(
    told: Sequence[str], *, named: Sequence[str] | None, allowed: Sequence[str]
) -> tuple[SubjectOutcome, ...]:
    """Return a failed verdict for each account that was named and cannot be had of a statement."""
    return tuple(
        SubjectOutcome(
            account_id=account,
            status=LoadStatus.FAILED,
            reason=_why_missing(account, told, allowed),
        )
        for account in dict.fromkeys(named or ())
        if account not in wanted_accounts(told, named=named, allowed=allowed)
    )


def require_mode(told: Sequence[str], environment: Environment) -> None:
    """Refuse a statement that speaks of accounts of another world than the mode's.

    Raises:
        ModeMismatchError: If it does; nothing of it may be kept.
    """
    is_live = environment is Environment.LIVE
    wrong = [
        account
        for account in dict.fromkeys(told)
        if any(letter.isdigit() for letter in account) and is_paper_account(account) is is_live
    ]
    if wrong:
        expected = "live accounts" if is_live else "paper accounts, which start with DU or DF"
        other = Environment.PAPER if is_live else Environment.LIVE
        raise ModeMismatchError(
            f"The mode is {environment.value} and the statement speaks of {', '.join(wrong)}; "
            f"expected {expected}. Nothing of it was kept. Set "
            f"IBKR_PIPELINE_MODE={other.value} to bring it in, among the rows of that mode."
        )


def _why_missing(account: str, told: Sequence[str], allowed: Sequence[str]) -> str:
    if allowed and account not in allowed:
        return (
            f"account {account!r} is not on the allow-list ibkr.accounts; add it there to read it"
        )
    return (
        f"the statement does not speak of account {account!r}, but of "
        f"{', '.join(dict.fromkeys(told)) or 'none'}; choose it in the query's accounts, or "
        f"correct the code"
    )
