"""What an account code says about the account behind it.

What lives here: plain account, advisor or group. What must not: paper or live, which more rooms
ask (`primitives/identifiers.py`), or anything that needs a gateway. Source: advisors' codes start
F (paper DF); one with an A behind it, and the word All, stand for all its accounts together.
"""

from __future__ import annotations

import re
from typing import Literal

Role = Literal["account", "advisor", "group"]

_PLAIN = re.compile(r"D?[A-Z]{1,2}\d+")
_ADVISOR = re.compile(r"D?F\d+")


def role_of(code: str) -> Role:
    """Return what kind of account a managed account code names."""
    if _ADVISOR.fullmatch(code):
        return "advisor"
    return "account" if _PLAIN.fullmatch(code) else "group"


def is_group(code: str) -> bool:
    """Say whether a code stands for several accounts together, or for a named group of them."""
    return role_of(code) == "group"
