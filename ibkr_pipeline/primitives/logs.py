"""Structured logs: `event key=value`, accounts masked, secrets scrubbed, never on stdout.

What lives here: how a log line is made and where it goes. What must not: what is worth logging.
Our own lines are masked before they reach any handler; lines of libraries when our handlers
write them.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Literal

from ibkr_pipeline.primitives.identifiers import mask_accounts
from ibkr_pipeline.primitives.secrets_registry import register_secret, scrub

__all__ = ["configure_logging", "log_event", "register_secret"]

OURS = "ibkr_pipeline"
FILE_BYTES = 5 * 1024 * 1024
FILE_BACKUPS = 5
#: Libraries that tell more than a user wants to know.
QUIET = ("ib_async", "sqlalchemy", "filelock", "httpx", "asyncio")

_EVENT, _FIELDS = "ibkr_event", "ibkr_fields"
_MARK = "_ibkr_pipeline_handler"
_WORD = re.compile(r"[^\s\"'=]+")

_Plain = str | int | float | bool | None


def configure_logging(
    *,
    level: str = "INFO",
    format: Literal["text", "json"] = "text",  # noqa: A002 - named as the setting
    file: Path | None = None,
) -> None:
    """Send logs to stderr and, if `file` is given, to a rotating file (5 of 5 MB beside it).

    Calling it again replaces what an earlier call set up. A log file that cannot be opened is
    reported on stderr; the work goes on.
    """
    root = logging.getLogger()
    for handler in [item for item in root.handlers if getattr(item, _MARK, False)]:
        root.removeHandler(handler)
        handler.close()
    formatter = _JsonFormatter() if format == "json" else _TextFormatter()
    _add(root, logging.StreamHandler(sys.stderr), formatter)
    logging.getLogger(OURS).setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    if file is not None:
        _add_file(root, file, formatter)


def log_event(
    logger: logging.Logger, event: str, *, level: int = logging.INFO, **fields: object
) -> None:
    """Log one fact: an event word and its fields, e.g. `load_failed account=DU*****01`."""
    if not logger.isEnabledFor(level):
        return
    clean = {name: _clean(value) for name, value in fields.items()}
    words = [event, *(f"{name}={_shown(value)}" for name, value in clean.items())]
    logger.log(level, "%s", " ".join(words), extra={_EVENT: event, _FIELDS: clean}, stacklevel=2)


def _add(root: logging.Logger, handler: logging.Handler, formatter: logging.Formatter) -> None:
    handler.setFormatter(formatter)
    handler.addFilter(_mask_record)
    setattr(handler, _MARK, True)
    root.addHandler(handler)


def _add_file(root: logging.Logger, file: Path, formatter: logging.Formatter) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = _PrivateRotatingFile(
            file, maxBytes=FILE_BYTES, backupCount=FILE_BACKUPS, encoding="utf-8"
        )
    except OSError as error:
        log_event(
            logging.getLogger(__name__),
            "log_file_unavailable",
            level=logging.WARNING,
            path=file,
            reason=error.strerror or error,
        )
        return
    _add(root, handler, formatter)


def _mask_record(record: logging.LogRecord) -> bool:
    record.msg = _masked(record.getMessage())
    record.args = ()
    return True


class _PrivateRotatingFile(RotatingFileHandler):
    """A rotating file whose every generation is readable by its owner alone."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        return TextIOWrapper(os.fdopen(descriptor, "ab"), encoding=self.encoding)


class _TextFormatter(logging.Formatter):
    """`2026-11-18T21:30:00.123Z INFO pipelines.accounts_sync load_failed account=DU*****01`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, with its traceback below if it has one."""
        name = record.name.removeprefix(f"{OURS}.")
        line = f"{_time(record)} {record.levelname} {name} {record.getMessage()}"
        trace = _trace(self, record)
        return f"{line}\n{trace}" if trace else line


class _JsonFormatter(logging.Formatter):
    """One JSON object per line: ts, level, logger, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one JSON object."""
        event: str | None = getattr(record, _EVENT, None)
        fields: Mapping[str, object] = getattr(record, _FIELDS, {})
        document: dict[str, object] = {
            "ts": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "event": event or "message",
            "fields": dict(fields) if event else {"text": record.getMessage()},
        }
        trace = _trace(self, record)
        if trace:
            document["exception"] = trace
        return json.dumps(document, ensure_ascii=False)


def _time(record: logging.LogRecord) -> str:
    instant = datetime.fromtimestamp(record.created, tz=UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return _masked(formatter.formatException(record.exc_info)) if record.exc_info else ""


def _clean(value: object) -> _Plain:
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return _masked(str(value))


def _shown(value: _Plain) -> str:
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _masked(text: str) -> str:
    return scrub(mask_accounts(text))
