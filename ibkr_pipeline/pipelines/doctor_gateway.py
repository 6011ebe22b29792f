"""The doctor's look at the gateway: the handshake and one harmless read.

What lives here: what each answer means and how to mend it. What must not: keeping anything that
was read. The read is the open and completed orders of one account: it tells whether the
gateway's Read-Only API refuses them, and its proof holds versions and notices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ibkr_pipeline.brokers.base import BrokerAPI
from ibkr_pipeline.brokers.exceptions import (
    BrokerConnectionError,
    ClientIdInUseError,
    GatewayNotReadyError,
    ModeMismatchError,
    NotAGatewayError,
)
from ibkr_pipeline.brokers.read import Read
from ibkr_pipeline.brokers.registry import get_broker_client
from ibkr_pipeline.models.requests import BrokerNotice
from ibkr_pipeline.pipelines.account_choice import kind_in
from ibkr_pipeline.pipelines.doctor_findings import (
    DoctorFinding,
    fail,
    ok,
    problem_finding,
    warn,
)
from ibkr_pipeline.pipelines.workspace import BrokerFactory
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.enums import Environment, LoadStatus
from ibkr_pipeline.primitives.errors import BrokerError, ConfigError
from ibkr_pipeline.settings import Settings, contradictions

#: The longest the doctor waits for any answer, seconds.
PATIENCE_SECONDS = 10.0

#: Error class -> what was looked at, what was expected, what to do.
_MEANINGS: Mapping[type[BrokerError], tuple[str, str, str]] = {
    ClientIdInUseError: (
        "client id",
        "a client id nobody else uses",
        "close the other program, or set IBKR_CLIENT_ID to another number; after a gateway "
        "restart an old session may linger for a minute",
    ),
    ModeMismatchError: (
        "accounts",
        "accounts of the mode alone",
        "log in to the other kind of account, or set IBKR_PIPELINE_MODE",
    ),
    GatewayNotReadyError: (
        "gateway",
        "account list and next order id soon after the handshake",
        "finish the log-in, close any dialog that waits for an answer, and enable 'ActiveX and "
        "Socket Clients' in the API settings",
    ),
    NotAGatewayError: (
        "gateway",
        "a TWS or Gateway that answers the handshake",
        "set IBKR_HOST and IBKR_PORT to where TWS or Gateway serves its API; if it does so there, "
        "accept the connection in its window and add this machine to its trusted IPs",
    ),
    BrokerConnectionError: (
        "gateway",
        "a TWS or Gateway that answers",
        "start TWS or Gateway, enable 'ActiveX and Socket Clients' in its API settings, and "
        "compare host and port (paper: TWS 7497, Gateway 4002; live: TWS 7496, Gateway 4001)",
    ),
}
#: Notice code -> what to do about it. Source: TWS API message codes.
_NOTICES: Mapping[int, str] = {
    1100: "the gateway lost its server: wait, and look at its own window",
    2103: "a market data farm is away; account data do not need it",
    2105: "a historical data farm is away; account data do not need it",
    2110: "the gateway lost its server: wait, and look at its own window",
    10197: "another session of the same user is logged in elsewhere and has the market data; log "
    "it out, or use a user of its own for this program",
}


def examine_gateway(
    settings: Settings, *, clock: Clock, broker_factory: BrokerFactory | None = None
) -> tuple[DoctorFinding, ...]:
    """Connect to the gateway, look, and disconnect.

    Args:
        settings: Which gateway, as whom, which accounts.
        clock: For the instants of the proof, which is thrown away.
        broker_factory: Builds the broker client; the registry, with short timeouts, by default.
    """
    wrong = contradictions(settings)
    if wrong:
        return tuple(problem_finding(item.key.rpartition(".")[2], item) for item in wrong)
    try:
        client = broker_factory() if broker_factory else _impatient_client(settings, clock)
        with client as broker:
            return tuple(_look(broker, settings))
    except ConfigError as error:
        return (
            fail(
                "connection settings",
                str(error),
                expected="settings a connection can be made with",
                mend="correct the setting the message names",
            ),
        )
    except BrokerError as error:
        return (_refused(error),)


def _impatient_client(settings: Settings, clock: Clock) -> BrokerAPI:
    ibkr = settings.ibkr
    short = ibkr.model_copy(
        update={
            "connect_timeout_seconds": min(ibkr.connect_timeout_seconds, PATIENCE_SECONDS),
            "request_timeout_seconds": min(ibkr.request_timeout_seconds, PATIENCE_SECONDS),
        }
    )
    return get_broker_client(settings.model_copy(update={"ibkr": short}), clock=clock, attempts=1)


def _look(broker: BrokerAPI, settings: Settings) -> Iterator[DoctorFinding]:
    managed = broker.managed_accounts()
    address = f"{settings.ibkr.host}:{settings.ibkr.effective_port}"
    yield ok("gateway", f"{address} answers, client id {settings.ibkr.client_id} is free")
    yield from _accounts(managed, settings.ibkr.accounts, settings.mode)
    readable = [
        item for item in managed if not settings.ibkr.accounts or item in settings.ibkr.accounts
    ]
    if readable:
        yield from _read(broker.fetch_open_orders(readable[:1]))


def _accounts(
    managed: Sequence[str], allowed: Sequence[str], environment: Environment
) -> Iterator[DoctorFinding]:
    if not managed:
        yield fail(
            "accounts",
            "the gateway manages no account",
            expected="at least one",
            mend="log in with the user that has the account",
        )
        return
    named = (f"{account} ({kind_in(account, environment)})" for account in managed)
    yield ok("accounts", ", ".join(named))
    for account in allowed:
        if account not in managed:
            yield fail(
                "accounts",
                f"account {account} of ibkr.accounts is not managed by the gateway",
                expected="every account of the allow-list",
                mend="correct the code, or log in with the user that has the account",
            )


def _read(read: Read[Any]) -> Iterator[DoctorFinding]:
    outcome = read.outcomes[0]
    proof = read.proof
    told = proof.details.get("gateway_time")
    yield ok(
        "versions",
        f"API version {proof.server_version}" + (f", gateway clock {told}" if told else ""),
    )
    if outcome.status is LoadStatus.COMPLETE:
        yield ok("reading", "open and completed orders can be read")
    elif outcome.status is LoadStatus.UNSUPPORTED:
        yield warn(
            "reading",
            f"the gateway refuses orders: {outcome.reason}",
            expected="a gateway that tells its orders",
            mend="leave it on unless you want the orders; everything else works with it on",
        )
    else:
        yield fail(
            "reading",
            f"orders could not be read: {outcome.reason}",
            expected="an answer with its end marker",
            mend="look at the gateway's own window for a dialog, and run doctor again",
        )
    yield from _notices(proof.notices)


def _notices(notices: Sequence[BrokerNotice]) -> Iterator[DoctorFinding]:
    for notice in notices:
        found = f"{notice.code}: {notice.message.strip()}"
        if notice.severity == "info":
            yield ok("notice", found)
        else:
            mend = _NOTICES.get(notice.code, "look the code up in the TWS API message codes")
            yield warn("notice", found, expected="no such notice", mend=mend)


def _refused(error: BrokerError) -> DoctorFinding:
    for kind, (check, expected, mend) in _MEANINGS.items():
        if isinstance(error, kind):
            return fail(check, str(error), expected=expected, mend=mend)
    return fail(
        "gateway",
        str(error),
        expected="a gateway that can be read",
        mend="see the message; the log has more",
    )
