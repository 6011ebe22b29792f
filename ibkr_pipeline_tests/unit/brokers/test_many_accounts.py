"""A thousand accounts: all of them covered, and never more messages a second than allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ibkr_pipeline.brokers.ibkr.pacing import InProcessBudget
from ibkr_pipeline.brokers.ibkr.testing import MockIBKRConnection, frame
from ibkr_pipeline.brokers.ibkr.transport.transport import IBKRTransport
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline_tests.unit.brokers.frames import NOW, config_with, reasons

ACCOUNTS = tuple(f"DU{number:07d}" for number in range(1, 1001))
PER_SECOND = 45


class Watch:
    """A clock that moves only when somebody waits, and counts what was granted each second."""

    def __init__(self) -> None:
        self.at = 0.0
        self.granted: list[float] = []
        self._budget = InProcessBudget(monotonic=lambda: self.at)

    def take(self, bucket: str, *, cost: int, limit: int, per_seconds: float) -> float:
        """Grant what the window allows, and note when."""
        wait = self._budget.take(bucket, cost=cost, limit=limit, per_seconds=per_seconds)
        if not wait and bucket.endswith(":messages"):
            self.granted.append(self.at)
        return wait

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.at += seconds


def _answer(arguments: tuple[object, ...]) -> Sequence[str]:
    request, account, *_ = arguments
    return [
        frame(73, 1, request, account, "", "NetLiquidation", "7.00", "USD"),
        frame(74, 1, request),
    ]


def test_fault_51_a_thousand_accounts_are_all_covered_and_paced() -> None:
    """The gateway answers more than 50 messages a second with an error and hangs up."""
    watch, told = Watch(), list[str]()
    mock = MockIBKRConnection({"reqAccountUpdatesMulti": _answer}, accounts=ACCOUNTS)
    transport = IBKRTransport(
        config_with(max_messages_per_second=PER_SECOND),
        clock=FixedClock(NOW),
        budget=watch,
        connection=mock,
        on_progress=told.append,
        monotonic=lambda: watch.at,
        sleep=watch.sleep,
    )

    read = transport.fetch_raw_account_data(ACCOUNTS)

    assert (20, "account values: 1000 of 1000 answered") == (len(told), told[-1])

    assert {} == reasons(read.outcomes)
    assert set(ACCOUNTS) == set(read.payload["accountValue"]["account"])
    sent = Counter(name for name, _ in mock.sent)
    assert {"reqAccountUpdatesMulti": 1000, "cancelAccountUpdatesMulti": 1000} == sent
    assert sent.total() <= len(watch.granted)
    in_a_second = (
        sum(start <= at < start + 1.0 for at in watch.granted[first : first + PER_SECOND + 1])
        for first, start in enumerate(watch.granted)
    )
    assert max(in_a_second) <= PER_SECOND
