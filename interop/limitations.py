"""What installed clients are known not to do, and why that is not the simulated broker's doing.

What lives here: one entry per operation and column in which a client is known to differ. An entry
excuses exactly that; it is shown on the page when it is seen to be so. What must not: excuses
without a cause in the client.
"""

from __future__ import annotations

from dataclasses import dataclass

#: In place of a column: the whole answer.
WHOLE = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limitation:
    """A known way in which a client differs.

    Attributes:
        client: Name of its package.
        operation: Operation concerned.
        columns: Columns concerned, or `WHOLE`.
        reason: The cause in the client.
        below: Only at server versions below this one; 0 is at any.
    """

    client: str
    operation: str
    columns: tuple[str, ...]
    reason: str
    below: int = 0

    def covers(self, client: str, operation: str, column: str, server_version: int) -> bool:
        """Tell whether it excuses a column of an answer."""
        return (
            self.client == client
            and self.operation == operation
            and bool({column, WHOLE} & set(self.columns))
            and (not self.below or server_version < self.below)
        )


_COMPLETED_TEXTS = (
    "`reqCompletedOrders` returns trades without the order state, so the time and text of "
    "completion are dropped."
)
_REALIZED = (
    'A realized result that the gateway leaves unset is turned into 0, so "unknown" and '
    '"nothing" look the same.'
)

LIMITATIONS: tuple[Limitation, ...] = (
    *(
        Limitation(
            client=client,
            operation="completed_orders",
            columns=("completed_at", "completed_status"),
            reason=_COMPLETED_TEXTS,
        )
        for client in ("ib_async", "ib_insync")
    ),
    *(
        Limitation(client=client, operation="commissions", columns=("realized",), reason=_REALIZED)
        for client in ("ib_async", "ib_insync")
    ),
    Limitation(
        client="@stoqey/ib",
        operation="completed_orders",
        columns=(WHOLE,),
        below=177,
        reason="For message 101 it compares a placeholder instead of the server version and skips "
        "the advisor profile, which gateways send up to version 176. It loses its place in the "
        "frame, reports error 505 for each completed order, and ends with an empty list.",
    ),
    Limitation(
        client="@stoqey/ib",
        operation="contract_details_future",
        columns=("expiry",),
        reason="It splits the last trade date of message 10 at a literal `\\s+` in place of white "
        "space, so the date keeps the time and zone behind it.",
    ),
)
