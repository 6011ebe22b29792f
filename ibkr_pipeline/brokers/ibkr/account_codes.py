"""What an account code says about the account behind it.

What lives here: paper or live, plain account, advisor or group. What must not: anything that
needs a gateway. Source: paper accounts start DU (advisors DF), live ones U (advisors F); an
advisor's code with an A behind it, and the word All, stand for all its accounts together.
"""

from __future__ import annotations

import re
from typing import Literal

Role = Literal["account", "advisor", "group"]

_PAPER = ("DU", "DF")
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


def is_paper(code: str) -> bool:
    """Say whether a code is that of a paper (or simulated) account."""
    return code.startswith(_PAPER)
