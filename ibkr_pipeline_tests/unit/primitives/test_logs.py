"""A log line has an event and fields, no account, no secret, and never goes to stdout."""

from __future__ import annotations

import json
import logging
import stat
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

import pytest

from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.logs import configure_logging, log_event, register_secret
from ibkr_pipeline.primitives.secrets_registry import forget_secrets, scrub

OURS = logging.getLogger("ibkr_pipeline.pipelines.test")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, names = list(root.handlers), ("ibkr_pipeline", "ib_async", "sqlalchemy")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    for handler in [item for item in root.handlers if item not in handlers]:
        root.removeHandler(handler)
        handler.close()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    forget_secrets()


def line(text: str) -> str:
    """Return a text line without its time."""
    return text.strip().partition(" ")[2]


def test_a_text_line_has_event_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """Readable by people, splittable by tools."""
    configure_logging()
    log_event(
        OURS,
        "load_failed",
        level=logging.WARNING,
        account="DU0000001",
        dataset=Dataset.POSITIONS,
        reason="no end marker",
        rows=3,
        seconds=1.5,
        retryable=True,
        window=None,
        at=datetime.fromisoformat("2026-11-18T07:00:00-05:00"),
    )

    captured = capsys.readouterr()
    assert captured.out == ""
    assert line(captured.err) == (
        "WARNING pipelines.test load_failed account=DU*****01 dataset=positions "
        'reason="no end marker" rows=3 seconds=1.5 retryable=true window=null '
        "at=2026-11-18T12:00:00Z"
    )


def test_a_json_line_keeps_the_types(capsys: pytest.CaptureFixture[str]) -> None:
    """One object per line: ts, level, logger, event, fields."""
    configure_logging(format="json")
    log_event(OURS, "load_applied", account="DU0000001", rows=3, window=None)

    document = json.loads(capsys.readouterr().err)
    assert document.pop("ts").endswith("Z")
    assert document == {
        "level": "INFO",
        "logger": "ibkr_pipeline.pipelines.test",
        "event": "load_applied",
        "fields": {"account": "DU*****01", "rows": 3, "window": None},
    }


@pytest.mark.parametrize("style", ["text", "json"])
def test_lines_of_libraries_are_masked_and_scrubbed(
    capsys: pytest.CaptureFixture[str], style: Literal["text", "json"]
) -> None:
    """In the message, its arguments and the traceback."""
    register_secret("hunter22")
    configure_logging(format=style)
    try:
        int("U0000007 with hunter22")
    except ValueError:
        logging.getLogger("foreign").exception("DU0000001: %s", "DF0000002 hunter22")

    shown = capsys.readouterr().err
    for hidden in ("DU0000001", "DF0000002", "U0000007", "hunter22"):
        assert hidden not in shown
    for kept in ("DU*****01: DF*****02 <secret>", "base 10: 'U*****07 with <secret>'"):
        assert kept in shown


def test_our_lines_are_masked_for_every_handler(caplog: pytest.LogCaptureFixture) -> None:
    """Dagster keeps log lines in its run history with a handler of its own."""
    register_secret("hunter22")
    with caplog.at_level(logging.INFO, logger="ibkr_pipeline"):
        log_event(OURS, "asked", account="DU0000001", token="hunter22")

    assert caplog.messages == ["asked account=DU*****01 token=<secret>"]


def test_a_line_cannot_be_forged_through_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    """A line feed in a gateway's text stays inside its line."""
    configure_logging()
    log_event(OURS, "notice", text="a\n2026 ERROR forged x=1")

    assert [line(text) for text in capsys.readouterr().err.splitlines()] == [
        r'INFO pipelines.test notice text="a\n2026 ERROR forged x=1"'
    ]


def test_configuring_twice_writes_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The command line and a run inside it both set logging up."""
    configure_logging()
    configure_logging()
    log_event(OURS, "once")

    assert capsys.readouterr().err.count("once") == 1


def test_levels_keep_the_talkative_libraries_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """ib_async logs each message it gets at INFO."""
    configure_logging(level="DEBUG")
    log_event(OURS, "ours", level=logging.DEBUG)
    logging.getLogger("ib_async.wrapper").info("theirs")
    logging.getLogger("ib_async.wrapper").warning("their warning")

    shown = capsys.readouterr().err
    assert ("ours" in shown, "theirs" in shown, "their warning" in shown) == (True, False, True)


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is it put together."""
    configure_logging(level="ERROR")
    log_event(OURS, "quiet")

    assert capsys.readouterr().err == ""


def test_the_file_gets_the_same_lines_for_its_owner_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A nightly run has nobody at its stderr."""
    file = tmp_path / "logs" / "pipeline.log"
    configure_logging(file=file)
    log_event(OURS, "landed", account="DU0000001")

    assert capsys.readouterr().err == file.read_text()
    if sys.platform != "win32":
        assert (
            stat.S_IMODE(file.stat().st_mode),
            stat.S_IMODE(file.parent.stat().st_mode),
        ) == (0o600, 0o700)


def test_a_log_file_that_cannot_be_opened_does_not_stop_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said once, on stderr."""
    (tmp_path / "logs").write_text("a file where a folder should be")
    configure_logging(file=tmp_path / "logs" / "pipeline.log")
    log_event(OURS, "landed")

    shown = capsys.readouterr().err
    assert ("log_file_unavailable" in shown, "landed" in shown) == (True, True)


def test_the_file_is_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Logs of a year must not fill a disk: the file and 5 before it."""
    monkeypatch.setattr("ibkr_pipeline.primitives.logs.FILE_BYTES", 200)
    configure_logging(file=tmp_path / "pipeline.log")
    for number in range(50):
        log_event(OURS, "landed", number=number, text="x" * 100)

    assert len(list(tmp_path.iterdir())) == 6
    assert "number=49" in capsys.readouterr().err
    if sys.platform != "win32":
        assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}


def test_a_short_secret_is_not_replaced() -> None:
    """It would tear holes into ordinary words."""
    register_secret("ab")
    register_secret("token-1")
    register_secret("token-12345")

    assert scrub("abc token-1 token-12345") == "abc <secret> <secret>"
