"""What SendRequest and GetStatement answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from ibkr_pipeline.simulator.document import ScenarioError
from ibkr_pipeline.simulator.flex.envelopes import ERROR_TEXTS
from ibkr_pipeline.simulator.flex.http import HttpRequest
from ibkr_pipeline.simulator.flex.service import PATH, FlexService
from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.rollover import advance_session

Build = Callable[..., Simulator]
TOKEN = "SIMULATED-FLEX-TOKEN"


class Asker:
    """A client without a socket; its clock stands still unless moved."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.seconds = 0.0
        self.service = FlexService(simulator.book, simulator.flex_options, lambda: self.seconds)
        self.service.url = "http://127.0.0.1:1/flex"

    def ask(self, step: str, **parameters: str) -> str:
        """Return the body of one answer; t, q and v have defaults."""
        given = {"t": TOKEN, "q": "1", "v": "3", **parameters}
        request = HttpRequest(
            method="GET",
            path=f"{PATH}/{step}",
            parameters=given,
            headers={"user-agent": "test/1"},
        )
        return self.service.answer(request).body.decode()

    def reference(self, **parameters: str) -> str:
        """Return the reference code of a request, or the error code of its refusal."""
        body = self.ask("SendRequest", **parameters)
        match = re.search(r"<(?:ReferenceCode|ErrorCode)>(\d+)<", body)
        return match[1] if match else body


@pytest.fixture
def asker(simulator: Build) -> Callable[..., Asker]:
    """Build a client of a simulator with some `flex` keys."""

    def build(**flex: Any) -> Asker:
        return Asker(simulator(flex=flex))

    return build


def test_a_statement_is_generated_after_some_polls(asker: Callable[..., Asker]) -> None:
    """1019 comes as a warning, with the same reference; then the statement, again and again."""
    client = asker(generation_polls=2)
    accepted = client.ask("SendRequest")
    reference = client.reference()

    bodies = [client.ask("GetStatement", q=reference) for _ in range(4)]

    assert "<Status>Success</Status>" in accepted
    assert "<Url>http://127.0.0.1:1/flex/GetStatement</Url>" in accepted
    assert ["Warn", "Warn"] == re.findall(r"<Status>(\w+)</Status>", "".join(bodies))
    assert bodies[2].startswith('<FlexQueryResponse queryName="Simulated Activity" type="AF">')
    assert bodies[2] == bodies[3]


@pytest.mark.parametrize(
    ("step", "parameters", "code"),
    [
        ("SendRequest", {"t": "OTHER"}, "1015"),
        ("SendRequest", {"t": "OLD"}, "1012"),
        ("SendRequest", {"t": "OFF"}, "1011"),
        ("SendRequest", {"t": "AWAY"}, "1013"),
        ("SendRequest", {"q": "2"}, "1014"),
        ("SendRequest", {"v": "2"}, "1020"),
        ("SendRequest", {"fd": "20261118"}, "1020"),
        ("SendRequest", {"fd": "20261118", "td": "20261117"}, "1020"),
        ("SendRequest", {"fd": "20251101", "td": "20261117"}, "1020"),
        ("SendRequest", {"fd": "2026-11-1", "td": "20261117"}, "1020"),
        ("SendRequest", {"fd": "20261131", "td": "20261131"}, "1020"),
        ("SendRequest", {"p": "366"}, "1020"),
        ("SendRequest", {"fd": "20261117", "td": "20261118"}, "1003"),
        ("GetStatement", {"q": "1"}, "1017"),
    ],
)
def test_a_wrong_request_is_refused_with_its_code(
    asker: Callable[..., Asker], step: str, parameters: dict[str, str], code: str
) -> None:
    """The session of the scenario, 18 November, has not ended: it is not published."""
    tokens = {TOKEN: "valid", "OLD": "expired", "OFF": "inactive", "AWAY": "ip"}

    body = asker(tokens=tokens).ask(step, **parameters)

    assert "<Status>Fail</Status>" in body
    assert f"<ErrorCode>{code}</ErrorCode>" in body
    assert f"<ErrorMessage>{ERROR_TEXTS[int(code)]}</ErrorMessage>" in body


def test_a_reference_belongs_to_its_token(asker: Callable[..., Asker]) -> None:
    """Another token of the same service does not get the statement."""
    client = asker(tokens={TOKEN: "valid", "SECOND": "valid"}, generation_polls=0)
    reference = client.reference()

    assert "1017" in client.ask("GetStatement", q=reference, t="SECOND")
    assert "FlexQueryResponse" in client.ask("GetStatement", q=reference)


