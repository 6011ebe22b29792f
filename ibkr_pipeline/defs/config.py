"""What a person can set for one run, typed.

What lives here: run configuration. What must not: settings of the installation (`settings.py`).
"""

import dagster as dg
from pydantic import Field


class AccountsConfig(dg.Config):
    """Which accounts one run reads."""

    accounts: list[str] = Field(
        default_factory=list,
        description=(
            "Account codes to read, such as DU0000001. Empty: every account the settings allow of "
            "those the gateway manages. An account the gateway does not manage fails the run."
        ),
    )


class StatementsConfig(AccountsConfig):
    """Which statements one run brings in."""

    files: list[str] = Field(
        default_factory=list,
        description=(
            "Statements downloaded by hand, by path. Empty: the Flex web service is asked for one "
            "in the window of the query."
        ),
    )
