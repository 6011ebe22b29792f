"""What canned messages map to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ibkr_pipeline.brokers.ibkr.mappers.mapping import map_ibkr
from ibkr_pipeline.brokers.ibkr.transport.payloads import give_accounts, hear
from ibkr_pipeline.models.requests import Payload
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas import broker as schemas
from ibkr_pipeline_tests.unit.brokers.frames import (
    proof,
)


def payload_of(dataset: Dataset, texts: Sequence[str]) -> Payload:
    """Return the payload of messages."""
    heard = hear(dataset, [text.replace("{id}", "1") for text in texts], 178)
    assert heard.malformed == ()
    return give_accounts(heard.payload, {})


def rows_of(
    dataset: Dataset, table: str, *texts: str, details: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of one table the messages map to; every frame must fit its schema."""
    frames = map_ibkr(dataset, payload_of(dataset, texts), proof(dataset, **(details or {})))
    for known in schemas.TABLES:
        if known.name in frames:
            known.pandera.validate(frames[known.name])
    return frames[table].to_dicts()
