"""A statement is asked for, waited for and downloaded, and nothing is asked more than needed."""

from __future__ import annotations

import hashlib
import io
from datetime import date, timedelta
from typing import Any

import pytest

from ibkr_pipeline.brokers.ibkr.flex_client import FlexDownload, FlexTicket
from ibkr_pipeline.brokers.ibkr.flex_errors import (
    FlexAnswerError,
    FlexError,
    FlexNotReadyError,
    FlexQueryError,
    FlexReferenceError,
    FlexRefusedError,
    FlexThrottledError,
    FlexTokenError,
    FlexTooLargeError,
    FlexUnavailableError,
)
from ibkr_pipeline.primitives.errors import Retryable, Terminal
from ibkr_pipeline_tests.unit.brokers.flex.scripted_service import (
    CANARY,
    NOON,
    STATEMENT,
    Reply,
    ScriptedService,
    Watch,
    client_of,
    envelope,
    page,
    promise,
    refusal,
    statement,
)

IN_PROGRESS = refusal(1019, status="Warn")
SEND, GET = "SendRequest", "GetStatement"
#: Longer than any envelope.
LONG = STATEMENT + b" " * 4000


def fetch(
    service: ScriptedService, watch: Watch | None = None, **changes: Any
) -> tuple[FlexDownload, bytes]:
    """Fetch a statement and return what is told of it, and its bytes."""
    into = io.BytesIO()
    return client_of(service, watch or Watch(), **changes).fetch(into), into.getvalue()


def test_a_statement_is_asked_for_and_downloaded() -> None:
    """Two requests, version 3 in both; without the version the service answers in an old shape."""
    service, watch = ScriptedService(promise("77"), statement()), Watch()

    download, body = fetch(service, watch)

    assert [
        (SEND, {"t": CANARY, "q": "123456", "v": "3"}),
        (GET, {"t": CANARY, "q": "77", "v": "3"}),
    ] == service.asked
    assert [] == watch.slept
    assert STATEMENT == body
    assert (len(STATEMENT), hashlib.sha256(STATEMENT).hexdigest(), 2) == (
        download.n_bytes,
        download.sha256,
        download.n_requests,
    )
    assert (200, "text/xml") == (download.http.status, download.http.content_type)
    assert all(name.startswith("ibkr-pipeline/") for name in service.user_agents)


def test_a_window_overrides_the_query() -> None:
    """Both ends included, in the service's own spelling."""
    service = ScriptedService(promise(), statement())

    download = client_of(service, Watch()).fetch(
        io.BytesIO(), date(2026, 11, 2), date(2026, 11, 17)
    )

    assert {"fd": "20261102", "td": "20261117"}.items() <= service.asked[0][1].items()
    assert "fd" not in service.asked[1][1]
    assert (date(2026, 11, 2), date(2026, 11, 17)) == (
        download.ticket.from_date,
        download.ticket.to_date,
    )


def test_scenario_j_in_progress_three_times_then_the_statement() -> None:
    """5, 10 and 20 seconds later with the same reference; 1019 is no report and no failure."""
    service, watch = ScriptedService(promise("77"), *[IN_PROGRESS] * 3, statement()), Watch()

    download, body = fetch(service, watch)

    assert [5.0, 10.0, 20.0] == watch.slept
    assert [SEND, GET, GET, GET, GET] == service.steps
    assert {"77"} == {parameters["q"] for _, parameters in service.asked[1:]}
    assert STATEMENT == body
    assert NOON + timedelta(seconds=35) == download.received_at


def test_scenario_j_a_server_error_is_backed_off_from() -> None:
    """2 and 5 seconds, then the statement; a page is not read as one."""
    service, watch = ScriptedService(promise(), page(500), page(503), statement()), Watch()

    _, body = fetch(service, watch)

    assert [2.0, 5.0] == watch.slept
    assert STATEMENT == body


def test_scenario_j_an_expired_token_is_a_clear_error_and_not_tried_again() -> None:
    """Only its owner can mend it."""
    service, watch = ScriptedService(refusal(1012, "Token has expired.")), Watch()

    with pytest.raises(FlexTokenError, match=r"token has expired \(code 1012\).*IBKR_FLEX_TOKEN"):
        fetch(service, watch)

    assert [SEND] == service.steps
    assert [] == watch.slept


