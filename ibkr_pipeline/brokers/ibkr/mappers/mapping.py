"""Which mapper reads which dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ibkr_pipeline.brokers.ibkr.mappers.accounts import map_accounts
from ibkr_pipeline.brokers.ibkr.mappers.executions import map_executions
from ibkr_pipeline.brokers.ibkr.mappers.option_events import map_option_events
from ibkr_pipeline.brokers.ibkr.mappers.orders import map_orders
from ibkr_pipeline.brokers.ibkr.mappers.positions import map_positions
from ibkr_pipeline.brokers.read import Frames
from ibkr_pipeline.models.requests import Payload, RequestProof
from ibkr_pipeline.primitives.enums import Dataset

MAPPERS: Mapping[Dataset, Callable[[Payload, RequestProof], Frames]] = {
    Dataset.ACCOUNTS: map_accounts,
    Dataset.POSITIONS: map_positions,
    Dataset.ORDERS: map_orders,
    Dataset.EXECUTIONS: map_executions,
    Dataset.FLEX: map_option_events,
}


def map_ibkr(dataset: Dataset, payload: Payload, proof: RequestProof) -> Frames:
    """Return the typed frames of a payload.

    Pure: the same payload and proof give the same frames, today and in a rebuild.

    Raises:
        TradeDataError: If a field holds what cannot be right.
    """
    return MAPPERS[dataset](payload, proof)
