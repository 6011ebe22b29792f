"""Keeps every request a client sent, in memory and, on demand, in a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One inbound frame; `fields` starts with the message id, as on the wire."""

    sequence: int
    client_id: int
    server_version: int
    message_id: int
    fields: tuple[str, ...]


class Recorder:
    """Collects requests of all connections in order of arrival.

    Args:
        path: Also write each request as one JSON line, flushed at once; None keeps memory only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.requests: list[RecordedRequest] = []
        self._file: TextIO | None = path.open("w", encoding="utf-8") if path else None

    def add(self, client_id: int, server_version: int, fields: Sequence[str]) -> RecordedRequest:
        """Record one inbound frame."""
        number = fields[0] if fields else ""
        request = RecordedRequest(
            sequence=len(self.requests) + 1,
            client_id=client_id,
            server_version=server_version,
            message_id=int(number) if number.isdecimal() else -1,
            fields=tuple(fields),
        )
        self.requests.append(request)
        if self._file is not None:
            self._file.write(json.dumps(asdict(request)) + "\n")
            self._file.flush()
        return request

    def of(self, message_id: int) -> list[RecordedRequest]:
        """Return the recorded requests of one kind."""
        return [r for r in self.requests if r.message_id == message_id]

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
