"""Messages as a gateway writes them, and a transport over canned ones.

Field order and odd spellings follow frames recorded from live gateways; accounts are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ibkr_pipeline.brokers.ibkr.client import IBKRClient
from ibkr_pipeline.brokers.ibkr.config import IBKRConnectionConfig
from ibkr_pipeline.brokers.ibkr.testing import MockIBKRConnection, frame
from ibkr_pipeline.brokers.ibkr.transport.transport import IBKRTransport
from ibkr_pipeline.models.requests import RequestProof
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import Dataset, Environment

NOW = datetime(2026, 4, 13, 20, 30, tzinfo=UTC)
UNSET = "1.7976931348623157E308"
ONE, TWO = "DU0000001", "DU0000002"

STOCK = (76792991, "TSLA", "STK", "", "0.0", "", "")
OPTION = (728937835, "QQQ", "OPT", "20270115", "500.0", "P", "100")


def account_value(key: str, value: str, currency: str = "USD", account: str = ONE) -> str:
    """Message 6."""
    return frame(6, 2, key, value, currency, account)


def portfolio_value(account: str = ONE, *, price: str = "200.5", quantity: str = "500") -> str:
    """Message 7 of the stock; it writes right 0 and names the listing exchange."""
    contract = (*STOCK[:4], "0.0", "0", "")
    return frame(
        7, 8, *contract, "NASDAQ", "USD", "TSLA", "NMS", quantity, price, "100250.0", "196.77",
        "1865.0", "0.0", account,
    )  # fmt: skip


def download_end(account: str = ONE) -> str:
    """Message 54."""
    return frame(54, 1, account)


def position(
    account: str = ONE, *, contract: tuple[object, ...] = STOCK, quantity: str = "500"
) -> str:
    """Message 61."""
    exchange = "NASDAQ" if contract is STOCK else ""
    cost = "196.77" if contract is STOCK else "2100.6321"
    names = (exchange, "USD", contract[1], "NMS")
    return frame(61, 3, account, *contract, *names, quantity, cost)


def position_end() -> str:
    """Message 62."""
    return frame(62, 1)


def execution(exec_id: str = "00025b46.63f8f39c.01.01", **changes: object) -> str:
    """Message 11 at version 178: 100 TSLA bought at 196.52."""
    fields: dict[str, object] = {
        "req_id": "{id}",
        "order_id": 13,
        "contract": STOCK,
        "time": "20260413 15:27:04 US/Eastern",
        "account": ONE,
        "side": "BOT",
        "shares": "100",
        "price": "196.52",
        "perm_id": 1376327563,
        "client_id": 100,
        "order_ref": "ref-1",
        "ev_multiplier": "",
        "last_liquidity": 2,
        "tail": ("",),
    }
    fields |= changes
    return frame(
        11, fields["req_id"], fields["order_id"], *fields["contract"],  # type: ignore[misc]
        "ISLAND", "USD", "TSLA", "NMS", exec_id, fields["time"], fields["account"], "ISLAND",
        fields["side"], fields["shares"], fields["price"], fields["perm_id"], fields["client_id"],
        0, 100, "196.52", fields["order_ref"], "", fields["ev_multiplier"], "",
        fields["last_liquidity"], *fields["tail"],
    )  # fmt: skip


def executions_end() -> str:
    """Message 55."""
    return frame(55, 1, "{id}")


def commission(
    exec_id: str = "00025b46.63f8f39c.01.01", *, amount: str = "1.0", realized: str = UNSET
) -> str:
    """Message 59."""
    return frame(59, 1, exec_id, amount, "USD", realized, UNSET, "")


def error(code: int, text: str, request: object = -1) -> str:
    """Message 4 as from version 166 on."""
    return frame(4, 2, request, code, text, "")


#: Message 5 as a live gateway wrote it, version 165; `|` stands for NUL.
OPEN_ORDER_165 = (
    "5|13|76792991|TSLA|STK||0|?||SMART|USD|TSLA|NMS|BUY|100|MKT|0.0|0.0|DAY||DU0000001||0||100|"
    "1376327563|0|0|0||1376327563.0/DU0000001/100||||||||||0||-1|0||||||2147483647|0|0|0||3|0|0||"
    "0|0||0|None||0||||?|0|0||0|0||||||0|0|0|2147483647|2147483647|||0||IB|0|0||0|0|PreSubmitted|"
    f"{UNSET}|{UNSET}|{UNSET}|{UNSET}|{UNSET}|{UNSET}|{UNSET}|{UNSET}|{UNSET}||||||0|0|0|None|"
    f"{UNSET}|{UNSET}|{UNSET}|{UNSET}|{UNSET}|{UNSET}|0||||0|1|0|0|0|||0|"
)
#: Message 101 as a live gateway wrote it, before version 170.
COMPLETED_ORDER_165 = (
    "101|265598|AAPL|STK||0|?||SMART|USD|AAPL|NMS|BUY|0|MKT|0.0|0.0|DAY||DU0000001||0||1824933227|"
    "0|0|0|||||||||||0||-1||||||2147483647|0|0||3|0||0|None||0|0|0||0|0||||0|0|0|2147483647|"
    f"2147483647||||IB|0|0||0|Filled|0|0|0|{UNSET}|{UNSET}|0|1|0||100|2147483647|0|"
    "Not an insider or substantial shareholder|0|0|9223372036854775807|"
    "20230306 12:28:30 America/Los_Angeles|Filled Size: 100|"
)


#: Field -> its place, in every version.
_OPEN_PLACES = {
    "order_id": 1, "con_id": 2, "side": 13, "quantity": 14, "order_type": 15, "limit": 16,
    "stop": 17, "account": 20, "order_ref": 23, "client_id": 24, "perm_id": 25,
}  # fmt: skip
_COMPLETED_PLACES = {
    "con_id": 1, "quantity": 13, "order_type": 14, "limit": 15, "stop": 16,
    "account": 19, "order_ref": 22, "perm_id": 23,
}  # fmt: skip


def open_order(version: int = 178, **changes: object) -> str:
    """Message 5 in the layout of a server version; changes name wire fields."""
    fields = OPEN_ORDER_165.split("|")[:-1]
    _change(fields, _OPEN_PLACES, "PreSubmitted", changes)
    if version >= 177:
        del fields[34]  # faProfile
    if version >= 170:
        fields += ["", "", "", "", ""]
    for since in (162, 160, 159):  # autoCancelParent, postToAts, duration
        if version < since:
            fields.pop()
    return "".join(f"{field}\0" for field in fields)


def completed_order(version: int = 178, **changes: object) -> str:
    """Message 101 in the layout of a server version; changes name wire fields."""
    fields = COMPLETED_ORDER_165.split("|")[:-1]
    _change(fields, _COMPLETED_PLACES, "Filled", changes)
    if version >= 177:
        del fields[31]  # faProfile
    if version >= 170:
        fields += ["", "", "", "", ""]
    return "".join(f"{field}\0" for field in fields)


def _change(
    fields: list[str], places: Mapping[str, int], status: str, changes: Mapping[str, object]
) -> None:
    if "status" in changes:
        fields[fields.index(status)] = str(changes["status"])
    for name, value in changes.items():
        if name != "status":
            fields[places[name]] = str(value)


def order_status(
    order_id: int = 13,
    *,
    status: str = "PreSubmitted",
    filled: str = "0",
    perm_id: int = 1376327563,
) -> str:
    """Message 3; it has no version field."""
    return frame(3, order_id, status, filled, "100", "0", perm_id, 0, 0, 100, "", 0)


OPEN_ORDERS_END, COMPLETED_ORDERS_END = frame(53, 1), frame(102)

CONFIG = IBKRConnectionConfig(
    mode=Environment.PAPER,
    max_messages_per_second=0,
    run_budget_seconds=1e12,
    backoff_seconds=0.0,
)


class LeapingClock:
    """A monotonic clock that leaps an hour at every look, so that waits end at once."""

    def __init__(self) -> None:
        self._at = 0.0

    def __call__(self) -> float:
        """Return the next instant, seconds."""
        self._at += 3600.0
        return self._at


def transport_over(
    answers: Mapping[str, object] | None = None,
    *,
    config: IBKRConnectionConfig = CONFIG,
    on_progress: Callable[[str], None] | None = None,
    **connection: object,
) -> tuple[IBKRTransport, MockIBKRConnection]:
    """Return a connected transport over canned answers, and the mock it runs on."""
    mock = MockIBKRConnection(answers, **connection)  # type: ignore[arg-type]
    transport = IBKRTransport(
        config,
        clock=FixedClock(NOW),
        connection=mock,
        on_progress=on_progress,
        monotonic=LeapingClock(),
        sleep=lambda _: None,
    )
    return transport, mock


def client_over(
    answers: Mapping[str, object] | None = None,
    *,
    config: IBKRConnectionConfig = CONFIG,
    sleep: Callable[[float], None] = lambda _: None,
    **connection: object,
) -> tuple[IBKRClient, MockIBKRConnection]:
    """Return a client over canned answers, and the mock it runs on."""
    transport, mock = transport_over(answers, config=config, **connection)  # type: ignore[arg-type]
    return IBKRClient(transport, config, sleep=sleep, jitter=lambda: 1.0), mock


def config_with(**changes: object) -> IBKRConnectionConfig:
    """Return the tests' configuration with changes."""
    return replace(CONFIG, **changes)  # type: ignore[arg-type]


def proof(dataset: Dataset, **details: str) -> RequestProof:
    """Return a proof for mapping."""
    return RequestProof(
        request_id="r",
        broker="ibkr",
        environment=Environment.PAPER,
        dataset=dataset,
        started_at=NOW,
        ended_at=NOW,
        end_marker_seen=True,
        connection_epoch="epoch-1",
        details=details,
    )


def reasons(outcomes: Sequence[object]) -> dict[str, str | None]:
    """Return account -> reason of the outcomes that have one."""
    return {o.account_id: o.reason for o in outcomes if o.reason}  # type: ignore[attr-defined]


def downloads(*accounts: str, **values: str) -> object:
    """Answer reqAccountUpdates of the named accounts; leave the others without an answer."""

    def answer(arguments: tuple[object, ...]) -> Sequence[str]:
        subscribe, account = arguments
        if not subscribe or account not in accounts:
            return ()
        told = [account_value(key, value, account=str(account)) for key, value in values.items()]
        return [
            account_value("NetLiquidation", "1000.00", account=str(account)),
            *told,
            portfolio_value(str(account)),
            frame(8, 1, "16:20"),
            download_end(str(account)),
        ]

    return answer