def test_the_last_wait_repeats_until_the_budget_is_used_up() -> None:
    """0, 5, 15, 35, 65 s; the next would be at 95 s of 90. The reference can be had later."""
    service, watch = ScriptedService(promise("77"), IN_PROGRESS), Watch()

    with pytest.raises(FlexNotReadyError) as refused:
        fetch(service, watch, budget_seconds=90.0)

    assert [5.0, 10.0, 20.0, 30.0] == watch.slept
    assert 6 == len(service.asked)
    assert ("77", 1019, 300) == (
        refused.value.reference_code,
        refused.value.code,
        refused.value.retry_after,
    )


def test_no_call_sends_more_requests_than_it_may() -> None:
    """Even with time left: one promise and six polls."""
    service = ScriptedService(promise(), IN_PROGRESS)

    with pytest.raises(FlexNotReadyError):
        fetch(service, max_requests=7)

    assert 7 == len(service.asked)


def test_a_call_whose_requests_are_used_up_sends_none() -> None:
    """The one it had went into the promise."""
    service = ScriptedService(promise(), statement())

    with pytest.raises(FlexUnavailableError, match="budget of this call was used up: 1 of"):
        fetch(service, max_requests=1)

    assert [SEND] == service.steps


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (page(503), FlexUnavailableError),
        (page(200, "Maintenance"), FlexUnavailableError),
        (Reply(), FlexUnavailableError),
        (Reply(status=408), FlexUnavailableError),
        (Reply(body=STATEMENT, status=500), FlexUnavailableError),
    ],
    ids=["503", "HTML with 200", "empty", "408", "statement with 500"],
)
@pytest.mark.parametrize("promised", [True, False], ids=["at GetStatement", "at SendRequest"])
def test_a_server_in_trouble_is_asked_five_times_and_no_more(
    reply: Reply, kind: type[FlexError], *, promised: bool
) -> None:
    """A library known for it sends thousands of requests at a server that is down."""
    service = ScriptedService(*([promise()] if promised else []), reply)
    watch = Watch()

    with pytest.raises(kind) as refused:
        fetch(service, watch)

    assert [2.0, 5.0, 15.0, 30.0] == watch.slept
    assert 5 + promised == len(service.asked)
    assert isinstance(refused.value, Retryable)


@pytest.mark.parametrize("code", [1001, 1009])
def test_a_busy_service_is_asked_anew_slowly_and_seldom(code: int) -> None:
    """After 60 and 120 seconds; the third refusal stands."""
    service, watch = ScriptedService(refusal(code)), Watch()

    with pytest.raises(FlexUnavailableError, match=str(code)) as refused:
        fetch(service, watch)

    assert [SEND] * 3 == service.steps
    assert [60.0, 120.0] == watch.slept
    assert 1800 == refused.value.retry_after


def test_a_statement_that_could_not_be_made_is_asked_for_anew() -> None:
    """1001 in place of the statement: its reference is of no use any more."""
    service = ScriptedService(promise("1"), refusal(1001), promise("2"), statement())

    download, _ = fetch(service)

    assert [SEND, GET, SEND, GET] == service.steps
    assert "2" == download.ticket.reference_code


@pytest.mark.parametrize("code", [1003, 1004, 1005, 1006, 1007, 1008])
@pytest.mark.parametrize("replies", [[], [promise()]], ids=["at SendRequest", "at GetStatement"])
def test_data_that_do_not_exist_yet_are_left_to_a_later_run(
    code: int, replies: list[Reply]
) -> None:
    """Figures made overnight do not come sooner for waiting here."""
    service, watch = ScriptedService(*replies, refusal(code)), Watch()

    with pytest.raises(FlexNotReadyError) as refused:
        fetch(service, watch)

    assert len(replies) + 1 == len(service.asked)
    assert [] == watch.slept
    assert refused.value.retry_after is not None
    assert refused.value.retry_after >= 900


@pytest.mark.parametrize("code", [1010, 1011, 1012, 1013, 1014, 1015, 1016, 1020, 1022, 1002])
@pytest.mark.parametrize("replies", [[], [promise()]], ids=["at SendRequest", "at GetStatement"])
def test_what_somebody_has_to_mend_is_asked_once(code: int, replies: list[Reply]) -> None:
    """The same request would be refused for ever."""
    service, watch = ScriptedService(*replies, refusal(code)), Watch()

    with pytest.raises(FlexRefusedError) as refused:
        fetch(service, watch)

    assert len(replies) + 1 == len(service.asked)
    assert [] == watch.slept
    assert isinstance(refused.value, Terminal)


