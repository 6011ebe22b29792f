"""How long one call of the Flex client goes on: waits, numbers of tries, and the token's allowance.

What lives here: `Patience` (one call's budget) and `Allowance` (what all processes share). What
must not: requests. Both say how long to wait; the client sleeps.
Source: IBKR allows one request per second and ten per minute and token, whatever the query.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from ibkr_pipeline.brokers.ibkr.flex_config import FlexConfig
from ibkr_pipeline.brokers.ibkr.flex_errors import (
    FlexAction,
    FlexError,
    FlexThrottledError,
    FlexUnavailableError,
)
from ibkr_pipeline.ports.budget import RequestBudget

#: A little longer than a second and a minute: requests travel, and the service counts arrivals.
SECOND = 1.1
MINUTE = 62.0
#: Limit that no window reaches, for grants that must not be refused.
_NO_LIMIT = 10**9
#: Looks at whether a statement may be asked for cost one each, the asking itself all of them, so
#: that a run that never reached the service does not lock out the next.
_LOOKS = 1000


class Patience:
    """What is left of one call's time, requests and tries.

    Args:
        config: The bounds.
        monotonic: Clock that never goes back, seconds.
    """

    def __init__(self, config: FlexConfig, monotonic: Callable[[], float]) -> None:
        self._config = config
        self._monotonic = monotonic
        self._started = monotonic()
        self._tries: Counter[FlexAction] = Counter()
        self.n_requests = 0

    @property
    def remaining(self) -> float:
        """Seconds left."""
        return self._config.budget_seconds - (self._monotonic() - self._started)

    def wait_after(self, error: FlexError) -> float | None:
        """Count a failed try and return the seconds before the next; None to give up."""
        wait = self._next_wait(error.action)
        self._tries[error.action] += 1
        if wait is None or wait >= self.remaining or self.n_requests >= self._config.max_requests:
            return None
        return wait

    def count_request(self) -> None:
        """Count a request about to be sent.

        Raises:
            FlexUnavailableError: If time or requests are used up.
        """
        if self.remaining <= 0 or self.n_requests >= self._config.max_requests:
            raise FlexUnavailableError(
                f"The budget of this call was used up: {self.n_requests} of at most "
                f"{self._config.max_requests} requests, {self._config.budget_seconds:g} s. The "
                f"next run asks again.",
                action=FlexAction.GIVE_UP,
            )
        self.n_requests += 1

    def _next_wait(self, action: FlexAction) -> float | None:
        tries, config = self._tries[action], self._config
        if action is FlexAction.POLL:
            return config.poll_seconds[min(tries, len(config.poll_seconds) - 1)]
        waits: Mapping[FlexAction, tuple[float, ...]] = {
            FlexAction.RETRY_SEND: config.slow_retry_seconds,
            FlexAction.BACK_OFF: config.backoff_seconds,
            FlexAction.THROTTLED: (MINUTE,) * config.throttle_retries,
            FlexAction.NEW_REFERENCE: (0.0,),
        }
        allowed = waits.get(action, ())
        return allowed[tries] if tries < len(allowed) else None


class Allowance:
    """The token's share of requests, taken from a budget that every process can see.

    Args:
        config: The token and its limits. Buckets carry a hash of it.
        budget: Where the grants are kept.
        sleep: How to wait, seconds.
    """

    def __init__(
        self, config: FlexConfig, budget: RequestBudget, sleep: Callable[[float], None]
    ) -> None:
        self._config = config
        self._budget = budget
        self._sleep = sleep
        self._prefix = f"flex:{config.token_digest}"

    def for_statement(self, window: str, patience: Patience) -> None:
        """Wait until the same statement may be asked for again.

        Asking once more inside one call is not spaced: a lost reference or a refusal of the
        moment is no new wish.

        Raises:
            FlexThrottledError: If that takes longer than the call may.
        """
        if self._config.spacing > 0:
            self._take(self._statement(window), _LOOKS, self._config.spacing, patience)

    def statement_asked(self, window: str) -> None:
        """Start the spacing: the service has taken note of the request for this statement."""
        if self._config.spacing > 0:
            self._budget.take(
                self._statement(window),
                cost=_LOOKS,
                limit=_NO_LIMIT,
                per_seconds=self._config.spacing,
            )

    def for_request(self, patience: Patience) -> None:
        """Wait until one request may be sent.

        Raises:
            FlexThrottledError: If that takes longer than the call may.
        """
        if limit := self._config.requests_per_minute:
            self._take(f"{self._prefix}:minute", limit, MINUTE, patience)
        if limit := self._config.requests_per_second:
            self._take(f"{self._prefix}:second", limit, SECOND, patience)

    def use_up(self) -> None:
        """Leave nothing of this minute to any process: the service said we asked too often."""
        if limit := self._config.requests_per_minute:
            self._budget.take(
                f"{self._prefix}:minute", cost=limit, limit=_NO_LIMIT, per_seconds=MINUTE
            )

    def _statement(self, window: str) -> str:
        return f"{self._prefix}:statement:{self._config.query_id}:{window}"

    def _take(self, bucket: str, limit: int, per_seconds: float, patience: Patience) -> None:
        while wait := self._budget.take(bucket, cost=1, limit=limit, per_seconds=per_seconds):
            if wait >= patience.remaining:
                raise FlexThrottledError(
                    f"The Flex allowance {bucket} (of {per_seconds:g} s) asked to wait {wait:.0f} "
                    f"s more, longer than the {max(patience.remaining, 0):.0f} s left. Try again "
                    f"after that; asking sooner makes the service refuse for longer.",
                    action=FlexAction.GIVE_UP,
                    retry_after=wait,
                )
            self._sleep(wait)
