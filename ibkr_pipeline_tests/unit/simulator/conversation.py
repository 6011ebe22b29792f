"""What tests say to the gateway: a contract, an order, a switch thrown while it serves."""

from __future__ import annotations

from dataclasses import replace

from ibkr_pipeline.simulator.gateway.options import GatewayOptions
from ibkr_pipeline.simulator.testing import SimulatorThread

CONTRACT = ("265598", "AAPL", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "")


def place_order(order_id: int, **changes: str) -> list[object]:
    """Return placeOrder at 178: a limit order of 10 Apple shares at 100.00."""
    terms = {"action": "BUY", "quantity": "10", "type": "LMT", "limit": "100.0", "tif": "DAY"}
    terms |= {"account": "DU0000001", "ref": "ref-1", **changes}
    head = [terms["action"], terms["quantity"], terms["type"], terms["limit"], "", terms["tif"]]
    head += ["", terms["account"], "", "0", terms["ref"], "1", "0"]
    rest = [*["0"] * 6, "", *["0", "", "", "", "", ""], "", *["0", "", "-1"]]
    middle = [*["0", "", "", "0", "", "", "0", "0", "", "0"], *[""] * 5, "0", "", "0", "", ""]
    tail = [*["0", "0", "", "", "", "", ""], *["", "", "", ""], *["0", "", "", "0"], "0", ""]
    after = ["", "0", "", "0", "0", "0", "0", *["", "", "", "", "", "", "0", "", "", "", ""]]
    after += [*["", "", "", "", "0", "0", "", "0"], *["", "", "0", "", ""]]
    return [3, order_id, *CONTRACT, "", "", *head, *rest, *middle, *tail, *after]


def options(gateway: SimulatorThread, **changes: object) -> None:
    """Switch the gateway while it serves."""

    def change(simulator: object) -> None:
        current: GatewayOptions = gateway.simulator.options
        gateway.simulator.options = replace(current, **changes)  # type: ignore[arg-type]

    gateway.call(change)