def test_a_reference_the_service_forgot_is_replaced_once() -> None:
    """A new promise, and its statement."""
    service = ScriptedService(promise("1"), refusal(1017), promise("2"), statement())

    download, body = fetch(service)

    assert [SEND, GET, SEND, GET] == service.steps
    assert "2" == download.ticket.reference_code
    assert STATEMENT == body


def test_a_reference_forgotten_twice_is_an_error() -> None:
    """A service that forgets for ever must not be asked for ever."""
    service = ScriptedService(promise("1"), refusal(1017), promise("2"), refusal(1017))

    with pytest.raises(FlexReferenceError, match="1017"):
        fetch(service)

    assert [SEND, GET, SEND, GET] == service.steps


def test_a_statement_that_could_not_be_retrieved_is_polled() -> None:
    """1021 is of the moment: the same reference again."""
    service, watch = ScriptedService(promise("1"), refusal(1021), statement()), Watch()

    fetch(service, watch)

    assert [SEND, GET, GET] == service.steps
    assert [5.0] == watch.slept


@pytest.mark.parametrize("reply", [refusal(1018), page(429)], ids=["1018", "HTTP 429"])
def test_too_many_requests_are_waited_out_twice(reply: Reply) -> None:
    """More than a minute each time; then the token is left alone for ten."""
    service, watch = ScriptedService(reply), Watch()

    with pytest.raises(FlexThrottledError) as refused:
        fetch(service, watch)

    assert [62.0, 62.0] == watch.slept
    assert 3 == len(service.asked)
    assert 600 == refused.value.retry_after


def test_too_many_requests_once_is_no_failure() -> None:
    """Somebody pressed Run in the portal."""
    service, watch = ScriptedService(promise(), refusal(1018), statement()), Watch()

    _, body = fetch(service, watch)

    assert [62.0] == watch.slept
    assert STATEMENT == body


def test_a_promise_that_warns_of_work_in_progress_is_a_promise() -> None:
    """1019 may come with the reference; without one there is nothing to poll."""
    warned = envelope("Warn", ErrorCode=1019, ErrorMessage="x", ReferenceCode="5")
    service = ScriptedService(warned, statement())

    download, _ = fetch(service)

    assert "5" == download.ticket.reference_code


def test_work_in_progress_without_a_reference_is_asked_anew() -> None:
    """Slowly, as any request that did not lead to a promise."""
    service, watch = ScriptedService(IN_PROGRESS, promise("5"), statement()), Watch()

    fetch(service, watch)

    assert [SEND, SEND, GET] == service.steps
    assert [60.0] == watch.slept


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (envelope("Success"), "no reference"),
        (promise("../../x?y=1"), "reference of the statement was"),
        (statement(), "expected the promise"),
        (Reply(body=b"<Other/>"), "<Other>"),
        (Reply(body=b'{"a": 1}'), "JSON"),
        (Reply(body=b"<!DOCTYPE x [<!ENTITY a 'b'>]><FlexStatementResponse/>"), "DOCTYPE"),
        (Reply(body=promise().body[:120]), "cut short"),
    ],
)
def test_a_request_answered_with_anything_but_a_promise_is_final(reply: Reply, found: str) -> None:
    """The message says what came instead."""
    service = ScriptedService(reply)

    with pytest.raises(FlexAnswerError, match=found):
        fetch(service)

    assert 1 == len(service.asked)


def test_an_envelope_of_success_in_place_of_a_statement_is_an_error() -> None:
    """An empty report is what others make of it."""
    with pytest.raises(FlexAnswerError, match="no statement"):
        fetch(ScriptedService(promise(), promise()))


def test_an_envelope_of_failure_without_a_code_is_an_error() -> None:
    """Its words are all there is."""
    with pytest.raises(FlexRefusedError, match=r"no code.*Out of order"):
        fetch(ScriptedService(envelope("Fail", ErrorMessage="Out of order")))


