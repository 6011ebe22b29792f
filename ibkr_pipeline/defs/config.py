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