def test_yesterday_is_published_today(asker: Callable[..., Asker]) -> None:
    """The moment the session ends, and the next one is not."""
    client = asker()
    before = client.reference(fd="20261118", td="20261118")
    advance_session(client.simulator.book)

    assert "1003" == before
    assert len(client.reference(fd="20261118", td="20261118")) > 4
    assert "1003" == client.reference(fd="20261118", td="20261119")


def test_the_rate_limit_counts_seconds_and_minutes_per_token(asker: Callable[..., Asker]) -> None:
    """Two in a second are too many; so is the eleventh in a minute."""
    client = asker(rate_limit=True)
    first, second = client.reference(), client.reference()
    client.seconds = 100.0
    codes = []
    for _ in range(11):
        codes.append(client.reference())
        client.seconds += 2

    assert ("1018", True) == (second, first != "1018")
    assert [10, 1] == [sum(c != "1018" for c in codes), codes.count("1018")]


@pytest.mark.parametrize(("element", "tags"), [("url", 1), ("Url", 1), ("", 0)])
def test_the_address_of_the_envelope_has_the_configured_name(
    asker: Callable[..., Asker], element: str, tags: int
) -> None:
    """Documented as url, seen as Url; no client may need it."""
    body = asker(url_element=element).ask("SendRequest")

    assert tags == len(re.findall(rf"<{element or '[uU]rl'}>", body))


def test_what_was_asked_is_recorded_without_the_token(asker: Callable[..., Asker]) -> None:
    """Tests look at requests; nobody may find a secret there."""
    client = asker()
    client.ask("SendRequest", fd="20261101", td="20261117")

    (request,) = client.service.requests

    assert ("send", True) == (request.step, request.token_known)
    assert {"t": "***", "q": "1", "v": "3", "fd": "20261101", "td": "20261117"} == (
        request.parameters
    )


def test_a_query_decides_sections_columns_dates_and_accounts(simulator: Build) -> None:
    """What is not ticked is not there; what is ticked and empty is an empty tag."""
    query = {
        "name": "Mine",
        "sections": ["Trades", "CashReport"],
        "omit": {"CashReport": ["model", "acctAlias"]},
        "accounts": ["DU0000002"],
        "date_format": "yyyy-MM-dd",
        "declaration": True,
        "byte_order_mark": True,
    }
    accounts = [{"account": f"DU000000{n}", "cash": {"USD": "5.00"}} for n in (1, 2)]
    built = simulator(accounts=accounts, flex={"queries": {"77": query}, "generation_polls": 0})
    client = Asker(built)

    body = client.ask("GetStatement", q=client.reference(q="77"))

    assert body.startswith('\ufeff<?xml version="1.0" encoding="UTF-8"?>\n<FlexQueryResponse')
    assert ['accountId="DU0000002"'] == re.findall(r'<FlexStatement (accountId="\w+")', body)
    assert 'fromDate="2026-11-17"' in body
    assert "<Trades />" in body
    assert "<OptionEAE" not in body
    assert "acctAlias" not in body


def test_a_query_set_to_text_answers_text(asker: Callable[..., Asker]) -> None:
    """A reader of XML has to say so plainly."""
    client = asker(queries={"1": {"format": "csv"}}, generation_polls=0)

    body = client.ask("GetStatement", q=client.reference())

    assert body.startswith('"accountId","acctAlias","model","currency"')
    assert '"BASE_SUMMARY"' in body


@pytest.mark.parametrize(
    ("flex", "complaint"),
    [
        ({"tokens": {"T": "perhaps"}}, "perhaps"),
        ({"queries": {"1": {"type": "XX"}}}, "AF, TCF"),
        ({"queries": {"1": {"sections": ["Nothing"]}}}, "'Nothing' is none of"),
        ({"queries": {"1": {"accounts": ["U9"]}}}, "'U9' is none of"),
        ({"queries": {"1": {"levels": {"Trades": ["LOT"]}}}}, "level 'LOT'"),
        ({"queries": {"1": {"date_format": "ddmm"}}}, "yyyyMMdd"),
        ({"speed": 1}, "unknown key 'speed'"),
    ],
)
def test_a_wrong_flex_section_says_what_is_wrong(
    simulator: Build, flex: dict[str, Any], complaint: str
) -> None:
    """As every other section of a scenario."""
    with pytest.raises(ScenarioError, match=complaint):
        simulator(flex=flex)
