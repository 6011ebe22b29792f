"""The one broker connection of a run: opened when first needed, replaced when it was lost.

What lives here: when a connection is opened and closed, and whose turn it is. What must not: what
is asked over it (`reading_broker.py`) or how a broker connects (`brokers/`).

A gateway lets one program in under a client id. Of two runs the second waits for its turn before
it asks for anything, and keeps it until the run ends.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from types import TracebackType
from typing import Self

from ibkr_pipeline.brokers.base import BrokerAPI
from ibkr_pipeline.primitives.errors import BrokerError, BusyError


class BrokerSession:
    """Holds at most one open connection; a context manager that always closes it.

    Args:
        factory: Builds an unconnected broker client.
        turn: Held from the first read to the end of the run.

    Attributes:
        failure: Why the connection was given up; later reads of the run fail with it at once
            instead of waiting for the same answer again.
    """

    def __init__(
        self,
        factory: Callable[[], BrokerAPI],
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._factory = factory
        self._turn = turn
        self._turns = ExitStack()
        self._has_turn = False
        self._waited_in_vain: BusyError | None = None
        self._client = factory()
        self._is_open = False
        self.failure: BrokerError | None = None

    @property
    def broker(self) -> str:
        """Name of the broker, known before anything is connected."""
        return self._client.broker

    def take_turn(self) -> None:
        """Wait until no other run talks to the gateway; at most once in a run.

        Raises:
            BusyError: If another run did not end in time; names it.
        """
        if self._has_turn:
            return
        if self._waited_in_vain is not None:
            raise self._waited_in_vain
        try:
            self._turns.enter_context(self._turn())
        except BusyError as error:
            self._waited_in_vain = error
            raise
        self._has_turn = True

    def connected(self) -> BrokerAPI:
        """Return the client, connecting it first if it is not.

        Raises:
            BrokerError: If it cannot be connected, or was given up earlier in this run.
        """
        if self.failure is not None:
            raise self.failure
        if not self._is_open:
            self._client.__enter__()
            self._is_open = True
        return self._client

    def drop(self) -> None:
        """Close the connection; the next read opens a new one."""
        if self._is_open:
            self._is_open = False
            client, self._client = self._client, self._factory()
            client.__exit__(None, None, None)

    @property
    def is_open(self) -> bool:
        """Whether a connection is open."""
        return self._is_open

    def __enter__(self) -> Self:
        """Open nothing yet: a run that reads nothing connects to nothing."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection and give the turn back, whatever happened."""
        try:
            self.drop()
        finally:
            self._has_turn = False
            self._turns.close()
