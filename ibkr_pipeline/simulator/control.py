"""The control port: one JSON document per line, one answer per line.

What lives here: the commands by which a test or a person moves the simulated world. What must not:
the TWS protocol.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from decimal import Decimal, InvalidOperation

from ibkr_pipeline.simulator.flex.service import FlexService
from ibkr_pipeline.simulator.gateway.faults import parse_fault
from ibkr_pipeline.simulator.gateway.server import LOOPBACK, GatewayServer
from ibkr_pipeline.simulator.instruments import ContractQuery
from ibkr_pipeline.simulator.records import Order, OrderTicket
from ibkr_pipeline.simulator.rollover import advance, advance_session

_LINE_LIMIT = 1 << 20
Arguments = Mapping[str, object]
#: What runs a command, and the arguments it may have; None where it judges them itself.
_Command = tuple[Callable[[Arguments], object], tuple[str, ...] | None]


class CommandError(ValueError):
    """A control command is unknown or lacks something."""


class ControlServer:
    """Serves control commands on loopback.

    Args:
        gateway: The gateway that is controlled.
        flex: The Flex service beside it.
        stop: Called by the command `stop`.
        port: TCP port; 0 picks a free one.
    """

    def __init__(
        self,
        gateway: GatewayServer,
        flex: FlexService,
        stop: Callable[[], None],
        port: int = 0,
    ) -> None:
        self.port = port
        self._gateway = gateway
        self._flex = flex
        self._stop = stop
        self._server: asyncio.Server | None = None
        self._commands: dict[str, _Command] = {
            "state": (self._state, ()),
            "advance": (self._advance, ("seconds",)),
            "advance_session": (self._advance_session, ()),
            "fault": (self._fault, None),
            "clear_faults": (self._clear_faults, ()),
            "requests": (self._requests, ("message_id",)),
            "flex_requests": (self._flex_requests, ()),
            "place_manual_order": (
                self._place_manual_order,
                ("account", "action", "instrument", "limit", "quantity", "tif"),
            ),
            "fill": (self._fill, ("perm_id", "price", "quantity")),
            "correct": (self._correct, ("exec_id", "price")),
            "set_price": (self._set_price, ("instrument", "price")),
            "disconnect_clients": (self._disconnect_clients, ()),
            "nightly_reset": (self._nightly_reset, ()),
            "stop": (self._stop_serving, ()),
        }

    async def start(self) -> None:
        """Listen on loopback; the port is known afterwards."""
        self._server = await asyncio.start_server(
            self._serve, LOOPBACK, self.port, limit=_LINE_LIMIT
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def execute(self, document: object) -> dict[str, object]:
        """Run one command; a command that cannot be run is answered with `ok: false`."""
        if not isinstance(document, Mapping):
            return {"ok": False, "error": f"Command was {document!r}, expected a JSON object."}
        arguments = dict(document)
        name = arguments.pop("command", None)
        try:
            if name == "recover":
                await self._gateway.recover()
                return {"ok": True, "tws": f"{LOOPBACK}:{self._gateway.port}"}
            return {"ok": True, **_as_answer(self._command(name, arguments)(arguments))}
        except (ValueError, LookupError, InvalidOperation, OSError) as error:
            return {"ok": False, "error": str(error)}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                answer = await self.execute(_parse(line))
                writer.write(json.dumps(answer, default=str).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            return
        finally:
            writer.close()

    def _command(self, name: object, arguments: Arguments) -> Callable[[Arguments], object]:
        if not isinstance(name, str) or name not in self._commands:
            names = ", ".join(sorted([*self._commands, "recover"]))
            raise CommandError(f"Command was {name!r}; expected one of: {names}.")
        command, legal = self._commands[name]
        unknown = [] if legal is None else sorted(set(arguments) - set(legal))
        if unknown:
            raise CommandError(
                f"Command {name} had the unknown argument {unknown[0]!r}; expected: "
                f"{', '.join(legal or ()) or 'no arguments'}."
            )
        return command

    def _state(self, _arguments: Arguments) -> object:
        simulator = self._gateway.simulator
        book = simulator.book
        return {
            "now": book.market.clock.now().isoformat(),
            "session": book.market.clock.today().isoformat(),
            "session_number": book.session_number,
            "statements": [d.isoformat() for d in book.history.sessions()],
            "listening": self._gateway.is_listening,
            "clients": self._gateway.connected_clients(),
            "accounts": {
                a: {
                    "net_liquidation": str(book.value(a).net_liquidation),
                    "cash": {c: str(v) for c, v in book.accounts[a].cash.items()},
                    "positions": {
                        h.instrument.local_symbol: str(h.quantity)
                        for h in book.accounts[a].holdings.values()
                        if h.quantity
                    },
                }
                for a in book.accounts
            },
            "open_orders": [_order(o) for o in book.open_orders()],
            "completed_orders": [_order(o) for o in book.completed_orders()],
            "fills": len(book.todays_fills()),
            "requests": len(simulator.recorder.requests),
            "next_order_id": book.register.next_order_id,
            "faults": simulator.faults.state(),
        }

    def _advance(self, arguments: Arguments) -> object:
        seconds = float(_number(arguments, "seconds"))
        self._gateway.publish(advance(self._gateway.simulator.book, seconds))
        return {"now": self._gateway.simulator.book.market.clock.now().isoformat()}

    def _advance_session(self, _arguments: Arguments) -> object:
        book = self._gateway.simulator.book
        self._gateway.publish(advance_session(book))
        return {"session": book.market.clock.today().isoformat()}

    def _fault(self, arguments: Arguments) -> object:
        self._gateway.simulator.faults.arm(parse_fault(arguments))
        return {"faults": self._gateway.simulator.faults.state()}

    def _clear_faults(self, _arguments: Arguments) -> object:
        self._gateway.simulator.faults.clear()
        return {}

    def _requests(self, arguments: Arguments) -> object:
        wanted = arguments.get("message_id")
        found = self._gateway.simulator.recorder.requests
        return {"requests": [asdict(r) for r in found if wanted in (None, r.message_id)]}

    def _flex_requests(self, _arguments: Arguments) -> object:
        return {"requests": [asdict(r) for r in self._flex.requests]}

    def _place_manual_order(self, arguments: Arguments) -> object:
        book = self._gateway.simulator.book
        instrument = book.market.catalogue.named(_text(arguments, "instrument"))
        limit = arguments.get("limit")
        ticket = OrderTicket(
            client_id=0,
            order_id=0,
            contract=ContractQuery(con_id=instrument.con_id),
            action=_text(arguments, "action"),
            quantity=_number(arguments, "quantity"),
            order_type="MKT" if limit is None else "LMT",
            limit_price=None if limit is None else _number(arguments, "limit"),
            tif=str(arguments.get("tif", "DAY")),
            account=_text(arguments, "account"),
        )
        self._gateway.publish(book.place_manual(ticket))
        return {"order": _order(list(book.orders.values())[-1])}

    def _fill(self, arguments: Arguments) -> object:
        book = self._gateway.simulator.book
        perm_id = int(_number(arguments, "perm_id"))
        quantity, price = _number(arguments, "quantity"), _number(arguments, "price")
        self._gateway.publish(book.fill(perm_id, quantity, price))
        return {"order": _order(book.orders[perm_id])}

    def _correct(self, arguments: Arguments) -> object:
        book = self._gateway.simulator.book
        fill = book.correct(_text(arguments, "exec_id"), _number(arguments, "price"))
        return {"exec_id": fill.exec_id}

    def _set_price(self, arguments: Arguments) -> object:
        book = self._gateway.simulator.book
        instrument = book.market.catalogue.named(_text(arguments, "instrument"))
        self._gateway.publish(book.set_price(instrument, _number(arguments, "price")))
        return {"mark": str(book.market.mark(instrument))}

    def _disconnect_clients(self, _arguments: Arguments) -> object:
        return {"disconnected": self._gateway.disconnect_clients()}

    def _nightly_reset(self, _arguments: Arguments) -> object:
        self._gateway.schedule_reset()
        return {}

    def _stop_serving(self, _arguments: Arguments) -> object:
        self._stop()
        return {}


def _parse(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return line.decode("utf-8", errors="replace").strip()


def _as_answer(result: object) -> dict[str, object]:
    return dict(result) if isinstance(result, Mapping) else {}


def _text(arguments: Arguments, key: str) -> str:
    value = arguments.get(key)
    if not isinstance(value, str) or not value:
        raise CommandError(f"{key} was {value!r}, expected a text.")
    return value


def _number(arguments: Arguments, key: str) -> Decimal:
    value = arguments.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise CommandError(f"{key} was {value!r}, expected a number.")
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise CommandError(f"{key} was {value!r}, expected a number.") from error
    if not number.is_finite():
        raise CommandError(f"{key} was {value!r}, expected a finite number.")
    return number


def _order(order: Order) -> dict[str, object]:
    return {
        "perm_id": order.perm_id,
        "order_id": order.order_id,
        "client_id": order.client_id,
        "account": order.account,
        "instrument": order.instrument.local_symbol,
        "action": order.action,
        "quantity": str(order.quantity),
        "filled": str(order.filled),
        "status": order.status.value,
        "order_ref": order.order_ref,
        "tif": order.tif,
    }
