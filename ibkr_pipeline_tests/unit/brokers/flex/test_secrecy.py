"""The token is in the address of a request and nowhere else, whatever goes wrong."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from pydantic import SecretStr

from ibkr_pipeline.brokers.ibkr.flex_config import FlexConfig
from ibkr_pipeline.brokers.ibkr.flex_errors import FLEX_ERRORS, FlexError
from ibkr_pipeline.brokers.ibkr.flex_http import CHATTY_LOGGERS
from ibkr_pipeline.primitives.secrets_registry import forget_secrets, scrub
from ibkr_pipeline_tests.unit.brokers.flex.scripted_service import (
    CANARY,
    Reply,
    ScriptedService,
    Watch,
    client_of,
    config_of,
    envelope,
    page,
    promise,
    refusal,
    statement,
)
from ibkr_pipeline_tests.unit.brokers.flex.told import everything_told

#: Answers of a service that repeats the token wherever it can.
ECHOES = {
    **{str(code): refusal(code, f"Token {CANARY} was not liked.") for code in sorted(FLEX_ERRORS)},
    "unknown code": refusal(1999, CANARY),
    "no code": envelope("Fail", ErrorMessage=CANARY),
    "reference": promise(f"{CANARY}/x"),
    "title": page(200, CANARY),
    "title with 404": page(404, CANARY),
    "title with 503": page(503, CANARY),
    "root": Reply(body=f"<{CANARY}/>".encode()),
    "redirect": Reply(status=302, headers={"Location": f"https://{CANARY}.example/"}),
    "redirect with token": Reply(status=302, headers={"Location": f"/x?t={CANARY}"}),
    "redirect nowhere": Reply(status=302, headers={"Location": f"http://[{CANARY}"}),
    "content type": Reply(body=b"{}", headers={"Content-Type": CANARY}),
    "encoding": Reply(body=b"{}", headers={"Content-Encoding": CANARY}),
    "length": Reply(body=b"{}", headers={"Content-Length": "99999999999999"}),
}


@pytest.fixture(autouse=True)
def _a_register_of_its_own() -> Iterator[None]:
    """What other tests made secret must not help these."""
    forget_secrets()
    yield
    forget_secrets()


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything any logger says, at its most talkative."""
    for name in ("", *CHATTY_LOGGERS):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("promised", [False, True], ids=["SendRequest", "GetStatement"])
def test_an_answer_that_repeats_the_token_is_scrubbed(
    echo: str, logged: pytest.LogCaptureFixture, *, promised: bool
) -> None:
    """Services and proxies like to repeat what they were asked."""
    service = ScriptedService(*([promise()] if promised else []), ECHOES[echo])
    told: list[str] = []

    with pytest.raises(FlexError) as refused:
        client_of(service, Watch(), told=told, budget_seconds=100.0).fetch(io.BytesIO())

    leaked = everything_told(refused.value) + logged.text + "".join(told)
    assert CANARY.lower() not in leaked.lower()


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError(f"cannot reach http://x/?t={CANARY}"),
        httpx.ReadTimeout(f"no answer from http://x/?t={CANARY}"),
        httpx.RemoteProtocolError(CANARY),
        httpx.InvalidURL(CANARY),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_errors_of_the_library_end_here(failure: Exception) -> None:
    """They carry the request, whose address holds the token."""

    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(failure, httpx.RequestError):
            failure.request = request
        raise failure

    service = ScriptedService()
    service.transport = lambda: httpx.MockTransport(handle)  # type: ignore[method-assign]

    with pytest.raises(FlexError) as refused:
        client_of(service, Watch()).fetch(io.BytesIO())

    assert CANARY not in everything_told(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_what_a_fetch_that_worked_tells_holds_no_token(
    logged: pytest.LogCaptureFixture,
) -> None:
    """Httpx writes the whole address of every request at INFO."""
    told: list[str] = []
    client = client_of(ScriptedService(promise(), page(503), statement()), Watch(), told=told)

    download = client.fetch(io.BytesIO())

    assert "HTTP Request: GET" in logged.text
    assert "flex_received" in logged.text
    assert CANARY not in f"{logged.text} {told} {client!r} {download!r} {vars(client)!r}"


def test_a_token_with_special_characters_is_scrubbed_as_an_address_spells_it(
    logged: pytest.LogCaptureFixture,
) -> None:
    """`+` and `/` look different there."""
    client_of(
        ScriptedService(promise()), Watch(), token=SecretStr("CANARY+/=&1")
    ).request_statement()

    assert "HTTP Request: GET" in logged.text
    assert "CANARY" not in logged.text


def test_a_refused_configuration_shows_no_token() -> None:
    """Its traceback is the first thing pasted into an issue."""
    with pytest.raises(Exception, match="Flex token") as refused:
        config_of(token=SecretStr(f"{CANARY} {CANARY}"))

    assert CANARY not in everything_told(refused.value)


@pytest.mark.parametrize("spelling", [quote("to/ken+=x"), quote("to/ken+=x", safe="")])
def test_a_token_is_scrubbed_in_every_way_it_may_be_quoted(spelling: str) -> None:
    """A server may quote the slash of a token or leave it; both tell the token."""
    FlexConfig(token=SecretStr("to/ken+=x"), query_id="1")

    assert spelling not in scrub(f"no such token: {spelling}")
