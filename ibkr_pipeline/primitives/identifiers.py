"""Identifiers as types, how ours are made, what an account code tells, how a log masks it."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import NewType

AccountId = NewType("AccountId", str)
RequestId = NewType("RequestId", str)
LoadId = NewType("LoadId", str)

#: Beginnings of paper accounts' codes (advisors DF); every other account is a live one.
PAPER_PREFIXES = ("DU", "DF")
_ACCOUNT_CODE = re.compile(r"\b(DU|DF|DI|U|F|I)(\d{4,})\b")


def new_request_id(started_at: datetime, dataset: str) -> RequestId:
    """Return a readable, time-ordered, unique id for a request.

    Example: `20261118T213000123456Z-positions-9f3a1c`.
    """
    stamp = started_at.strftime("%Y%m%dT%H%M%S%fZ")
    return RequestId(f"{stamp}-{dataset}-{secrets.token_hex(3)}")


def load_id_of(request_id: str, subject: str, section: str = "") -> LoadId:
    """Return the id of the load of one subject (an account code) in one request.

    Args:
        request_id: The request.
        subject: Account code.
        section: Section of a statement; empty for what the gateway tells.
    """
    return LoadId(f"{request_id}:{subject}:{section}" if section else f"{request_id}:{subject}")


def is_paper_account(account_id: str) -> bool:
    """Say whether a code is that of a paper account; one of the simulated broker looks alike.

    >>> is_paper_account("DU0000001"), is_paper_account("U0000001")
    (True, False)
    """
    return account_id.startswith(PAPER_PREFIXES)


def mask_account(account_id: str) -> str:
    """Return an account code with all but its prefix and last two characters starred.

    >>> mask_account("DU0000001")
    'DU*****01'
    """
    prefix = len(account_id) - len(account_id.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    hidden = max(len(account_id) - prefix - 2, 0)
    return account_id[:prefix] + "*" * hidden + account_id[prefix + hidden :]


def mask_accounts(text: str) -> str:
    """Return `text` with every account code in it masked."""
    return _ACCOUNT_CODE.sub(lambda match: mask_account(match.group(0)), text)
