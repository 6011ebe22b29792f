"""The simulator as one object: the book, the gateway's switches, faults and what was asked.

What lives here: the state every connection shares. What must not: sockets (`server.py`).
"""

from __future__ import annotations

from ibkr_pipeline.simulator.book import Book
from ibkr_pipeline.simulator.flex.options import FlexOptions
from ibkr_pipeline.simulator.gateway.executions import ExecutionCache
from ibkr_pipeline.simulator.gateway.faults import FaultPlan
from ibkr_pipeline.simulator.gateway.options import GatewayOptions
from ibkr_pipeline.simulator.gateway.recording import Recorder
from ibkr_pipeline.simulator.wire.message import Layout
from ibkr_pipeline.simulator.wire.text import TimeText


class Simulator:
    """One simulated broker.

    Args:
        book: Accounts, orders and fills.
        options: Switches of the gateway.
        faults: Scripted faults, armed.
        recorder: Keeps every inbound request.
        flex_options: Switches of the Flex service.
    """

    def __init__(
        self,
        book: Book,
        options: GatewayOptions | None = None,
        faults: FaultPlan | None = None,
        recorder: Recorder | None = None,
        flex_options: FlexOptions | None = None,
    ) -> None:
        self.book = book
        self.options = options or GatewayOptions()
        self.faults = faults or FaultPlan()
        self.recorder = recorder or Recorder()
        self.flex_options = flex_options or FlexOptions()
        self.executions = ExecutionCache(book)

    def layout(self, client_maximum: int) -> Layout:
        """Return the layout negotiated with a client that offers versions up to a maximum."""
        times = TimeText(
            style=self.options.time_format,
            zone=self.book.market.clock.zone,
            label=self.options.time_zone_label,
        )
        return Layout(min(client_maximum, self.options.server_version), times)

    def warm_up(self) -> None:
        """Encode the fills for the offered version, so that the first reader does not wait."""
        self.executions.encoded(self.layout(self.options.server_version))

    def account_names(self) -> list[str]:
        """Return the managed accounts in the order the gateway lists them."""
        hidden = self.faults.vanished_accounts()
        return [a for a in self.book.accounts if a not in hidden]

    def trading_accounts(self) -> list[str]:
        """Return the accounts that hold positions: all but an advisor's master account."""
        return [a for a in self.account_names() if a != self.options.advisor]

    def accounts_of_group(self, group: str) -> list[str] | None:
        """Return the accounts of `All` or of an advisor group; None for an unknown group."""
        if group == "All":
            return self.trading_accounts()
        members = self.options.groups.get(group)
        return None if members is None else list(members)
