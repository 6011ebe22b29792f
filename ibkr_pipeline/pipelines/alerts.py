"""Alerts as lines of a file: what went wrong, in which world, and what to do.

What lives here: the record and its file. What must not: who is told, or how; a file needs no
network and survives the process that wrote it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.identifiers import mask_accounts
from ibkr_pipeline.primitives.secrets_registry import scrub
from ibkr_pipeline.settings import Settings

FILE_NAME = "alerts.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert.

    Attributes:
        at: When it was raised, UTC.
        kind: What happened, such as `run_failed`.
        reason: Why, in plain words; account codes are masked when it is written.
        what_to_do: The next step for a person.
    """

    at: datetime
    kind: str
    environment: Environment
    run_id: str
    job: str
    reason: str
    what_to_do: str


def record_alert(settings: Settings, alert: Alert) -> Path:
    """Append an alert to the file of the data directory and return its path.

    One line is one write, so that two processes never mix theirs.
    """
    path = settings.environment_dir / FILE_NAME
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fields = asdict(alert) | {
        "at": alert.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "environment": alert.environment.value,
    }
    line = mask_accounts(scrub(json.dumps(fields, ensure_ascii=False))) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path
