"""Which accounts a read asks for, and why others are left out.

What lives here: the choice, as pure functions. What must not: asking for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ibkr_pipeline.models.requests import SubjectOutcome
from ibkr_pipeline.primitives.enums import Environment, LoadStatus
from ibkr_pipeline.primitives.identifiers import is_paper_account


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChoice:
    """The accounts to ask for, and a verdict on each that was named and cannot be asked for.

    `readable` is None where nobody named any: the broker then chooses every account it manages,
    leaving out codes that stand for several accounts together. `managed` are all it manages.
    """

    managed: tuple[str, ...]
    readable: tuple[str, ...] | None
    refused: tuple[SubjectOutcome, ...] = field(default=())


def choose_accounts(
    managed: Sequence[str], *, named: Sequence[str] | None, allowed: Sequence[str]
) -> AccountChoice:
    """Choose among the accounts a gateway manages.

    Args:
        managed: Accounts the gateway says it manages.
        named: Accounts the caller asks for; None means all that are allowed.
        allowed: The allow-list; empty means no list.
    """
    if named is None and not allowed:
        return AccountChoice(managed=tuple(managed), readable=None)
    wanted = tuple(dict.fromkeys(allowed if named is None else named))
    readable = tuple(
        account for account in wanted if account in managed and (not allowed or account in allowed)
    )
    refused = tuple(
        _refused(account, managed=managed, allowed=allowed)
        for account in wanted
        if account not in readable
    )
    return AccountChoice(managed=tuple(managed), readable=readable, refused=refused)


def left_out(
    managed: Sequence[str],
    *,
    read: Sequence[str],
    allowed: Sequence[str],
    groups: Sequence[str] = (),
) -> dict[str, str]:
    """Return account code -> why a managed account was not read.

    Args:
        managed: Accounts the gateway says it manages.
        read: Accounts that were asked for.
        allowed: The allow-list; empty means no list.
        groups: Codes that stand for several accounts together.
    """
    return {
        account: _why_left_out(account, allowed=allowed, groups=groups)
        for account in managed
        if account not in read
    }


def _why_left_out(account: str, *, allowed: Sequence[str], groups: Sequence[str]) -> str:
    if account in groups:
        return "stands for several accounts together, which are read one by one"
    if allowed and account not in allowed:
        return "not on the allow-list ibkr.accounts"
    return "not named with --account"


def kind_of(account_id: str) -> str:
    """Return `PAPER` or `LIVE`, from the prefix of an account code.

    >>> kind_of("DU0000001"), kind_of("U0000001")
    ('PAPER', 'LIVE')
    """
    return "PAPER" if is_paper_account(account_id) else "LIVE"


def kind_in(account_id: str, environment: Environment) -> str:
    """Return `SIMULATED` for every account of the simulated broker, else `PAPER` or `LIVE`."""
    is_simulated = environment is Environment.SIMULATED
    return environment.value.upper() if is_simulated else kind_of(account_id)


def name_of(account_id: str) -> str:
    """Return a code as a sentence can hold it: one that is empty or odd in quotes.

    >>> name_of("DU0000001"), name_of("../x"), name_of("")
    ('DU0000001', "'../x'", "''")
    """
    return account_id if account_id.isalnum() else repr(account_id)


def _refused(account: str, *, managed: Sequence[str], allowed: Sequence[str]) -> SubjectOutcome:
    shown = name_of(account)
    if allowed and account not in allowed:
        reason = f"account {shown} is not on the allow-list ibkr.accounts; add it there to read it"
    else:
        reason = (
            f"account {shown} is not among those the gateway manages "
            f"({', '.join(managed) or 'none'}); {_advice(account, managed)}"
        )
    return SubjectOutcome(account_id=account, status=LoadStatus.FAILED, reason=reason)


def _advice(account: str, managed: Sequence[str]) -> str:
    likely = "".join(letter for letter in account if letter.isalnum()).upper()
    if likely in managed:
        return f"was {likely} meant?"
    return "check the code, or log in with the user that has it"
