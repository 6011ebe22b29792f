"""Which environment a control store belongs to: the first that claims it, for good.

What lives here: the claim and its check. What must not: what an environment may do.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from ibkr_pipeline.control.statements import insert_missing
from ibkr_pipeline.control.tables import FACTS
from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.errors import ConfigError

_ENVIRONMENT = "environment"


def owner(connection: Connection) -> Environment | None:
    """Return the environment that has claimed the store, if one has."""
    value = connection.execute(select(FACTS.c.value).where(FACTS.c.name == _ENVIRONMENT)).scalar()
    return None if value is None else Environment(value)


def claim(connection: Connection, environment: Environment) -> Environment | None:
    """Claim the store unless it is claimed; return whose it is then."""
    connection.execute(
        insert_missing(connection, FACTS), {"name": _ENVIRONMENT, "value": environment.value}
    )
    return owner(connection)


def require(claimed: Environment | None, environment: Environment, *, place: str) -> None:
    """Raise if the store is another environment's.

    Args:
        claimed: Whose the store is; anybody may use one that nobody claimed.
        environment: Who wants to use it.
        place: Where the store is, without a password.

    Raises:
        ConfigError: If it belongs to another environment.
    """
    if claimed is None or claimed is environment:
        return
    raise ConfigError(
        f"The data directory of {place} belongs to the environment {claimed.value!r}; expected "
        f"{environment.value!r}, the mode of this run. Use another data directory "
        "(IBKR_PIPELINE_DATA), or another database where IBKR_PIPELINE_POSTGRES_URL is set, or "
        "run in its own mode (IBKR_PIPELINE_MODE)."
    )