def test_csv_names_the_setting_of_the_query() -> None:
    """The most common mistake in making a query."""
    csv = Reply(body=b'"ClientAccountID","Symbol","Quantity"\n"U0000001","A","1"\n')

    with pytest.raises(FlexQueryError, match="Set the query's format to XML"):
        fetch(ScriptedService(promise(), csv))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_of_http_is_final_and_shows_the_page(status: int) -> None:
    """A wrong address, or a proxy that wants a name."""
    service = ScriptedService(page(status, "Go away"))

    with pytest.raises(FlexRefusedError, match=f"HTTP {status}.*titled 'Go away'"):
        fetch(service)

    assert 1 == len(service.asked)


@pytest.mark.parametrize("location", ["https://evil.example/x?t=1", "/elsewhere", "::"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int, location: str) -> None:
    """The token would go with it."""
    service = ScriptedService(Reply(status=status, headers={"Location": location}))

    with pytest.raises(FlexError) as refused:
        fetch(service, backoff_seconds=())

    assert 1 == len(service.asked)
    assert "x?t" not in str(refused.value)


def test_a_redirect_is_final_and_names_the_host_alone() -> None:
    """The rest of the address may hold anything."""
    service = ScriptedService(
        Reply(status=302, headers={"Location": f"https://evil.example/a?t={CANARY}"})
    )

    with pytest.raises(FlexError, match=r"redirect to 'evil\.example'") as refused:
        fetch(service)

    assert "evil.example" == getattr(refused.value, "host", None)
    assert isinstance(refused.value, Terminal)


def test_a_body_beyond_the_cap_is_refused_unread_and_leaves_nothing() -> None:
    """What is announced is refused at once, what is not when it goes beyond."""
    announced = Reply(body=LONG, headers={"Content-Length": str(len(LONG))})
    for reply, found in ((announced, "announced"), (Reply(body=LONG, headers={}), "went on")):
        into = io.BytesIO()
        client = client_of(ScriptedService(promise("1"), reply), Watch(), max_bytes=len(LONG) - 1)

        with pytest.raises(FlexTooLargeError, match=found):
            client.fetch(into)

        assert b"" == into.getvalue()


def test_a_body_of_exactly_the_cap_is_read() -> None:
    """The limit is what may be read, not what may not."""
    _, body = fetch(ScriptedService(promise("1"), statement(LONG)), max_bytes=len(LONG))

    assert LONG == body


def test_a_statement_is_appended_where_the_file_stands_and_a_broken_try_is_taken_back() -> None:
    """The first try is refused halfway; what stood before it stays."""
    into = io.BytesIO(b"before")
    into.seek(0, io.SEEK_END)
    client = client_of(
        ScriptedService(promise("1"), Reply(body=LONG, headers={})),
        Watch(),
        max_bytes=len(LONG) - 1,
    )

    with pytest.raises(FlexTooLargeError):
        client.fetch(into)

    assert b"before" == into.getvalue()


def test_a_file_that_cannot_be_taken_back_is_refused_before_anything_is_asked() -> None:
    """Half a statement would stay in it."""
    service = ScriptedService(promise(), statement())
    into = io.BytesIO()
    into.seekable = lambda: False  # type: ignore[method-assign]

    with pytest.raises(ValueError, match="not seekable"):
        client_of(service, Watch()).fetch(into)

    assert [] == service.asked


def test_a_ticket_can_be_used_later_by_another_client() -> None:
    """A run that was killed between the two steps asks for no second statement."""
    service = ScriptedService(promise("77"), statement())
    ticket = client_of(service, Watch()).request_statement()
    into = io.BytesIO()

    client_of(service, Watch()).download(ticket, into)

    assert (
        FlexTicket(
            reference_code="77",
            query_id="123456",
            from_date=None,
            to_date=None,
            requested_at=NOON,
        )
        == ticket
    )
    assert [SEND, GET] == service.steps
    assert STATEMENT == into.getvalue()


def test_a_ticket_alone_is_never_turned_into_a_new_request() -> None:
    """Who holds a ticket decides whether another statement is wanted."""
    service = ScriptedService(promise("77"), refusal(1017))
    client = client_of(service, Watch())
    ticket = client.request_statement()

    with pytest.raises(FlexReferenceError):
        client.download(ticket, io.BytesIO())

    assert [SEND, GET] == service.steps


def test_every_wait_is_told() -> None:
    """Somebody who watches must not think it hangs."""
    told: list[str] = []

    fetch(ScriptedService(promise(), IN_PROGRESS, page(500), statement()), told=told)

    assert [
        "Flex: statement is being generated; asking again in 5 s",
        "Flex: the service did not answer as it should; asking again in 2 s",
    ] == told
