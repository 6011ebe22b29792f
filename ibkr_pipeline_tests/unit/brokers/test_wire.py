"""Cutting messages: what fits, what does not, what is beyond the layout."""

from __future__ import annotations

import json

import pytest

from ibkr_pipeline.brokers.ibkr.testing import frame
from ibkr_pipeline.brokers.ibkr.transport.order_wire import cut_orders
from ibkr_pipeline.brokers.ibkr.transport.wire import cut, decode_control, unescape_text
from ibkr_pipeline_tests.unit.brokers.frames import execution, open_order, position


def test_a_message_with_too_few_fields_is_malformed_and_in_no_row() -> None:
    """A lost row would look like a closed position."""
    found = cut("61", [position(), frame(61, 3, "DU0000001", 1)], [4, 9], 178)

    assert 1 == len(found.frame)
    assert [(9, "message 61 (position) had 3 fields; expected 15")] == [
        (item.seq, item.reason) for item in found.malformed
    ]


@pytest.mark.parametrize("con_id", ["", "x", "12.5", "1e5"])
def test_a_con_id_that_is_no_whole_number_is_malformed(con_id: str) -> None:
    """A contract without its id cannot be told from another one."""
    contract = (con_id, "TSLA", "STK", "", "0.0", "", "")

    found = cut("61", [position(contract=contract)], [0], 178)

    assert (0, 1) == (len(found.frame), len(found.malformed))
    assert f"conId was {con_id!r}" in found.malformed[0].reason


def test_a_torn_message_is_malformed() -> None:
    """A message that stops inside its last field has lost something."""
    found = cut("61", [position()[:-1]], [0], 178)

    assert (0, 1) == (len(found.frame), len(found.malformed))


def test_fields_beyond_the_layout_are_kept_and_counted() -> None:
    """A newer gateway adds fields at the end; quotes in them must not break the JSON."""
    found = cut("11", [execution(req_id=1, tail=("0", 'a"b\\', "c"))], [0], 178)

    assert () == found.malformed
    assert ['a"b\\', "c"] == json.loads(found.frame["extra"][0])


def test_empty_fields_beyond_the_layout_are_no_news() -> None:
    """Live gateways end some messages with an empty field more than documented."""
    found = cut("11", [execution(req_id=1, tail=("0", ""))], [0], 178)

    assert [None] == found.frame["extra"].to_list()


def test_fields_a_server_version_does_not_send_are_null() -> None:
    """PendingPriceRevision came with 178; before, nobody knows."""
    found = cut("11", [execution(req_id=1, tail=())], [0], 177)

    assert (None, "2") == found.frame.select("pendingPriceRevision", "lastLiquidity").row(0)


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        (r"LVMH MO\u00cbT", "LVMH MOËT"),
        (r"\ud83d\ude00", "😀"),
        (r"\ud83d alone", "\ufffd alone"),
        (r"C:\user", r"C:\user"),
        (r"\u0000", r"\u0000"),
    ],
)
def test_java_escapes_are_replaced(escaped: str, plain: str) -> None:
    """TWS escapes everything beyond ASCII; a half of a pair cannot be stored as text."""
    assert plain == unescape_text(escaped)


def test_names_in_messages_are_unescaped() -> None:
    """Symbols and names are read by people."""
    contract = (1, r"MO\u00cbT", "STK", "", "0.0", "", "")

    found = cut("61", [position(contract=contract)], [0], 178)

    assert ["MOËT"] == found.frame["symbol"].to_list()


def test_an_order_keeps_the_untouched_wire_beside_its_fields() -> None:
    """The layout of orders is the most fragile; what was heard must be readable again later."""
    text = open_order()

    found = cut_orders("5", [text], [3], 178)

    assert text == "".join(f"{field}\0" for field in json.loads(found.frame["wire"][0]))
    assert "1.7976931348623157E308" == found.frame["initMarginBefore"][0]


@pytest.mark.parametrize(
    "text",
    [
        open_order()[: len(open_order()) // 2],
        open_order(order_id="x"),
        open_order(quantity="many"),
        open_order(perm_id="1.5"),
        frame(5),
    ],
    ids=["torn", "order id", "quantity", "permId", "empty"],
)
def test_an_order_that_does_not_fit_is_malformed(text: str) -> None:
    """ib_async logs such an order and goes on without it."""
    found = cut_orders("5", [text], [3], 178)

    assert (0, [3]) == (len(found.frame), [item.seq for item in found.malformed])


@pytest.mark.parametrize(
    "text", [frame(55, 1, "x"), frame(55, 1), frame(54, 1, ""), frame(4, 2, -1, "?", "text")]
)
def test_a_control_message_that_does_not_fit_is_an_error(text: str) -> None:
    """An end marker that cannot be read must not end a request, nor be forgotten."""
    with pytest.raises(ValueError):  # noqa: PT011  # from several places, each with its words
        decode_control(text, 178)


def test_an_error_has_one_field_more_from_version_166_on() -> None:
    """Read with the wrong layout, the message of an error would be lost."""
    old = decode_control(frame(4, 2, -1, 2104, "ok"), 165)
    new = decode_control(frame(4, 2, -1, 2104, "ok", "{}"), 166)

    assert ("ok", "ok", "{}") == (
        old["errorString"],
        new["errorString"],
        new["advancedOrderRejectJson"],
    )
